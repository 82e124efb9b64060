//! Key material from outside is brought into the service.

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{AlgorithmSpec, ExpirationModelType, WrappingKeySpec};
use cantle_kms::{FailedCall, ImportParameters, KmsAnswer, KmsKeyId};

use super::{Answer, AwsKms};
use crate::answers;

impl AwsKms {
    pub(super) async fn send_get_parameters_for_import(&self, key: &KmsKeyId, call: FailedCall) -> Answer {
        let sent = self
            .client
            .get_parameters_for_import()
            .key_id(key.as_str())
            .wrapping_algorithm(AlgorithmSpec::RsaAesKeyWrapSha256)
            .wrapping_key_spec(WrappingKeySpec::Rsa4096)
            .send()
            .await;
        self.answered(call, sent)?.read(|answer| {
            let key = answers::key(answer.key_id.as_deref());
            let (Some(wrapping_key), Some(token)) = (answer.public_key, answer.import_token) else {
                return Err("it has no PublicKey or ImportToken");
            };
            let parameters =
                ImportParameters { wrapping_key: wrapping_key.into_inner(), token: token.into_inner() };
            Ok((KmsAnswer::ImportParameters(parameters), key))
        })
    }

    pub(super) async fn send_import_key_material(
        &self,
        key: &KmsKeyId,
        token: &[u8],
        wrapped: &[u8],
        call: FailedCall,
    ) -> Answer {
        let sent = self
            .client
            .import_key_material()
            .key_id(key.as_str())
            .import_token(Blob::new(token))
            .encrypted_key_material(Blob::new(wrapped))
            .expiration_model(ExpirationModelType::KeyMaterialDoesNotExpire)
            .send()
            .await;
        self.answered(call, sent)?
            .read(|answer| Ok((KmsAnswer::Done, answers::key(answer.key_id.as_deref()))))
    }
}
