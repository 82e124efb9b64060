//! Whether the KMS answers and a node's keys can be used, looked at while the node runs.
//!
//! One DescribeKey a period, the keys in turn, and those that were in trouble with every look: an outage and its end
//! are seen within two periods, a single key's within as many as there are keys. With three keys that is within ten
//! seconds, for about 2.60 USD a month and node (30,000 requests a day at 0.03 USD for 10,000). Keys in the node's own
//! store need no request.

use std::{collections::HashMap, time::Duration};

use cantle_types::{Fingerprint, KeyPurpose};
use cantle_vault::{KeyCheck, KeyFilter, PrivateKeyInfo, Vault};
use futures::future::join_all;
use jiff::Timestamp;
use metrics::gauge;

use crate::metrics::{KeyGauges, one_if, possible_orphans};

/// The most keys in trouble that are looked at again at once.
const AT_ONCE: usize = 16;

/// How often, and how long an answer is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// From one look to the next; up to a tenth less, so that nodes do not look in step.
    pub(crate) period: Duration,
    /// A key that is not described within this time is in trouble.
    pub(crate) patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { period: Duration::from_secs(3), patience: Duration::from_secs(4) }
    }
}

/// When a key was last seen to be usable and when not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// The key, as an operator knows it: its name and KMS key.
    pub(crate) key: String,
    purpose: &'static str,
    state: String,
    /// What is wrong, or nothing.
    pub(crate) trouble: Option<String>,
    /// The last look at which it could be used.
    pub(crate) last_success: Option<Timestamp>,
    /// The last look at which it could not.
    pub(crate) last_failure: Option<Timestamp>,
}

impl Look {
    /// When the key could be used, and when not.
    pub(crate) fn history(&self) -> String {
        let at =
            |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |time| format!("{time:.0}"));
        format!("last success {}, last failure {}", at(self.last_success), at(self.last_failure))
    }
}

/// What is told after each look.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// Why the database cannot be read or written to, in one line, or nothing; of the keys nothing is known then.
    pub(crate) storage: Option<String>,
    /// What is wrong with the keys together, in one line, or nothing.
    pub(crate) trouble: Option<String>,
    /// Every key that was looked at, by its name.
    pub(crate) keys: Vec<&'a Look>,
}

/// Looks at the keys for ever, and reports each time.
pub(crate) async fn watch(
    vault: &Vault,
    node: &str,
    gauges: &KeyGauges,
    pace: Pace,
    mut report: impl FnMut(Report<'_>),
) {
    let mut round = Round::default();
    loop {
        tokio::time::sleep(jittered(pace.period)).await;
        let infos = match vault.private_keys(&KeyFilter::default()).await {
            Ok(infos) => infos,
            Err(failed) => {
                let storage = Some(format!("the keys cannot be listed: {}", whole(&failed)));
                report(Report { storage, trouble: None, keys: round.looks() });
                continue;
            }
        };
        if let Err(failed) = vault.check_storage().await {
            let storage = Some(format!("the database cannot be written to: {}", whole(&failed)));
            report(Report { storage, trouble: None, keys: round.looks() });
            continue;
        }
        match vault.possible_orphans().await {
            Ok(orphans) => possible_orphans(node, orphans.len()),
            Err(failed) => tracing::warn!("{node}: the journal of creations cannot be read: {failed}"),
        }
        let checks =
            join_all(round.due(infos).into_iter().map(|info| vault.check_key(info, pace.patience))).await;
        for check in &checks {
            round.note(check);
        }
        let keys: Vec<_> = round.seen.values().map(|look| (look.purpose, look.state.clone())).collect();
        gauges.show(&keys);
        let trouble = round.trouble();
        gauge!("cantle_kms_reachable", "node" => node.to_owned()).set(one_if(!round.unanswered()));
        report(Report { storage: None, trouble, keys: round.looks() });
    }
}

/// An error with its causes, in one line.
fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| match cause.to_string() {
        cause if text.contains(&cause) => text,
        cause => format!("{text}: {cause}"),
    })
}

/// What is known of the keys, and whose turn it is.
#[derive(Debug, Default)]
struct Round {
    seen: HashMap<Fingerprint, Look>,
    turn: usize,
}

