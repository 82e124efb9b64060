//! The two signatures aws-lc-rs cannot make: Ed25519ph over a given digest, ML-DSA over a given μ.
//!
//! The message is what the standard calls PH(M) or μ; it is not hashed here before the algorithm itself does so.
//!
//! Sources: RFC 8032 section 5.1 (Ed25519ph), FIPS 204 section 6.2 (external μ).

use aws_lc_rs::{encoding::AsBigEndian, encoding::Curve25519SeedBin, signature::Ed25519KeyPair};
use ed25519_dalek::{
    Digest, Signature, SigningKey, VerifyingKey,
    ed25519::signature::digest::{
        FixedOutput, HashMarker, Output, OutputSizeUser, Reset, Update, generic_array::typenum::U64,
    },
};
use ml_dsa::{ExpandedSigningKey, MlDsa44, MlDsa65, MlDsa87, MlDsaParams};

use super::spec::KeySpec;

/// A digest that is already computed, in the dress of a hash function.
#[derive(Debug, Clone, Default)]
struct Computed(Vec<u8>);

impl OutputSizeUser for Computed {
    type OutputSize = U64;
}

impl Update for Computed {
    fn update(&mut self, data: &[u8]) {
        self.0.extend_from_slice(data);
    }
}

impl Reset for Computed {
    fn reset(&mut self) {
        self.0.clear();
    }
}

impl FixedOutput for Computed {
    fn finalize_into(self, out: &mut Output<Self>) {
        for (to, from) in out.iter_mut().zip(self.0.iter()) {
            *to = *from;
        }
    }
}

impl HashMarker for Computed {}

fn computed(digest: &[u8]) -> Option<Computed> {
    (digest.len() == 64).then(|| <Computed as Digest>::new_with_prefix(digest))
}

/// Ed25519ph with an empty context.
pub(super) fn ed25519ph_sign(pair: &Ed25519KeyPair, digest: &[u8]) -> Option<Vec<u8>> {
    let seed = pair.seed().ok()?;
    let seed: Curve25519SeedBin<'_> = seed.as_be_bytes().ok()?;
    let seed: [u8; 32] = seed.as_ref().try_into().ok()?;
    let signature = SigningKey::from_bytes(&seed).sign_prehashed(computed(digest)?, None).ok()?;
    Some(signature.to_bytes().to_vec())
}

/// Checks an Ed25519ph signature; the public key is DER SubjectPublicKeyInfo.
pub(super) fn ed25519ph_verify(public: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    let verified = || {
        let raw: [u8; 32] = public.get(public.len().checked_sub(32)?..)?.try_into().ok()?;
        let key = VerifyingKey::from_bytes(&raw).ok()?;
        let signature = Signature::from_slice(signature).ok()?;
        key.verify_prehashed(computed(digest)?, None, &signature).ok()
    };
    verified().is_some()
}

/// Signs a 64-byte μ.
pub(super) fn ml_dsa_sign_mu(spec: KeySpec, seed: &[u8], mu: &[u8]) -> Option<Vec<u8>> {
    fn with<P: MlDsaParams>(seed: &[u8], mu: &[u8]) -> Option<Vec<u8>> {
        let key = ExpandedSigningKey::<P>::from_seed(&seed.try_into().ok()?);
        Some(key.sign_mu_deterministic(&mu.try_into().ok()?).encode().to_vec())
    }
    match spec {
        KeySpec::MlDsa44 => with::<MlDsa44>(seed, mu),
        KeySpec::MlDsa65 => with::<MlDsa65>(seed, mu),
        KeySpec::MlDsa87 => with::<MlDsa87>(seed, mu),
        _ => None,
    }
}

/// Checks a signature over a 64-byte μ.
pub(super) fn ml_dsa_verify_mu(spec: KeySpec, seed: &[u8], mu: &[u8], signature: &[u8]) -> bool {
    fn with<P: MlDsaParams>(seed: &[u8], mu: &[u8], signature: &[u8]) -> Option<bool> {
        let key = ExpandedSigningKey::<P>::from_seed(&seed.try_into().ok()?);
        let signature = ml_dsa::Signature::<P>::decode(&signature.try_into().ok()?)?;
        Some(key.verifying_key().verify_mu(&mu.try_into().ok()?, &signature))
    }
    let verified = match spec {
        KeySpec::MlDsa44 => with::<MlDsa44>(seed, mu, signature),
        KeySpec::MlDsa65 => with::<MlDsa65>(seed, mu, signature),
        KeySpec::MlDsa87 => with::<MlDsa87>(seed, mu, signature),
        _ => None,
    };
    verified == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{
        material::{Parsed, generate, parse, random_bytes},
        signing,
        spec::{MessageType, SigningAlgorithm},
    };

    #[test]
    fn ed25519ph_gives_the_signature_of_rfc_8032() {
        // RFC 8032 section 7.3: the message "abc".
        let seed = hex::decode("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42").unwrap();
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, b"abc");
        let signature = ed25519ph_sign(&pair, digest.as_ref()).unwrap();
        assert_eq!(
            hex::encode(&signature),
            "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41\
             31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
        );
        let parsed = parse(KeySpec::EccNistEdwards25519, &seed).unwrap();
        assert!(ed25519ph_verify(parsed.public().unwrap(), digest.as_ref(), &signature));
        assert!(!ed25519ph_verify(parsed.public().unwrap(), &[0; 64], &signature));
        assert!(ed25519ph_sign(&pair, b"short").is_none());
    }

    #[test]
    fn a_signature_over_mu_verifies_as_one_over_mu_alone() {
        for spec in [KeySpec::MlDsa44, KeySpec::MlDsa65, KeySpec::MlDsa87] {
            let key = parse(spec, &generate(spec).unwrap()).unwrap();
            let mu = random_bytes(64).unwrap();
            let algorithm = SigningAlgorithm::MlDsaShake256;
            let signature = signing::sign(&key, spec, algorithm, MessageType::ExternalMu, &mu).unwrap();
            assert!(signing::verify(&key, spec, algorithm, MessageType::ExternalMu, &mu, &signature));
            assert!(!signing::verify(&key, spec, algorithm, MessageType::ExternalMu, &[0; 64], &signature));
            assert!(!signing::verify(&key, spec, algorithm, MessageType::Raw, &mu, &signature));
            assert!(matches!(key, Parsed::MlDsa { .. }));
        }
    }

    #[test]
    fn both_libraries_make_the_same_key_of_a_seed() {
        // μ computed by hand from the public key and the message must verify a signature made from the message.
        let spec = KeySpec::MlDsa44;
        let seed = random_bytes(32).unwrap();
        let key = parse(spec, &seed).unwrap();
        let message = b"message";
        let algorithm = SigningAlgorithm::MlDsaShake256;
        let signature = signing::sign(&key, spec, algorithm, MessageType::Raw, message).unwrap();
        let expanded = ExpandedSigningKey::<MlDsa44>::from_seed(&seed.as_slice().try_into().unwrap());
        let decoded =
            ml_dsa::Signature::<MlDsa44>::decode(&signature.as_slice().try_into().unwrap()).unwrap();
        assert!(expanded.verifying_key().verify_with_context(message, &[], &decoded));
    }
}
