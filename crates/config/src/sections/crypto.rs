//! `crypto`: which provider holds a node's keys, and which schemes it allows.
//!
//! The default scheme is one of the allowed ones, and these are among those that the provider supports. A KMS makes
//! keys on P-256, P-384 and for RSA only; other schemes can be allowed there for the keys of others, which are
//! verified and encrypted to in software.
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/security.html>,
//! <https://docs.daml.com/2.10.0/canton/usermanual/kms/kms.html>

use super::domain_parameters::required;
use super::kms::{self, KMS, KmsConfig};
use super::scheme::{
    ENCRYPTION_SCHEMES, EncryptionScheme, HASH_ALGORITHMS, HashAlgorithm, Named, SIGNING_SCHEMES,
    SYMMETRIC_SCHEMES, SigningScheme, SymmetricScheme,
};
use crate::cursor::Cursor;
use crate::fault::{Problem, one_of};
use crate::schema::{Kind, Section, Tagged, used};

/// `crypto`
pub(crate) static CRYPTO: Section = Section::new(&[
    used("provider", Kind::Text),
    used("signing", Kind::Section(&SIGNING)),
    used("encryption", Kind::Section(&ENCRYPTION)),
    used("symmetric", Kind::Section(&SYMMETRIC)),
    used("hash", Kind::Section(&HASH)),
    used("kms", Kind::Tagged(&KMS)),
    used("private-key-store", Kind::Section(&PRIVATE_KEY_STORE)),
]);

static SIGNING: Section = Section::new(&[
    used("default", Kind::Choice(SIGNING_SCHEMES)),
    used("allowed", Kind::List(&Kind::Choice(SIGNING_SCHEMES))),
]);
static ENCRYPTION: Section = Section::new(&[
    used("default", Kind::Choice(ENCRYPTION_SCHEMES)),
    used("allowed", Kind::List(&Kind::Choice(ENCRYPTION_SCHEMES))),
]);
static SYMMETRIC: Section = Section::new(&[
    used("default", Kind::Choice(SYMMETRIC_SCHEMES)),
    used("allowed", Kind::List(&Kind::Choice(SYMMETRIC_SCHEMES))),
]);
static HASH: Section = Section::new(&[
    used("default", Kind::Choice(HASH_ALGORITHMS)),
    used("allowed", Kind::List(&Kind::Choice(HASH_ALGORITHMS))),
]);
static PRIVATE_KEY_STORE: Section = Section::new(&[used("encryption", Kind::Tagged(&STORE_ENCRYPTION))]);
static STORE_ENCRYPTION: Tagged = Tagged::new(&[("kms", &WRAPPER_KEY)]).or("kms");
static WRAPPER_KEY: Section =
    Section::new(&[used("wrapper-key-id", Kind::Text), used("reverted", Kind::Bool)]);

/// Who holds a node's keys, and which schemes are allowed.
#[derive(Debug, Clone)]
pub struct CryptoConfig {
    /// Who holds the private keys.
    pub provider: CryptoProvider,
    /// Schemes of signatures.
    pub signing: SchemeConfig<SigningScheme>,
    /// Schemes of encryption to a public key.
    pub encryption: SchemeConfig<EncryptionScheme>,
    /// Schemes of symmetric encryption.
    pub symmetric: SchemeConfig<SymmetricScheme>,
    /// Hash algorithms.
    pub hash: SchemeConfig<HashAlgorithm>,
    /// The KMS; there with [`CryptoProvider::Kms`] and with a wrapper key, and never otherwise.
    pub kms: Option<KmsConfig>,
    /// Encryption of the private keys in the node's store; only with [`CryptoProvider::Jce`].
    pub wrapper_key: Option<WrapperKeyConfig>,
}

/// Who holds a node's private keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CryptoProvider {
    /// The node's own store; named after Canton's provider with the same schemes and formats. The default.
    Jce,
    /// A key management service.
    Kms,
}

/// The schemes of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemeConfig<S> {
    /// What new keys are made with. It is in [`SchemeConfig::own`].
    pub default: S,
    /// What keys and messages of others may have; compared with a domain's requirements.
    pub allowed: Vec<S>,
    /// What the node's own keys may have: those of `allowed` that the provider can make keys for.
    pub own: Vec<S>,
}

/// Encryption of the stored private keys by a KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrapperKeyConfig {
    /// The key in the KMS; without one it is made.
    pub wrapper_key_id: Option<String>,
    /// Whether the keys are to be decrypted and stored in clear again.
    pub reverted: bool,
}

impl CryptoProvider {
    /// The name in the configuration.
    #[must_use]
    pub fn config_name(self) -> &'static str {
        match self {
            Self::Jce => "jce",
            Self::Kms => "kms",
        }
    }
}

/// What a provider can do: the default, all it supports, and what it can make keys for.
struct Support<S: 'static> {
    default: S,
    supported: &'static [S],
    own: &'static [S],
}

fn signing_support(provider: CryptoProvider) -> Support<SigningScheme> {
    let supported = SigningScheme::ALL;
    match provider {
        CryptoProvider::Jce => Support { default: SigningScheme::Ed25519, supported, own: supported },
        CryptoProvider::Kms => Support {
            default: SigningScheme::EcDsaP256,
            supported,
            own: &[SigningScheme::EcDsaP256, SigningScheme::EcDsaP384],
        },
    }
}

