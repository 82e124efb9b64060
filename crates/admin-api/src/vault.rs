//! `crypto.admin.v0.VaultService`: a node's keys.
//!
//! Not here: what is done with a key; the vault does that.
//! Source: <https://docs.daml.com/canton/usermanual/kms/kms.html>

use cantle_crypto::{EncryptionKeyScheme, PublicKey, SigningKeyScheme, key_purpose_from_proto};
use cantle_kms::KmsKeyId;
use cantle_proto::crypto::{
    admin::v0::{
        DeleteKeyPairRequest, DeleteKeyPairResponse, ExportKeyPairRequest, ExportKeyPairResponse,
        GenerateEncryptionKeyRequest, GenerateEncryptionKeyResponse, GenerateSigningKeyRequest,
        GenerateSigningKeyResponse, GetWrapperKeyIdRequest, GetWrapperKeyIdResponse, ImportKeyPairRequest,
        ImportKeyPairResponse, ImportPublicKeyRequest, ImportPublicKeyResponse, ListKeysRequest,
        ListKeysResponse, ListMyKeysResponse, PrivateKeyMetadata, RegisterKmsEncryptionKeyRequest,
        RegisterKmsEncryptionKeyResponse, RegisterKmsSigningKeyRequest, RegisterKmsSigningKeyResponse,
        RotateWrapperKeyRequest, vault_service_server::VaultService,
    },
    v0,
};
use cantle_types::{Fingerprint, KeyName};
use cantle_vault::{KeyFilter, KeyInUse, KeyRole, Vault};
use tonic::{Request, Response, Status};

use crate::{
    NodeTopology,
    roles::{Roles, role_of_name},
    status::{ToStatus, invalid},
};

/// The service of one node.
#[derive(Debug)]
pub(crate) struct VaultAdmin {
    vault: Vault,
    topology: NodeTopology,
}

impl VaultAdmin {
    pub(crate) fn new(vault: Vault, topology: NodeTopology) -> Self {
        Self { vault, topology }
    }
}

#[tonic::async_trait]
impl VaultService for VaultAdmin {
    async fn list_my_keys(
        &self,
        request: Request<ListKeysRequest>,
    ) -> Result<Response<ListMyKeysResponse>, Status> {
        let keys = self
            .vault
            .private_keys(&filter(request.into_inner())?)
            .await
            .map_err(|error| error.to_status())?;
        let private_keys_metadata = keys
            .into_iter()
            .map(|key| PrivateKeyMetadata {
                public_key_with_name: Some(with_name(&key.public, key.name.as_ref())),
                wrapper_key_id: key.wrapper_key_id.unwrap_or_default(),
            })
            .collect();
        Ok(Response::new(ListMyKeysResponse { private_keys_metadata }))
    }

    async fn list_public_keys(
        &self,
        request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let keys = self
            .vault
            .public_keys(&filter(request.into_inner())?)
            .await
            .map_err(|error| error.to_status())?;
        let public_keys = keys.iter().map(|stored| with_name(&stored.key, stored.name.as_ref())).collect();
        Ok(Response::new(ListKeysResponse { public_keys }))
    }

    async fn generate_signing_key(
        &self,
        request: Request<GenerateSigningKeyRequest>,
    ) -> Result<Response<GenerateSigningKeyResponse>, Status> {
        let request = request.into_inner();
        let scheme = match request.key_scheme {
            0 => None,
            number => {
                Some(SigningKeyScheme::from_number(number).map_err(|error| invalid("key_scheme", &error))?)
            }
        };
        let name = key_name(request.name)?;
        let role = role_of_name(name.as_ref());
        let key =
            self.vault.generate_signing_key(name, scheme, role).await.map_err(|error| error.to_status())?;
        Ok(Response::new(GenerateSigningKeyResponse { public_key: Some(key.to_proto()) }))
    }

    async fn generate_encryption_key(
        &self,
        request: Request<GenerateEncryptionKeyRequest>,
    ) -> Result<Response<GenerateEncryptionKeyResponse>, Status> {
        let request = request.into_inner();
        let scheme = match request.key_scheme {
            0 => None,
            number => Some(
                EncryptionKeyScheme::from_number(number).map_err(|error| invalid("key_scheme", &error))?,
            ),
        };
        let name = key_name(request.name)?;
        let key = self
            .vault
            .generate_encryption_key(name, scheme, KeyRole::Encryption)
            .await
            .map_err(|error| error.to_status())?;
        Ok(Response::new(GenerateEncryptionKeyResponse { public_key: Some(key.to_proto()) }))
    }

    async fn register_kms_signing_key(
        &self,
        request: Request<RegisterKmsSigningKeyRequest>,
    ) -> Result<Response<RegisterKmsSigningKeyResponse>, Status> {
        let request = request.into_inner();
        let id = kms_key_id(&request.kms_key_id)?;
        let name = key_name(request.name)?;
        let key = self.vault.register_kms_signing_key(&id, name).await.map_err(|error| error.to_status())?;
        Ok(Response::new(RegisterKmsSigningKeyResponse { public_key: Some(key.to_proto()) }))
    }

    async fn register_kms_encryption_key(
        &self,
        request: Request<RegisterKmsEncryptionKeyRequest>,
    ) -> Result<Response<RegisterKmsEncryptionKeyResponse>, Status> {
        let request = request.into_inner();
        let id = kms_key_id(&request.kms_key_id)?;
        let name = key_name(request.name)?;
        let key =
            self.vault.register_kms_encryption_key(&id, name).await.map_err(|error| error.to_status())?;
        Ok(Response::new(RegisterKmsEncryptionKeyResponse { public_key: Some(key.to_proto()) }))
    }

