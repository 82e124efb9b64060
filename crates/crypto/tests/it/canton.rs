//! What Canton 2.10's own code answers (`fixtures/canton-2.10-crypto.json`).

use cantle_crypto::{
    CryptoKeyFormat, EncryptionKeyScheme, EncryptionPrivateKey, EncryptionPublicKey, Hash, HashBuilder,
    HashPurpose, ProtoError, PublicKey, Signature, SigningKeyScheme, SigningPublicKey, VerifyError, digest,
    fingerprint,
};
use cantle_proto::crypto::v0;
use prost::Message;
use zeroize::Zeroizing;

use crate::support::{canton, p256_key, signature, signing_scheme};

fn expected(name: &str) -> String {
    canton().named("messages_and_hashes", name).text("hex").to_owned()
}

fn input(name: &str) -> Vec<u8> {
    canton().at("inputs").hex(name)
}

fn p384_key() -> SigningPublicKey {
    SigningPublicKey::new(CryptoKeyFormat::Der, input("p384_spki"), SigningKeyScheme::EcDsaP384).unwrap()
}

fn rsa_key() -> EncryptionPublicKey {
    let scheme = EncryptionKeyScheme::Rsa2048OaepSha256;
    EncryptionPublicKey::new(CryptoKeyFormat::Der, input("rsa_spki_rfc7517_A1"), scheme).unwrap()
}

fn ed25519_key() -> SigningPublicKey {
    let bytes = input("ed25519_public_rfc8032_1");
    SigningPublicKey::new(CryptoKeyFormat::Raw, bytes, SigningKeyScheme::Ed25519).unwrap()
}

#[test]
fn hash_purposes_have_cantons_numbers_and_names() {
    let purposes = canton();
    let purposes = purposes["hash_purposes"].as_object().unwrap();
    assert_eq!(purposes.len(), HashPurpose::ALL.len());
    for purpose in HashPurpose::ALL {
        assert_eq!(purposes[&purpose.id().to_string()], purpose.name());
    }
}

#[test]
fn fingerprints_are_cantons() {
    assert_eq!(p256_key().fingerprint().as_str(), expected("p256 fp"));
    assert_eq!(p384_key().fingerprint().as_str(), expected("p384 fp"));
    assert_eq!(rsa_key().fingerprint().as_str(), expected("rsa fp"));
    assert_eq!(ed25519_key().fingerprint().as_str(), expected("ed25519 fp"));
    assert_eq!(fingerprint(&input("p256_spki")), *p256_key().fingerprint());
}

#[test]
fn hashes_are_cantons() {
    let signing = HashPurpose::TopologyTransactionSignature;
    assert_eq!(digest(signing, &[]).to_hex(), expected("empty digest p11"));
    assert_eq!(digest(HashPurpose::PublicKeyFingerprint, &[]).to_hex(), expected("empty digest p12"));
    assert_eq!(digest(signing, b"abc").to_hex(), expected("digest p11 abc"));
    assert_eq!(HashBuilder::new(signing).add_str("abc").finish().to_hex(), expected("add abc"));
    for (transaction, hash) in [
        ("NSD tx pv5", "NSD hashToSign pv5"),
        ("OKM tx pv5", "OKM hashToSign pv5"),
        ("OKM rsa pv5", "OKM rsa hashToSign pv5"),
        ("NSD Remove pv5", "NSD Remove hashToSign pv5"),
        ("DomainParametersChange default values tx pv5", "DPC hashToSign pv5"),
    ] {
        let bytes = hex::decode(expected(transaction)).unwrap();
        assert_eq!(digest(signing, &bytes).to_hex(), expected(hash), "{transaction}");
    }
}

#[test]
fn authentication_hash_is_cantons() {
    let inputs = canton().at("inputs");
    let hash = HashBuilder::new(HashPurpose::AuthenticationToken)
        .add_without_prefix(&inputs.hex("nonce"))
        .add_str(inputs.text("domain_uid"))
        .finish();
    assert_eq!(hash.to_hex(), expected("auth nonce"));
}

