//! The two crypto providers: jce keeps keys in the store, and neither is silently exchanged for the other.

use crate::support::{SIX, SOON, Workplace, count_keys};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_one_provider_refuses_to_start_with_the_other_and_changes_nothing() {
    let workplace = Workplace::new(SIX);
    let jce = workplace.write("jce.conf", "canton.participants.participant1 {}");
    let (daemon, first) = workplace.daemon(&jce, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let before = workplace.keys(&jce);
    assert_eq!(before.len(), 3);

    let kms = workplace.config("");
    let finished = workplace.finish(&["daemon", "-c", kms.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    for text in ["participant1", "jce", "kms", "migration", "othing was changed"] {
        assert!(finished.stderr.contains(text), "no {text:?} in {}", finished.stderr);
    }
    assert_eq!(count_keys(&workplace.client("operator")).await, 0, "no key was made in the KMS");

    assert_eq!(workplace.keys(&jce), before);
    let (daemon, second) = workplace.daemon(&jce, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    assert_eq!(first, second, "the old configuration still works");
}

#[test]
fn jce_takes_the_configured_schemes() {
    let workplace = Workplace::new(SIX);
    let config = workplace.write(
        "jce.conf",
        "canton.participants.participant1.crypto {
           signing.default = ec-dsa-p-256
           encryption.default = rsa-2048-oaep-sha-256
         }",
    );
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    daemon.terminate(SOON).unwrap();
    let specs: Vec<_> =
        workplace.keys(&config).iter().map(|key| key["key_spec"].as_str().unwrap().to_owned()).collect();
    assert_eq!(specs, ["ECDSA-P256", "ECDSA-P256", "RSA2048-OAEP-SHA256"]);
}

#[test]
fn a_second_process_on_the_same_store_is_refused() {
    let workplace = Workplace::new(SIX);
    let config = workplace.write("jce.conf", "canton.participants.participant1 {}");
    let (daemon, _) = workplace.daemon(&config, "ready: participant participant1");
    let finished = workplace.finish(&["daemon", "-c", config.to_str().unwrap()]);
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("in use"), "{}", finished.stderr);
    daemon.terminate(SOON).unwrap();
}