    async fn import_public_key(
        &self,
        request: Request<ImportPublicKeyRequest>,
    ) -> Result<Response<ImportPublicKeyResponse>, Status> {
        let request = request.into_inner();
        let name = key_name(request.name)?;
        let key = public_key(&request.public_key)?;
        let fingerprint = self.vault.import_public_key(key, name).await.map_err(|error| error.to_status())?;
        Ok(Response::new(ImportPublicKeyResponse { fingerprint: fingerprint.to_string() }))
    }

    async fn rotate_wrapper_key(
        &self,
        request: Request<RotateWrapperKeyRequest>,
    ) -> Result<Response<()>, Status> {
        let named = request.into_inner().new_wrapper_key_id;
        let new = if named.is_empty() { None } else { Some(kms_key_id(&named)?) };
        self.vault.rotate_wrapper_key(new).await.map_err(|error| error.to_status())?;
        Ok(Response::new(()))
    }

    async fn get_wrapper_key_id(
        &self,
        _request: Request<GetWrapperKeyIdRequest>,
    ) -> Result<Response<GetWrapperKeyIdResponse>, Status> {
        let key = self.vault.wrapper_key_id().await.map_err(|error| error.to_status())?;
        Ok(Response::new(GetWrapperKeyIdResponse { wrapper_key_id: key.to_string() }))
    }

    async fn export_key_pair(
        &self,
        request: Request<ExportKeyPairRequest>,
    ) -> Result<Response<ExportKeyPairResponse>, Status> {
        let fingerprint = fingerprint(&request.into_inner().fingerprint)?;
        let pair = self.vault.export_key_pair(&fingerprint).await.map_err(|error| error.to_status())?;
        // The answer's buffer is the transport's; it cannot be wiped from here.
        Ok(Response::new(ExportKeyPairResponse { key_pair: pair.to_vec() }))
    }

    async fn import_key_pair(
        &self,
        request: Request<ImportKeyPairRequest>,
    ) -> Result<Response<ImportKeyPairResponse>, Status> {
        let ImportKeyPairRequest { key_pair, name } = request.into_inner();
        let key_pair = zeroize::Zeroizing::new(key_pair);
        let name = key_name(name)?;
        self.vault.import_key_pair(&key_pair, name).await.map_err(|error| error.to_status())?;
        Ok(Response::new(ImportKeyPairResponse {}))
    }

    async fn delete_key_pair(
        &self,
        request: Request<DeleteKeyPairRequest>,
    ) -> Result<Response<DeleteKeyPairResponse>, Status> {
        let fingerprint = fingerprint(&request.into_inner().fingerprint)?;
        let roles = Roles::read(&self.topology).await.map_err(|error| error.to_status())?;
        let here = self.vault.private_keys(&KeyFilter::default()).await.map_err(|error| error.to_status())?;
        let is_here = |key: &Fingerprint| here.iter().any(|info| info.fingerprint() == key);
        // What the root has signed stays valid without it, and it can be signed with elsewhere.
        let in_use = roles.use_of(&fingerprint).filter(|_| !roles.is_spare_root(&fingerprint, is_here));
        let in_use = in_use.map_or(KeyInUse::No, KeyInUse::Yes);
        self.vault.delete_key_pair(&fingerprint, in_use).await.map_err(|error| error.to_status())?;
        Ok(Response::new(DeleteKeyPairResponse {}))
    }
}

/// A public key, bare or in the versioned wrapper: `keys.public.download` writes the wrapper of the concrete key,
/// which Canton's own upload cannot read back for encryption keys.
fn public_key(bytes: &[u8]) -> Result<PublicKey, Status> {
    PublicKey::from_bytes(bytes).or_else(|bare| {
        use cantle_crypto::{EncryptionPublicKey, SigningPublicKey};
        SigningPublicKey::from_versioned_bytes(bytes)
            .map(PublicKey::Signing)
            .or_else(|_| EncryptionPublicKey::from_versioned_bytes(bytes).map(PublicKey::Encryption))
            .or_else(|_| PublicKey::from_versioned_bytes(bytes))
            .map_err(|_| invalid("public_key", &bare))
    })
}

fn filter(request: ListKeysRequest) -> Result<KeyFilter, Status> {
    let purposes = request
        .filter_purpose
        .iter()
        .map(|number| key_purpose_from_proto(*number).map_err(|error| invalid("filter_purpose", &error)))
        .collect::<Result<_, _>>()?;
    Ok(KeyFilter {
        fingerprint_prefix: request.filter_fingerprint,
        name_substring: request.filter_name,
        purposes,
    })
}

fn with_name(key: &PublicKey, name: Option<&KeyName>) -> v0::PublicKeyWithName {
    v0::PublicKeyWithName {
        public_key: Some(key.to_proto()),
        name: name.map(ToString::to_string).unwrap_or_default(),
    }
}

fn key_name(name: String) -> Result<Option<KeyName>, Status> {
    let name = KeyName::try_from(name).map_err(|error| invalid("name", &error))?;
    Ok(Some(name).filter(|name| !name.is_empty()))
}

fn kms_key_id(text: &str) -> Result<KmsKeyId, Status> {
    KmsKeyId::parse(text).map_err(|error| error.to_status())
}

pub(crate) fn fingerprint(text: &str) -> Result<Fingerprint, Status> {
    text.parse().map_err(|error| invalid("fingerprint", &error))
}
