//! Disks that are full or may not be written to, while a node makes its keys: what it says, and that no key is lost.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use cantle_testkit::Process;

use crate::support::{SIX, SOON, Workplace, count_keys};

/// How large a file may become, in blocks of 512 bytes: in the making of the database, of the keys, of the identity.
const SIZES: [u32; 9] = [1, 60, 250, 700, 1000, 1200, 1500, 2000, 8000];

/// `cantle daemon` whose files stay below a size. It lives with that: the signal that would end it is ignored.
fn confined(workplace: &Workplace, blocks: Option<u32>, data: &Path, config: &Path) -> Process {
    let cantle = workplace.cantle();
    let mut command = Command::new("sh");
    command.env_clear().current_dir(workplace.folder.path());
    for (name, value) in cantle.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let blocks = blocks.map_or_else(|| "unlimited".to_owned(), |blocks| blocks.to_string());
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    command.args(["-c", &script, "sh"]).arg(cantle.get_program()).args(cantle.get_args());
    command.arg("daemon").arg("-c").arg(config).arg("--data-dir").arg(data);
    Process::spawn(&mut command).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_at_any_moment_costs_no_key() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let (mut refused, mut made, mut named) = (0, 0, 0);
    for blocks in SIZES {
        let data = workplace.path(&format!("data{blocks}"));
        let mut full = confined(&workplace, Some(blocks), &data, &config);
        // It says that it is ready, or why it stops.
        if full.wait_for("ready: participant participant1", SOON).is_err() {
            let said = full.finish(SOON).unwrap();
            assert_eq!(said.status.code(), Some(1), "{blocks}: {}", said.stderr);
            let why = ["database or disk is full", "disk I/O error", "File too large"];
            assert!(why.iter().any(|why| said.stderr.contains(why)), "{blocks}: {}", said.stderr);
            refused += 1;
        } else {
            full.terminate(SOON).unwrap();
        }
        let data = data.to_str().unwrap();
        let mut command = workplace.cantle();
        command.arg("daemon").arg("-c").arg(&config).args(["--data-dir", data]);
        let mut daemon = Process::spawn(&mut command).unwrap();
        daemon.wait_for("ready: participant participant1", SOON).unwrap();
        daemon.terminate(SOON).unwrap();
        made += 3;
        let orphans = ["keys", "--orphans", "--json", "-c", config.to_str().unwrap(), "--data-dir", data];
        let orphans = workplace.finish(&orphans);
        named += serde_json::from_str::<Vec<serde_json::Value>>(&orphans.stdout).unwrap().len();
        let keys = count_keys(&workplace.client("operator")).await;
        assert!(
            (made..=made + named).contains(&keys),
            "{blocks}: {keys} keys, {made} of nodes, {named} named"
        );
    }
    assert!(refused >= 3 && refused < SIZES.len(), "{refused} of {} starts were refused", SIZES.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_may_not_be_written_to_is_named() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let folder = workplace.path("closed");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    // To root no folder is closed but those of the system itself.
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let data = if is_root { Path::new("/proc/cantle").to_owned() } else { folder.join("data") };
    let finished =
        workplace.finish(&["daemon", "-c", config.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    let named = format!("cannot open {}", data.display());
    for text in [named.as_str(), "check that the folder exists and that this user may write to it"] {
        assert!(finished.stderr.contains(text), "no {text:?} in {}", finished.stderr);
    }
    assert_eq!(count_keys(&workplace.client("operator")).await, 0, "no key was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_under_a_node_is_named_and_got_over_without_a_restart() {
    let workplace = Workplace::new(SIX);
    let config = workplace.config("");
    let mut daemon = confined(&workplace, None, &workplace.path("data"), &config);
    let listening = daemon.wait_for("listening: participant participant1 admin-api", SOON).unwrap();
    daemon.wait_for("ready: participant participant1", SOON).unwrap();
    let address: std::net::SocketAddr = listening.rsplit(' ').next().unwrap().parse().unwrap();
    let remote = workplace.write(
        "remote.conf",
        &format!(
            "canton.remote-participants.participant1.admin-api {{ address = 127.0.0.1, port = {} }}",
            address.port()
        ),
    );
    let generate = |name: &str| {
        workplace.run(&remote, &format!("participant1.keys.secret.generate_signing_key(\"{name}\")"))
    };
    let pid = rustix::process::Pid::from_raw(i32::try_from(daemon.id()).unwrap());
    let room = |bytes: Option<u64>| {
        let limit = rustix::process::Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(pid, rustix::process::Resource::Fsize, limit).unwrap();
    };
    room(Some(4096));
    let refused = generate("first");
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains("DATABASE_UNAVAILABLE"), "{}", refused.stderr);
    daemon.wait_for("the database cannot be written to", SOON).unwrap();
    assert!(generate("second").stderr.contains("DATABASE_UNAVAILABLE"));
    room(None);
    daemon.wait_for("its database answers again", SOON).unwrap();
    let made = generate("third");
    assert!(made.status.success(), "{}", made.stderr);
    assert_eq!(count_keys(&workplace.client("operator")).await, 4, "no key was made in vain");
    daemon.terminate(SOON).unwrap();
}
