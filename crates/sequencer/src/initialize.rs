//! Making a node the sequencer of a domain: its key, the domain, the domain's parameters.
//!
//! Each is written once. What was begun and cut short is found again; another domain is refused.
//! Source: `SequencerInitializationService` of Canton 2.10.

use cantle_crypto::{PublicKey, SigningPublicKey};
use cantle_protocol::{ParseError, StaticDomainParameters};
use cantle_store::{
    BackendError, MemberNumber, NewSequencerMember, NodeStore, RoleSetting, SequencerBatch, StoreError,
};
use cantle_types::{CantonTimestamp, DomainId, KeyName, KeyPurpose, Member, NodeName};
use cantle_vault::{GenerateError, KeyRole, Vault, VaultError};

/// Which domain a sequencer serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialization {
    /// The domain.
    pub domain: DomainId,
    /// Its static parameters.
    pub parameters: StaticDomainParameters,
}

/// Why there is no key to sign events by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SequencerKeyError {
    /// The keys that are there could not be read, or the key lacks its private part.
    #[error("the key named {name} cannot be used")]
    Find {
        /// The key's name.
        name: String,
        /// Why.
        #[source]
        source: Box<VaultError>,
    },
    /// The key could not be made.
    #[error("the signing key named {name} could not be made")]
    Make {
        /// The key's name.
        name: String,
        /// Why.
        #[source]
        source: Box<GenerateError>,
    },
    /// `<node>-signing` is longer than a key's name may be.
    #[error("the name {name} is no key name; give the node a shorter name")]
    Name {
        /// What would have been the key's name.
        name: String,
    },
}

/// Why a node was not made a sequencer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitializeError {
    /// There is no key to sign events by.
    #[error(transparent)]
    Key(#[from] SequencerKeyError),
    /// The node is the sequencer of another domain.
    #[error("this node is the sequencer of the domain {recorded} and cannot become that of {wanted}")]
    OtherDomain {
        /// What the store remembers.
        recorded: DomainId,
        /// What was asked for.
        wanted: DomainId,
    },
    /// The domain has other static parameters.
    #[error("the domain {domain} has other static parameters, and these never change")]
    OtherParameters {
        /// The domain.
        domain: DomainId,
    },
    /// The store failed.
    #[error("the sequencer's store failed")]
    Store(#[from] StoreError),
}

/// Makes the node the sequencer of a domain, and returns the key that the domain manager is to register for it.
///
/// May be repeated, after an error or a crash too.
///
/// # Errors
/// [`InitializeError`].
pub async fn initialize(
    store: &dyn NodeStore,
    vault: &Vault,
    node: &NodeName,
    wanted: &Initialization,
) -> Result<SigningPublicKey, InitializeError> {
    let key = sequencer_key(vault, node).await?;
    record_initialization(store, wanted).await?;
    Ok(key)
}

/// Writes down which domain the node is the sequencer of, for one that has its key by other means: the sequencer of an
/// embedded domain.
///
/// # Errors
/// [`InitializeError`], if another domain was written down.
pub async fn record_initialization(
    store: &dyn NodeStore,
    wanted: &Initialization,
) -> Result<(), InitializeError> {
    let Initialization { domain, parameters } = wanted;
    let recorded = store.setting_claim(&RoleSetting::SequencerDomain, domain.as_str().as_bytes()).await?;
    let recorded = read_domain(&recorded)?;
    if recorded != *domain {
        return Err(InitializeError::OtherDomain { recorded, wanted: domain.clone() });
    }
    let setting = RoleSetting::StaticDomainParameters(domain.clone());
    let recorded = store.setting_claim(&setting, &parameters.to_bytes()).await?;
    if read_parameters(domain, &recorded)? != *parameters {
        return Err(InitializeError::OtherParameters { domain: domain.clone() });
    }
    store.uid_insert(domain.uid()).await?;
    Ok(())
}

/// Which domain the node was made the sequencer of, if it was.
///
/// # Errors
/// When the store fails.
pub async fn stored_initialization(store: &dyn NodeStore) -> Result<Option<Initialization>, StoreError> {
    let Some(domain) = store.setting_find(&RoleSetting::SequencerDomain).await? else { return Ok(None) };
    let domain = read_domain(&domain)?;
    let parameters = store.setting_find(&RoleSetting::StaticDomainParameters(domain.clone())).await?;
    // Without parameters it was cut short, and is to be repeated.
    let Some(parameters) = parameters else { return Ok(None) };
    let parameters = read_parameters(&domain, &parameters)?;
    Ok(Some(Initialization { domain, parameters }))
}

/// The key named `<node>-signing`; made when there is none. With provider kms one CreateKey, DescribeKey and
/// GetPublicKey then.
///
/// # Errors
/// [`SequencerKeyError`].
pub async fn sequencer_key(vault: &Vault, node: &NodeName) -> Result<SigningPublicKey, SequencerKeyError> {
    let role = KeyRole::Signing;
    let name = format!("{node}-{}", role.as_str());
    let key_name =
        KeyName::try_from(name.clone()).map_err(|_| SequencerKeyError::Name { name: name.clone() })?;
    match vault.find_by_name(&key_name, KeyPurpose::Signing).await {
        Ok(Some(info)) => {
            if let PublicKey::Signing(key) = info.public {
                return Ok(key);
            }
        }
        Ok(None) => {}
        Err(source) => return Err(SequencerKeyError::Find { name, source: Box::new(source) }),
    }
    let made = vault.generate_signing_key(Some(key_name), None, role).await;
    made.map_err(|source| SequencerKeyError::Make { name, source: Box::new(source) })
}

fn read_domain(value: &[u8]) -> Result<DomainId, StoreError> {
    let text = String::from_utf8_lossy(value);
    text.parse().map_err(|error: cantle_types::IdentifierError| corrupt("sequencer-domain", error))
}

fn read_parameters(domain: &DomainId, value: &[u8]) -> Result<StaticDomainParameters, StoreError> {
    StaticDomainParameters::from_bytes(value).map_err(|error: ParseError| {
        tracing::error!(%domain, %error, "the stored static parameters cannot be read");
        corrupt("static-domain-parameters", error)
    })
}

fn corrupt(row: &str, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt { table: "role_settings", row: row.to_owned(), source: BackendError::new(source) }
}

/// The domain manager is known from the beginning: it is whom newcomers write to.
pub(crate) async fn introduce(
    store: &dyn NodeStore,
    domain: &DomainId,
    manager: &Member,
    now: CantonTimestamp,
) -> Result<(), StoreError> {
    let members = store.sequencer_members().await?;
    if members.iter().any(|known| known.member == *manager) {
        return Ok(());
    }
    let latest = store.sequencer_latest().await?.map(CantonTimestamp::from);
    let time = latest.and_then(CantonTimestamp::successor).map_or(now, |next| next.max(now));
    let number = members.iter().map(|member| member.number.0).max().map_or(0, |last| last + 1);
    let registered = time.to_timestamp();
    let new = NewSequencerMember { number: MemberNumber(number), member: manager.clone(), registered };
    let batch = SequencerBatch {
        domain: domain.clone(),
        latest: registered,
        members: vec![new],
        events: Vec::new(),
        topology: Vec::new(),
        forwarded: Vec::new(),
    };
    store.sequencer_append(&batch).await
}
