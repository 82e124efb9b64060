//! Whether keys can be made. AWS has no dry run of CreateKey: a trial key tells, and stays until somebody deletes it.

use cantle_kms::{
    CallMode, CreateKey, CreatedKey, CreationPoll, KeySpec, KeyUsage, MultiRegion, OriginType,
    create_and_wait,
};
use cantle_vault::KeyRole;
use uuid::Uuid;

use super::{
    TrialKey,
    finding::{Check, Finding, named},
    node::Examined,
    service::Service,
};
use crate::base::vault_options;

/// What the trial key is described as.
const DESCRIPTION: &str = "cantle doctor: a trial key, to be deleted";

/// Makes a trial key as `first` would make its own, if that is wanted.
pub(super) async fn create_key(
    service: &Service,
    first: &Examined<'_>,
    nodes: &str,
    wanted: TrialKey,
) -> Finding {
    let node = named(&first.node);
    let Some(kms) = service.usable() else {
        let text = format!("whether keys can be made for {nodes} is not known");
        return Finding::warn(&node, Check::CreateKey, text, "Run this again when the KMS answers");
    };
    if wanted == TrialKey::No {
        return Finding::warn(
            &node,
            Check::CreateKey,
            format!(
                "whether kms:CreateKey and kms:TagResource are allowed for {nodes} is known only when a key is made"
            ),
            "Run cantle doctor --create to make a trial key (about 1 USD a month until it is deleted), or compare with \
             cantle iam-policy",
        );
    }
    let options = match vault_options(&first.node, &first.config.crypto) {
        Ok(options) => options,
        Err(error) => {
            let text = cantle_sequencing::chain(&error);
            return Finding::fail(
                &node,
                Check::CreateKey,
                text,
                "Correct crypto.signing and crypto.encryption",
            );
        }
    };
    let creation = format!("doctor-{}", Uuid::new_v4());
    let request = CreateKey {
        spec: match first.config.crypto.signing.default {
            cantle_config::SigningScheme::EcDsaP384 => KeySpec::EccNistP384,
            _ => KeySpec::EccNistP256,
        },
        usage: KeyUsage::SignVerify,
        description: DESCRIPTION.to_owned(),
        tags: options.tags(KeyRole::Other, &creation),
        multi_region: options.multi_region,
        origin: OriginType::AwsKms,
    };
    let poll: CreationPoll = options.create_key_check;
    match create_and_wait(&*kms, &request, &poll).await {
        Ok(CreatedKey { metadata, .. }) => {
            let key = metadata.arn.as_ref().unwrap_or(&metadata.key_id);
            let kind =
                if request.multi_region == MultiRegion::Yes { "multi-Region trial key" } else { "trial key" };
            let algorithm =
                request.spec.signing_algorithm().unwrap_or(cantle_kms::SigningAlgorithm::EcdsaSha256);
            let remedy = format!("Delete it: {}", deletion(key.as_str(), &service.config.region));
            match kms.sign(&metadata.key_id, DESCRIPTION.as_bytes(), algorithm, CallMode::DryRun).await {
                Ok(_) => {
                    let text = format!("the {kind} {key} was made for {nodes}, and may sign");
                    let mut finding = Finding::ok(&node, Check::CreateKey, text).about(key.as_str());
                    finding.remedy = Some(remedy);
                    finding
                }
                Err(error) => {
                    let mut finding = Finding::of(&node, Check::CreateKey, &error).about(key.as_str());
                    finding.text = format!("the {kind} {key} was made, and then: {}", finding.text);
                    finding.remedy = Some(format!("{} {remedy}", error.remedy()));
                    finding
                }
            }
        }
        Err(error) => {
            let remedy = match error.created() {
                Some(created) => {
                    format!("Delete it: {}", deletion(created.as_str(), &service.config.region))
                }
                None => "See docs/permissions.md; cantle iam-policy prints what is needed".to_owned(),
            };
            let mut finding = Finding::fail(&node, Check::CreateKey, error.to_string(), remedy);
            finding.key = error.created().map(|created| created.to_string());
            finding
        }
    }
}

pub(super) fn deletion(key: &str, region: &str) -> String {
    format!("aws kms schedule-key-deletion --region {region} --pending-window-in-days 7 --key-id {key}")
}