impl Round {
    /// The keys to look at now: the next one, and those in trouble.
    fn due(&mut self, infos: Vec<PrivateKeyInfo>) -> Vec<PrivateKeyInfo> {
        self.seen.retain(|fingerprint, _| infos.iter().any(|info| info.fingerprint() == fingerprint));
        if infos.is_empty() {
            return infos;
        }
        let next = self.turn % infos.len();
        self.turn = next + 1;
        let in_trouble = |info: &PrivateKeyInfo| {
            self.seen.get(info.fingerprint()).is_some_and(|look| look.trouble.is_some())
        };
        let due = infos.into_iter().enumerate().filter(|(at, info)| *at == next || in_trouble(info));
        due.map(|(_, info)| info).take(AT_ONCE).collect()
    }

    fn note(&mut self, check: &KeyCheck) {
        let info = &check.info;
        let before = self.seen.remove(info.fingerprint());
        let (mut last_success, mut last_failure) =
            before.map_or((None, None), |look| (look.last_success, look.last_failure));
        let trouble = trouble(check);
        *(if trouble.is_none() { &mut last_success } else { &mut last_failure }) = Some(Timestamp::now());
        let state = check.outcome.as_ref().map_or("unknown", |status| status.as_str()).to_owned();
        let purpose = match info.purpose() {
            KeyPurpose::Signing => "signing",
            KeyPurpose::Encryption => "encryption",
        };
        let look = Look { key: named(info), purpose, state, trouble, last_success, last_failure };
        self.seen.insert(info.fingerprint().clone(), look);
    }

    fn looks(&self) -> Vec<&Look> {
        let mut looks: Vec<_> = self.seen.values().collect();
        looks.sort_by(|a, b| a.key.cmp(&b.key));
        looks
    }

    fn trouble(&self) -> Option<String> {
        let troubles: Vec<&str> = self.looks().iter().filter_map(|look| look.trouble.as_deref()).collect();
        (!troubles.is_empty()).then(|| troubles.join("; "))
    }

    fn unanswered(&self) -> bool {
        self.seen.values().any(|look| look.state == "unknown")
    }
}

/// What is wrong with a key, or nothing.
pub(crate) fn trouble(check: &KeyCheck) -> Option<String> {
    if check.info.deletion.is_some() {
        // The operator wants it gone, and the node does not use it.
        return None;
    }
    let key = named(&check.info);
    match &check.outcome {
        Ok(status) if status.is_usable() => None,
        Ok(status) => Some(format!(
            "key {key} has KeyState {}; enable it in the KMS, or cancel its deletion",
            status.as_str()
        )),
        Err(failed) => Some(format!("key {key}: {failed}")),
    }
}

fn named(info: &PrivateKeyInfo) -> String {
    let name = info.name.as_ref().map_or("without a name", |name| name.as_str());
    let place = info.kms.as_ref().map_or("in the store", |kms| kms.kms_key_id.as_str());
    format!("{name} ({place})")
}

