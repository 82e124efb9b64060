//! Policy documents: reading them, and which statements a request falls under.
//!
//! One type serves identity policies (no principal) and key policies (with one). Reading is strict enough that a
//! document AWS would call malformed is refused.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use serde_json::Value;
use thiserror::Error;

use super::{
    condition::{self, Condition, Context},
    pattern,
};

/// A document that is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is not JSON.
    #[error("the policy is not JSON: {reason}")]
    NotJson {
        /// What the parser says.
        reason: String,
    },
    /// An element is missing, unknown or of the wrong type.
    #[error("the policy element {element} is missing, unknown or malformed")]
    Element {
        /// Its name.
        element: String,
    },
}

fn element(name: impl Into<String>) -> PolicyError {
    PolicyError::Element { element: name.into() }
}

/// A policy, read.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyDocument {
    statements: Vec<Statement>,
    /// `2012-10-17`: `${…}` means a variable.
    variables: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq)]
struct Statement {
    effect: Effect,
    principals: Option<Listed<Principals>>,
    actions: Listed<Vec<String>>,
    resources: Option<Listed<Vec<String>>>,
    conditions: Vec<Condition>,
}

/// An element or its `Not` twin.
#[derive(Debug, Clone, PartialEq)]
enum Listed<T> {
    These(T),
    AllBut(T),
}

impl<T> Listed<T> {
    fn holds(&self, matches: impl FnOnce(&T) -> bool) -> bool {
        match self {
            Self::These(these) => matches(these),
            Self::AllBut(these) => !matches(these),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Principals {
    anyone: bool,
    aws: Vec<String>,
    services: Vec<String>,
}

/// Who asks, as far as principals in policies go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) account: &'a str,
    /// The user, the role session, or the account's root.
    pub(crate) arn: &'a str,
    /// The role behind a session.
    pub(crate) role: Option<&'a str>,
}

/// How a statement's principal fits the asker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Named, or everybody is.
    Direct,
    /// The whole account is named: its IAM policies decide.
    Account,
}

/// What a policy says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Verdict {
    pub(crate) denies: bool,
    pub(crate) allows: bool,
    /// Allows, but to the account, whose IAM policies decide.
    pub(crate) delegates: bool,
}

impl PolicyDocument {
    /// Reads a policy's JSON text.
    ///
    /// # Errors
    /// [`PolicyError`]: what AWS answers `MalformedPolicyDocumentException` to.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let value =
            serde_json::from_str(text).map_err(|error| PolicyError::NotJson { reason: error.to_string() })?;
        Self::from_value(&value)
    }

    /// Reads a policy from JSON already parsed.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn from_value(value: &Value) -> Result<Self, PolicyError> {
        let object = value.as_object().ok_or_else(|| element("document"))?;
        for name in object.keys() {
            if !matches!(name.as_str(), "Version" | "Id" | "Statement") {
                return Err(element(name));
            }
        }
        let variables = match object.get("Version").map(Value::as_str) {
            Some(Some("2012-10-17")) => true,
            None | Some(Some("2008-10-17")) => false,
            _ => return Err(element("Version")),
        };
        let statements = match object.get("Statement") {
            Some(Value::Array(list)) => list.iter().map(Statement::from_value).collect::<Result<_, _>>()?,
            Some(one @ Value::Object(_)) => vec![Statement::from_value(one)?],
            _ => return Err(element("Statement")),
        };
        Ok(Self { statements, variables })
    }

    /// The policy that allows everything.
    #[must_use]
    pub fn allow_everything() -> Self {
        Self::allow(&["*"], &["*"])
    }

    /// A policy of one statement that allows these actions on these resources.
    #[must_use]
    pub fn allow(actions: &[&str], resources: &[&str]) -> Self {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Self {
            statements: vec![Statement {
                effect: Effect::Allow,
                principals: None,
                actions: Listed::These(owned(actions)),
                resources: Some(Listed::These(owned(resources))),
                conditions: Vec::new(),
            }],
            variables: true,
        }
    }

    /// What an identity policy says.
    pub(crate) fn identity_verdict(&self, action: &str, resource: &str, context: &dyn Context) -> Verdict {
        let mut verdict = Verdict::default();
        for statement in &self.statements {
            if statement.applies(action, resource, context, self.variables) {
                match statement.effect {
                    Effect::Allow => verdict.allows = true,
                    Effect::Deny => verdict.denies = true,
                }
            }
        }
        verdict
    }

    /// What a key policy says; its resource is the key it is on.
    pub(crate) fn resource_verdict(
        &self,
        asker: Asker<'_>,
        action: &str,
        resource: &str,
        context: &dyn Context,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        for statement in &self.statements {
            let Some(fit) = statement.fits(asker) else { continue };
            if !statement.applies(action, resource, context, self.variables) {
                continue;
            }
            match (statement.effect, fit) {
                (Effect::Deny, _) => verdict.denies = true,
                (Effect::Allow, Fit::Direct) => verdict.allows = true,
                (Effect::Allow, Fit::Account) => verdict.delegates = true,
            }
        }
        verdict
    }

    /// What a role's trust policy says; it has no resource, being the role's own.
    pub(crate) fn trust_verdict(&self, asker: Asker<'_>, action: &str, context: &dyn Context) -> Verdict {
        let mut everywhere = self.clone();
        for statement in &mut everywhere.statements {
            statement.resources = Some(Listed::These(vec!["*".to_owned()]));
        }
        everywhere.resource_verdict(asker, action, "", context)
    }

    /// Whether every statement names a principal: key policies and trust policies must.
    pub(crate) fn names_principals(&self) -> bool {
        !self.statements.is_empty() && self.statements.iter().all(|statement| statement.principals.is_some())
    }

    /// The principals named, for checking that they can exist.
    pub(crate) fn principals(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().filter_map(|statement| statement.principals.as_ref()).flat_map(|listed| {
            let (Listed::These(principals) | Listed::AllBut(principals)) = listed;
            principals.aws.iter().map(String::as_str)
        })
    }
}

