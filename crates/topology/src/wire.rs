//! Mappings on the wire: which message says which mapping, at each protocol version.
//!
//! The messages of the mappings themselves are the same at protocol versions 5 and 7; only the parameters of a
//! domain and the list of kinds differ. Reading enforces what constructing enforces.

use cantle_crypto::{PublicKey, Signature, SigningPublicKey};
use cantle_proto::crypto::v0 as crypto;
use cantle_proto::protocol::{v0, v1, v2};
use cantle_proto::versioned;
use cantle_types::{DomainId, Member, ParticipantId, PartyId, UniqueIdentifier};
use prost::Message;

use crate::change::{ParticipantPermission, RequestSide, TrustLevel};
use crate::error::{MappingError, ParseError};
use crate::mapping::{
    IdentifierDelegation, MediatorDomainState, NamespaceDelegation, OwnerToKeyMapping, Packages,
    ParticipantState, PartyToParticipant, SignedLegalIdentityClaim, TopologyMapping,
};

pub(crate) fn decode<M: Message + Default>(message: &'static str, bytes: &[u8]) -> Result<M, ParseError> {
    M::decode(bytes).map_err(|source| ParseError::Decode { message, source })
}

pub(crate) fn unwrap(message: &'static str, bytes: &[u8]) -> Result<(Vec<u8>, i32), ParseError> {
    versioned::unwrap(bytes).map_err(|source| ParseError::Versioned { message, source })
}

fn text<T: std::str::FromStr<Err = cantle_types::IdentifierError>>(
    field: &'static str,
    text: &str,
) -> Result<T, ParseError> {
    text.parse().map_err(|source| ParseError::Identifier { field, source })
}

fn signing_key(
    message: &'static str,
    key: Option<&crypto::SigningPublicKey>,
) -> Result<SigningPublicKey, ParseError> {
    const FIELD: &str = "target_key";
    let key = key.ok_or(ParseError::Missing { message, field: FIELD })?;
    SigningPublicKey::from_proto(key).map_err(|source| ParseError::Key { field: FIELD, source })
}

