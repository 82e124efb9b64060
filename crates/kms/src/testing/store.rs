//! The keys, aliases and switches of the in-memory service.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use aws_lc_rs::rsa::PrivateDecryptingKey;

use super::{ACCOUNT, Fault, Material, REGION, material};
use crate::{
    CreateKey, FailedCall, KeyMetadata, KeyState, KmsError, KmsKeyId, KmsKeyIdKind, MultiRegion, Operation,
    OriginType, ServiceMessage,
};

/// A key with its material.
#[derive(Debug)]
pub(super) struct FakeKey {
    pub(super) metadata: KeyMetadata,
    pub(super) tags: Vec<(String, String)>,
    pub(super) material: Material,
    pub(super) hidden_looks: u32,
    pub(super) tags_hidden: bool,
    pub(super) unlisted: bool,
}

impl FakeKey {
    /// The ARN, as the service names the key in its answers.
    pub(super) fn name(&self) -> &KmsKeyId {
        self.metadata.arn.as_ref().unwrap_or(&self.metadata.key_id)
    }

    pub(super) fn check_enabled(&self, call: &FailedCall) -> Result<(), KmsError> {
        let call = call.clone();
        let name = self.name();
        match &self.metadata.state {
            KeyState::Enabled => Ok(()),
            KeyState::Disabled => Err(KmsError::Disabled {
                call,
                message: ServiceMessage::new(&format!("{name} is disabled.")),
            }),
            KeyState::PendingDeletion => Err(KmsError::InvalidState {
                call,
                message: ServiceMessage::new(&format!("{name} is pending deletion.")),
            }),
            KeyState::PendingImport => Err(KmsError::InvalidState {
                call,
                message: ServiceMessage::new(&format!("{name} is pending import.")),
            }),
            state => Err(KmsError::InvalidState {
                call,
                message: ServiceMessage::new(&format!("{name} is {state}.")),
            }),
        }
    }

    pub(super) fn check_external(&self, call: &FailedCall) -> Result<(), KmsError> {
        if self.metadata.origin == OriginType::External {
            return Ok(());
        }
        let message = format!("{} origin is {} which is not valid.", self.name(), self.metadata.origin);
        Err(KmsError::UnsupportedOperation { call: call.clone(), message: ServiceMessage::new(&message) })
    }

    pub(super) fn wrong_usage(&self, call: &FailedCall, algorithm: &str) -> KmsError {
        let KeyMetadata { usage, spec, .. } = &self.metadata;
        let message =
            format!("{} has KeyUsage {usage} and KeySpec {spec}, not for {algorithm}.", self.name());
        KmsError::InvalidKeyUsage { call: call.clone(), message: ServiceMessage::new(&message) }
    }
}

#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) keys: Vec<FakeKey>,
    pub(super) aliases: HashMap<String, usize>,
    pub(super) denied: HashSet<&'static str>,
    pub(super) faults: VecDeque<(Operation, usize, Fault)>,
    pub(super) blocked: HashSet<Operation>,
    pub(super) delay: Duration,
    pub(super) hidden_looks: u32,
    wrapping: Option<PrivateDecryptingKey>,
    pub(super) lists_late: bool,
    made: usize,
    requests: u64,
}

