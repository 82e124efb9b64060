//! The words of [`KmsError`]: what happened, then what to do. Written to be understood at three in the morning.

use std::borrow::Cow;
use std::fmt;

use super::{CredentialsProblem, KmsError, NetworkProblem, OverloadLimit, ServiceMessage};
use crate::{FailedCall, KmsKeyId, KmsKeyIdKind, Operation};

/// The actions that a refusal may name.
const ACTIONS: [&str; 11] = [
    "kms:CreateKey",
    "kms:TagResource",
    "kms:DescribeKey",
    "kms:GetPublicKey",
    "kms:Sign",
    "kms:Decrypt",
    "kms:ListKeys",
    "kms:ListResourceTags",
    "kms:ScheduleKeyDeletion",
    "kms:CancelKeyDeletion",
    "kms:EnableKey",
];

/// The action named in the service's refusal ("… is not authorized to perform: kms:TagResource on resource: …").
pub(super) fn named_action(message: &str) -> Option<&'static str> {
    let (_, rest) = message.split_once("perform: ")?;
    let word = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':')).next()?;
    ACTIONS.into_iter().find(|action| *action == word)
}

pub(super) fn write(error: &KmsError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let call = error.call();
    match &call.key {
        Some(key) => write!(f, "{} with KMS key {key} failed: ", call.operation)?,
        None => write!(f, "{} failed: ", call.operation)?,
    }
    what(error, f)?;
    write!(f, " ({}", error.code())?;
    if let Some(id) = &call.request_id {
        write!(f, ", AWS request id {id}")?;
    }
    f.write_str(").")?;
    if let Some(words) = service_words(error) {
        write!(f, " The service says: \"{}\".", words.trim_end_matches('.'))?;
    }
    write!(f, " {}", error.remedy())
}

/// The service's own words, where they tell more than ours.
fn service_words(error: &KmsError) -> Option<&str> {
    let message: &ServiceMessage = match error {
        KmsError::AccessDenied { message, .. }
        | KmsError::InvalidState { message, .. }
        | KmsError::InvalidKeyUsage { message, .. }
        | KmsError::InvalidArn { message, .. }
        | KmsError::UnsupportedOperation { message, .. }
        | KmsError::LimitExceeded { message, .. }
        | KmsError::Internal { message, .. }
        | KmsError::KeyUnavailable { message, .. }
        | KmsError::TagRejected { message, .. }
        | KmsError::Unexpected { message, .. } => message,
        KmsError::Credentials { message, problem, .. } if *problem != CredentialsProblem::Missing => message,
        _ => return None,
    };
    Some(message.as_str()).filter(|words| !words.is_empty())
}

