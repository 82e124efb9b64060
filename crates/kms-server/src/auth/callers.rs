//! The callers as the server uses them, the sessions STS gave out among them.

use std::{collections::HashMap, fmt, sync::Arc};

use parking_lot::RwLock;
use zeroize::Zeroizing;

use super::{
    credentials::{Credentials, Role},
    file::account_of,
};
use crate::iam::policy::{Asker, PolicyDocument};

/// Sessions kept at most; the oldest to end go first.
const MAX_SESSIONS: usize = 10_000;

/// Who a request comes from.
#[derive(Clone)]
pub(crate) struct Principal {
    pub(crate) access_key_id: String,
    pub(crate) secret: Zeroizing<String>,
    pub(crate) token: Option<Zeroizing<String>>,
    pub(crate) account: Arc<str>,
    pub(crate) arn: String,
    /// The role behind a session.
    pub(crate) role: Option<String>,
    pub(crate) user_id: String,
    pub(crate) policies: Arc<[PolicyDocument]>,
    /// What a session was narrowed to when it was made.
    pub(crate) session_policy: Option<Arc<PolicyDocument>>,
    pub(crate) expires_ms: Option<i64>,
    pub(crate) via_service: Option<String>,
}

impl fmt::Debug for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Principal").field("arn", &self.arn).finish_non_exhaustive()
    }
}

impl Principal {
    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker { account: &self.account, arn: &self.arn, role: self.role.as_deref() }
    }

    /// The account's root user, who needs no identity policy.
    pub(crate) fn is_root(&self) -> bool {
        self.arn.ends_with(":root")
    }

    /// The last part of the user's name, for `aws:username`.
    pub(crate) fn user_name(&self) -> Option<&str> {
        let (_, path) = self.arn.split_once(":user/")?;
        path.rsplit('/').next()
    }
}

/// All callers.
#[derive(Debug)]
pub(crate) struct Callers {
    by_key: RwLock<HashMap<String, Arc<Principal>>>,
    roles: HashMap<String, Role>,
    any_role: bool,
    /// Whose requests are when signatures are not checked and the access key is unknown.
    pub(crate) first: Arc<Principal>,
}

impl Callers {
    pub(crate) fn new(credentials: &Credentials, default_account: &str) -> Option<Self> {
        let mut by_key = HashMap::new();
        let mut first = None;
        for caller in &credentials.callers {
            let of_arn = caller.principal_arn.as_deref().and_then(account_of);
            let account = caller.account.as_deref().or(of_arn).unwrap_or(default_account);
            let arn = caller
                .principal_arn
                .clone()
                .unwrap_or_else(|| format!("arn:aws:iam::{account}:user/{}", caller.access_key_id));
            let role = role_of_session(&arn);
            let user_id = user_id(&arn, account);
            let principal = Arc::new(Principal {
                access_key_id: caller.access_key_id.clone(),
                secret: caller.secret_access_key.clone(),
                token: caller.session_token.clone(),
                account: account.into(),
                role,
                user_id,
                policies: caller.policies.clone().into(),
                session_policy: None,
                expires_ms: None,
                via_service: caller.via_service.clone(),
                arn,
            });
            first.get_or_insert_with(|| Arc::clone(&principal));
            by_key.insert(caller.access_key_id.clone(), principal);
        }
        let roles = credentials.roles.iter().map(|role| (role.arn.clone(), role.clone())).collect();
        Some(Self { by_key: RwLock::new(by_key), roles, any_role: credentials.any_role, first: first? })
    }

    pub(crate) fn find(&self, access_key_id: &str) -> Option<Arc<Principal>> {
        self.by_key.read().get(access_key_id).cloned()
    }

    pub(crate) fn role(&self, arn: &str) -> Option<Role> {
        if let Some(role) = self.roles.get(arn) {
            return Some(role.clone());
        }
        let open = self.any_role && account_of(arn).is_some() && arn.contains(":role/");
        open.then(|| Role {
            arn: arn.to_owned(),
            trust: PolicyDocument::allow_everything(),
            policies: vec![PolicyDocument::allow_everything()],
        })
    }

    /// Whether that role trusts everybody because nobody described it.
    pub(crate) fn is_open(&self, arn: &str) -> bool {
        self.any_role && !self.roles.contains_key(arn)
    }

    pub(crate) fn add_session(&self, principal: Principal, now_ms: i64) {
        let mut by_key = self.by_key.write();
        by_key.retain(|_, known| known.expires_ms.is_none_or(|expires| expires > now_ms - 3_600_000));
        if by_key.len() >= MAX_SESSIONS {
            let oldest = by_key
                .iter()
                .filter_map(|(key, known)| known.expires_ms.map(|expires| (expires, key.clone())))
                .min();
            if let Some((_, key)) = oldest {
                by_key.remove(&key);
            }
        }
        by_key.insert(principal.access_key_id.clone(), Arc::new(principal));
    }
}

/// `arn:aws:sts::A:assumed-role/NAME/SESSION` comes from `arn:aws:iam::A:role/NAME`.
fn role_of_session(arn: &str) -> Option<String> {
    let (head, rest) = arn.split_once(":assumed-role/")?;
    let (name, _) = rest.split_once('/')?;
    Some(format!("{}:role/{name}", head.replacen(":sts:", ":iam:", 1)))
}

fn user_id(arn: &str, account: &str) -> String {
    if arn.ends_with(":root") {
        return account.to_owned();
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, arn.as_bytes());
    let digits = hex::encode_upper(&digest.as_ref()[..9]);
    match arn.split_once(":assumed-role/").and_then(|(_, rest)| rest.split_once('/')) {
        Some((_, session)) => format!("AROA{}:{session}", &digits[..17]),
        None => format!("AIDA{}", &digits[..17]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::credentials::Caller;

    #[test]
    fn callers_get_an_account_and_a_name() {
        let credentials = Credentials::new(
            [
                Caller::new("test", "test"),
                Caller::new("s", "s").principal_arn("arn:aws:sts::111122223333:assumed-role/node/one"),
            ],
            [],
        );
        let callers = Callers::new(&credentials, "000000000000").unwrap();
        assert_eq!(callers.find("test").unwrap().arn, "arn:aws:iam::000000000000:user/test");
        let session = callers.find("s").unwrap();
        assert_eq!(&*session.account, "111122223333");
        assert_eq!(session.role.as_deref(), Some("arn:aws:iam::111122223333:role/node"));
        assert!(session.user_id.starts_with("AROA") && session.user_id.ends_with(":one"));
        assert!(callers.find("nobody").is_none());
        assert!(callers.role("arn:aws:iam::111122223333:role/x").is_none());
    }
}
