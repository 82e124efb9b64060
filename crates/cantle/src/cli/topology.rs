//! What can be said to `cantle topology`.

use std::path::PathBuf;

use cantle_kms::KmsKeyId;
use cantle_node::{ParticipantPermission, RequestSide, TrustLevel};
use cantle_types::{
    DomainId, Fingerprint, KeyPurpose, Member, Namespace, ParticipantId, PartyId, ProtocolVersion,
    UniqueIdentifier,
};
use clap::{Args, Subcommand, builder::PossibleValuesParser, builder::TypedValueParser};

use super::{Global, With};

#[derive(Args, Debug)]
pub(crate) struct Topology {
    #[command(subcommand)]
    pub(crate) step: TopologyStep,
}

/// The steps, each on the machine where it belongs.
#[derive(Debug, Subcommand)]
pub(crate) enum TopologyStep {
    /// Writes a topology transaction to be signed, from public keys and identifiers
    Prepare(With<Prepare>),
    /// Says in words what a prepared or signed topology transaction does
    Show(With<Show>),
    /// Says what a prepared transaction does, asks, and signs it: with a key in a file, without any network, or a KMS key
    Sign(With<Sign>),
    /// Puts a prepared transaction and its signature together, for topology.load_transaction
    Assemble(With<Assemble>),
}

