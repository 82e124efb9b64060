//! The vault service: registration and its refusals, lists, import, deletion.

use cantle_crypto::{
    EncryptionKeyScheme, EncryptionPrivateKey, PublicKey, SigningKeyScheme, SigningPrivateKey,
};
use cantle_kms::{KeySpec, KeyState, KeyUsage};
use cantle_proto::{
    cantle::admin::v1::{ListKeysRequest as ListNodeKeys, key_service_client::KeyServiceClient},
    crypto::{
        admin::v0::{
            DeleteKeyPairRequest, ExportKeyPairRequest, GenerateEncryptionKeyRequest,
            GenerateSigningKeyRequest, GetWrapperKeyIdRequest, ImportKeyPairRequest, ImportPublicKeyRequest,
            ListKeysRequest, RegisterKmsEncryptionKeyRequest, RegisterKmsSigningKeyRequest,
        },
        v0::KeyPurpose,
    },
};
use tonic::Code;

use crate::node::Node;

fn signing(kms_key_id: impl ToString, name: &str) -> RegisterKmsSigningKeyRequest {
    RegisterKmsSigningKeyRequest { kms_key_id: kms_key_id.to_string(), name: name.to_owned() }
}

#[tokio::test]
async fn registered_keys_are_listed_with_the_kms_keys_behind_them() {
    let node = Node::kms().await;
    let sign = node.kms.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify);
    let decrypt = node.kms.add_key(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt);
    let mut vault = node.vault_client();
    let registered = vault.register_kms_signing_key(signing(&sign.key_id, "n-namespace")).await.unwrap();
    let registered = registered.into_inner().public_key.unwrap();
    let request = RegisterKmsEncryptionKeyRequest {
        kms_key_id: decrypt.key_id.to_string(),
        name: "n-encryption".into(),
    };
    vault.register_kms_encryption_key(request).await.unwrap();

    let mine = vault.list_my_keys(ListKeysRequest::default()).await.unwrap().into_inner();
    assert_eq!(mine.private_keys_metadata.len(), 2);
    let filter = ListKeysRequest {
        filter_purpose: vec![KeyPurpose::SigningKeyPurpose as i32],
        filter_name: "name".into(),
        ..ListKeysRequest::default()
    };
    assert_eq!(vault.list_my_keys(filter.clone()).await.unwrap().into_inner().private_keys_metadata.len(), 1);
    assert_eq!(vault.list_public_keys(filter).await.unwrap().into_inner().public_keys.len(), 1);

    let keys = KeyServiceClient::new(node.channel.clone()).list_keys(ListNodeKeys {}).await.unwrap();
    let keys = keys.into_inner().keys;
    assert_eq!(keys[0].fingerprint, registered.id);
    assert_eq!((keys[0].purpose.as_str(), keys[1].purpose.as_str()), ("namespace", "encryption"));
    assert_eq!((keys[0].origin.as_str(), keys[0].state.as_str()), ("registered", "Enabled"));
    assert_eq!(keys[1].kms_key_id, decrypt.key_id.to_string());
}

#[tokio::test]
async fn each_refusal_has_its_code_and_stores_nothing() {
    let node = Node::kms().await;
    let rsa = node.kms.add_key(KeySpec::Rsa2048, KeyUsage::EncryptDecrypt).key_id;
    let disabled = node.kms.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify).key_id;
    node.kms.set_state(&disabled, KeyState::Disabled);
    let pending = node.kms.add_key(KeySpec::EccNistP256, KeyUsage::SignVerify).key_id;
    node.kms.set_state(&pending, KeyState::PendingDeletion);
    let mut vault = node.vault_client();
    for (key, code, name) in [
        (rsa.to_string(), Code::InvalidArgument, "KMS_KEY_USAGE"),
        (disabled.to_string(), Code::FailedPrecondition, "KMS_KEY_DISABLED"),
        (pending.to_string(), Code::FailedPrecondition, "KMS_KEY_PENDING_DELETION"),
        ("1234abcd-12ab-34cd-56ef-1234567890ab".to_owned(), Code::NotFound, "KMS_KEY_NOT_FOUND"),
        ("no key".to_owned(), Code::InvalidArgument, "KMS_KEY_ID"),
    ] {
        let refused = vault.register_kms_signing_key(signing(&key, "x")).await.unwrap_err();
        assert_eq!(refused.code(), code, "{key}: {refused}");
        assert!(refused.message().starts_with(&format!("{name}: ")), "{key}: {}", refused.message());
        assert!(refused.message().contains(&key), "{key}: {}", refused.message());
    }
    assert!(
        vault.list_public_keys(ListKeysRequest::default()).await.unwrap().into_inner().public_keys.is_empty()
    );
}

