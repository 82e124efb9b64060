//! Which schemes a node may use, by crypto provider and configuration.
//!
//! Two sets: what a provider supports at all (verifying and encrypting to others included; this is what a
//! domain's handshake sees), and what it has private keys for. With provider kms the second is smaller.
//! Source: <https://docs.daml.com/canton/usermanual/kms/kms.html>.

use std::fmt;

use cantle_crypto::{EncryptionKeyScheme, SigningKeyScheme};
use cantle_store::CryptoProvider;

mod sealed {
    pub trait Sealed {}
    impl Sealed for cantle_crypto::SigningKeyScheme {}
    impl Sealed for cantle_crypto::EncryptionKeyScheme {}
}

/// A key scheme, for signing or for encryption.
pub trait Scheme: Copy + Eq + fmt::Debug + fmt::Display + Send + Sync + 'static + sealed::Sealed {
    /// `signing` or `encryption`: the configuration key below `crypto`.
    const SECTION: &'static str;

    /// Every scheme, all supported for public keys by either provider.
    fn all() -> &'static [Self];

    /// Those that a provider holds private keys of.
    fn with_private_keys(provider: CryptoProvider) -> &'static [Self];

    /// What a provider uses where nothing else is said.
    fn provider_default(provider: CryptoProvider) -> Self;

    /// The name in the configuration.
    fn config_name(self) -> &'static str;
}

impl Scheme for SigningKeyScheme {
    const SECTION: &'static str = "signing";

    fn all() -> &'static [Self] {
        Self::ALL
    }

    fn with_private_keys(provider: CryptoProvider) -> &'static [Self] {
        match provider {
            CryptoProvider::Jce => Self::ALL,
            CryptoProvider::Kms => &[Self::EcDsaP256, Self::EcDsaP384],
        }
    }

    fn provider_default(provider: CryptoProvider) -> Self {
        match provider {
            CryptoProvider::Jce => Self::Ed25519,
            CryptoProvider::Kms => Self::EcDsaP256,
        }
    }

    fn config_name(self) -> &'static str {
        self.config_name()
    }
}

impl Scheme for EncryptionKeyScheme {
    const SECTION: &'static str = "encryption";

    fn all() -> &'static [Self] {
        Self::ALL
    }

    fn with_private_keys(provider: CryptoProvider) -> &'static [Self] {
        match provider {
            CryptoProvider::Jce => Self::ALL,
            CryptoProvider::Kms => &[Self::Rsa2048OaepSha256],
        }
    }

    fn provider_default(provider: CryptoProvider) -> Self {
        match provider {
            CryptoProvider::Jce => Self::EciesP256HkdfHmacSha256Aes128Gcm,
            CryptoProvider::Kms => Self::Rsa2048OaepSha256,
        }
    }

    fn config_name(self) -> &'static str {
        self.config_name()
    }
}

/// The default scheme of a node and the allowed ones; the default is allowed and has private keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schemes<S> {
    provider: CryptoProvider,
    default: S,
    allowed: Vec<S>,
}

impl<S: Scheme> Schemes<S> {
    /// What a provider does where the configuration says nothing.
    #[must_use]
    pub fn of_provider(provider: CryptoProvider) -> Self {
        Self { provider, default: S::provider_default(provider), allowed: S::all().to_vec() }
    }

    /// From the configuration's `crypto.signing` or `crypto.encryption`: `default` and `allowed`, each optional.
    ///
    /// # Errors
    /// If the default is not allowed, or the provider has no private keys of it.
    pub fn new(
        provider: CryptoProvider,
        default: Option<S>,
        allowed: Option<Vec<S>>,
    ) -> Result<Self, SchemesError> {
        let default = default.unwrap_or_else(|| S::provider_default(provider));
        let allowed = allowed.unwrap_or_else(|| S::all().to_vec());
        let schemes = Self { provider, default, allowed };
        match schemes.check(default) {
            Ok(()) => Ok(schemes),
            Err(source) => Err(SchemesError { section: S::SECTION, source }),
        }
    }

    /// The scheme of keys made without naming one.
    #[must_use]
    pub fn default_scheme(&self) -> S {
        self.default
    }