impl TopologyStep {
    pub(super) fn after(&self) -> &Global {
        match self {
            Self::Prepare(with) => &with.global,
            Self::Show(with) => &with.global,
            Self::Sign(with) => &with.global,
            Self::Assemble(with) => &with.global,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Prepare {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// Where a prepared transaction goes, and for which domains it is.
#[derive(Args, Debug)]
pub(crate) struct Into {
    /// Where the prepared transaction is written
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Where the bytes are written that are signed, for other tools: openssl, aws kms sign --message-type RAW
    #[arg(long, value_name = "FILE")]
    pub(crate) message_out: Option<PathBuf>,
    /// The protocol version of the domain on which the transaction is to be used; 7 also for a node's own store
    #[arg(long, value_name = "VERSION", default_value = "7")]
    pub(crate) protocol_version: ProtocolVersion,
}

/// What a transaction can say.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// A key may sign for a namespace; with the namespace's own key, its root certificate
    NamespaceDelegation {
        /// The namespace: the fingerprint of its root key [default: that of --key, for a root certificate]
        #[arg(long, value_name = "FINGERPRINT")]
        namespace: Option<Namespace>,
        /// The public key of whoever may sign
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// It may delegate the namespace further
        #[arg(long)]
        root_delegation: bool,
        #[command(flatten)]
        into: Into,
    },
    /// A key may sign for one identifier
    IdentifierDelegation {
        /// The identifier: NAME::NAMESPACE
        #[arg(long, value_name = "UID")]
        identifier: UniqueIdentifier,
        /// The public key of whoever may sign
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        into: Into,
    },
    /// A member uses a key, to sign or to be sent what is encrypted for it
    OwnerToKey {
        /// The member: PAR::NAME::NAMESPACE, or DOM, SEQ, MED
        #[arg(long, value_name = "MEMBER")]
        owner: Member,
        /// The public key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// What it is for, signing or encryption [default: as the file says, signing if it could be either]
        #[arg(long, value_name = "PURPOSE")]
        purpose: Option<KeyPurpose>,
        #[command(flatten)]
        into: Into,
    },
    /// A participant hosts a party
    PartyToParticipant {
        /// The party
        #[arg(long, value_name = "PARTY")]
        party: PartyId,
        /// The participant: PAR::NAME::NAMESPACE
        #[arg(long, value_name = "PARTICIPANT")]
        participant: ParticipantId,
        /// Who agrees by this transaction: From is the party, To the participant
        #[arg(long, default_value = "Both", value_parser = side())]
        side: RequestSide,
        /// What the participant may do for the party
        #[arg(long, default_value = "Submission", value_parser = permission())]
        permission: ParticipantPermission,
        #[command(flatten)]
        into: Into,
    },
    /// A participant is on a domain
    ParticipantState {
        /// The domain
        #[arg(long, value_name = "DOMAIN")]
        domain: DomainId,
        /// The participant: PAR::NAME::NAMESPACE
        #[arg(long, value_name = "PARTICIPANT")]
        participant: ParticipantId,
        /// Who agrees by this transaction: From is the domain, To the participant
        #[arg(long, value_parser = side())]
        side: RequestSide,
        /// What the participant may do there
        #[arg(long, default_value = "Submission", value_parser = permission())]
        permission: ParticipantPermission,
        /// How far the participant is trusted
        #[arg(long, default_value = "Ordinary", value_parser = trust_level())]
        trust_level: TrustLevel,
        #[command(flatten)]
        into: Into,
    },
    /// A mediator is on a domain
    MediatorState {
        /// The domain
        #[arg(long, value_name = "DOMAIN")]
        domain: DomainId,
        /// The mediator: NAME::NAMESPACE
        #[arg(long, value_name = "UID")]
        mediator: UniqueIdentifier,
        /// Who agrees by this transaction: From is the domain, To the mediator
        #[arg(long, value_parser = side())]
        side: RequestSide,
        #[command(flatten)]
        into: Into,
    },
    /// Takes back what another transaction added
    Removal {
        /// That transaction, signed or not
        #[arg(long, value_name = "FILE")]
        of: PathBuf,
        #[command(flatten)]
        into: Into,
    },
    /// The same as another transaction, at another protocol version
    Conversion {
        /// That transaction, signed or not
        #[arg(long, value_name = "FILE")]
        of: PathBuf,
        #[command(flatten)]
        into: Into,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Show {
    /// A prepared or signed transaction
    #[arg(value_name = "FILE")]
    pub(crate) transaction: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Sign {
    /// The prepared transaction
    #[arg(value_name = "FILE")]
    pub(crate) transaction: PathBuf,
    /// Signs with the private key in this file: of keys.secret.download_to, or an export of cantle migrate to-kms
    #[arg(long, value_name = "FILE", required_unless_present = "kms_key", conflicts_with_all = ["kms_key", "node"])]
    pub(crate) key_file: Option<PathBuf>,
    /// Which of the keys in that file [default: the namespace's own]
    #[arg(long, value_name = "FINGERPRINT", requires = "key_file")]
    pub(crate) fingerprint: Option<Fingerprint>,
    /// The passphrase of an export, in a file's first line [default: CANTLE_EXPORT_PASSPHRASE, or asked for]
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Signs with this KMS key: id, ARN or alias
    #[arg(long, value_name = "KEY", requires = "node")]
    pub(crate) kms_key: Option<KmsKeyId>,
    /// The node whose crypto.kms in the configuration says how that KMS is reached
    #[arg(long, value_name = "NAME", requires = "kms_key")]
    pub(crate) node: Option<String>,
    /// Where the signature is written
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Where the public key is written, for assemble
    #[arg(long, value_name = "FILE")]
    pub(crate) key_out: Option<PathBuf>,
    /// Signs without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Assemble {
    /// The prepared transaction
    #[arg(value_name = "FILE")]
    pub(crate) transaction: PathBuf,
    /// The signature: of cantle topology sign, or bare as other tools give it
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: PathBuf,
    /// The public key of whoever signed: of keys.public.download_to, or in PEM or DER
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Where the signed transaction is written
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// Parses a name of Canton's.
macro_rules! named {
    ($parser:ident, $type:ident) => {
        fn $parser() -> impl TypedValueParser<Value = $type> {
            PossibleValuesParser::new($type::ALL.iter().map(|value| value.as_str())).map(|name| {
                let named = |value: &&$type| value.as_str() == name;
                $type::ALL.iter().copied().find(|value| named(&value)).expect("clap has looked it up")
            })
        }
    };
}

named!(side, RequestSide);
named!(permission, ParticipantPermission);
named!(trust_level, TrustLevel);