#[tokio::test]
async fn generation_takes_the_scheme_or_the_default_and_refuses_what_the_provider_lacks() {
    let node = Node::kms().await;
    let mut vault = node.vault_client();
    let made = vault.generate_signing_key(GenerateSigningKeyRequest::default()).await.unwrap().into_inner();
    assert_eq!(made.public_key.unwrap().scheme, SigningKeyScheme::EcDsaP256.number());
    let request =
        GenerateSigningKeyRequest { key_scheme: SigningKeyScheme::Ed25519.number(), name: "e".into() };
    let refused = vault.generate_signing_key(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("ed-25519"), "{}", refused.message());
    let unknown = GenerateEncryptionKeyRequest { key_scheme: 99, name: String::new() };
    assert_eq!(vault.generate_encryption_key(unknown).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(node.kms.keys().len(), 1, "a refused request makes no KMS key");
}

#[tokio::test]
async fn a_downloaded_encryption_key_can_be_uploaded() {
    // What `keys.public.download` writes is the wrapper of the concrete key; Canton reads that back as a signing key.
    let node = Node::kms().await;
    let key =
        EncryptionPrivateKey::generate(EncryptionKeyScheme::Rsa2048OaepSha256).unwrap().public().clone();
    let signing = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256).unwrap().public().clone();
    let mut vault = node.vault_client();
    for (bytes, fingerprint) in [
        (key.to_versioned_bytes(), key.fingerprint()),
        (PublicKey::from(key.clone()).to_bytes(), key.fingerprint()),
        (signing.to_versioned_bytes(), signing.fingerprint()),
        (PublicKey::from(signing.clone()).to_bytes(), signing.fingerprint()),
    ] {
        let request = ImportPublicKeyRequest { public_key: bytes, name: "other".into() };
        let imported = vault.import_public_key(request).await.unwrap().into_inner();
        assert_eq!(imported.fingerprint, fingerprint.to_string());
    }
    let listed = vault.list_public_keys(ListKeysRequest::default()).await.unwrap().into_inner().public_keys;
    assert_eq!(listed.len(), 2);
    let junk = ImportPublicKeyRequest { public_key: b"junk".to_vec(), name: String::new() };
    assert_eq!(vault.import_public_key(junk).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn key_pairs_move_with_jce_and_stay_with_kms() {
    let (jce, kms) = (Node::jce().await, Node::kms().await);
    let made = jce.vault_client().generate_signing_key(GenerateSigningKeyRequest::default()).await.unwrap();
    let fingerprint = made.into_inner().public_key.unwrap().id;
    let request = ExportKeyPairRequest { fingerprint: fingerprint.clone(), protocol_version: 7 };
    let pair = jce.vault_client().export_key_pair(request).await.unwrap().into_inner().key_pair;
    let other = Node::jce().await;
    let request = ImportKeyPairRequest { key_pair: pair.clone(), name: "moved".into() };
    other.vault_client().import_key_pair(request.clone()).await.unwrap();
    let mine = other.vault_client().list_my_keys(ListKeysRequest::default()).await.unwrap().into_inner();
    assert_eq!(mine.private_keys_metadata.len(), 1);

    let refused = kms.vault_client().import_key_pair(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let made = kms.vault_client().generate_signing_key(GenerateSigningKeyRequest::default()).await.unwrap();
    let fingerprint = made.into_inner().public_key.unwrap().id;
    let request = ExportKeyPairRequest { fingerprint, protocol_version: 7 };
    assert_eq!(
        kms.vault_client().export_key_pair(request).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn deleting_forgets_the_key_and_leaves_the_kms_alone() {
    let node = Node::kms().await;
    let mut vault = node.vault_client();
    let made = vault.generate_signing_key(GenerateSigningKeyRequest::default()).await.unwrap().into_inner();
    let request = DeleteKeyPairRequest { fingerprint: made.public_key.unwrap().id };
    vault.delete_key_pair(request.clone()).await.unwrap();
    assert!(
        vault
            .list_my_keys(ListKeysRequest::default())
            .await
            .unwrap()
            .into_inner()
            .private_keys_metadata
            .is_empty()
    );
    assert_eq!(node.kms.keys()[0].state, KeyState::Enabled);
    assert_eq!(vault.delete_key_pair(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn what_this_version_lacks_is_unimplemented_and_says_so() {
    let node = Node::kms().await;
    let refused = node.vault_client().get_wrapper_key_id(GetWrapperKeyIdRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(refused.message().contains("wrapper key"), "{}", refused.message());
}