#[test]
fn messages_are_encoded_as_by_canton() {
    let encoded = [
        ("SigningPublicKey v0 p256", p256_key().to_proto().encode_to_vec()),
        ("versioned at 5", p256_key().to_versioned_bytes()),
        ("SigningPublicKey v0 ed25519", ed25519_key().to_proto().encode_to_vec()),
        ("EncryptionPublicKey v0 rsa", rsa_key().to_proto().encode_to_vec()),
        ("PublicKey oneof rsa", PublicKey::from(rsa_key()).to_bytes()),
    ];
    for (name, bytes) in encoded {
        assert_eq!(hex::encode(bytes), expected(name), "{name}");
    }
}

#[test]
fn messages_of_canton_are_read() {
    let bytes = |name| hex::decode(expected(name)).unwrap();
    let message = v0::SigningPublicKey::decode(&*bytes("SigningPublicKey v0 p256")).unwrap();
    assert_eq!(SigningPublicKey::from_proto(&message).unwrap(), p256_key());
    assert_eq!(SigningPublicKey::from_versioned_bytes(&bytes("versioned at 5")).unwrap(), p256_key());
    let message = v0::EncryptionPublicKey::decode(&*bytes("EncryptionPublicKey v0 rsa")).unwrap();
    assert_eq!(EncryptionPublicKey::from_proto(&message).unwrap(), rsa_key());
    assert_eq!(PublicKey::from_bytes(&bytes("PublicKey oneof rsa")).unwrap(), rsa_key().into());

    for (name, key_name) in [("PublicKeyWithName p256 'k1' pv5", "k1"), ("PublicKeyWithName p256 none", "")] {
        let message = v0::PublicKeyWithName::decode(&*bytes(name)).unwrap();
        assert_eq!(message.name, key_name);
        let key = PublicKey::from_proto(&message.public_key.unwrap()).unwrap();
        assert_eq!(key, p256_key().into());
    }
}

#[test]
fn signature_message_is_cantons() {
    let signature = signature(&p256_key(), input("dummy_signature"));
    assert_eq!(hex::encode(signature.to_bytes()), expected("Signature v0"));
    assert_eq!(hex::encode(signature.to_versioned_bytes()), expected("Signature versioned"));
    let bytes = hex::decode(expected("Signature versioned")).unwrap();
    assert_eq!(Signature::from_versioned_bytes(&bytes).unwrap(), signature);
    let bytes = hex::decode(expected("Signature v0")).unwrap();
    assert_eq!(Signature::from_bytes(&bytes).unwrap(), signature);
}

#[test]
fn evidence_of_canton_is_read() {
    let hex = expected("NSD hashToSign pv5");
    let hash: Hash = hex.parse().unwrap();
    assert_eq!(hash.to_string(), hex);
    assert_eq!(Hash::from_evidence(&hash.evidence()).unwrap(), hash);
    assert_eq!(Hash::from_digest(*hash.digest()), hash);
}