    /// What the handshake with a domain offers.
    #[must_use]
    pub fn allowed(&self) -> &[S] {
        &self.allowed
    }

    /// Whether this node may have a private key of that scheme.
    ///
    /// # Errors
    /// [`SchemeError`] naming scheme, provider and what would do.
    pub fn check(&self, scheme: S) -> Result<(), SchemeError> {
        let usable = S::with_private_keys(self.provider);
        if !usable.contains(&scheme) {
            return Err(SchemeError::Unsupported {
                scheme: scheme.config_name(),
                provider: self.provider,
                section: S::SECTION,
                usable: names(usable),
            });
        }
        if !self.allowed.contains(&scheme) {
            return Err(SchemeError::NotAllowed {
                scheme: scheme.config_name(),
                section: S::SECTION,
                allowed: names(&self.allowed),
            });
        }
        Ok(())
    }
}

fn names<S: Scheme>(schemes: &[S]) -> String {
    schemes.iter().map(|scheme| scheme.config_name()).collect::<Vec<_>>().join(", ")
}

/// Why a node may not have a key of a scheme.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// The provider has no private keys of it.
    #[error("crypto.provider = {provider} has no {section} keys of scheme {scheme}; use one of {usable}")]
    Unsupported {
        /// The scheme.
        scheme: &'static str,
        /// The node's provider.
        provider: CryptoProvider,
        /// `signing` or `encryption`.
        section: &'static str,
        /// What the provider has.
        usable: String,
    },
    /// The configuration does not allow it.
    #[error(
        "scheme {scheme} is not in crypto.{section}.allowed of this node ({allowed}); add it there or use another"
    )]
    NotAllowed {
        /// The scheme.
        scheme: &'static str,
        /// `signing` or `encryption`.
        section: &'static str,
        /// What is allowed.
        allowed: String,
    },
}

/// A default scheme that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("crypto.{section}.default cannot be used: {source}")]
pub struct SchemesError {
    /// `signing` or `encryption`.
    pub section: &'static str,
    /// Why.
    pub source: SchemeError,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_provider() {
        let signing = |provider| Schemes::<SigningKeyScheme>::of_provider(provider).default_scheme();
        let encryption = |provider| Schemes::<EncryptionKeyScheme>::of_provider(provider).default_scheme();
        assert_eq!(signing(CryptoProvider::Jce), SigningKeyScheme::Ed25519);
        assert_eq!(signing(CryptoProvider::Kms), SigningKeyScheme::EcDsaP256);
        assert_eq!(encryption(CryptoProvider::Jce), EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm);
        assert_eq!(encryption(CryptoProvider::Kms), EncryptionKeyScheme::Rsa2048OaepSha256);
    }

    #[test]
    fn kms_allows_all_public_schemes_but_makes_only_its_own() {
        let schemes = Schemes::<SigningKeyScheme>::of_provider(CryptoProvider::Kms);
        assert_eq!(schemes.allowed(), SigningKeyScheme::ALL);
        assert_eq!(schemes.check(SigningKeyScheme::EcDsaP384), Ok(()));
        let error = schemes.check(SigningKeyScheme::Ed25519).unwrap_err().to_string();
        assert!(
            error.contains("kms") && error.contains("ed-25519") && error.contains("ec-dsa-p-256"),
            "{error}"
        );
    }

    #[test]
    fn default_outside_allowed_is_refused() {
        let allowed = vec![SigningKeyScheme::EcDsaP256];
        let error =
            Schemes::new(CryptoProvider::Kms, Some(SigningKeyScheme::EcDsaP384), Some(allowed)).unwrap_err();
        assert!(matches!(error.source, SchemeError::NotAllowed { scheme: "ec-dsa-p-384", .. }));
        assert!(error.to_string().contains("crypto.signing.default"), "{error}");
    }

    #[test]
    fn default_without_private_keys_is_refused() {
        let error =
            Schemes::new(CryptoProvider::Kms, Some(EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc), None)
                .unwrap_err();
        assert!(matches!(error.source, SchemeError::Unsupported { provider: CryptoProvider::Kms, .. }));
    }
}
