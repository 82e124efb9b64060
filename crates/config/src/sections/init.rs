//! `init`: whether a node initializes itself, and under which name.
//!
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/manage_participants.html#identity-initialization>

use cantle_types::{Identifier, NodeName};

use super::domain_parameters::DOMAIN_PARAMETERS;
use super::ledger_api::INIT_LEDGER_API;
use crate::cursor::Cursor;
use crate::schema::{DAML, Key, Kind, Moved, Section, Tagged, ignored, refused, used};

/// `participants.<name>.init`
pub(crate) static PARTICIPANT_INIT: Section = Section::new(&[
    AUTO_INIT,
    IDENTITY,
    ignored("ledger-api", Kind::Section(&INIT_LEDGER_API), DAML),
    ignored("parameters", Kind::Section(&INIT_PARAMETERS), DAML),
])
.moved(&[Moved {
    from: &["generate-legal-identity-certificate"],
    to: &["identity", "generate-legal-identity-certificate"],
}]);

/// `domains.<name>.init` and `domain-managers.<name>.init`
pub(crate) static DOMAIN_INIT: Section =
    Section::new(&[AUTO_INIT, IDENTITY, used("domain-parameters", Kind::Section(&DOMAIN_PARAMETERS))]);

/// `sequencers.<name>.init`
pub(crate) static SEQUENCER_INIT: Section = Section::new(&[
    refused(
        "auto-init",
        Kind::Bool,
        "a sequencer makes its key when the domain initializes it, never by itself; remove it",
    ),
    IDENTITY_UNUSED,
]);

/// `mediators.<name>.init`
pub(crate) static MEDIATOR_INIT: Section = Section::new(&[
    refused(
        "auto-init",
        Kind::Bool,
        "a mediator makes its key when the domain initializes it, never by itself; remove it",
    ),
    IDENTITY_UNUSED,
]);

const AUTO_INIT: Key = used("auto-init", Kind::Bool);
const IDENTITY: Key = used("identity", Kind::Section(&IDENTITY_KEYS));
const IDENTITY_UNUSED: Key = ignored(
    "identity",
    Kind::Section(&IDENTITY_KEYS),
    "sequencers and mediators have the identity of their domain",
);

static IDENTITY_KEYS: Section = Section::new(&[
    ignored(
        "generate-legal-identity-certificate",
        Kind::Bool,
        "legal identity certificates are not part of an identity any more",
    ),
    used("node-identifier", Kind::Tagged(&NODE_IDENTIFIER)),
]);

static NODE_IDENTIFIER: Tagged =
    Tagged::new(&[("config", &NOTHING), ("random", &NOTHING), ("explicit", &EXPLICIT)]);

static NOTHING: Section = Section::new(&[]);
static EXPLICIT: Section = Section::new(&[used("name", Kind::Text).required()]);
static INIT_PARAMETERS: Section = Section::new(&[used("unique-contract-keys", Kind::Bool)]);

/// How a node gets its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitConfig {
    /// Whether it does so by itself at the first start.
    pub auto_init: AutoInit,
    /// The first part of its unique identifier.
    pub node_identifier: NodeIdentifier,
}

/// Whether a node initializes itself at the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoInit {
    /// It does. The default.
    Yes,
    /// It serves its admin API and waits for an operator.
    No,
}

/// The first part of a node's unique identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeIdentifier {
    /// Its name in the configuration. The default.
    Config,
    /// A random UUID, drawn at the first start.
    Random,
    /// This one.
    Explicit(Identifier),
}

impl NodeIdentifier {
    /// The identifier, if it is known before the first start.
    #[must_use]
    pub fn fixed(&self, name: &NodeName) -> Option<Identifier> {
        match self {
            Self::Config => name.as_str().parse().ok(),
            Self::Random => None,
            Self::Explicit(identifier) => Some(identifier.clone()),
        }
    }
}

pub(crate) fn init(init: &Cursor<'_>) -> InitConfig {
    let auto_init = match init.at("auto-init").bool() {
        Some(false) => AutoInit::No,
        _ => AutoInit::Yes,
    };
    let identifier = init.at("identity").at("node-identifier");
    let node_identifier = match identifier.tag(&NODE_IDENTIFIER) {
        Some("random") => NodeIdentifier::Random,
        Some("explicit") => {
            explicit(&identifier.at("name")).map_or(NodeIdentifier::Config, NodeIdentifier::Explicit)
        }
        _ => NodeIdentifier::Config,
    };
    InitConfig { auto_init, node_identifier }
}

fn explicit(name: &Cursor<'_>) -> Option<Identifier> {
    let text = name.text()?;
    match text.parse() {
        Ok(identifier) => Some(identifier),
        Err(error) => {
            let error: cantle_types::IdentifierError = error;
            name.malformed(text, format!("an identifier: {error}"));
            None
        }
    }
}
