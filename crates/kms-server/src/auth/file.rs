//! Reading a credentials file: JSON, or AWS's shared credentials file.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::credentials::{Caller, Credentials, CredentialsError, Role};
use crate::iam::policy::PolicyDocument;

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Callers(Vec<CallerEntry>),
    Both(Both),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Both {
    callers: Vec<CallerEntry>,
    #[serde(default)]
    roles: Vec<RoleEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallerEntry {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    session_token: Option<Zeroizing<String>>,
    account: Option<String>,
    principal_arn: Option<String>,
    policies: Option<Vec<Value>>,
    via_service: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleEntry {
    role_arn: String,
    trust_policy: Value,
    #[serde(default)]
    policies: Vec<Value>,
}

pub(super) fn read(path: &Path) -> Result<Credentials, CredentialsError> {
    let text = Zeroizing::new(read_text(path)?);
    let credentials = if text.trim_start().starts_with(['[', '{']) && !looks_like_ini(&text) {
        from_json(path, &text)?
    } else {
        from_ini(path, &text)?
    };
    if credentials.callers.is_empty() {
        return Err(CredentialsError::Empty { path: path.to_owned() });
    }
    Ok(credentials)
}

fn read_text(path: &Path) -> Result<String, CredentialsError> {
    std::fs::read_to_string(path).map_err(|source| CredentialsError::Read { path: path.to_owned(), source })
}

/// A JSON list may begin with `[` as a profile does; a profile's line ends with `]` and holds no quote or brace.
fn looks_like_ini(text: &str) -> bool {
    text.trim_start().lines().next().is_some_and(|line| {
        let line = line.trim();
        line.starts_with('[') && line.ends_with(']') && line.len() > 2 && !line.contains(['{', '"'])
    })
}

fn from_json(path: &Path, text: &str) -> Result<Credentials, CredentialsError> {
    let malformed = |source| CredentialsError::Json { path: path.to_owned(), source };
    // Which form it is shows at the first character; so the error tells of that form.
    let document = if text.trim_start().starts_with('[') {
        Document::Callers(serde_json::from_str(text).map_err(malformed)?)
    } else {
        Document::Both(serde_json::from_str(text).map_err(malformed)?)
    };
    let (callers, roles) = match document {
        Document::Callers(callers) => (callers, Vec::new()),
        Document::Both(both) => (both.callers, both.roles),
    };
    let callers = callers.into_iter().map(|entry| {
        let mut caller = Caller::new(entry.access_key_id, entry.secret_access_key.as_str());
        if let Some(policies) = entry.policies {
            caller.policies = read_policies(path, &caller.access_key_id, &policies)?;
        }
        caller.session_token = entry.session_token;
        caller.account = entry.account;
        caller.principal_arn = entry.principal_arn;
        caller.via_service = entry.via_service;
        checked(path, caller)
    });
    let callers = callers.collect::<Result<Vec<_>, _>>()?;
    let roles = roles.into_iter().map(|entry| {
        let field =
            |field| CredentialsError::Field { path: path.to_owned(), subject: entry.role_arn.clone(), field };
        if !entry.role_arn.contains(":role/") {
            return Err(field("role_arn"));
        }
        let trust = read_policies(path, &entry.role_arn, std::slice::from_ref(&entry.trust_policy))?;
        let trust = trust.into_iter().next().filter(PolicyDocument::names_principals);
        Ok(Role {
            trust: trust.ok_or_else(|| field("trust_policy"))?,
            policies: read_policies(path, &entry.role_arn, &entry.policies)?,
            arn: entry.role_arn,
        })
    });
    let roles = roles.collect::<Result<Vec<_>, _>>()?;
    Ok(Credentials::new(callers, roles))
}

fn read_policies(
    path: &Path,
    subject: &str,
    values: &[Value],
) -> Result<Vec<PolicyDocument>, CredentialsError> {
    let malformed =
        |source| CredentialsError::Policy { path: path.to_owned(), subject: subject.to_owned(), source };
    values
        .iter()
        .map(|value| match value {
            Value::String(file) => PolicyDocument::parse(&read_text(&beside(path, file))?).map_err(malformed),
            value => PolicyDocument::from_value(value).map_err(malformed),
        })
        .collect()
}

fn beside(path: &Path, file: &str) -> std::path::PathBuf {
    path.parent().map_or_else(|| file.into(), |folder| folder.join(file))
}

fn from_ini(path: &Path, text: &str) -> Result<Credentials, CredentialsError> {
    let mut callers: Vec<(String, Caller)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let malformed = || CredentialsError::Line { path: path.to_owned(), line: number + 1 };
        if let Some(profile) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            callers.push((profile.trim().to_owned(), Caller::new("", "")));
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(malformed)?;
        let value = value.trim();
        let (profile, caller) = callers.last_mut().ok_or_else(malformed)?;
        match key.trim() {
            "aws_access_key_id" => value.clone_into(&mut caller.access_key_id),
            "aws_secret_access_key" => caller.secret_access_key = Zeroizing::new(value.to_owned()),
            "aws_session_token" => caller.session_token = Some(Zeroizing::new(value.to_owned())),
            "account" => caller.account = Some(value.to_owned()),
            "principal_arn" => caller.principal_arn = Some(value.to_owned()),
            "via_service" => caller.via_service = Some(value.to_owned()),
            "policy_file" => {
                let files: Vec<Value> = value.split(',').map(|file| file.trim().into()).collect();
                caller.policies = read_policies(path, profile, &files)?;
            }
            // AWS's other keys (region, role_arn, …) mean nothing here.
            _ => {}
        }
    }
    let callers = callers
        .into_iter()
        .filter(|(_, caller)| !caller.access_key_id.is_empty())
        .map(|(_, caller)| checked(path, caller))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Credentials::new(callers, Vec::new()))
}