impl Statement {
    fn from_value(value: &Value) -> Result<Self, PolicyError> {
        let object = value.as_object().ok_or_else(|| element("Statement"))?;
        for name in object.keys() {
            if !matches!(
                name.as_str(),
                "Sid"
                    | "Effect"
                    | "Principal"
                    | "NotPrincipal"
                    | "Action"
                    | "NotAction"
                    | "Resource"
                    | "NotResource"
                    | "Condition"
            ) {
                return Err(element(name));
            }
        }
        let effect = match object.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err(element("Effect")),
        };
        let twins = |name: &'static str, not: &'static str| match (object.get(name), object.get(not)) {
            (Some(_), Some(_)) => Err(element(not)),
            (Some(these), None) => Ok(Some(Listed::These(these))),
            (None, Some(these)) => Ok(Some(Listed::AllBut(these))),
            (None, None) => Ok(None),
        };
        let texts_of = |listed: Listed<&Value>, name: &str| match listed {
            Listed::These(these) => texts(these, name).map(Listed::These),
            Listed::AllBut(these) => texts(these, name).map(Listed::AllBut),
        };
        let principals = match twins("Principal", "NotPrincipal")? {
            Some(Listed::These(these)) => Some(Listed::These(Principals::from_value(these)?)),
            Some(Listed::AllBut(these)) => Some(Listed::AllBut(Principals::from_value(these)?)),
            None => None,
        };
        let actions = twins("Action", "NotAction")?.ok_or_else(|| element("Action"))?;
        let resources = twins("Resource", "NotResource")?;
        Ok(Self {
            effect,
            principals,
            actions: texts_of(actions, "Action")?,
            resources: resources.map(|listed| texts_of(listed, "Resource")).transpose()?,
            conditions: object.get("Condition").map(condition::parse).transpose()?.unwrap_or_default(),
        })
    }

    fn applies(&self, action: &str, resource: &str, context: &dyn Context, variables: bool) -> bool {
        self.actions.holds(|these| these.iter().any(|one| pattern::matches_ignoring_case(one, action)))
            && self.resources.as_ref().is_some_and(|listed| {
                listed.holds(|these| {
                    these.iter().any(|one| {
                        one == "*"
                            || pattern::matches(&condition::substitute(one, variables, context), resource)
                    })
                })
            })
            && self.conditions.iter().all(|condition| condition.holds(context, variables))
    }

    fn fits(&self, asker: Asker<'_>) -> Option<Fit> {
        match self.principals.as_ref()? {
            Listed::These(principals) => principals.fit(asker),
            Listed::AllBut(principals) => principals.fit(asker).is_none().then_some(Fit::Direct),
        }
    }
}

