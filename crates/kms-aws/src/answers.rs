//! From the SDK's answers to ours, with what compatible services leave out filled in where another field says it.
//!
//! What no field says is [`KeySpec::Unknown`] with an empty name, never a guess.

use aws_sdk_kms::operation::get_public_key::GetPublicKeyOutput;
use aws_sdk_kms::types;
use cantle_kms::{KeyMetadata, KeySpec, KeyState, KeyUsage, KmsKeyId, KmsPublicKey, OriginType};

/// SubjectPublicKeyInfo of P-256 up to the point, and its whole length.
const P256: (&[u8], usize) = (
    &[
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ],
    91,
);
/// The same of P-384.
const P384: (&[u8], usize) = (
    &[
        0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
        0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
    ],
    120,
);
/// SubjectPublicKeyInfo of RSA with 2048 bits and the exponent 65537 up to the modulus, and its whole length.
const RSA_2048: (&[u8], usize) = (
    &[
        0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
        0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00,
    ],
    294,
);

/// DescribeKey's and CreateKey's answer. The error says what is wrong with it.
pub(crate) fn metadata(answer: Option<types::KeyMetadata>) -> Result<KeyMetadata, &'static str> {
    let answer = answer.ok_or("it has no KeyMetadata")?;
    let spec = described_spec(&answer).unwrap_or_else(|| KeySpec::Unknown(String::new()));
    let named = KmsKeyId::parse(&answer.key_id).map_err(|_| "its KeyId is not a key id")?;
    let given_arn = answer.arn.as_deref().and_then(|arn| KmsKeyId::parse(arn).ok());
    let arn = given_arn.or_else(|| named.is_arn().then(|| named.clone()));
    let bare = named.key_id().ok_or("its KeyId is not a key id")?;
    let key_id = KmsKeyId::parse(bare).map_err(|_| "its KeyId is not a key id")?;
    let account =
        answer.aws_account_id.or_else(|| arn.as_ref().and_then(KmsKeyId::account).map(str::to_owned));
    let state = match &answer.key_state {
        Some(state) => KeyState::from_name(state.as_str()),
        None if answer.enabled => KeyState::Enabled,
        None => KeyState::Disabled,
    };
    Ok(KeyMetadata {
        state,
        spec,
        usage: usage(answer.key_usage.as_ref()),
        multi_region: answer.multi_region.unwrap_or_else(|| key_id.is_multi_region()),
        description: answer.description.unwrap_or_default(),
        origin: OriginType::from_name(answer.origin.as_ref().map_or("", types::OriginType::as_str)),
        key_id,
        arn,
        account,
    })
}

/// GetPublicKey's answer to a request for `asked`.
pub(crate) fn public_key(answer: GetPublicKeyOutput, asked: &KmsKeyId) -> Result<KmsPublicKey, &'static str> {
    let given = given_spec(&answer);
    let der = answer.public_key.ok_or("it has no PublicKey")?.into_inner();
    let spec = given.unwrap_or_else(|| spec_of(&der));
    let usage = match (&answer.key_usage, &answer.signing_algorithms, &answer.encryption_algorithms) {
        (Some(given), ..) => usage(Some(given)),
        (None, Some(signing), _) if !signing.is_empty() => KeyUsage::SignVerify,
        (None, _, Some(encryption)) if !encryption.is_empty() => KeyUsage::EncryptDecrypt,
        _ => usage(None),
    };
    let key_id = key(answer.key_id.as_deref()).unwrap_or_else(|| asked.clone());
    Ok(KmsPublicKey { key_id, spec, usage, der })
}

/// The key that an answer names.
pub(crate) fn key(name: Option<&str>) -> Option<KmsKeyId> {
    name.and_then(|name| KmsKeyId::parse(name).ok())
}

/// The spec under its present name, or under the one that AWS deprecated and emulators still use alone.
#[expect(deprecated, reason = "the old field is all that some compatible services send")]
fn described_spec(answer: &types::KeyMetadata) -> Option<KeySpec> {
    let present = answer.key_spec.as_ref().map(types::KeySpec::as_str);
    let old = answer.customer_master_key_spec.as_ref().map(types::CustomerMasterKeySpec::as_str);
    spec(present, old)
}

/// The same of a public key.
#[expect(deprecated, reason = "the old field is all that some compatible services send")]
fn given_spec(answer: &GetPublicKeyOutput) -> Option<KeySpec> {
    let present = answer.key_spec.as_ref().map(types::KeySpec::as_str);
    let old = answer.customer_master_key_spec.as_ref().map(types::CustomerMasterKeySpec::as_str);
    spec(present, old)
}

