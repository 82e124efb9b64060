//! Signatures at the edges: numbers out of range, encodings that are almost DER, keys off their curve.
//!
//! The values are made here, of the kinds that Wycheproof has; what is valid is cross-checked with the
//! `p256` and `p384` crates.

use cantle_crypto::{
    CryptoKeyFormat, EncryptionKeyScheme, EncryptionPrivateKey, Hash, HashError, Signature, SigningKeyScheme,
    SigningPrivateKey, SigningPublicKey, VerifyError,
};
use p256::ecdsa::signature::{Signer, Verifier};
use p256::pkcs8::DecodePrivateKey;

use crate::support::{canton, p256_key, signature};

const MESSAGE: &[u8] = b"what is signed";

/// The order of P-256.
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

fn integer(content: &[u8]) -> Vec<u8> {
    [&[2, u8::try_from(content.len()).unwrap()], content].concat()
}

fn sequence(content: &[u8]) -> Vec<u8> {
    match u8::try_from(content.len()).unwrap() {
        length @ ..0x80 => [&[0x30, length], content].concat(),
        length => [&[0x30, 0x81, length], content].concat(),
    }
}

/// A positive DER integer.
fn positive(magnitude: &[u8]) -> Vec<u8> {
    let zeros = magnitude.iter().take_while(|&&byte| byte == 0).count().min(magnitude.len() - 1);
    let magnitude = &magnitude[zeros..];
    if magnitude[0] >= 0x80 { integer(&[&[0], magnitude].concat()) } else { integer(magnitude) }
}

fn own_p256() -> (p256::ecdsa::SigningKey, SigningPublicKey) {
    let scalar = canton().at("inputs").hex("p256_private_scalar_rfc6979");
    (p256::ecdsa::SigningKey::from_slice(&scalar).unwrap(), p256_key())
}

#[test]
fn valid_signature_in_every_other_encoding_is_invalid() {
    let (private, key) = own_p256();
    let made: p256::ecdsa::Signature = private.sign(MESSAGE);
    let (r, s) = (made.r().to_bytes(), made.s().to_bytes());
    let (r, s) = (positive(&r), positive(&s));
    let both = [&r[..], &s].concat();
    let valid = sequence(&both);
    assert_eq!(key.verify(MESSAGE, &signature(&key, valid.clone())), Ok(()));

    let length = u8::try_from(both.len()).unwrap();
    let padded = |number: &[u8]| integer(&[&[0], &number[2..]].concat());
    let huge = |number: &[u8]| integer(&[&[0x7f; 60], &number[2..]].concat());
    let negative = |number: &[u8]| integer(&[&[0xff], &number[2..]].concat());
    let encodings = [
        ("raw", made.to_bytes().to_vec()),
        ("swapped", sequence(&[&s[..], &r].concat())),
        ("r only", sequence(&r)),
        ("r, s and s", sequence(&[&r[..], &s, &s].concat())),
        ("a null more", sequence(&[&both[..], &[5, 0]].concat())),
        ("zero before r", sequence(&[padded(&r), s.clone()].concat())),
        ("zero before s", sequence(&[r.clone(), padded(&s)].concat())),
        ("huge r", sequence(&[huge(&r), s.clone()].concat())),
        ("huge s", sequence(&[r.clone(), huge(&s)].concat())),
        ("negative r", sequence(&[negative(&r), s.clone()].concat())),
        ("empty r", sequence(&[integer(&[]), s.clone()].concat())),
        ("empty s", sequence(&[r.clone(), integer(&[])].concat())),
        ("empty sequence", sequence(&[])),
        ("long length", [&[0x30, 0x81, length], &both[..]].concat()),
        ("indefinite length", [&[0x30, 0x80], &both[..], &[0, 0]].concat()),
        ("set", [&[0x31, length], &both[..]].concat()),
        ("octet strings", sequence(&[&[4], &r[1..], &[4], &s[1..]].concat())),
        ("trailing zero", [&valid[..], &[0]].concat()),
        ("trailing copy", [&valid[..], &valid].concat()),
        ("leading zero", [&[0], &valid[..]].concat()),
        ("length one more", [&[0x30, length + 1], &both[..]].concat()),
        ("length one less", [&[0x30, length - 1], &both[..]].concat()),
    ];
    for (name, bytes) in encodings {
        let result = key.verify(MESSAGE, &signature(&key, bytes));
        assert!(matches!(result, Err(VerifyError::Invalid { .. })), "{name}: {result:?}");
    }
    for end in 1..valid.len() {
        let result = key.verify(MESSAGE, &signature(&key, valid[..end].to_vec()));
        assert!(matches!(result, Err(VerifyError::Invalid { .. })), "{end} bytes");
    }
    for index in 0..valid.len() {
        let mut changed = valid.clone();
        changed[index] ^= 0x40;
        assert!(key.verify(MESSAGE, &signature(&key, changed)).is_err(), "byte {index} changed");
    }
}