impl Store {
    /// Adds a key. The error is the service's words.
    pub(super) fn add(&mut self, request: &CreateKey, account: &str) -> Result<KeyMetadata, &'static str> {
        let external = request.origin == OriginType::External;
        let mut material = Material::generate(&request.spec, &request.usage)?;
        if external {
            material = Material::None;
        }
        self.made += 1;
        let number = self.made;
        let id = match request.multi_region {
            MultiRegion::No => format!("00000000-0000-4000-8000-{number:012x}"),
            MultiRegion::Yes => format!("mrk-{number:032x}"),
        };
        let arn = format!("arn:aws:kms:{REGION}:{account}:key/{id}");
        let parse = |text: &str| KmsKeyId::parse(text).expect("made from its parts");
        let metadata = KeyMetadata {
            key_id: parse(&id),
            arn: Some(parse(&arn)),
            account: Some(account.to_owned()),
            state: if external { KeyState::PendingImport } else { KeyState::Enabled },
            spec: request.spec.clone(),
            usage: request.usage.clone(),
            multi_region: request.multi_region == MultiRegion::Yes,
            description: request.description.clone(),
            origin: request.origin.clone(),
        };
        self.keys.push(FakeKey {
            metadata: metadata.clone(),
            tags: request.tags.clone(),
            material,
            hidden_looks: 0,
            tags_hidden: false,
            unlisted: self.lists_late,
        });
        Ok(metadata)
    }

    /// The key of that name: a bare id or alias finds keys of the own account only.
    pub(super) fn find(&self, key: &KmsKeyId) -> Option<usize> {
        let own_alias = |alias: &str| self.aliases.get(alias).copied();
        match key.kind() {
            KmsKeyIdKind::KeyId => self.keys.iter().position(|known| {
                known.metadata.key_id == *key && known.metadata.account.as_deref() == Some(ACCOUNT)
            }),
            KmsKeyIdKind::KeyArn => {
                self.keys.iter().position(|known| known.metadata.arn.as_ref() == Some(key))
            }
            KmsKeyIdKind::AliasName => own_alias(key.as_str()),
            KmsKeyIdKind::AliasArn => {
                let own = key.region() == Some(REGION) && key.account() == Some(ACCOUNT);
                key.as_str().rsplit_once(':').filter(|_| own).and_then(|(_, alias)| own_alias(alias))
            }
        }
    }

    /// The key of that name, unless it is hidden still.
    pub(super) fn look_up(&mut self, key: &KmsKeyId, call: &FailedCall) -> Result<&FakeKey, KmsError> {
        let not_found = || KmsError::NotFound {
            call: call.clone(),
            message: ServiceMessage::new(&format!("Key '{key}' does not exist")),
        };
        let index = self.find(key).ok_or_else(not_found)?;
        let found = &mut self.keys[index];
        if found.hidden_looks > 0 {
            found.hidden_looks -= 1;
            return Err(not_found());
        }
        Ok(found)
    }

    /// Gives a key its imported material and enables it. Answers its ARN.
    pub(super) fn import(&mut self, key: &KmsKeyId, material: Material) -> Option<KmsKeyId> {
        let index = self.find(key)?;
        let found = &mut self.keys[index];
        found.material = material;
        found.metadata.state = KeyState::Enabled;
        found.metadata.arn.clone()
    }

    /// The key that material is wrapped with; made when it is first needed.
    pub(super) fn wrapping_key(&mut self) -> &PrivateDecryptingKey {
        self.wrapping.get_or_insert_with(material::wrapping_key)
    }

    pub(super) fn check_allowed(&self, action: &'static str, call: &FailedCall) -> Result<(), KmsError> {
        if !self.denied.contains(action) {
            return Ok(());
        }
        let message = format!(
            "User: arn:aws:iam::{ACCOUNT}:user/node is not authorized to perform: {action} because no identity-based \
             policy allows the {action} action"
        );
        Err(KmsError::AccessDenied { call: call.clone(), message: ServiceMessage::new(&message) })
    }

    pub(super) fn take_fault(&mut self, operation: Operation) -> Option<Fault> {
        let index = self.faults.iter().position(|(of, times, _)| *of == operation && *times > 0)?;
        let (_, times, fault) = &mut self.faults[index];
        *times -= 1;
        let fault = *fault;
        self.faults.retain(|(_, times, _)| *times > 0);
        Some(fault)
    }

    pub(super) fn next_request_id(&mut self) -> String {
        self.requests += 1;
        format!("00000000-0000-0000-0000-{:012x}", self.requests)
    }
}
