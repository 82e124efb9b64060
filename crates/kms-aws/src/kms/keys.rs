//! Keys are made and read.

use aws_sdk_kms::types::{KeySpec as SdkKeySpec, KeyUsageType, OriginType as SdkOriginType, Tag};
use cantle_kms::{
    CreateKey, FailedCall, KmsAnswer, KmsError, KmsKeyId, MultiRegion, OriginType, ServiceMessage,
};

use super::{Answer, AwsKms};
use crate::answers;

impl AwsKms {
    pub(super) async fn send_create_key(&self, request: &CreateKey, call: FailedCall) -> Answer {
        let description = Some(request.description.clone()).filter(|text| !text.is_empty());
        let sent = self
            .client
            .create_key()
            .key_spec(SdkKeySpec::from(request.spec.as_str()))
            .key_usage(KeyUsageType::from(request.usage.as_str()))
            .set_description(description)
            .set_tags(tags(request, &call)?)
            .multi_region(request.multi_region == MultiRegion::Yes)
            .set_origin(origin(&request.origin))
            .send()
            .await;
        self.answered(call, sent)?.read(|answer| {
            let metadata = answers::metadata(answer.key_metadata)?;
            let key = metadata.arn.clone();
            Ok((KmsAnswer::Metadata(metadata), key))
        })
    }

    pub(super) async fn send_describe_key(&self, key: &KmsKeyId, call: FailedCall) -> Answer {
        let sent = self.client.describe_key().key_id(key.as_str()).send().await;
        self.answered(call, sent)?.read(|answer| {
            let metadata = answers::metadata(answer.key_metadata)?;
            let key = metadata.arn.clone();
            Ok((KmsAnswer::Metadata(metadata), key))
        })
    }

    pub(super) async fn send_get_public_key(&self, key: &KmsKeyId, call: FailedCall) -> Answer {
        let sent = self.client.get_public_key().key_id(key.as_str()).send().await;
        self.answered(call, sent)?.read(|answer| {
            let public_key = answers::public_key(answer, key)?;
            let key = Some(public_key.key_id.clone());
            Ok((KmsAnswer::PublicKey(public_key), key))
        })
    }
}

/// AWS's default is not sent: an emulator may know no other.
fn origin(origin: &OriginType) -> Option<SdkOriginType> {
    match origin {
        OriginType::AwsKms => None,
        other => Some(SdkOriginType::from(other.as_str())),
    }
}

fn tags(request: &CreateKey, call: &FailedCall) -> Result<Option<Vec<Tag>>, KmsError> {
    if request.tags.is_empty() {
        return Ok(None);
    }
    let tag = |(key, value): &(String, String)| Tag::builder().tag_key(key).tag_value(value).build();
    let tags: Result<Vec<Tag>, _> = request.tags.iter().map(tag).collect();
    tags.map(Some).map_err(|error| KmsError::TagRejected {
        call: call.clone(),
        message: ServiceMessage::new(&error.to_string()),
    })
}
