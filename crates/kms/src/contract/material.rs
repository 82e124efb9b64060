//! The parts of the suite about wrapper keys and imported key material.

use cantle_crypto::{KeyPair, SigningKeyScheme, SigningPrivateKey, wrap_key_material};

use super::{Keys, Suite, crypto, described, refused};
use crate::{
    CallMode, CreateKey, CreationPoll, EncryptionAlgorithm, KeySpec, KeyState, KmsError, OriginType,
    SigningAlgorithm, create_and_describe, wait_until_ready,
};

const SYMMETRIC: EncryptionAlgorithm = EncryptionAlgorithm::SymmetricDefault;

impl Suite {
    pub(super) async fn wrapper_keys_encrypt_and_decrypt(&mut self, keys: &Keys) {
        let request = described(CreateKey::encryption(KeySpec::SymmetricDefault));
        let made = create_and_describe(&*self.kms, &request, &CreationPoll::default()).await;
        let wrapper =
            made.unwrap_or_else(|error| panic!("contract: CreateKey of a wrapper key: {error}")).key_id;
        self.report.keys.push(wrapper.clone());
        for length in [1, 1700, 4096] {
            let plaintext = vec![0x33; length];
            let sealed = self.kms.encrypt(&wrapper, &plaintext, SYMMETRIC, CallMode::Execute).await;
            let sealed =
                sealed.unwrap_or_else(|error| panic!("contract: Encrypt of {length} bytes: {error}"));
            assert!(sealed.value.len() <= 6144, "contract: a ciphertext has at most 6144 bytes");
            assert!(
                length < 32 || !sealed.value.windows(32).any(|part| part == &plaintext[..32]),
                "contract: a ciphertext does not show its plaintext"
            );
            let opened = self.kms.decrypt(&wrapper, &sealed.value, SYMMETRIC, CallMode::Execute).await;
            let opened =
                opened.unwrap_or_else(|error| panic!("contract: Decrypt of what Encrypt gave: {error}"));
            assert_eq!(*opened.value, plaintext, "contract: Decrypt answers what was encrypted");
            let mut damaged = sealed.value;
            *damaged.last_mut().expect("a ciphertext is not empty") ^= 1;
            let error = refused(
                self.kms.decrypt(&wrapper, &damaged, SYMMETRIC, CallMode::Execute).await,
                "Decrypt of a damaged ciphertext of a wrapper key",
            );
            assert!(
                matches!(error, KmsError::InvalidCiphertext { .. }),
                "contract: a damaged ciphertext is an InvalidCiphertextException, not: {error}"
            );
        }
        for length in [0, 4097] {
            let error = refused(
                self.kms.encrypt(&wrapper, &vec![0; length], SYMMETRIC, CallMode::Execute).await,
                "Encrypt of a plaintext that is too short or too long",
            );
            assert!(
                matches!(error, KmsError::Validation { .. }),
                "contract: not a ValidationException: {error}"
            );
        }
        let signing = &keys.p256.metadata.key_id;
        let error = refused(
            self.kms.encrypt(signing, b"x", SYMMETRIC, CallMode::Execute).await,
            "Encrypt with a signing key",
        );
        assert!(
            matches!(error, KmsError::InvalidKeyUsage { .. }),
            "contract: Encrypt with a signing key is an InvalidKeyUsageException, not: {error}"
        );
        let dry = self.kms.encrypt(&wrapper, b"x", SYMMETRIC, CallMode::DryRun).await;
        let dry =
            dry.unwrap_or_else(|error| panic!("contract: a permitted DryRun of Encrypt is Ok: {error}"));
        assert!(dry.value.is_empty(), "contract: a DryRun of Encrypt answers no ciphertext");
        self.holds("Encrypt and Decrypt of a symmetric key give back 1 to 4096 bytes");
    }

    pub(super) async fn key_material_is_imported(&mut self, keys: &Keys) {
        let request =
            CreateKey { origin: OriginType::External, ..described(CreateKey::signing(KeySpec::EccNistP256)) };
        let made = create_and_describe(&*self.kms, &request, &CreationPoll::default()).await;
        let made = made.unwrap_or_else(|error| panic!("contract: CreateKey with Origin EXTERNAL: {error}"));
        let key = made.key_id.clone();
        self.report.keys.push(key.clone());
        assert_eq!(made.state, KeyState::PendingImport, "contract: a key without material waits for it");
        let private = SigningPrivateKey::generate(SigningKeyScheme::EcDsaP256)
            .expect("contract: a software key can be made");
        let (public, pair) = (private.public().bytes().to_vec(), KeyPair::from(private));
        let parameters = self.kms.parameters_for_import(&key).await;
        let parameters =
            parameters.unwrap_or_else(|error| panic!("contract: GetParametersForImport: {error}")).value;
        let wrapped = wrap_key_material(&parameters.wrapping_key, &pair.to_pkcs8())
            .expect("contract: material can be wrapped with the service's key");
        for attempt in 0..2 {
            let imported = self.kms.import_key_material(&key, &parameters.token, &wrapped).await;
            imported.unwrap_or_else(|error| panic!("contract: ImportKeyMaterial, time {attempt}: {error}"));
        }
        let imported = wait_until_ready(&*self.kms, &key, &CreationPoll::default()).await;
        let imported =
            imported.unwrap_or_else(|error| panic!("contract: an imported key is enabled: {error}"));
        assert_eq!(imported.0.origin, OriginType::External, "contract: Origin is answered");
        assert_eq!(imported.1.der, public, "contract: an imported key has the material's public key");
        let algorithm = SigningAlgorithm::EcdsaSha256;
        let signed = self.kms.sign(&key, b"imported", algorithm, CallMode::Execute).await;
        let signed = signed.unwrap_or_else(|error| panic!("contract: Sign with an imported key: {error}"));
        assert!(
            crypto::verifies(algorithm, &public, b"imported", &signed.value),
            "contract: an imported key signs as its material does"
        );
        let error = refused(
            self.kms.parameters_for_import(&keys.p256.metadata.key_id).await,
            "GetParametersForImport of a key with material of the service's own",
        );
        assert!(
            matches!(error, KmsError::UnsupportedOperation { .. }),
            "contract: that is an UnsupportedOperationException, not: {error}"
        );
        self.holds("Key material is imported, twice too, and signs");
    }
}