fn encryption_support(provider: CryptoProvider) -> Support<EncryptionScheme> {
    let supported = EncryptionScheme::ALL;
    match provider {
        CryptoProvider::Jce => {
            Support { default: EncryptionScheme::EciesP256HkdfHmacSha256Aes128Gcm, supported, own: supported }
        }
        CryptoProvider::Kms => Support {
            default: EncryptionScheme::Rsa2048OaepSha256,
            supported,
            own: &[EncryptionScheme::Rsa2048OaepSha256],
        },
    }
}

pub(crate) fn crypto(crypto: &Cursor<'_>, non_standard: bool) -> CryptoConfig {
    let provider = provider(&crypto.at("provider"));
    let kms_section = crypto.at("kms").set();
    let wrapper = wrapper_key(&crypto.at("private-key-store").at("encryption"));
    let kms = kms_section.as_ref().and_then(|section| kms::kms(section, non_standard));
    match (provider, &kms_section) {
        (CryptoProvider::Kms, None) => crypto.missing(
            "kms",
            "with provider = kms write crypto.kms { type = aws, region = us-east-1 } with the Region of the keys",
        ),
        (CryptoProvider::Jce, None) if wrapper.is_some() => crypto.missing(
            "kms",
            "private-key-store.encryption needs the KMS of its wrapper key: write crypto.kms { type = aws, region = \
             us-east-1 } with the Region of that key",
        ),
        (CryptoProvider::Jce, Some(section)) if wrapper.is_none() => section.warn(
            "this section is not used: crypto.provider is jce; to keep the keys in the KMS write crypto.provider = kms",
        ),
        _ => {}
    }
    if provider == CryptoProvider::Kms && wrapper.is_some() {
        crypto.at("private-key-store").at("encryption").contradiction(
            "with provider = kms no private key is in the node's store, so there is nothing to encrypt",
            "remove this section, or write provider = jce",
        );
    }
    CryptoConfig {
        provider,
        signing: scheme(&crypto.at("signing"), provider, &signing_support(provider)),
        encryption: scheme(&crypto.at("encryption"), provider, &encryption_support(provider)),
        symmetric: scheme(&crypto.at("symmetric"), provider, &everything(SymmetricScheme::ALL)),
        hash: scheme(&crypto.at("hash"), provider, &everything(HashAlgorithm::ALL)),
        kms: kms.filter(|_| provider == CryptoProvider::Kms || wrapper.is_some()),
        wrapper_key: wrapper,
    }
}

fn everything<S: Copy>(all: &'static [S]) -> Support<S> {
    Support { default: all[0], supported: all, own: all }
}

fn provider(provider: &Cursor<'_>) -> CryptoProvider {
    match provider.text() {
        None | Some("jce") => CryptoProvider::Jce,
        Some("kms") => CryptoProvider::Kms,
        Some("tink") => {
            provider.fault(Problem::Unsupported {
                what: "provider = tink".to_owned(),
                remedy: "write provider = jce for keys in the node's store (the default here), or kms"
                    .to_owned(),
            });
            CryptoProvider::Jce
        }
        Some(other) => {
            let nearest = crate::suggest::nearest(other, ["jce", "kms"]).map(str::to_owned);
            let value = crate::fault::shortened(other);
            provider.fault(Problem::Malformed {
                value,
                expected: "one of `jce` and `kms`".to_owned(),
                nearest,
            });
            CryptoProvider::Jce
        }
    }
}

fn scheme<S: Copy + PartialEq + Named + TryFrom<&'static str> + std::fmt::Display>(
    section: &Cursor<'_>,
    provider: CryptoProvider,
    support: &Support<S>,
) -> SchemeConfig<S> {
    let allowed_section = section.at("allowed");
    let allowed = required(&allowed_section).unwrap_or_else(|| support.supported.to_vec());
    let written = section.at("default").choice(S::NAMES).and_then(|name| S::try_from(name).ok());
    let default = written.unwrap_or(support.default);
    let name = provider.config_name();
    if !support.own.contains(&default) {
        let own: Vec<String> = support.own.iter().map(ToString::to_string).collect();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        section.at("default").contradiction(
            format!("provider {name} has no keys for {default}"),
            format!("write {}", one_of(&own)),
        );
    } else if !allowed.is_empty() && !allowed.contains(&default) {
        let what = match written {
            Some(_) => format!("the default {default} is not among the allowed schemes"),
            None => format!("{default}, the default of provider {name}, is not among the allowed schemes"),
        };
        allowed_section.contradiction(what, "add it to `allowed`, or set `default` to one of them");
    }
    let own = allowed.iter().copied().filter(|scheme| support.own.contains(scheme)).collect();
    SchemeConfig { default, allowed, own }
}

fn wrapper_key(encryption: &Cursor<'_>) -> Option<WrapperKeyConfig> {
    let encryption = encryption.set()?;
    Some(WrapperKeyConfig {
        wrapper_key_id: encryption.at("wrapper-key-id").string().filter(|id| !id.trim().is_empty()),
        reverted: encryption.at("reverted").bool().unwrap_or(false),
    })
}
