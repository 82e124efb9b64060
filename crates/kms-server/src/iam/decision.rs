//! The decision: identity policies, the key policy and grants together.
//!
//! An explicit deny anywhere wins. In the key's own account, the key policy may allow a principal by itself or hand
//! the decision to the account's identity policies; from another account, key policy and identity policies must both
//! allow. A grant allows like a key policy that names the grantee.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html>

use super::{condition::Context, policy::Verdict};
use crate::auth::callers::Principal;

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    ExplicitIdentity,
    ExplicitResource,
    ExplicitSession,
    NoIdentity,
    NoResource,
    NoSession,
    /// The key may not even exist: said of other accounts' keys.
    Unknown,
}

impl Denial {
    /// The reason in AWS's words, behind the resource.
    pub(crate) fn reason(self, action: &str) -> String {
        match self {
            Self::ExplicitIdentity => " with an explicit deny in an identity-based policy".to_owned(),
            Self::ExplicitResource => " with an explicit deny in a resource-based policy".to_owned(),
            Self::ExplicitSession => " with an explicit deny in a session policy".to_owned(),
            Self::NoIdentity => format!(" because no identity-based policy allows the {action} action"),
            Self::NoResource => format!(" because no resource-based policy allows the {action} action"),
            Self::NoSession => format!(" because no session policy allows the {action} action"),
            Self::Unknown => {
                " because the resource does not exist in this Region, no resource-based policies allow \
                              access, or a resource-based policy explicitly denies access"
                    .to_owned()
            }
        }
    }
}

/// What the caller's own policies say.
pub(crate) fn identity(
    caller: &Principal,
    action: &str,
    resource: &str,
    context: &dyn Context,
) -> Result<(), Denial> {
    if caller.is_root() {
        return Ok(());
    }
    let mut allowed = false;
    for policy in caller.policies.iter() {
        let verdict = policy.identity_verdict(action, resource, context);
        if verdict.denies {
            return Err(Denial::ExplicitIdentity);
        }
        allowed |= verdict.allows;
    }
    if let Some(policy) = &caller.session_policy {
        let verdict = policy.identity_verdict(action, resource, context);
        if verdict.denies {
            return Err(Denial::ExplicitSession);
        }
        if !verdict.allows {
            return Err(Denial::NoSession);
        }
    }
    if allowed { Ok(()) } else { Err(Denial::NoIdentity) }
}

/// The whole decision for a key.
pub(crate) fn key(
    caller: &Principal,
    key_account: &str,
    key_policy: Verdict,
    granted: bool,
    identity: Result<(), Denial>,
) -> Result<(), Denial> {
    if key_policy.denies {
        return Err(Denial::ExplicitResource);
    }
    if let Err(denial @ (Denial::ExplicitIdentity | Denial::ExplicitSession | Denial::NoSession)) = identity {
        return Err(denial);
    }
    if granted {
        return Ok(());
    }
    if *caller.account == *key_account {
        if key_policy.allows {
            return Ok(());
        }
        if key_policy.delegates {
            return identity;
        }
        return Err(Denial::NoResource);
    }
    if key_policy.allows || key_policy.delegates {
        return identity;
    }
    Err(Denial::Unknown)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::{
        auth::{
            callers::Callers,
            credentials::{Caller, Credentials},
        },
        iam::policy::PolicyDocument,
    };

    struct Nothing;

    impl Context for Nothing {
        fn values(&self, _key: &str) -> Option<Vec<Cow<'_, str>>> {
            None
        }
    }

    fn caller(policies: Vec<PolicyDocument>) -> std::sync::Arc<Principal> {
        let caller = Caller::new("a", "s").account("111122223333").policies(policies);
        Callers::new(&Credentials::new([caller], []), "000000000000").unwrap().first
    }

    const DELEGATES: Verdict = Verdict { denies: false, allows: false, delegates: true };
    const ALLOWS: Verdict = Verdict { denies: false, allows: true, delegates: false };

    fn decide(caller: &Principal, account: &str, policy: Verdict, granted: bool) -> Result<(), Denial> {
        let identity = identity(caller, "kms:Sign", "arn", &Nothing);
        key(caller, account, policy, granted, identity)
    }

    #[test]
    fn in_its_own_account_a_key_policy_may_allow_or_delegate() {
        let nobody = caller(vec![]);
        let signer = caller(vec![PolicyDocument::allow(&["kms:Sign"], &["*"])]);
        assert_eq!(decide(&nobody, "111122223333", DELEGATES, false), Err(Denial::NoIdentity));
        assert_eq!(decide(&nobody, "111122223333", ALLOWS, false), Ok(()));
        assert_eq!(decide(&signer, "111122223333", DELEGATES, false), Ok(()));
        assert_eq!(decide(&signer, "111122223333", Verdict::default(), false), Err(Denial::NoResource));
        assert_eq!(decide(&nobody, "111122223333", Verdict::default(), true), Ok(()));
    }

    #[test]
    fn across_accounts_both_sides_must_allow() {
        let nobody = caller(vec![]);
        let signer = caller(vec![PolicyDocument::allow(&["kms:Sign"], &["*"])]);
        assert_eq!(decide(&signer, "999999999999", DELEGATES, false), Ok(()));
        assert_eq!(decide(&signer, "999999999999", Verdict::default(), false), Err(Denial::Unknown));
        assert_eq!(decide(&nobody, "999999999999", ALLOWS, false), Err(Denial::NoIdentity));
    }

    #[test]
    fn an_explicit_deny_wins_over_everything() {
        let deny =
            PolicyDocument::parse(r#"{"Statement":{"Effect":"Deny","Action":"kms:Sign","Resource":"*"}}"#);
        let denied = caller(vec![PolicyDocument::allow_everything(), deny.unwrap()]);
        assert_eq!(decide(&denied, "111122223333", ALLOWS, true), Err(Denial::ExplicitIdentity));
        let anyone = caller(vec![PolicyDocument::allow_everything()]);
        let denies = Verdict { denies: true, allows: true, delegates: true };
        assert_eq!(decide(&anyone, "111122223333", denies, true), Err(Denial::ExplicitResource));
    }
}