impl Principals {
    fn from_value(value: &Value) -> Result<Self, PolicyError> {
        let mut principals = Self::default();
        match value {
            Value::String(text) if text == "*" => principals.anyone = true,
            Value::Object(kinds) if !kinds.is_empty() => {
                for (kind, named) in kinds {
                    let named = texts(named, "Principal")?;
                    match kind.as_str() {
                        "AWS" => principals.aws.extend(named),
                        "Service" => principals.services.extend(named),
                        "Federated" | "CanonicalUser" => {}
                        _ => return Err(element("Principal")),
                    }
                }
                principals.anyone = principals.aws.iter().any(|named| named == "*");
            }
            _ => return Err(element("Principal")),
        }
        Ok(principals)
    }

    fn fit(&self, asker: Asker<'_>) -> Option<Fit> {
        let named = |arn: &str| self.aws.iter().any(|listed| listed == arn);
        if self.anyone || named(asker.arn) || asker.role.is_some_and(named) {
            return Some(Fit::Direct);
        }
        self.aws.iter().any(|listed| names_account(listed, asker.account)).then_some(Fit::Account)
    }
}

/// An account is named by its number or by its root user's ARN.
fn names_account(listed: &str, account: &str) -> bool {
    listed == account
        || listed
            .strip_prefix("arn:")
            .and_then(|rest| rest.split_once(":iam::"))
            .and_then(|(_, rest)| rest.strip_suffix(":root"))
            .is_some_and(|named| named == account)
}

fn texts(value: &Value, name: &str) -> Result<Vec<String>, PolicyError> {
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(list) if !list.is_empty() => {
            list.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(|| element(name))).collect()
        }
        _ => Err(element(name)),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    struct Nothing;

    impl Context for Nothing {
        fn values(&self, _key: &str) -> Option<Vec<Cow<'_, str>>> {
            None
        }
    }

    fn asker<'a>(arn: &'a str, role: Option<&'a str>) -> Asker<'a> {
        Asker { account: "111122223333", arn, role }
    }

    #[test]
    fn key_policy_distinguishes_a_named_principal_from_its_account() {
        let policy = PolicyDocument::parse(
            r#"{"Version":"2012-10-17","Statement":[
                {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"},
                {"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:role/node"]},"Action":"kms:Sign","Resource":"*"},
                {"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}]}"#,
        )
        .unwrap();
        let user = asker("arn:aws:iam::111122223333:user/u", None);
        let verdict = policy.resource_verdict(user, "kms:Sign", "arn", &Nothing);
        assert_eq!(verdict, Verdict { denies: false, allows: false, delegates: true });
        let session = asker(
            "arn:aws:sts::111122223333:assumed-role/node/s",
            Some("arn:aws:iam::111122223333:role/node"),
        );
        assert!(policy.resource_verdict(session, "kms:Sign", "arn", &Nothing).allows);
        assert!(policy.resource_verdict(session, "kms:Decrypt", "arn", &Nothing).denies);
        let stranger = Asker { account: "999999999999", arn: "arn:aws:iam::999999999999:user/u", role: None };
        assert_eq!(policy.resource_verdict(stranger, "kms:Sign", "arn", &Nothing), Verdict::default());
    }

    #[test]
    fn not_action_and_not_resource_turn_round() {
        let policy = PolicyDocument::parse(
            r#"{"Statement":{"Effect":"Allow","NotAction":["kms:Delete*"],"NotResource":"arn:x"}}"#,
        )
        .unwrap();
        assert!(policy.identity_verdict("kms:Sign", "arn:y", &Nothing).allows);
        assert!(!policy.identity_verdict("kms:DeleteAlias", "arn:y", &Nothing).allows);
        assert!(!policy.identity_verdict("kms:Sign", "arn:x", &Nothing).allows);
    }

    #[test]
    fn malformed_documents_are_refused() {
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"Statement":[]  ,"Extra":1}"#,
            r#"{"Version":"2020-01-01","Statement":[]}"#,
            r#"{"Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":5,"Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":{"Who":"x"},"Action":"*","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Nope":{"a":"b"}}}]}"#,
        ] {
            assert!(PolicyDocument::parse(wrong).is_err(), "{wrong}");
        }
    }
}