fn what(error: &KmsError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        KmsError::NotFound { call, .. } => f.write_str(match kind(call) {
            Some(KmsKeyIdKind::AliasName | KmsKeyIdKind::AliasArn) => "AWS KMS knows no such alias",
            _ => "AWS KMS knows no such key",
        }),
        KmsError::Disabled { .. } => f.write_str("the key is disabled"),
        KmsError::InvalidState { message, .. } => match state_in(message.as_str()) {
            Some(state) => write!(f, "the key is {state}"),
            None => f.write_str("the key's state does not allow it"),
        },
        KmsError::AccessDenied { .. } => write!(f, "the caller has no permission {}", error.iam_action()),
        KmsError::InvalidKeyUsage { .. } => f.write_str("the key is for another use or another algorithm"),
        KmsError::Validation { message, .. } => {
            write!(f, "the request breaks a rule: {}", message.as_str().trim_end_matches('.'))
        }
        KmsError::InvalidArn { .. } => f.write_str("AWS KMS does not accept this ARN"),
        KmsError::UnsupportedOperation { .. } => f.write_str("the service does not support it"),
        KmsError::LimitExceeded { .. } => f.write_str("an AWS quota for keys is used up"),
        KmsError::Throttled { .. } => {
            f.write_str("more requests a second than the account's quota in this Region")
        }
        KmsError::Overloaded { limit: OverloadLimit::Waiting(most), .. } => {
            write!(f, "{most} requests of this node wait for their turn already; it was not sent")
        }
        KmsError::Overloaded { limit: OverloadLimit::Wait(longest), .. } => {
            write!(f, "its turn did not come within {longest:?}; it was not sent")
        }
        KmsError::KeyUnavailable { .. } => f.write_str("the key's material cannot be reached just now"),
        KmsError::Credentials { problem, .. } => f.write_str(match problem {
            CredentialsProblem::Missing => "no AWS credentials were found",
            CredentialsProblem::Unavailable => "the source of the AWS credentials gave none",
            CredentialsProblem::Misconfigured => "the source of the AWS credentials is not set up correctly",
            CredentialsProblem::Refused => "the source of the AWS credentials refused to give any",
            CredentialsProblem::Expired => "the AWS credentials have expired",
            CredentialsProblem::Unknown => "the AWS credentials are not known to the service",
            CredentialsProblem::SignatureRefused => "the service refused the request's signature",
            CredentialsProblem::ClockSkew => "the request's time is too far from the service's",
        }),
        KmsError::Network { problem, endpoint, source, .. } => match problem {
            NetworkProblem::ConnectionRefused => write!(f, "{endpoint} refused the connection"),
            NetworkProblem::NameUnresolved => write!(f, "the host name of {endpoint} has no address"),
            NetworkProblem::ConnectFailed => {
                write!(f, "no connection to {endpoint} came about: {}", root_cause(&**source))
            }
            NetworkProblem::Tls => {
                write!(f, "no TLS connection to {endpoint} came about: {}", root_cause(&**source))
            }
            NetworkProblem::AnswerLost => {
                write!(f, "the connection to {endpoint} broke before an answer came")
            }
        },
        KmsError::Timeout { endpoint, after, .. } => match after {
            Some(after) => write!(f, "{endpoint} gave no answer within {after:?}"),
            None => write!(f, "{endpoint} gave no answer in time"),
        },
        KmsError::Internal { .. } => f.write_str("the service failed"),
        KmsError::InvalidCiphertext { .. } => {
            f.write_str("the ciphertext is damaged or was not made with this key's public key and algorithm")
        }
        KmsError::IncorrectKey { .. } => f.write_str("the ciphertext was made for another key"),
        KmsError::TagRejected { .. } => f.write_str("a tag breaks AWS's rules"),
        KmsError::MalformedAnswer { problem, .. } => {
            write!(f, "the answer cannot be used: {}", problem.as_str().trim_end_matches('.'))
        }
        KmsError::Unexpected { status: Some(status), .. } => {
            write!(f, "an unexpected answer, HTTP status {status}")
        }
        KmsError::Unexpected { status: None, .. } => f.write_str("an unexpected error"),
    }
}

pub(super) fn remedy(error: &KmsError) -> Cow<'static, str> {
    let call = error.call();
    match error {
        KmsError::NotFound { .. } => not_found(call.key.as_ref()),
        KmsError::Disabled { .. } => {
            "Enable it in AWS KMS (EnableKey), or register another key: only an enabled key can be used."
                .into()
        }
        KmsError::InvalidState { message, .. } => match state_in(message.as_str()) {
            Some("pending deletion") => {
                "Cancel the deletion in AWS KMS (CancelKeyDeletion) and then enable the key \
                (EnableKey), before the waiting period ends: after it the key is lost for ever."
                    .into()
            }
            Some("pending import") => {
                "Import its key material in AWS KMS (ImportKeyMaterial) first, or use another key.".into()
            }
            _ => "Look at the key's state in AWS KMS (DescribeKey): only an enabled key can be used.".into(),
        },
        KmsError::AccessDenied { .. } => access_denied(error.iam_action(), call),
        KmsError::InvalidKeyUsage { .. } => usage(call.operation),
        KmsError::Validation { .. } => match call.operation {
            Operation::CreateKey => "Correct the description, tags or key spec asked for.".into(),
            Operation::Sign => "A message to sign has 1 to 4096 bytes.".into(),
            Operation::Encrypt => "What a wrapper key encrypts has 1 to 4096 bytes.".into(),
            Operation::ScheduleKeyDeletion => "The waiting period has 7 to 30 days.".into(),
            _ => "Correct the key's name or the request.".into(),
        },
        KmsError::InvalidArn { .. } => {
            "Copy the key's whole ARN from AWS KMS; its Region must be the configured one \
            (crypto.kms.region)."
                .into()
        }
        KmsError::UnsupportedOperation { .. } => {
            "Use a key, Region or endpoint that supports it; a symmetric key has no public key.".into()
        }
        KmsError::LimitExceeded { .. } => {
            "Ask AWS for a higher quota of KMS keys in this Region, or delete keys that \
            are no longer used."
                .into()
        }
        KmsError::Throttled { .. } => {
            "Wait, or ask AWS for a higher request quota (Service Quotas, AWS KMS); other \
            users of the same account and Region count too."
                .into()
        }
        KmsError::Overloaded { .. } => {
            "Ask less of this node, look whether the KMS answers slowly, or raise the bounds under crypto.kms.limits."
                .into()
        }
        KmsError::KeyUnavailable { .. } => {
            "Try again; for a key in a custom key store look at the store's connection.".into()
        }
        KmsError::Credentials { problem, .. } => credentials(*problem),
        KmsError::Network { problem, .. } => network(*problem),
        KmsError::Timeout { .. } => after_lost_answer(call, "Look at the network and at AWS's health page."),
        KmsError::Internal { .. } => {
            after_lost_answer(call, "Try again; look at AWS's health page if it lasts.")
        }
        KmsError::InvalidCiphertext { .. } | KmsError::IncorrectKey { .. } => {
            "Whoever encrypted must use this node's \
            current encryption key with RSAES_OAEP_SHA_256; compare the key's fingerprint."
                .into()
        }
        KmsError::TagRejected { .. } => {
            "Correct crypto.kms.custom-tags: at most 50 tags, keys of 1 to 128 and values \
            of 0 to 256 characters, no key that starts with aws:."
                .into()
        }
        KmsError::MalformedAnswer { .. } => after_lost_answer(
            call,
            "Check that the endpoint is AWS KMS, or a compatible service that implements this operation.",
        ),
        KmsError::Unexpected { .. } => after_lost_answer(
            call,
            "Check the endpoint (crypto.kms.endpoint-override) and any proxy between, then AWS's documentation of \
             this error.",
        ),
    }
}

