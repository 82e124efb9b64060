//! Faults while a node makes its keys and its identity, looks for a key of an interrupted start, or registers keys.

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use cantle_config::Config;
use cantle_kms::{KmsError, Operation};
use cantle_kms_server::{Fault, FaultKind};
use cantle_node::{NodeState, StartError, inspect_possible_orphans};
use tempfile::TempDir;

use super::{
    calls,
    rows::Row,
    site::{Names, PARTICIPANT, Running, Site},
};
use crate::support::make_key;

/// How many keys a participant has.
const KEYS: usize = 3;

/// A participant, whether it runs or not.
pub(crate) struct Place<'a> {
    pub(crate) site: &'a Site,
    pub(crate) row: Row,
    pub(crate) region: String,
    pub(crate) names: Names,
    pub(crate) folder: TempDir,
    pub(crate) config: Config,
}

impl<'a> Place<'a> {
    pub(crate) fn new(site: &'a Site, row: Row, word: &str, auto_init: bool) -> Self {
        let region = format!("{}-{word}", row.word());
        let config = site.participant(&region, row, auto_init);
        let folder = tempfile::tempdir().unwrap();
        Self { site, row, region, names: Names::default(), folder, config }
    }

    pub(crate) fn arm(&self, operation: &str) {
        self.site.arm(self.row, operation, &self.region, &self.names);
    }

    pub(crate) fn disarm(&self) {
        self.site.disarm(&self.region);
        self.names.fail(0);
    }

    pub(crate) fn struck(&self) {
        assert!(self.site.is_struck(&self.region, &self.names), "{}: the fault did not strike", self.region);
    }

    pub(crate) async fn start(&self) -> Running {
        Running::start(&self.config, self.folder.path(), &self.names).await
    }

    /// Starts it, and gives what stopped it, if something did.
    async fn begin(&self) -> Result<Running, StartError> {
        let running = self.start().await;
        let over = |state: &NodeState| matches!(state, NodeState::Ready(_) | NodeState::Failed(_));
        match running.until(PARTICIPANT, over).await {
            NodeState::Failed(error) => {
                running.stop().await;
                Err(error)
            }
            _ => Ok(running),
        }
    }

    /// Each KMS key of this Region is the node's, or a named orphan: how many are orphans.
    pub(crate) async fn account(&self, running: &Running) -> usize {
        let node = running.handle(PARTICIPANT);
        let own: Vec<String> = node.keys().await.unwrap().into_iter().map(|key| key.kms_key_id).collect();
        assert_eq!(own.len(), KEYS, "{}: {own:?}", self.region);
        let orphans = calls::orphans(&node).await;
        let listed = self.site.operator(&self.region).list_keys().send().await.unwrap();
        let mut named = 0;
        for key in listed.keys() {
            let (id, arn) = (key.key_id().unwrap(), key.key_arn().unwrap());
            if own.iter().any(|own| own == id || own == arn) {
                continue;
            }
            let tag = self.site.kms.keys().key(arn).unwrap().tag("CantleCreation").unwrap().to_owned();
            let named_ids: Vec<_> = orphans.iter().map(|orphan| &orphan.id).collect();
            assert!(named_ids.contains(&&tag), "{}: {arn} ({tag}) is lost: {named_ids:?}", self.region);
            named += 1;
        }
        named
    }
}

/// What AWS, or the client, calls the failure below.
fn cause(error: &StartError) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(kms) = error.downcast_ref::<KmsError>() {
            return kms.code().to_owned();
        }
        cause = error.source();
    }
    panic!("no failure of the KMS: {error:?}")
}

/// A first start, with a fault of one operation.
pub(crate) async fn initialization(site: &Site, row: Row, operation: &'static str) -> String {
    if row.is_of_keys() {
        return "–".to_owned();
    }
    let place = Place::new(site, row, &format!("first{}", operation.len()), true);
    place.arm(operation);
    started(&place).await
}

/// A first start of a node that may not list keys, with a fault of CreateKey.
pub(crate) async fn without_listing(site: &Site, row: Row) -> String {
    if row.is_of_keys() {
        return "–".to_owned();
    }
    let place = Place::new(site, row, "blind", true);
    let denied = FaultKind::Error {
        code: "AccessDeniedException".to_owned(),
        status: 400,
        message: "not authorized to perform: kms:ListKeys".to_owned(),
    };
    site.kms.change_faults(|armed| armed.push(Fault::new("ListKeys", denied).region(&place.region)));
    place.arm("CreateKey");
    started(&place).await
}

/// A first start at which the answer to CreateKey is lost, with a fault of one operation of the search for that key.
pub(crate) async fn search(site: &Site, row: Row, operation: &'static str) -> String {
    if row.is_of_keys() {
        return "–".to_owned();
    }
    let place = Place::new(site, row, &format!("lost{}", operation.len()), true);
    let lost = Fault::new("CreateKey", FaultKind::ResetAfter).region(&place.region).count(1);
    site.kms.change_faults(|armed| armed.push(lost));
    place.arm(operation);
    started(&place).await
}

