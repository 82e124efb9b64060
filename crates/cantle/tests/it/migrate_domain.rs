//! `cantle migrate` in a domain at work: its nodes move one after the other, and pings go on.

use cantle_testkit::{Finished, Process};

use crate::{
    migrate::{PASSPHRASE, all, without_ed25519},
    support::{SOON, Workplace, free_port},
};

/// Each node is a process of its own, with the keys that provider jce makes. Pings run all the time: one that meets a node
/// while it is away waits and succeeds; the pings of a participant come from the other one while it moves.
#[test]
fn pings_go_on_while_each_kind_of_node_moves_in_turn() {
    let workplace = Workplace::new(&all());
    let nodes = [
        ("sequencers", "sequencer1", "public-api.port = "),
        ("domain-managers", "manager", "init.domain-parameters.protocol-version = 7"),
        ("mediators", "mediator1", ""),
        ("participants", "participant2", ""),
        ("participants", "participant1", ""),
    ];
    let listeners: Vec<_> = (0..6).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    drop(listeners);
    let block = |index: usize| {
        let (kind, name, more) = nodes[index];
        let more = if more.ends_with("= ") { format!("{more}{}", ports[5]) } else { more.to_owned() };
        format!("canton.{kind}.{name} {{ admin-api.port = {}\n{more} }}\n", ports[index])
    };
    let whole: String = (0..nodes.len()).map(block).collect();
    let founded = workplace.run(
        &workplace.write("whole.conf", &whole),
        "manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))\n\
         manager.health.wait_for_initialized()\n\
         mediator1.health.wait_for_initialized()\n\
         participant1.domains.connect_local(sequencer1)\n\
         participant2.domains.connect_local(sequencer1)\n\
         participant1.health.ping(participant2)\n",
    );
    assert_eq!(founded.status.code(), Some(0), "{}{}", founded.stdout, founded.stderr);

    let mut daemons = Vec::new();
    let mut remote = String::new();
    for (index, (kind, name, _)) in nodes.into_iter().enumerate() {
        let old = workplace.write(&format!("{name}-old.conf"), &block(index));
        daemons.push(workplace.daemon(&old, "ready: ").0);
        remote += &format!(
            "canton.remote-{kind}.{name}.admin-api {{ address = 127.0.0.1, port = {} }}\n",
            ports[index]
        );
    }
    let remote = workplace.write("remote.conf", &remote);
    let here = |script: &str| {
        let done = workplace.run(&remote, script);
        assert_eq!(done.status.code(), Some(0), "{script}: {}{}", done.stdout, done.stderr);
    };
    here("participant1.domains.reconnect_all()\nparticipant2.domains.reconnect_all()\n");
    for (index, (kind, name, _)) in nodes.into_iter().enumerate() {
        let (from, to) = if name == "participant1" {
            ("participant2", "participant1")
        } else {
            ("participant1", "participant2")
        };
        // The console asks the participant that moves for its id once, before.
        let pings = format!(
            "target = {to}.id\n\ndef pings():\n    for number in range(1000000):\n        {from}.health.ping(target)\n        print(\"round\", number)\n\npings()\n"
        );
        let mut command = workplace.cantle();
        command.arg("run").arg(workplace.write(&format!("{name}.canton"), &pings)).arg("-c").arg(&remote);
        let mut pings = Process::spawn(&mut command).unwrap();
        pings.wait_for("round 2", SOON).unwrap();

        let new = workplace.with_kms(
            &format!("{name}-new.conf"),
            &block(index),
            [format!("{kind}.{name}").as_str()],
        );
        let migrate = |last: &str| {
            let moved = migrate(&workplace, &new, name, &[last]);
            assert_eq!(moved.status.code(), Some(0), "{name} {last}: {}", moved.stderr);
        };
        migrate("--prepare");
        daemons.remove(0).terminate(SOON).unwrap();
        migrate("--yes");
        daemons.push(workplace.daemon(&new, "ready: ").0);
        if kind == "participants" {
            here(&format!("{name}.domains.reconnect_all()\n"));
        }
        here("participant1.health.ping(participant2)\nparticipant2.health.ping(participant1)\n");
        // A ping that failed would have ended the script.
        let ended = pings.kill().unwrap();
        assert_eq!(ended.status.code(), None, "{name}: {}{}", ended.stdout, ended.stderr);
    }
    let keys = nodes.map(|(_, name, _)| workplace.keys(&workplace.path(&format!("{name}-new.conf"))).len());
    assert_eq!(keys, [1, 2, 1, 4, 4], "all in the KMS, and what the participants keep to decrypt");
    for daemon in daemons {
        daemon.terminate(SOON).unwrap();
    }
}

/// `cantle migrate to-kms` of a node, with its own export file.
fn migrate(workplace: &Workplace, config: &std::path::Path, node: &str, arguments: &[&str]) -> Finished {
    let mut command = workplace.cantle();
    command.args(["migrate", "to-kms", "--node", node, "--export"]).arg(format!("{node}.age"));
    command.args(arguments).arg("-c").arg(config).env("CANTLE_EXPORT_PASSPHRASE", PASSPHRASE);
    Process::spawn(&mut command).unwrap().finish(SOON).unwrap()
}