/// Up to a tenth less.
fn jittered(period: Duration) -> Duration {
    let share = getrandom::u32().unwrap_or_default() % 1000;
    period.mul_f64(1.0 - f64::from(share) / 10_000.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cantle_kms::{KeySpec, KeyState, KeyUsage, Operation, testing::FakeKms};
    use cantle_store::{
        Access, CryptoProvider, MigrateOnStart, NodeIdentity, NodeKind, SqliteLocation, SqliteOptions,
        SqliteStore,
    };
    use cantle_types::SystemClock;
    use cantle_vault::{VaultBackend, VaultOptions};
    use tokio::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    fn node() -> NodeIdentity {
        NodeIdentity { kind: NodeKind::Participant, name: "participant1".parse().unwrap() }
    }

    /// A vault with a signing and an encryption key in a KMS.
    async fn vault(fake: &Arc<FakeKms>) -> Vault {
        let options = SqliteOptions {
            location: SqliteLocation::Memory,
            node: node(),
            migrate: MigrateOnStart::No,
            access: Access::ReadWrite,
        };
        let store = Arc::new(SqliteStore::open(options).await.unwrap());
        let backend = VaultBackend::Kms(fake.clone());
        let options = VaultOptions::new(node(), CryptoProvider::Kms);
        let vault = Vault::open(store, backend, options, Arc::new(SystemClock)).await.unwrap();
        let key = fake.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify).key_id;
        vault.register_kms_signing_key(&key, Some("sign".parse().unwrap())).await.unwrap();
        let key = fake.add_key(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt).key_id;
        vault.register_kms_encryption_key(&key, Some("encrypt".parse().unwrap())).await.unwrap();
        vault
    }

    /// Waits for a report that fits.
    async fn until(
        reports: &mut mpsc::UnboundedReceiver<Option<String>>,
        fits: impl Fn(&Option<String>) -> bool,
    ) -> Option<String> {
        let found = tokio::time::timeout(SOON, async {
            loop {
                let report = reports.recv().await.unwrap();
                if fits(&report) {
                    return report;
                }
            }
        });
        found.await.expect("such a report comes")
    }

    #[tokio::test]
    async fn trouble_and_its_end_are_reported() {
        let fake = Arc::new(FakeKms::new());
        let vault = vault(&fake).await;
        let (sender, mut reports) = mpsc::unbounded_channel();
        let watching = vault.clone();
        tokio::spawn(async move {
            let pace = Pace { period: Duration::from_millis(1), patience: Duration::from_millis(50) };
            let gauges = KeyGauges::of(&node());
            watch(&watching, "participant1", &gauges, pace, |report| {
                let _ = sender.send(report.trouble);
            })
            .await;
        });
        until(&mut reports, Option::is_none).await;
        let keys = fake.keys();
        fake.set_state(&keys[0].key_id, KeyState::Disabled);
        let trouble = until(&mut reports, Option::is_some).await.unwrap();
        assert!(trouble.contains("sign") && trouble.contains("Disabled"), "{trouble}");
        fake.set_state(&keys[0].key_id, KeyState::Enabled);
        until(&mut reports, Option::is_none).await;

        fake.block(Operation::DescribeKey);
        let both = |report: &Option<String>| {
            report.as_ref().is_some_and(|text| text.matches("in time").count() == 2)
        };
        until(&mut reports, both).await;
        fake.unblock(Operation::DescribeKey);
        until(&mut reports, Option::is_none).await;

        fake.deny(Operation::DescribeKey);
        let denied = until(&mut reports, Option::is_some).await.unwrap();
        assert!(denied.contains("kms:DescribeKey"), "{denied}");
        fake.allow_all();
        until(&mut reports, Option::is_none).await;
    }

    #[tokio::test]
    async fn one_key_a_look_in_turn_and_those_in_trouble_with_it() {
        let fake = Arc::new(FakeKms::new());
        let vault = vault(&fake).await;
        let infos = || async { vault.private_keys(&KeyFilter::default()).await.unwrap() };
        let mut round = Round::default();
        let names = |infos: Vec<PrivateKeyInfo>| {
            infos.iter().map(|info| info.name.as_ref().unwrap().to_string()).collect::<Vec<_>>()
        };
        let first = names(round.due(infos().await));
        let second = names(round.due(infos().await));
        let mut both = [first.clone(), second].concat();
        both.sort();
        assert_eq!(both, ["encrypt", "sign"]);
        let key = fake.keys()[0].key_id.clone();
        fake.set_state(&key, KeyState::PendingDeletion);
        for info in infos().await {
            round.note(&vault.check_key(info, SOON).await);
        }
        assert_eq!(round.looks().len(), 2);
        let looks = [round.due(infos().await).len(), round.due(infos().await).len()];
        assert!(looks == [1, 2] || looks == [2, 1], "{looks:?}");
        let sign = round.looks().into_iter().find(|look| look.key.starts_with("sign")).unwrap().clone();
        assert!(sign.last_failure.is_some() && sign.last_success.is_none());
        assert!(sign.history().starts_with("last success never, last failure 2"), "{}", sign.history());
    }

    #[test]
    fn a_period_is_a_tenth_shorter_at_most() {
        for _ in 0..100 {
            let period = jittered(Duration::from_secs(1));
            assert!(period > Duration::from_millis(899) && period <= Duration::from_secs(1), "{period:?}");
        }
    }
}