/// Starts it under a fault, and again if that made it stop: what happened.
async fn started(place: &Place<'_>) -> String {
    match place.begin().await {
        Ok(running) => {
            place.struck();
            place.disarm();
            assert_eq!(place.account(&running).await, 0, "{}", place.region);
            let searched = running.handle(PARTICIPANT).kms_requests().of(Operation::ListKeys) > 0;
            running.stop().await;
            let waited = place.row == Row::SlowAnswers;
            match (waited, searched) {
                (true, false) => "waited for; done",
                (true, true) => "waited for; the key found by its tag; done",
                (false, false) => "retried; done",
                (false, true) => "looked for by its tag; done",
            }
            .to_owned()
        }
        Err(error) => {
            let cause = cause(&error);
            let named = inspect_possible_orphans(&place.config, place.folder.path()).await.unwrap();
            let named: usize = named.iter().map(|(_, orphans)| orphans.len()).sum();
            assert!(named > 0, "{}: {} leaves nothing behind", place.region, error);
            place.names.fail(0);
            end_all_but_the_denial(place);
            let running = place.begin().await.map_err(|error| error.to_string()).unwrap();
            // The operator may list them.
            place.disarm();
            let left = place.account(&running).await;
            running.stop().await;
            let left = if left > 0 { "which exists" } else { "of which there is none" };
            format!("stops: `{cause}`; possible orphan named, {left}; done by the next start")
        }
    }
}

/// Ends the fault, but not the denial of ListKeys.
fn end_all_but_the_denial(place: &Place<'_>) {
    place.site.kms.change_faults(|armed| {
        armed.retain(|fault| {
            fault.region.as_deref() != Some(&*place.region)
                || matches!(&fault.kind, FaultKind::Error { code, .. } if code == "AccessDeniedException")
        });
    });
}

/// Registers keys that the operator made, with a fault of one operation each.
pub(crate) async fn registration(site: &Site, row: Row) -> [String; 3] {
    let place = Place::new(site, row, "register", false);
    let running = place.start().await;
    running.until(PARTICIPANT, |state| matches!(state, NodeState::WaitingForIdentity)).await;
    let mut cells = Vec::new();
    for operation in ["DescribeKey", "GetPublicKey", "Decrypt"] {
        cells.push(registered(&place, &running, operation).await);
    }
    let node = running.handle(PARTICIPANT);
    assert_eq!(node.keys().await.unwrap().len(), if row.is_of_keys() { 1 } else { 3 }, "{}", place.region);
    assert!(calls::orphans(&node).await.is_empty(), "{}", place.region);
    running.stop().await;
    cells.try_into().unwrap()
}

async fn registered(place: &Place<'_>, running: &Running, operation: &str) -> String {
    let node = running.handle(PARTICIPANT);
    let operator = place.site.operator(&place.region);
    let is_encryption = operation == "Decrypt";
    if place.row.is_of_keys() && operation != "DescribeKey" {
        // Refused before it is asked for.
        return "–".to_owned();
    }
    let (spec, usage) = if is_encryption {
        (KeySpec::Rsa2048, KeyUsageType::EncryptDecrypt)
    } else {
        (KeySpec::EccNistP256, KeyUsageType::SignVerify)
    };
    let key = make_key(&operator, spec, usage).await;
    let register = || async {
        if is_encryption {
            calls::register_encryption(&node, &key.arn, operation).await
        } else {
            calls::register_signing(&node, &key.arn, operation).await
        }
    };
    let keys = std::slice::from_ref(&key.arn);
    if place.row.is_of_keys() {
        spoil(place.row, &operator, keys).await;
    } else {
        place.arm(operation);
    }
    match register().await {
        Ok(()) => {
            place.struck();
            place.disarm();
            if place.row == Row::SlowAnswers { "waited for; done" } else { "retried; done" }.to_owned()
        }
        Err(code) => {
            place.disarm();
            mend(place.row, &operator, keys).await;
            register().await.unwrap();
            format!("refused: `{code}`; done once it is enabled")
        }
    }
}

/// Puts keys into the state that a fault is about.
pub(crate) async fn spoil(row: Row, operator: &aws_sdk_kms::Client, keys: &[String]) {
    for key in keys {
        match row {
            Row::Disabled => drop(operator.disable_key().key_id(key).send().await.unwrap()),
            Row::PendingDeletion => drop(operator.schedule_key_deletion().key_id(key).send().await.unwrap()),
            _ => unreachable!("{row:?} is no state of a key"),
        }
    }
}

/// Makes them usable again.
pub(crate) async fn mend(row: Row, operator: &aws_sdk_kms::Client, keys: &[String]) {
    for key in keys {
        if row == Row::PendingDeletion {
            operator.cancel_key_deletion().key_id(key).send().await.unwrap();
        }
        operator.enable_key().key_id(key).send().await.unwrap();
    }
}