fn ran(workplace: &Workplace, config: &std::path::Path, script: &str) {
    let done = workplace.run(config, script);
    assert_eq!(done.status.code(), Some(0), "{script}: {}{}", done.stdout, done.stderr);
}

#[test]
fn an_embedded_domain_moves_with_the_keys_of_its_three_parts() {
    let workplace = Workplace::new(&all());
    let port = free_port();
    let text = format!(
        "canton.domains.mydomain {{ public-api.port = {port}, init.domain-parameters.protocol-version = 7 }}\n\
         canton.participants.participant1 {{}}\n"
    );
    let old = workplace.write("old.conf", &text);
    ran(
        &workplace,
        &old,
        "participant1.domains.connect_local(mydomain)\nparticipant1.health.ping(participant1)\n",
    );
    let new = workplace.with_kms("new.conf", &text, ["domains.mydomain"]);
    let moved = migrate(&workplace, &new, "mydomain", &["--yes"]);
    assert!(moved.stdout.contains("4 imported"), "{}{}", moved.stdout, moved.stderr);
    ran(&workplace, &new, "participant1.domains.reconnect_all()\nparticipant1.health.ping(participant1)\n");
}

#[test]
fn where_the_kms_has_no_ed25519_the_members_learn_the_new_keys() {
    let mut workplace = Workplace::new(&all());
    without_ed25519(&mut workplace);
    let port = free_port();
    let text = format!(
        "canton.domains.mydomain {{ public-api.port = {port}, init.domain-parameters.protocol-version = 7 }}\n\
         canton.participants.participant1 {{}}\ncanton.participants.participant2 {{}}\n"
    );
    let mut config = workplace.write("old.conf", &text);
    ran(
        &workplace,
        &config,
        "participant1.domains.connect_local(mydomain)\nparticipant2.domains.connect_local(mydomain)\n\
         participant1.health.ping(participant2)\n",
    );
    let nodes = ["domains.mydomain", "participants.participant1"];
    for count in 1..=nodes.len() {
        let name = nodes[count - 1].split('.').next_back().unwrap();
        config = workplace.with_kms(&format!("{name}.conf"), &text, nodes[..count].iter().copied());
        let moved = migrate(&workplace, &config, name, &["--yes", "--rotate-ed25519"]);
        assert_eq!(moved.status.code(), Some(0), "{name}: {}", moved.stderr);
        // Twice: with what the domain does not know yet, and with what it has learnt.
        for _ in 0..2 {
            ran(
                &workplace,
                &config,
                "participant1.domains.reconnect_all()\nparticipant2.domains.reconnect_all()\n\
                 participant1.health.ping(participant2)\nparticipant2.health.ping(participant1)\n",
            );
        }
        // Nothing needs what was kept.
        let kept = moved.stdout.lines().filter_map(|line| line.split_once("nothing needs it any more: "));
        let ends: String = kept.map(|(_, end)| format!("{end}\n")).collect();
        assert!(!ends.is_empty(), "{}", moved.stdout);
        ran(
            &workplace,
            &config,
            &format!(
                "{ends}participant1.domains.reconnect_all()\nparticipant2.domains.reconnect_all()\n\
                 participant1.health.ping(participant2)\nparticipant2.health.ping(participant1)\n"
            ),
        );
    }
}

#[test]
fn a_sequencer_and_a_mediator_are_rotated_first_with_the_lines_that_are_printed() {
    let mut workplace = Workplace::new(&all());
    without_ed25519(&mut workplace);
    let port = free_port();
    let text = format!(
        "canton.domain-managers.manager.init.domain-parameters.protocol-version = 7\n\
         canton.sequencers.sequencer1.public-api.port = {port}\ncanton.mediators.mediator1 {{}}\n\
         canton.participants.participant1 {{}}\n"
    );
    let old = workplace.write("old.conf", &text);
    ran(
        &workplace,
        &old,
        "manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))\nmanager.health.wait_for_initialized()\n\
         participant1.domains.connect_local(sequencer1)\nparticipant1.health.ping(participant1)\n",
    );
    let pings = "participant1.domains.reconnect_all()\nparticipant1.health.ping(participant1)\n";
    let nodes = ["sequencers.sequencer1", "mediators.mediator1"];
    for count in 1..=nodes.len() {
        let name = nodes[count - 1].split('.').next_back().unwrap();
        let before = workplace.with_kms("before.conf", &text, nodes[..count - 1].iter().copied());
        let new = workplace.with_kms("new.conf", &text, nodes[..count].iter().copied());
        let first = migrate(&workplace, &new, name, &["--yes", "--rotate-ed25519"]);
        assert_eq!(first.status.code(), Some(1), "{name}: {}", first.stdout);
        assert!(first.stderr.contains("MIGRATION_ROTATE_FIRST"), "{}", first.stderr);
        let lines = first.stderr.lines().filter_map(|line| line.strip_prefix("  "));
        let lines: String = lines.map(|line| format!("{line}\n")).collect();
        ran(&workplace, &before, &format!("{pings}{lines}{pings}"));
        let done = migrate(&workplace, &new, name, &["--yes", "--rotate-ed25519"]);
        assert!(done.stdout.contains("1 imported, 0 rotated"), "{name}: {}{}", done.stdout, done.stderr);
        ran(&workplace, &new, pings);
    }
}