fn not_found(key: Option<&KmsKeyId>) -> Cow<'static, str> {
    match key {
        Some(key) => match (key.kind(), key.region(), key.account()) {
            (KmsKeyIdKind::KeyArn | KmsKeyIdKind::AliasArn, Some(region), Some(account)) => format!(
                "Check that it exists in account {account} and that the node works in its Region {region} \
                 (crypto.kms.region): a key is found in its own Region only."
            )
            .into(),
            (KmsKeyIdKind::AliasName, ..) => "Check the alias, the Region (crypto.kms.region) and the account of the \
                node's credentials; an alias in another account must be named by its alias ARN or the key's ARN."
                .into(),
            _ => "Check the id, the Region (crypto.kms.region) and the account of the node's credentials; a key in \
                another account must be named by its key ARN, arn:aws:kms:REGION:ACCOUNT:key/ID."
                .into(),
        },
        None => "Check the Region (crypto.kms.region) and the account of the node's credentials.".into(),
    }
}

fn access_denied(action: &str, call: &FailedCall) -> Cow<'static, str> {
    match &call.key {
        Some(key) => {
            let account = match key.account() {
                Some(account) => format!("; if account {account} is not the node's own, both are needed"),
                None => "; a key in another account must be named by its key ARN".to_owned(),
            };
            format!(
                "Allow {action} on key {key} for the node's principal, in its IAM policy or in the key's policy{account}."
            )
            .into()
        }
        None if action == "kms:TagResource" => "Allow kms:TagResource for the node's principal in its IAM policy \
            (resource \"*\"): keys are made with tags."
            .into(),
        None if action == "kms:ListKeys" => "Optional: allow kms:ListKeys (resource \"*\") and kms:ListResourceTags for \
            the node's principal in its IAM policy, so that keys whose making was interrupted can be found again."
            .into(),
        None => format!(
            "Allow {action} for the node's principal in its IAM policy (resource \"*\"), or make the keys beforehand and \
             register them (init.auto-init = false)."
        )
        .into(),
    }
}

fn usage(operation: Operation) -> Cow<'static, str> {
    match operation {
        Operation::Encrypt => {
            "A wrapper key must have KeyUsage ENCRYPT_DECRYPT and KeySpec SYMMETRIC_DEFAULT; name such a key.".into()
        }
        Operation::Decrypt => {
            "An encryption key must have KeyUsage ENCRYPT_DECRYPT and KeySpec RSA_2048; register such a key.".into()
        }
        _ => "A signing key must have KeyUsage SIGN_VERIFY and KeySpec ECC_NIST_P256 (ECDSA_SHA_256) or ECC_NIST_P384 \
            (ECDSA_SHA_384); register such a key."
            .into(),
    }
}