#[test]
fn numbers_out_of_range_are_invalid() {
    let (private, key) = own_p256();
    let made: p256::ecdsa::Signature = private.sign(MESSAGE);
    let order = hex::decode(ORDER).unwrap();
    let mut next = order.clone();
    *next.last_mut().unwrap() += 1;
    let outside = [vec![0], vec![1], order, next, vec![0xff; 32], vec![0xff; 33], vec![0xff; 100]];
    for number in &outside {
        let number = positive(number);
        for other in [positive(&made.r().to_bytes()), positive(&made.s().to_bytes()), number.clone()] {
            for pair in [[&number[..], &other].concat(), [&other[..], &number].concat()] {
                let result = key.verify(MESSAGE, &signature(&key, sequence(&pair)));
                assert!(matches!(result, Err(VerifyError::Invalid { .. })), "{}", hex::encode(pair));
            }
        }
    }
}

#[test]
fn prefix_of_tink_is_stripped_once() {
    let (private, key) = own_p256();
    let made: p256::ecdsa::DerSignature = private.sign(MESSAGE);
    let prefixed = |prefix: &[u8]| signature(&key, [prefix, made.as_bytes()].concat());
    assert_eq!(key.verify(MESSAGE, &prefixed(&[1, 2, 3, 4, 5])), Ok(()));
    for prefix in
        [&[1_u8, 2, 3, 4][..], &[1, 2, 3, 4, 5, 6], &[0, 2, 3, 4, 5], &[1, 2, 3, 4, 5, 1, 2, 3, 4, 5]]
    {
        assert!(key.verify(MESSAGE, &prefixed(prefix)).is_err(), "{prefix:?}");
    }
    for length in 1..=5 {
        let result = key.verify(MESSAGE, &signature(&key, vec![1; length]));
        assert!(matches!(result, Err(VerifyError::Invalid { .. })));
    }
}

#[test]
fn signature_naming_another_key_is_refused_before_it_is_looked_at() {
    let (private, key) = own_p256();
    let made: p256::ecdsa::DerSignature = private.sign(MESSAGE);
    let other = Signature::new(made.as_bytes().to_vec(), "other".parse().unwrap());
    assert!(matches!(key.verify(MESSAGE, &other), Err(VerifyError::WrongKey { .. })));
    let empty = Signature::new(Vec::new(), "other".parse().unwrap());
    assert!(matches!(key.verify(MESSAGE, &empty), Err(VerifyError::WrongKey { .. })));
}

#[test]
fn key_off_its_curve_is_found_on_verifying() {
    let mut bytes = p256_key().bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let key = SigningPublicKey::new(CryptoKeyFormat::Der, bytes, SigningKeyScheme::EcDsaP256).unwrap();
    let result = key.verify(MESSAGE, &signature(&key, vec![0x30, 6, 2, 1, 1, 2, 1, 1]));
    assert!(matches!(result, Err(VerifyError::InvalidKey { .. })), "{result:?}");
}

#[test]
fn key_on_a_curve_that_is_only_read_is_refused_on_verifying() {
    let cases = crate::support::jdk_keys();
    let bytes = cases.named("cases", "curve-bp256r1").hex("key");
    let key = SigningPublicKey::new(CryptoKeyFormat::Der, bytes, SigningKeyScheme::EcDsaP256).unwrap();
    let result = key.verify(MESSAGE, &signature(&key, vec![1]));
    assert!(matches!(result, Err(VerifyError::UnsupportedCurve { .. })), "{result:?}");
}

#[test]
fn scheme_chooses_the_digest_and_the_key_the_curve() {
    let p384 = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP384).unwrap();
    let labelled =
        SigningPublicKey::new(CryptoKeyFormat::Der, p384.public().bytes(), SigningKeyScheme::EcDsaP256)
            .unwrap();
    assert_eq!(labelled.fingerprint(), p384.fingerprint());
    // SHA-384, as the key signs.
    let with_sha384 = p384.sign(MESSAGE).unwrap();
    assert_eq!(p384.public().verify(MESSAGE, &with_sha384), Ok(()));
    assert!(labelled.verify(MESSAGE, &with_sha384).is_err());
    // SHA-256, as the label says.
    let own = p384::ecdsa::SigningKey::from_pkcs8_der(p384.secret_bytes()).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, MESSAGE);
    let mut padded = [0; 48];
    padded[16..].copy_from_slice(digest.as_ref());
    let with_sha256: p384::ecdsa::Signature =
        p384::ecdsa::signature::hazmat::PrehashSigner::sign_prehash(&own, &padded).unwrap();
    let with_sha256 = signature(&labelled, with_sha256.to_der().as_bytes().to_vec());
    assert_eq!(labelled.verify(MESSAGE, &with_sha256), Ok(()));
    assert!(p384.public().verify(MESSAGE, &with_sha256).is_err());
}

