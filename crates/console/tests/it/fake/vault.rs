//! The vault of a fake node.

use cantle_proto::crypto::admin::v0 as vault;
use cantle_proto::crypto::v0 as crypto;
use prost::Message;
use tonic::{Request, Response, Status};

use super::{Answer, Fake, no};

fn purpose_of(key: &crypto::PublicKeyWithName) -> i32 {
    match key.public_key.as_ref().and_then(|key| key.key.as_ref()) {
        Some(crypto::public_key::Key::EncryptionPublicKey(_)) => {
            crypto::KeyPurpose::EncryptionKeyPurpose as i32
        }
        _ => crypto::KeyPurpose::SigningKeyPurpose as i32,
    }
}

#[tonic::async_trait]
impl vault::vault_service_server::VaultService for Fake {
    async fn list_my_keys(
        &self,
        request: Request<vault::ListKeysRequest>,
    ) -> Answer<vault::ListMyKeysResponse> {
        let request = request.into_inner();
        self.record("ListMyKeys", &request);
        let keys = self.state.lock().unwrap().keys.clone();
        let private_keys_metadata = keys
            .into_iter()
            .filter(|key| key.name.contains(&request.filter_name))
            .filter(|key| request.filter_purpose.iter().all(|purpose| *purpose == purpose_of(key)))
            .map(|key| vault::PrivateKeyMetadata {
                public_key_with_name: Some(key),
                wrapper_key_id: String::new(),
            })
            .collect();
        Ok(Response::new(vault::ListMyKeysResponse { private_keys_metadata }))
    }
    async fn generate_signing_key(
        &self,
        request: Request<vault::GenerateSigningKeyRequest>,
    ) -> Answer<vault::GenerateSigningKeyResponse> {
        let request = request.into_inner();
        self.record("GenerateSigningKey", &request);
        let public_key = Some(self.signing(&self.next(), &request.name));
        Ok(Response::new(vault::GenerateSigningKeyResponse { public_key }))
    }
    async fn generate_encryption_key(
        &self,
        request: Request<vault::GenerateEncryptionKeyRequest>,
    ) -> Answer<vault::GenerateEncryptionKeyResponse> {
        let request = request.into_inner();
        self.record("GenerateEncryptionKey", &request);
        let public_key = Some(self.encryption(&self.next(), &request.name));
        Ok(Response::new(vault::GenerateEncryptionKeyResponse { public_key }))
    }
    async fn register_kms_signing_key(
        &self,
        request: Request<vault::RegisterKmsSigningKeyRequest>,
    ) -> Answer<vault::RegisterKmsSigningKeyResponse> {
        let request = request.into_inner();
        self.record("RegisterKmsSigningKey", &request);
        if request.kms_key_id == "missing" {
            return Err(Status::not_found("KMS key missing: NotFoundException"));
        }
        let public_key = Some(self.signing(&request.kms_key_id, &request.name));
        Ok(Response::new(vault::RegisterKmsSigningKeyResponse { public_key }))
    }
    async fn register_kms_encryption_key(
        &self,
        request: Request<vault::RegisterKmsEncryptionKeyRequest>,
    ) -> Answer<vault::RegisterKmsEncryptionKeyResponse> {
        let request = request.into_inner();
        self.record("RegisterKmsEncryptionKey", &request);
        let public_key = Some(self.encryption(&request.kms_key_id, &request.name));
        Ok(Response::new(vault::RegisterKmsEncryptionKeyResponse { public_key }))
    }
    async fn import_public_key(
        &self,
        request: Request<vault::ImportPublicKeyRequest>,
    ) -> Answer<vault::ImportPublicKeyResponse> {
        let request = request.into_inner();
        self.record("ImportPublicKey", &request);
        let public = crypto::PublicKey::decode(request.public_key.as_slice())
            .map_err(|_| Status::invalid_argument("not a public key"))?;
        let fingerprint = match public.key {
            Some(crypto::public_key::Key::SigningPublicKey(key)) => key.id,
            Some(crypto::public_key::Key::EncryptionPublicKey(key)) => key.id,
            None => return Err(Status::invalid_argument("no key")),
        };
        let known = crypto::PublicKey::decode(request.public_key.as_slice()).ok();
        self.state.lock().unwrap().imported.extend(known);
        Ok(Response::new(vault::ImportPublicKeyResponse { fingerprint }))
    }
    async fn list_public_keys(
        &self,
        request: Request<vault::ListKeysRequest>,
    ) -> Answer<vault::ListKeysResponse> {
        self.record("ListPublicKeys", request.into_inner());
        Ok(Response::new(vault::ListKeysResponse { public_keys: self.state.lock().unwrap().keys.clone() }))
    }
    async fn rotate_wrapper_key(&self, _: Request<vault::RotateWrapperKeyRequest>) -> Answer<()> {
        no()
    }
    async fn get_wrapper_key_id(
        &self,
        _: Request<vault::GetWrapperKeyIdRequest>,
    ) -> Answer<vault::GetWrapperKeyIdResponse> {
        no()
    }
    async fn export_key_pair(
        &self,
        _: Request<vault::ExportKeyPairRequest>,
    ) -> Answer<vault::ExportKeyPairResponse> {
        no()
    }
    async fn import_key_pair(
        &self,
        _: Request<vault::ImportKeyPairRequest>,
    ) -> Answer<vault::ImportKeyPairResponse> {
        no()
    }
    async fn delete_key_pair(
        &self,
        request: Request<vault::DeleteKeyPairRequest>,
    ) -> Answer<vault::DeleteKeyPairResponse> {
        self.record("DeleteKeyPair", request.into_inner());
        Ok(Response::new(vault::DeleteKeyPairResponse {}))
    }
}