fn credentials(problem: CredentialsProblem) -> Cow<'static, str> {
    match problem {
        CredentialsProblem::Missing => "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile \
            (crypto.kms.credentials.profile), or run where a role gives credentials (EC2, ECS, EKS)."
            .into(),
        CredentialsProblem::Unavailable => {
            "Check that STS, or the instance metadata service, can be reached; where \
            neither is meant to be used, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or name a profile \
            (crypto.kms.credentials.profile)."
                .into()
        }
        CredentialsProblem::Misconfigured => {
            "Check the profile (crypto.kms.credentials.profile, AWS_PROFILE) in \
            ~/.aws/config and ~/.aws/credentials."
                .into()
        }
        CredentialsProblem::Refused => {
            "Check the role to assume (crypto.kms.credentials.assume-role): that it exists, \
            that its trust policy lets this caller in (sts:AssumeRole), and the external id."
                .into()
        }
        CredentialsProblem::Expired => {
            "Renew them (AWS_SESSION_TOKEN, aws sso login, the profile's session) and start the node again."
                .into()
        }
        CredentialsProblem::Unknown => {
            "Check AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN or the profile: the access key may \
            be deleted, inactive, or of another partition or endpoint."
                .into()
        }
        CredentialsProblem::SignatureRefused => {
            "Check AWS_SECRET_ACCESS_KEY, that it belongs to the access key, and \
            that no proxy changes requests."
                .into()
        }
        CredentialsProblem::ClockSkew => {
            "Set this machine's clock (NTP): AWS accepts 5 minutes of difference.".into()
        }
    }
}

fn network(problem: NetworkProblem) -> Cow<'static, str> {
    match problem {
        NetworkProblem::ConnectionRefused | NetworkProblem::ConnectFailed => "Check that the service runs there, the \
            endpoint (crypto.kms.endpoint-override, crypto.kms.region), firewalls, and HTTPS_PROXY, HTTP_PROXY, NO_PROXY."
            .into(),
        NetworkProblem::NameUnresolved => "Check the Region's spelling (crypto.kms.region), \
            crypto.kms.endpoint-override and DNS."
            .into(),
        NetworkProblem::Tls => "Check the endpoint's certificate, this machine's trusted certificates (SSL_CERT_FILE) \
            and its clock, and that the endpoint speaks TLS."
            .into(),
        NetworkProblem::AnswerLost => {
            "Look at the network between; the request may have been carried out.".into()
        }
    }
}

/// The remedy for errors that leave open whether the request was carried out.
fn after_lost_answer(call: &FailedCall, advice: &'static str) -> Cow<'static, str> {
    if call.operation == Operation::CreateKey {
        format!("{advice} A key may have been made all the same: look for it in AWS KMS by its description and tags.")
            .into()
    } else {
        advice.into()
    }
}

fn kind(call: &FailedCall) -> Option<KmsKeyIdKind> {
    call.key.as_ref().map(KmsKeyId::kind)
}

/// The state that AWS's words name ("… is pending deletion.").
fn state_in(message: &str) -> Option<&'static str> {
    let message = message.to_ascii_lowercase();
    let states = [
        ("pending deletion", "pending deletion"),
        ("pendingdeletion", "pending deletion"),
        ("pending import", "pending import"),
        ("pendingimport", "pending import"),
        ("pending replica deletion", "pending deletion"),
        ("pendingreplicadeletion", "pending deletion"),
        ("is creating", "being made"),
        ("is updating", "being updated"),
        ("unavailable", "unavailable"),
    ];
    states.into_iter().find(|(text, _)| message.contains(text)).map(|(_, state)| state)
}

fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    ServiceMessage::new(&cause.to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn call(operation: Operation, key: &str) -> FailedCall {
        FailedCall::new(operation, Some(&KmsKeyId::parse(key).unwrap())).with_request_id(Some("req-1"))
    }

    fn has(error: &KmsError, words: &[&str]) {
        let text = error.to_string();
        for word in words {
            assert!(text.contains(word), "{word:?} is missing in: {text}");
        }
        assert!(!text.contains('\n') && !text.contains("  ") && !text.contains(".."), "{text}");
    }

    #[test]
    fn not_found_by_id_says_that_other_accounts_need_the_arn() {
        let error = KmsError::NotFound { call: call(Operation::Sign, ID), message: "".into() };
        has(
            &error,
            &["Sign", ID, "NotFoundException", "req-1", "another account", "key ARN", "crypto.kms.region"],
        );
    }

    #[test]
    fn not_found_by_arn_names_its_region_and_account() {
        let error = KmsError::NotFound { call: call(Operation::DescribeKey, ARN), message: "".into() };
        has(&error, &["DescribeKey", ARN, "111122223333", "eu-west-1", "own Region"]);
        let alias = KmsError::NotFound { call: call(Operation::DescribeKey, "alias/x"), message: "".into() };
        has(&alias, &["no such alias", "alias/x", "alias ARN"]);
    }

    #[test]
    fn access_denied_names_the_action_of_the_refusal_and_the_key() {
        let message = "User: arn:aws:iam::1:user/n is not authorized to perform: kms:TagResource because no \
            identity-based policy allows the kms:TagResource action";
        let call_ = FailedCall::new(Operation::CreateKey, None);
        let error = KmsError::AccessDenied { call: call_, message: message.into() };
        assert_eq!(error.iam_action(), "kms:TagResource");
        has(&error, &["CreateKey", "kms:TagResource", "IAM policy"]);
        let sign = KmsError::AccessDenied { call: call(Operation::Sign, ARN), message: "no".into() };
        assert_eq!(sign.iam_action(), "kms:Sign");
        has(&sign, &["kms:Sign", ARN, "key's policy", "111122223333"]);
        let bare = KmsError::AccessDenied { call: call(Operation::Sign, ID), message: "no".into() };
        has(&bare, &["kms:Sign", ID, "must be named by its key ARN"]);
    }

    #[test]
    fn states_and_usages_name_rule_and_remedy() {
        let message = ServiceMessage::new(&format!("{ARN} is pending deletion."));
        has(
            &KmsError::InvalidState { call: call(Operation::Sign, ID), message },
            &["is pending deletion", "KMSInvalidStateException", "CancelKeyDeletion", "EnableKey"],
        );
        has(
            &KmsError::Disabled { call: call(Operation::Sign, ID), message: "x".into() },
            &["disabled", "DisabledException", "EnableKey"],
        );
        has(
            &KmsError::InvalidKeyUsage { call: call(Operation::Decrypt, ID), message: "".into() },
            &["ENCRYPT_DECRYPT", "RSA_2048", ID],
        );
        has(
            &KmsError::InvalidKeyUsage { call: call(Operation::Sign, ID), message: "".into() },
            &["SIGN_VERIFY", "ECC_NIST_P256", "ECC_NIST_P384"],
        );
    }

    #[test]
    fn network_errors_name_the_endpoint() {
        let refused = KmsError::Network {
            call: FailedCall::new(Operation::CreateKey, None),
            endpoint: "http://127.0.0.1:4599/".to_owned(),
            problem: NetworkProblem::ConnectionRefused,
            source: Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)),
        };
        has(&refused, &["http://127.0.0.1:4599/ refused the connection", "endpoint-override", "HTTPS_PROXY"]);
        assert!(refused.retryable() && refused.surely_not_executed());
    }

    #[test]
    fn a_create_key_without_answer_says_that_a_key_may_exist() {
        let error = KmsError::Timeout {
            call: FailedCall::new(Operation::CreateKey, None),
            endpoint: "https://kms.us-east-1.amazonaws.com/".to_owned(),
            after: Some(std::time::Duration::from_secs(5)),
        };
        has(&error, &["gave no answer within 5s", "A key may have been made"]);
        assert!(error.retryable() && !error.surely_not_executed());
    }

    #[test]
    fn credentials_errors_say_where_credentials_come_from() {
        let error = |problem| KmsError::Credentials {
            call: call(Operation::Sign, ID),
            problem,
            message: "none in the chain".into(),
        };
        has(&error(CredentialsProblem::Missing), &["no AWS credentials", "AWS_ACCESS_KEY_ID", "profile"]);
        has(&error(CredentialsProblem::Expired), &["have expired", "ExpiredTokenException", "sso login"]);
        has(&error(CredentialsProblem::ClockSkew), &["clock", "5 minutes"]);
        assert!(!error(CredentialsProblem::Missing).retryable());
        assert!(error(CredentialsProblem::Unavailable).retryable());
    }

    #[test]
    fn service_messages_cannot_forge_log_lines() {
        let message = ServiceMessage::new(&format!("a\r\nINFO forged\u{2028}{}", "x".repeat(2000)));
        assert!(message.as_str().starts_with("a  INFO forged "));
        assert_eq!(message.as_str().chars().count(), 500);
    }

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<KmsError>() <= 128, "{}", size_of::<KmsError>());
    }
}