impl NamespaceDelegation {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::NamespaceDelegation {
        v0::NamespaceDelegation {
            namespace: self.namespace().to_string(),
            target_key: Some(self.target().to_proto()),
            is_root_delegation: self.is_root_delegation(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When a field is missing or wrong, or the delegation must not exist.
    pub fn from_proto(message: &v0::NamespaceDelegation) -> Result<Self, ParseError> {
        let target = signing_key("NamespaceDelegation", message.target_key.as_ref())?;
        let namespace = text("namespace", &message.namespace)?;
        Ok(Self::new(namespace, target, message.is_root_delegation.into())?)
    }
}

impl IdentifierDelegation {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::IdentifierDelegation {
        v0::IdentifierDelegation {
            unique_identifier: self.identifier.to_string(),
            target_key: Some(self.target.to_proto()),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When a field is missing or wrong.
    pub fn from_proto(message: &v0::IdentifierDelegation) -> Result<Self, ParseError> {
        let identifier = text("unique_identifier", &message.unique_identifier)?;
        let target = signing_key("IdentifierDelegation", message.target_key.as_ref())?;
        Ok(Self { identifier, target })
    }
}

impl OwnerToKeyMapping {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::OwnerToKeyMapping {
        v0::OwnerToKeyMapping { key_owner: self.owner.to_string(), public_key: Some(self.key.to_proto()) }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When a field is missing or wrong.
    pub fn from_proto(message: &v0::OwnerToKeyMapping) -> Result<Self, ParseError> {
        const FIELD: &str = "public_key";
        let owner: Member = text("key_owner", &message.key_owner)?;
        let key = message.public_key.as_ref();
        let key = key.ok_or(ParseError::Missing { message: "OwnerToKeyMapping", field: FIELD })?;
        let key = PublicKey::from_proto(key).map_err(|source| ParseError::Key { field: FIELD, source })?;
        Ok(Self { owner, key })
    }
}

impl PartyToParticipant {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::PartyToParticipant {
        v0::PartyToParticipant {
            side: self.side().to_proto().into(),
            party: self.party().to_string(),
            participant: self.participant().to_string(),
            permission: self.permission().to_proto().into(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When a field is missing or wrong, or the mapping must not exist.
    pub fn from_proto(message: &v0::PartyToParticipant) -> Result<Self, ParseError> {
        let party: PartyId = text("party", &message.party)?;
        let participant: ParticipantId = text("participant", &message.participant)?;
        let side = RequestSide::from_proto(message.side)?;
        let permission = ParticipantPermission::from_proto(message.permission)?;
        Ok(Self::new(side, party, participant, permission)?)
    }
}

impl ParticipantState {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::ParticipantState {
        v0::ParticipantState {
            side: self.side().to_proto().into(),
            domain: self.domain().to_string(),
            participant: self.participant().uid().to_string(),
            permission: self.permission().to_proto().into(),
            trust_level: self.trust_level().to_proto().into(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When a field is missing or wrong, or the state must not exist.
    pub fn from_proto(message: &v0::ParticipantState) -> Result<Self, ParseError> {
        let side = RequestSide::from_proto(message.side)?;
        let domain: DomainId = text("domain", &message.domain)?;
        let permission = ParticipantPermission::from_proto(message.permission)?;
        let trust_level = TrustLevel::from_proto(message.trust_level)?;
        let participant = ParticipantId::new(text("participant", &message.participant)?);
        Ok(Self::new(side, domain, participant, permission, trust_level)?)
    }
}

impl MediatorDomainState {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::MediatorDomainState {
        v0::MediatorDomainState {
            side: self.side.to_proto().into(),
            domain: self.domain.to_string(),
            mediator: self.mediator.to_string(),
        }
    }

    /// Reads the message.
    ///
    /// # Errors
    /// When a field is missing or wrong.
    pub fn from_proto(message: &v0::MediatorDomainState) -> Result<Self, ParseError> {
        Ok(Self {
            side: RequestSide::from_proto(message.side)?,
            domain: text("domain", &message.domain)?,
            mediator: text("mediator", &message.mediator)?,
        })
    }
}

impl Packages {
    /// The message of vetted packages.
    #[must_use]
    pub fn to_vetted_proto(&self) -> v0::VettedPackages {
        v0::VettedPackages { participant: self.participant.uid().to_string(), package_ids: self.texts() }
    }

    /// The message of packages that are only checked.
    #[must_use]
    pub fn to_check_only_proto(&self) -> v0::CheckOnlyPackages {
        v0::CheckOnlyPackages { participant: self.participant.uid().to_string(), package_ids: self.texts() }
    }

    /// Reads the fields that both messages have.
    ///
    /// # Errors
    /// When a field is wrong.
    pub fn from_fields(participant: &str, package_ids: &[String]) -> Result<Self, ParseError> {
        let uid: UniqueIdentifier = text("participant", participant)?;
        let package_ids = package_ids.iter().map(|id| id.parse()).collect::<Result<_, MappingError>>()?;
        Ok(Self { participant: ParticipantId::new(uid), package_ids })
    }

    fn texts(&self) -> Vec<String> {
        self.package_ids.iter().map(ToString::to_string).collect()
    }
}

impl SignedLegalIdentityClaim {
    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::SignedLegalIdentityClaim {
        v0::SignedLegalIdentityClaim {
            claim: self.claim().to_vec(),
            signature: Some(self.signature().to_proto()),
        }
    }

    /// Reads the message. The signature of the claim is not verified.
    ///
    /// # Errors
    /// When a field is missing or wrong, or the claim cannot be read.
    pub fn from_proto(message: &v0::SignedLegalIdentityClaim) -> Result<Self, ParseError> {
        const MESSAGE: &str = "SignedLegalIdentityClaim";
        const FIELD: &str = "signature";
        let signature = message.signature.as_ref();
        let signature = signature.ok_or(ParseError::Missing { message: MESSAGE, field: FIELD })?;
        let signature =
            Signature::from_proto(signature).map_err(|source| ParseError::Key { field: FIELD, source })?;
        Self::from_parts(message.claim.clone(), signature)
    }

    /// A claim, wrapped as it was signed, and its signature, which is not verified.
    ///
    /// # Errors
    /// When the claim cannot be read.
    pub fn from_parts(claim: Vec<u8>, signature: Signature) -> Result<Self, ParseError> {
        const MESSAGE: &str = "LegalIdentityClaim";
        let (data, version) = unwrap(MESSAGE, &claim)?;
        if version != 0 {
            return Err(ParseError::Version { message: MESSAGE, version });
        }
        let read: v0::LegalIdentityClaim = decode(MESSAGE, &data)?;
        let Some(v0::legal_identity_claim::Evidence::X509Cert(certificate)) = read.evidence else {
            return Err(ParseError::Missing { message: MESSAGE, field: "evidence" });
        };
        let uid = text("unique_identifier", &read.unique_identifier)?;
        Ok(Self { uid, claim, certificate, signature })
    }
}

/// The oneof of mappings in the state updates of protocol versions 5 and 7, which differ in but one field.
macro_rules! state_mapping {
    ($read:ident, $write:ident, $package:ident $(, $extra:ident)?) => {
        pub(crate) fn $read(
            mapping: &$package::topology_state_update::Mapping,
        ) -> Result<TopologyMapping, ParseError> {
            use $package::topology_state_update::Mapping;
            Ok(match mapping {
                Mapping::NamespaceDelegation(message) => {
                    TopologyMapping::NamespaceDelegation(NamespaceDelegation::from_proto(message)?)
                }
                Mapping::IdentifierDelegation(message) => {
                    TopologyMapping::IdentifierDelegation(IdentifierDelegation::from_proto(message)?)
                }
                Mapping::OwnerToKeyMapping(message) => {
                    TopologyMapping::OwnerToKeyMapping(OwnerToKeyMapping::from_proto(message)?)
                }
                Mapping::PartyToParticipant(message) => {
                    TopologyMapping::PartyToParticipant(PartyToParticipant::from_proto(message)?)
                }
                Mapping::SignedLegalIdentityClaim(message) => {
                    TopologyMapping::SignedLegalIdentityClaim(SignedLegalIdentityClaim::from_proto(message)?)
                }
                Mapping::ParticipantState(message) => {
                    TopologyMapping::ParticipantState(ParticipantState::from_proto(message)?)
                }
                Mapping::VettedPackages(message) => TopologyMapping::VettedPackages(Packages::from_fields(
                    &message.participant,
                    &message.package_ids,
                )?),
                Mapping::MediatorDomainState(message) => {
                    TopologyMapping::MediatorDomainState(MediatorDomainState::from_proto(message)?)
                }
                $(Mapping::$extra(message) => TopologyMapping::$extra(Packages::from_fields(
                    &message.participant,
                    &message.package_ids,
                )?),)?
            })
        }

        /// Nothing for a mapping that the message has no field for.
        pub(crate) fn $write(mapping: &TopologyMapping) -> Option<$package::topology_state_update::Mapping> {
            use $package::topology_state_update::Mapping;
            Some(match mapping {
                TopologyMapping::NamespaceDelegation(mapping) => Mapping::NamespaceDelegation(mapping.to_proto()),
                TopologyMapping::IdentifierDelegation(mapping) => Mapping::IdentifierDelegation(mapping.to_proto()),
                TopologyMapping::OwnerToKeyMapping(mapping) => Mapping::OwnerToKeyMapping(mapping.to_proto()),
                TopologyMapping::PartyToParticipant(mapping) => Mapping::PartyToParticipant(mapping.to_proto()),
                TopologyMapping::SignedLegalIdentityClaim(mapping) => {
                    Mapping::SignedLegalIdentityClaim(mapping.to_proto())
                }
                TopologyMapping::ParticipantState(mapping) => Mapping::ParticipantState(mapping.to_proto()),
                TopologyMapping::MediatorDomainState(mapping) => Mapping::MediatorDomainState(mapping.to_proto()),
                TopologyMapping::VettedPackages(mapping) => Mapping::VettedPackages(mapping.to_vetted_proto()),
                $(TopologyMapping::$extra(mapping) => Mapping::$extra(mapping.to_check_only_proto()),)?
                _ => return None,
            })
        }
    };
}

state_mapping!(mapping_from_v1, mapping_to_v1, v1);
state_mapping!(mapping_from_v2, mapping_to_v2, v2, CheckOnlyPackages);