#[test]
fn other_implementations_agree_on_signatures() {
    for _ in 0..20 {
        let key = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap();
        let theirs = p256::ecdsa::SigningKey::from_pkcs8_der(key.secret_bytes()).unwrap();
        let ours = p256::ecdsa::Signature::from_der(key.sign(MESSAGE).unwrap().bytes()).unwrap();
        assert!(theirs.verifying_key().verify(MESSAGE, &ours).is_ok());
        let made: p256::ecdsa::DerSignature = theirs.sign(MESSAGE);
        let made = signature(key.public(), made.as_bytes().to_vec());
        assert_eq!(key.public().verify(MESSAGE, &made), Ok(()));
        assert!(key.public().verify(b"another", &made).is_err());

        let key = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP384).unwrap();
        let theirs = p384::ecdsa::SigningKey::from_pkcs8_der(key.secret_bytes()).unwrap();
        let ours = p384::ecdsa::Signature::from_der(key.sign(MESSAGE).unwrap().bytes()).unwrap();
        assert!(theirs.verifying_key().verify(MESSAGE, &ours).is_ok());
        let made: p384::ecdsa::DerSignature = theirs.sign(MESSAGE);
        let made = signature(key.public(), made.as_bytes().to_vec());
        assert_eq!(key.public().verify(MESSAGE, &made), Ok(()));
    }
}

#[test]
fn ed25519_is_that_of_rfc_8032() {
    // RFC 8032, section 7.1, test 1: the empty message.
    let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
    let expected = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
    let key =
        SigningPrivateKey::from_bytes(SigningKeyScheme::Ed25519, CryptoKeyFormat::Raw, seed.into()).unwrap();
    assert_eq!(key.public().bytes(), canton().at("inputs").hex("ed25519_public_rfc8032_1"));
    let made = key.sign(&[]).unwrap();
    assert_eq!(hex::encode(made.bytes()), expected);
    assert_eq!(key.public().verify(&[], &made), Ok(()));
    for end in 1..64 {
        assert!(key.public().verify(&[], &signature(key.public(), made.bytes()[..end].to_vec())).is_err());
    }
    let long = [made.bytes(), &[0]].concat();
    assert!(key.public().verify(&[], &signature(key.public(), long)).is_err());
    // s + L: malleable if s were not checked to be reduced.
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0;
    let mut malleable = made.bytes().to_vec();
    for (byte, &add) in malleable[32..].iter_mut().zip(&order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert!(key.public().verify(&[], &signature(key.public(), malleable)).is_err());
}

#[test]
fn evidence_in_other_forms_is_refused() {
    let digest = [7; 32];
    let hash = |prefix: &[u8], digest: &[u8]| Hash::from_evidence(&[prefix, digest].concat());
    assert_eq!(hash(&[0x12, 0x20], &digest).unwrap(), Hash::from_digest(digest));
    // Groups of seven bits need not be the fewest.
    assert_eq!(hash(&[0x92, 0x00, 0xa0, 0x80, 0x00], &digest).unwrap(), Hash::from_digest(digest));
    assert_eq!(hash(&[0x13, 0x20], &digest), Err(HashError::UnknownAlgorithm { code: 0x13 }));
    assert_eq!(hash(&[0x12, 0x1f], &digest), Err(HashError::WrongLength { stated: 31, found: 32 }));
    assert_eq!(hash(&[0x12, 0x20], &digest[1..]), Err(HashError::WrongLength { stated: 32, found: 31 }));
    assert_eq!(hash(&[0x12, 0x1f], &digest[1..]), Err(HashError::WrongLength { stated: 31, found: 31 }));
    assert_eq!(hash(&[], &[]), Err(HashError::Truncated));
    assert_eq!(hash(&[0x12], &[]), Err(HashError::Truncated));
    assert_eq!(hash(&[0x80; 20], &[]), Err(HashError::Truncated));
    assert!(matches!("12".parse::<Hash>(), Err(HashError::Truncated)));
    assert!(matches!("1220zz".parse::<Hash>(), Err(HashError::Hex(_))));
}

#[test]
fn a_key_is_written_as_a_kms_writes_it_whatever_its_format() {
    // RFC 8410, section 10.1.
    let raw = hex::decode("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1").unwrap();
    let key = SigningPublicKey::new(CryptoKeyFormat::Raw, raw.clone(), SigningKeyScheme::Ed25519).unwrap();
    let der = [hex::decode("302a300506032b6570032100").unwrap(), raw].concat();
    assert_eq!(key.to_spki(), Some(der));
    for scheme in [SigningKeyScheme::EcDsaP256, SigningKeyScheme::EcDsaP384] {
        let key = SigningPrivateKey::generate(scheme).unwrap().public().clone();
        assert_eq!(key.to_spki().as_deref(), Some(key.bytes()));
    }
    let scheme = EncryptionKeyScheme::Rsa2048OaepSha256;
    let key = EncryptionPrivateKey::generate(scheme).unwrap().public().clone();
    assert_eq!(key.to_spki().as_deref(), Some(key.bytes()));
}