fn spec(present: Option<&str>, old: Option<&str>) -> Option<KeySpec> {
    present.or(old).filter(|name| !name.is_empty()).map(KeySpec::from_name)
}

fn usage(usage: Option<&types::KeyUsageType>) -> KeyUsage {
    KeyUsage::from_name(usage.map_or("", types::KeyUsageType::as_str))
}

/// The spec that a public key itself tells, of those a node uses.
fn spec_of(der: &[u8]) -> KeySpec {
    let is = |(prefix, length): (&[u8], usize)| der.len() == length && der.starts_with(prefix);
    if is(P256) {
        KeySpec::EccNistP256
    } else if is(P384) {
        KeySpec::EccNistP384
    } else if is(RSA_2048) {
        KeySpec::Rsa2048
    } else {
        KeySpec::Unknown(String::new())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_sdk_kms::primitives::Blob;
    use cantle_kms::Kms;
    use cantle_kms::testing::FakeKms;

    use super::*;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn asked() -> KmsKeyId {
        KmsKeyId::parse("alias/x").unwrap()
    }

    #[tokio::test]
    async fn a_missing_spec_is_read_from_the_public_key() {
        let fake = Arc::new(FakeKms::new());
        let kinds = [
            (KeySpec::EccNistP256, KeyUsage::SignVerify),
            (KeySpec::EccNistP384, KeyUsage::SignVerify),
            (KeySpec::Rsa2048, KeyUsage::EncryptDecrypt),
        ];
        for (spec, usage) in kinds {
            let key = fake.add_key(spec.clone(), usage).key_id;
            let der = fake.public_key(&key).await.unwrap().value.der;
            let answer = GetPublicKeyOutput::builder().public_key(Blob::new(der)).build();
            assert_eq!(public_key(answer, &asked()).unwrap().spec, spec);
        }
        let answer = GetPublicKeyOutput::builder().public_key(Blob::new([0x30, 0])).build();
        assert_eq!(public_key(answer, &asked()).unwrap().spec, KeySpec::Unknown(String::new()));
    }

    #[test]
    #[expect(deprecated, reason = "this is the case of the old field")]
    fn the_old_name_of_the_spec_is_read() {
        let answer = GetPublicKeyOutput::builder()
            .key_id(ARN)
            .public_key(Blob::new([0x30, 0]))
            .customer_master_key_spec(types::CustomerMasterKeySpec::EccNistP384)
            .signing_algorithms(types::SigningAlgorithmSpec::EcdsaSha384)
            .build();
        let key = public_key(answer, &asked()).unwrap();
        assert_eq!((key.spec, key.usage), (KeySpec::EccNistP384, KeyUsage::SignVerify));
        assert_eq!(key.key_id.as_str(), ARN);
    }

    #[test]
    fn an_answer_without_public_key_is_refused() {
        let answer = GetPublicKeyOutput::builder().key_id(ARN).build();
        assert_eq!(public_key(answer, &asked()).unwrap_err(), "it has no PublicKey");
    }

    #[test]
    fn sparse_metadata_is_filled_in() {
        let answer = types::KeyMetadata::builder().key_id(ARN).enabled(true).build().unwrap();
        let metadata = metadata(Some(answer)).unwrap();
        assert_eq!(metadata.key_id.as_str(), ID);
        assert_eq!(metadata.arn.unwrap().as_str(), ARN);
        assert_eq!(metadata.account.as_deref(), Some("111122223333"));
        assert_eq!(metadata.state, KeyState::Enabled);
        assert_eq!(metadata.spec, KeySpec::Unknown(String::new()));
        assert_eq!(metadata.usage, KeyUsage::Unknown(String::new()));
    }

    #[test]
    fn metadata_without_a_key_is_refused() {
        assert!(metadata(None).is_err());
        let answer = types::KeyMetadata::builder().key_id("my key").build().unwrap();
        assert_eq!(metadata(Some(answer)).unwrap_err(), "its KeyId is not a key id");
    }

    #[test]
    fn names_that_are_not_known_yet_are_kept() {
        let answer = types::KeyMetadata::builder()
            .key_id("mrk-1234abcd12ab34cd56ef1234567890ab")
            .key_spec(types::KeySpec::from("ECC_FUTURE"))
            .key_state(types::KeyState::from("Dreaming"))
            .build()
            .unwrap();
        let metadata = metadata(Some(answer)).unwrap();
        assert_eq!(metadata.spec, KeySpec::Unknown("ECC_FUTURE".to_owned()));
        assert_eq!(metadata.state, KeyState::Unknown("Dreaming".to_owned()));
        assert!(metadata.multi_region);
    }
}
