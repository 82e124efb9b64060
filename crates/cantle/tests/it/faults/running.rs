//! Faults while a participant of a sync domain runs, pings, and is started again.

use std::{future::Future, time::Duration};

use cantle_node::NodeHandle;
use cantle_proto::cantle::admin::v1::NodeKey;

use super::{
    calls::{self, Outcome},
    making::{Place, mend, spoil},
    rows::Row,
    site::{DOMAIN, Names, PARTICIPANT, PEER, Running, Site, eventually, within},
};

/// How long a ping may take.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long one may take that cannot succeed.
const HOPELESS: Duration = Duration::from_secs(4);

/// A sequencer that cannot sign refuses what is sent to it, or delivers nothing.
const EITHER: &str = "fails: `PING_NOT_SENT` or `PING_TIMED_OUT`;";
const REFUSED: &str = "fails: `PING_NOT_SENT`;";
const NOTHING: &str = "fails: `PING_TIMED_OUT`;";

/// What happened to each operation.
pub(crate) struct Cells {
    pub(crate) decrypt: String,
    pub(crate) sign: String,
    pub(crate) of_domain: String,
    pub(crate) topology: String,
    pub(crate) probe: String,
    pub(crate) start: String,
}

/// Where a fault strikes, and which keys it is about.
struct Target<'a> {
    site: &'a Site,
    row: Row,
    region: &'a str,
    names: &'a Names,
    keys: Vec<String>,
}

impl Target<'_> {
    /// Does something under a fault of an operation, and once more when it is over.
    async fn strike<F: Future<Output = Outcome>>(&self, operation: &str, ask: impl Fn() -> F) -> String {
        let operator = self.site.operator(self.region);
        if self.row.is_of_keys() {
            spoil(self.row, &operator, &self.keys).await;
        } else {
            self.site.arm(self.row, operation, self.region, self.names);
        }
        let outcome = ask().await;
        let struck = self.site.is_struck(self.region, self.names);
        assert!(struck, "{operation} in {}: the fault did not strike: {outcome:?}", self.region);
        self.site.disarm(self.region);
        if self.row.is_of_keys() {
            mend(self.row, &operator, &self.keys).await;
        }
        match outcome {
            Ok(()) if self.row.is_of_keys() => "goes on; the key was not needed".to_owned(),
            Ok(()) if self.row == Row::SlowAnswers => "waited for; done".to_owned(),
            Ok(()) => "retried; done".to_owned(),
            Err(code) => {
                within("the same, after the fault", async {
                    while ask().await.is_err() {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                })
                .await;
                let end = if self.row.is_of_keys() { "once it is enabled" } else { "after it" };
                format!("fails: `{code}`; done {end}")
            }
        }
    }
}

fn key_ids(keys: &[NodeKey], purpose: &str) -> Vec<String> {
    let of = keys.iter().filter(|key| key.purpose == purpose);
    of.map(|key| key.kms_key_id.clone()).collect()
}

