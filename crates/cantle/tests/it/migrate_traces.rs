//! What a migration leaves of the private keys: nothing, in no file and in no core dump.

use std::{fs, path::Path, path::PathBuf};

use cantle_testkit::Process;

use crate::{
    migrate::{all, migration, started},
    support::{SOON, Workplace},
};

/// The private number of a P-256 key pair of participant1, whose name contains this.
fn secret(workplace: &Workplace, config: &Path, name: &str) -> Vec<u8> {
    let script = format!(
        "participant1.keys.secret.download_to(participant1.keys.secret.list(filterName = \"{name}\").head.id, \"pair\")\n"
    );
    assert_eq!(workplace.run(config, &script).status.code(), Some(0));
    let pair = fs::read(workplace.path("pair")).unwrap();
    fs::remove_file(workplace.path("pair")).unwrap();
    // ECPrivateKey of RFC 5915: version 1, then the private number.
    let start = pair.windows(5).position(|part| part == [2, 1, 1, 4, 32]).unwrap() + 5;
    pair[start..start + 32].to_vec()
}

/// The files of the workplace that hold a secret, and how many were searched: store, write-ahead log, logs, temporary
/// files. What the KMS holds is its own.
fn holding(workplace: &Workplace, secret: &[u8]) -> (Vec<PathBuf>, usize) {
    let mut folders = vec![workplace.folder.path().to_owned()];
    let (mut found, mut files) = (Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("kms.data") {
                files += 1;
                if fs::read(&path).unwrap().windows(secret.len()).any(|part| part == secret) {
                    found.push(path);
                }
            }
        }
    }
    (found, files)
}

#[test]
fn no_private_key_is_left_in_any_file_but_the_encrypted_export() {
    let workplace = Workplace::new(&all());
    let crypto = "signing.default = ec-dsa-p-256";
    let (jce, _) = started(&workplace, crypto);
    let namespace = secret(&workplace, &jce, "participant1-namespace");
    let kept = secret(&workplace, &jce, "participant1-encryption");
    let database = workplace.path("cantle-data/participant1.db");
    for secret in [&namespace, &kept] {
        assert!(holding(&workplace, secret).0.contains(&database), "the search finds what is in clear");
    }
    let temporary = workplace.path("temporary");
    fs::create_dir(&temporary).unwrap();
    let kms = workplace.config("");
    for last in ["--prepare", "--yes"] {
        let log = format!("migration{last}.log");
        let arguments =
            ["to-kms", "--export", "keys.age", last, "--log-level", "trace", "--log-file-name", &log];
        let mut command = migration(&workplace, &kms, &arguments);
        command.env("TMPDIR", &temporary);
        let moved = Process::spawn(&mut command).unwrap().finish(SOON).unwrap();
        assert_eq!(moved.status.code(), Some(0), "{last}: {}", moved.stderr);
    }
    let (found, files) = holding(&workplace, &namespace);
    assert!(found.is_empty() && files > 5, "{found:?} of {files}");
    // What is kept to decrypt is in the database alone until it is deleted, and then nowhere.
    let (found, _) = holding(&workplace, &kept);
    assert!(
        !found.is_empty() && found.iter().all(|path| path.starts_with(workplace.path("cantle-data"))),
        "{found:?}"
    );
    let end = "participant1.keys.secret.delete(participant1.keys.secret.list(filterName = \"participant1-encryption\")[0].id, force = true)\n";
    let ended = workplace.run(&kms, end);
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let (found, _) = holding(&workplace, &kept);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn no_core_dump_is_taken_of_a_process_that_has_private_keys() {
    use std::os::unix::fs::MetadataExt;
    let workplace = Workplace::new(&all());
    let config = workplace.write("jce.conf", "canton.participants.participant1 {}");
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    let of_process = PathBuf::from(format!("/proc/{}", daemon.id()));
    let limits = fs::read_to_string(of_process.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
    // What is not dumpable belongs to the superuser, whoever runs it.
    assert_eq!(fs::metadata(of_process.join("environ")).unwrap().uid(), 0);
    daemon.terminate(SOON).unwrap();
}
