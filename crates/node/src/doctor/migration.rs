//! Whether private keys can be imported: AWS has no dry run for that. A trial key with material that nobody else has tells.

use std::sync::Arc;

use cantle_crypto::{KeyPair, SigningKeyScheme, SigningPrivateKey, wrap_key_material};
use cantle_kms::{
    CallMode, CreateKey, KeySpec, KeyUsage, Kms, KmsKeyId, OriginType, SigningAlgorithm, create_and_describe,
    wait_until_ready,
};
use cantle_vault::{KeyRole, VaultOptions};
use uuid::Uuid;

use super::{
    TrialKey,
    finding::{Check, Finding, named},
    node::Examined,
    service::Service,
    trial::deletion,
};
use crate::base::vault_options;

/// What the trial key is described as.
const DESCRIPTION: &str = "cantle doctor: a trial of an import, to be deleted";

/// Imports a trial key as `first` would have its own imported, if that is wanted.
pub(super) async fn import(
    service: &Service,
    first: &Examined<'_>,
    nodes: &str,
    wanted: TrialKey,
) -> Option<Finding> {
    let node = named(&first.node);
    let Some(kms) = service.usable() else {
        let text = format!("whether the keys of {nodes} can be imported is not known");
        return Some(Finding::warn(&node, Check::Import, text, "Run this again when the KMS answers"));
    };
    if wanted == TrialKey::No {
        let text = format!(
            "whether kms:CreateKey, kms:TagResource, kms:GetParametersForImport and kms:ImportKeyMaterial are allowed for \
             {nodes} is known only when a key is imported"
        );
        let remedy = "Run cantle doctor --migration --create to import a trial key (about 1 USD a month until it is \
                      deleted), or compare with cantle iam-policy --migration";
        return Some(Finding::warn(&node, Check::Import, text, remedy));
    }
    let options = match vault_options(&first.node, &first.config.crypto) {
        Ok(options) => options,
        Err(error) => {
            let (text, remedy) =
                (cantle_sequencing::chain(&error), "Correct crypto.signing and crypto.encryption");
            return Some(Finding::fail(&node, Check::Import, text, remedy));
        }
    };
    let mut made = None;
    let outcome = try_import(&kms, &options, scheme(first), &mut made).await;
    let delete =
        made.as_ref().map(|key| format!("Delete it: {}", deletion(key.as_str(), &service.config.region)));
    let mut finding = match outcome {
        Ok(()) => Finding::ok(
            &node,
            Check::Import,
            format!("a trial key was imported as the keys of {nodes} will be, and may sign"),
        ),
        Err(error) => Finding::fail(
            &node,
            Check::Import,
            error.to_string().trim_end_matches('.'),
            "See docs/migration.md; cantle iam-policy --migration prints what is needed",
        ),
    };
    if let Some(delete) = delete {
        finding.remedy = Some(match finding.remedy.take() {
            Some(remedy) => format!("{remedy}. {delete}"),
            None => delete,
        });
    }
    finding.key = made.map(|key| key.to_string());
    Some(finding)
}

/// The scheme of a signing key that is to move: whoever may import it need not be allowed others.
fn scheme(first: &Examined<'_>) -> SigningKeyScheme {
    let moves = |scheme: &SigningKeyScheme| {
        let material = first.migrates.as_ref().map(|(_, material)| material);
        material.is_some_and(|material| material.imported.iter().any(|(moved, _)| *moved == spec(*scheme)))
    };
    SigningKeyScheme::ALL.iter().copied().find(moves).unwrap_or(SigningKeyScheme::EcDsaP256)
}

fn spec(scheme: SigningKeyScheme) -> KeySpec {
    match scheme {
        SigningKeyScheme::Ed25519 => KeySpec::EccNistEdwards25519,
        SigningKeyScheme::EcDsaP256 => KeySpec::EccNistP256,
        SigningKeyScheme::EcDsaP384 => KeySpec::EccNistP384,
    }
}

async fn try_import(
    kms: &Arc<dyn Kms>,
    options: &VaultOptions,
    scheme: SigningKeyScheme,
    made: &mut Option<KmsKeyId>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let pair = KeyPair::from(SigningPrivateKey::generate(scheme)?);
    let spec = spec(scheme);
    let algorithm = spec.signing_algorithm().unwrap_or(SigningAlgorithm::EcdsaSha256);
    let request = CreateKey {
        spec,
        usage: KeyUsage::SignVerify,
        description: DESCRIPTION.to_owned(),
        tags: options.tags(KeyRole::Other, &format!("doctor-{}", Uuid::new_v4())),
        multi_region: options.multi_region,
        origin: OriginType::External,
    };
    let poll = &options.create_key_check;
    let described = create_and_describe(&**kms, &request, poll).await.inspect_err(|error| {
        *made = error.created().cloned();
    })?;
    let key = described.key_id;
    *made = Some(described.arn.unwrap_or_else(|| key.clone()));
    let parameters = kms.parameters_for_import(&key).await?.value;
    let wrapped = wrap_key_material(&parameters.wrapping_key, &pair.to_pkcs8())?;
    kms.import_key_material(&key, &parameters.token, &wrapped).await?;
    wait_until_ready(&**kms, &key, poll).await?;
    kms.sign(&key, DESCRIPTION.as_bytes(), algorithm, CallMode::DryRun).await?;
    Ok(())
}