/// A domain and a participant, one fault after the other.
pub(crate) async fn all(site: &Site, row: Row) -> Cells {
    let domain_region = format!("{}-domain", row.word());
    let (domain_names, domain_folder) = (Names::default(), tempfile::tempdir().unwrap());
    let domain_config = site.domain(&domain_region, row);
    let domain = Running::start(&domain_config, domain_folder.path(), &domain_names).await;
    domain.ready(DOMAIN).await;
    let peer = domain.ready(PEER).await;
    let place = Place::new(site, row, "running", true);
    let mut running = place.start().await;
    let uid = running.ready(PARTICIPANT).await;
    calls::connect(&domain.handle(PEER), &domain.handle(DOMAIN)).await;
    let node = running.handle(PARTICIPANT);
    calls::connect(&node, &domain.handle(DOMAIN)).await;

    let own = node.keys().await.unwrap();
    let [namespace, signing, encryption] =
        ["namespace", "signing", "encryption"].map(|purpose| key_ids(&own, purpose));
    let everything = [namespace.clone(), signing.clone(), encryption.clone()].concat();
    let target = |keys| Target { site, row, region: &place.region, names: &place.names, keys };
    let patience = if row.is_of_keys() { HOPELESS } else { PATIENCE };
    let ping = || calls::ping(&node, &peer, patience);
    // The first ping: no session key is known yet.
    let decrypt = target(encryption).strike("Decrypt", ping).await;
    let sign = target(signing).strike("Sign", ping).await;
    let of_domain = {
        let keys = domain.handle(DOMAIN).keys().await.unwrap();
        let keys = keys.iter().map(|key| key.kms_key_id.clone()).collect();
        let target = Target { site, row, region: &domain_region, names: &domain_names, keys };
        // Which of the two depends on what the domain signs just then.
        let cell = target.strike("Sign", ping).await;
        if cell.contains(REFUSED) { cell.replace(REFUSED, EITHER) } else { cell.replace(NOTHING, EITHER) }
    };
    let fingerprint = own.iter().find(|key| key.purpose == "signing").unwrap().fingerprint.clone();
    let topology = target(namespace).strike("Sign", || calls::delegate(&node, &uid, &fingerprint)).await;
    assert_eq!(calls::ping(&node, &peer, PATIENCE).await, Ok(()), "{}", place.region);
    let probe = probed(&place, &node, &everything).await;
    assert_eq!(calls::ping(&node, &peer, PATIENCE).await, Ok(()), "{}", place.region);

    running.stop().await;
    let start;
    (running, start) = started_again(&place, &everything).await;
    // It connects again by itself.
    let node = running.handle(PARTICIPANT);
    within("a ping after the start", async {
        while calls::ping(&node, &peer, HOPELESS).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(place.account(&running).await, 0, "{}", place.region);
    running.stop().await;
    domain.stop().await;
    Cells { decrypt, sign, of_domain, topology, probe, start }
}

/// The node's own look at its keys, under a fault that lasts.
async fn probed(place: &Place<'_>, node: &NodeHandle, keys: &[String]) -> String {
    let Place { site, row, region, names, .. } = place;
    let (row, operator) = (*row, site.operator(region));
    let is_serving = || node.health.borrow().serving;
    if row.is_of_keys() {
        spoil(row, &operator, &keys[..1]).await;
    } else {
        let mut fault = row.lasting("DescribeKey", region).unwrap();
        if row.is_harmless() {
            // As many requests as two looks send, so that it can be seen that there were two.
            fault = fault.count(if row == Row::TenthPasses { 18 } else { 2 });
        }
        site.kms.change_faults(|armed| armed.push(fault));
        names.fail(if row == Row::NoAddress { u64::MAX } else { 0 });
    }
    if row.is_harmless() {
        let was_out = std::cell::Cell::new(false);
        eventually("two looks at keys", || {
            was_out.set(was_out.get() || !is_serving());
            site.is_struck(region, names)
        })
        .await;
        assert!(is_serving() && !was_out.get(), "{region}: {:?}", node.health.borrow());
        return "stays healthy".to_owned();
    }
    eventually("a node that says that it does not serve", || !is_serving()).await;
    let health = node.health.borrow().clone();
    let trouble = health.components.iter().find_map(|component| component.trouble.clone()).unwrap();
    assert!(trouble.contains(PARTICIPANT), "{region}: the key is named: {trouble}");
    site.disarm(region);
    names.fail(0);
    if row.is_of_keys() {
        mend(row, &operator, &keys[..1]).await;
    }
    eventually("a node that serves again", is_serving).await;
    "not serving, the key named; serving again".to_owned()
}

/// A start of a node that has its identity, under a fault.
async fn started_again(place: &Place<'_>, keys: &[String]) -> (Running, String) {
    let (row, operator) = (place.row, place.site.operator(&place.region));
    if row.is_of_keys() {
        spoil(row, &operator, &keys[..1]).await;
    } else {
        place.arm("DescribeKey");
    }
    let running = place.start().await;
    if row.is_of_keys() {
        eventually("a node that says that it is not ready", || running.had_unusable_keys()).await;
        mend(row, &operator, &keys[..1]).await;
        running.ready(PARTICIPANT).await;
        return (running, "not ready, the key named; ready once it is enabled".to_owned());
    }
    running.ready(PARTICIPANT).await;
    place.struck();
    place.disarm();
    let was_ready = !running.had_unusable_keys();
    let what = match (was_ready, row) {
        (true, Row::SlowAnswers) => "waited for; ready",
        (true, _) => "retried; ready",
        (false, _) => "not ready, the keys named; ready after it",
    };
    (running, what.to_owned())
}