/// The key that a description of the vectors stands for.
fn described(input_name: &str) -> Result<SigningPublicKey, ProtoError> {
    let (p256, p384, rsa) = (input("p256_spki"), input("p384_spki"), input("rsa_spki_rfc7517_A1"));
    let (der, raw, tink) = (CryptoKeyFormat::Der, CryptoKeyFormat::Raw, CryptoKeyFormat::Tink);
    let scheme_p256 = SigningKeyScheme::EcDsaP256;
    let new = |format, bytes, scheme| Ok(SigningPublicKey::new(format, bytes, scheme)?);
    match input_name {
        "wrong id" => {
            let id = p384_key().fingerprint().to_string();
            SigningPublicKey::from_proto(&v0::SigningPublicKey { id, ..p256_key().to_proto() })
        }
        "p384 bytes as P256 scheme" => new(der, p384, scheme_p256),
        "p256 bytes as P384 scheme" => new(der, p256, SigningKeyScheme::EcDsaP384),
        "p256 DER labelled Ed25519" => new(der, p256, SigningKeyScheme::Ed25519),
        "p256 DER labelled Raw" => new(raw, p256, scheme_p256),
        "p256 DER labelled Tink" => new(tink, p256, scheme_p256),
        "junk DER" => new(der, vec![1, 2, 3], scheme_p256),
        "rsa bytes as P256 signing" => new(der, rsa, scheme_p256),
        "p256 DER + trailing byte" => new(der, [p256, vec![0]].concat(), scheme_p256),
        "p256 compressed point SPKI" => {
            let mut compressed = p256[..27 + 32].to_vec();
            (compressed[1], compressed[24], compressed[26]) = (57, 34, 2);
            new(der, compressed, scheme_p256)
        }
        "p256 point off curve" => {
            let mut off_curve = p256;
            *off_curve.last_mut().unwrap() ^= 1;
            new(der, off_curve, scheme_p256)
        }
        other => panic!("unknown description {other}"),
    }
}

#[test]
fn public_keys_are_accepted_as_by_canton() {
    for case in canton().list("acceptance") {
        let description = case.text("input");
        let accepted = match description {
            "p256 bytes as rsa enc" => {
                let scheme = EncryptionKeyScheme::Rsa2048OaepSha256;
                EncryptionPublicKey::new(CryptoKeyFormat::Der, input("p256_spki"), scheme).is_ok()
            }
            _ => described(description).is_ok(),
        };
        assert_eq!(accepted, case.flag("accepted"), "{description}");
    }
}

#[test]
fn signatures_are_judged_as_by_canton() {
    for case in canton().list("signatures") {
        let (scheme, format) = signing_scheme(case.text("scheme"));
        let key = SigningPublicKey::new(format, case.hex("public_key"), scheme).unwrap();
        let signature = signature(&key, case.hex("signature"));
        let result = key.verify(&case.hex("message"), &signature);
        let name = case.text("name");
        match case.text("canton") {
            "valid" => assert_eq!(result, Ok(()), "{name}"),
            "invalid" => assert!(matches!(result, Err(VerifyError::Invalid { .. })), "{name}: {result:?}"),
            "throws" => assert!(matches!(result, Err(VerifyError::Empty { .. })), "{name}: {result:?}"),
            other => panic!("unknown answer {other}"),
        }
    }
}

#[test]
fn rsa_ciphertexts_are_judged_as_by_canton() {
    let vectors = canton().at("rsa_oaep");
    let scheme = EncryptionKeyScheme::Rsa2048OaepSha256;
    let pkcs8 = Zeroizing::new(vectors.hex("private_key_pkcs8_test_only"));
    let key = EncryptionPrivateKey::from_bytes(scheme, CryptoKeyFormat::Der, pkcs8).unwrap();
    assert_eq!(key.public().bytes(), vectors.hex("public_key_spki"));

    let plaintext = vectors.hex("plaintext");
    let made_by_canton = vectors.hex("ciphertext_made_by_canton_2_10");
    assert_eq!(*key.decrypt(&made_by_canton).unwrap(), plaintext);
    for case in vectors.list("cases") {
        let decrypted = key.decrypt(&case.hex("ciphertext"));
        match case.text("canton") {
            "fails" => assert!(decrypted.is_err(), "{}", case.text("name")),
            text => assert_eq!(hex::encode(&*decrypted.unwrap()), text, "{}", case.text("name")),
        }
    }
    let ciphertext = key.public().encrypt(&plaintext).unwrap();
    assert_eq!(ciphertext.len(), 256);
    assert_eq!(*key.decrypt(&ciphertext).unwrap(), plaintext);
}