fn checked(path: &Path, caller: Caller) -> Result<Caller, CredentialsError> {
    let field = |field| CredentialsError::Field {
        path: path.to_owned(),
        subject: caller.access_key_id.clone(),
        field,
    };
    if caller.access_key_id.is_empty() {
        return Err(field("the access key id"));
    }
    if caller.secret_access_key.is_empty() {
        return Err(field("the secret access key"));
    }
    if caller.account.as_deref().is_some_and(|account| !is_account(account)) {
        return Err(field("account"));
    }
    if caller.principal_arn.as_deref().is_some_and(|arn| account_of(arn).is_none()) {
        return Err(field("principal_arn"));
    }
    Ok(caller)
}

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The account in a principal's ARN.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let (scheme, _, service) = (parts.next()?, parts.next()?, parts.next()?);
    let account = parts.nth(1)?;
    parts.next()?;
    (scheme == "arn" && matches!(service, "iam" | "sts") && is_account(account)).then_some(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn json_lists_and_objects_are_read() {
        let (_folder, path) = written(
            r#"[{"access_key_id":"A","secret_access_key":"s","account":"111122223333","policies":[]}, {"access_key_id":"B","secret_access_key":"t"}]"#,
        );
        let credentials = Credentials::from_file(&path).unwrap();
        assert_eq!(credentials.callers.len(), 2);
        assert!(credentials.callers[0].policies.is_empty());
        assert_eq!(credentials.callers[1].policies, [PolicyDocument::allow_everything()]);
        let (_folder, path) = written(
            r#"{"callers":[{"access_key_id":"A","secret_access_key":"s"}],
                "roles":[{"role_arn":"arn:aws:iam::111122223333:role/r","trust_policy":{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}}}]}"#,
        );
        assert_eq!(Credentials::from_file(&path).unwrap().roles.len(), 1);
    }

    #[test]
    fn the_shared_credentials_file_is_read() {
        let (folder, path) = written(
            "# a comment\n[default]\naws_access_key_id = A\naws_secret_access_key=s=\nregion = us-east-1\n\n[node]\naws_access_key_id = B\naws_secret_access_key = t\naws_session_token = tok\nprincipal_arn = arn:aws:iam::111122223333:user/n\npolicy_file = p.json\n[empty]\nrole_arn = x\n",
        );
        std::fs::write(
            folder.path().join("p.json"),
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Sign","Resource":"*"}}"#,
        )
        .unwrap();
        let credentials = Credentials::from_file(&path).unwrap();
        assert_eq!(credentials.callers.len(), 2);
        assert_eq!(credentials.callers[0].secret_access_key.as_str(), "s=");
        assert_eq!(credentials.callers[1].policies, [PolicyDocument::allow(&["kms:Sign"], &["*"])]);
    }

    #[test]
    fn errors_name_the_place() {
        for (text, expected) in [
            ("[a]\nnonsense", ":2: "),
            ("[{\"access_key_id\":\"A\"}]", "not a list of callers"),
            ("[]", "names no caller"),
            ("[a]\naws_access_key_id=A", "A: the secret access key"),
            (r#"[{"access_key_id":"A","secret_access_key":"s","account":"12"}]"#, "A: account"),
            (
                r#"[{"access_key_id":"A","secret_access_key":"s","principal_arn":"arn:x"}]"#,
                "A: principal_arn",
            ),
            (r#"[{"access_key_id":"A","secret_access_key":"s","policies":[{}]}]"#, "A: malformed policy"),
        ] {
            let (_folder, path) = written(text);
            let error = Credentials::from_file(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", Caller::new("A", "very secret")).contains("very secret"));
    }
}
