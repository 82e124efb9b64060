//! STS on the same port, as far as a credential chain needs it: GetCallerIdentity and AssumeRole.
//!
//! The query protocol: a form (or a query string) in, XML out.
//!
//! Source: <https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::request::Parts;
use zeroize::Zeroizing;

use crate::{
    auth::{
        callers::Principal,
        file::account_of,
        sigv4::{self, query_pairs},
    },
    error::KmsError,
    http::handler::Reply,
    iam::{
        condition::Context,
        decision::{self, Denial},
        policy::PolicyDocument,
    },
    keys::material::random_bytes,
    server::Authentication,
    service::{Clock, Service},
};

/// A refusal in STS's words.
struct Refusal {
    status: u16,
    code: Cow<'static, str>,
    message: String,
}

fn refusal(status: u16, code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { status, code: code.into(), message: message.into() }
}

impl From<KmsError> for Refusal {
    fn from(error: KmsError) -> Self {
        let (status, code) = match error.code {
            "UnrecognizedClientException" => (403, "InvalidClientTokenId"),
            "InvalidSignatureException" => (403, "SignatureDoesNotMatch"),
            "ExpiredTokenException" => (403, "ExpiredToken"),
            "MissingAuthenticationTokenException" => (403, "MissingAuthenticationToken"),
            "IncompleteSignatureException" => (400, "IncompleteSignature"),
            other => (error.status, other),
        };
        refusal(status, code, error.message.unwrap_or_default())
    }
}

/// The action of a query-protocol request; none if it is no such request.
pub(crate) fn action(parts: &Parts, body: &[u8]) -> Option<String> {
    parameters(parts, body).into_iter().find(|(name, _)| name == "Action").map(|(_, action)| action)
}

fn parameters(parts: &Parts, body: &[u8]) -> Vec<(String, String)> {
    let mut pairs = query_pairs(parts.uri.query().unwrap_or_default());
    let form = parts
        .headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if form {
        pairs.extend(query_pairs(&String::from_utf8_lossy(body)));
    }
    pairs
}

/// Answers an STS request.
pub(crate) fn answer(service: &Arc<Service>, parts: &Parts, body: &[u8], request_id: &str) -> Reply {
    let parameters = parameters(parts, body);
    let parameter = |name: &str| {
        parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    };
    let action = parameter("Action").unwrap_or_default();
    let answered = caller(service, parts, body).map_err(Refusal::from).and_then(|caller| match action {
        "GetCallerIdentity" => Ok(caller_identity(&caller)),
        "AssumeRole" => assume_role(service, &caller, &parameter),
        _ => Err(refusal(
            400,
            "InvalidAction",
            format!("Could not find operation {action} for version 2011-06-15"),
        )),
    });
    let (status, xml) = match answered {
        Ok(result) => {
            service.counts.count(action, "Success", &[]);
            let xml = format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n{result}  \
                 <ResponseMetadata>\n    <RequestId>{request_id}</RequestId>\n  </ResponseMetadata>\n\
                 </{action}Response>\n"
            );
            (200, xml)
        }
        Err(refusal) => {
            service.counts.count("STS", &refusal.code, &[]);
            let xml = format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    \
                 <Type>Sender</Type>\n    <Code>{}</Code>\n    <Message>{}</Message>\n  </Error>\n  \
                 <RequestId>{request_id}</RequestId>\n</ErrorResponse>\n",
                refusal.code,
                escape(&refusal.message)
            );
            (refusal.status, xml)
        }
    };
    Reply { status, content_type: "text/xml", body: xml.into_bytes() }
}

fn caller(service: &Service, parts: &Parts, body: &[u8]) -> Result<Arc<Principal>, KmsError> {
    match service.authentication {
        Authentication::SigV4 => {
            let verified = service.verifier.verify(&service.callers, parts, body, "sts", Clock::real_ms())?;
            Ok(verified.principal)
        }
        Authentication::None => {
            let known = sigv4::claimed(&parts.headers).and_then(|(key, _)| service.callers.find(key));
            Ok(known.unwrap_or_else(|| Arc::clone(&service.callers.first)))
        }
    }
}

fn caller_identity(caller: &Principal) -> String {
    format!(
        "  <GetCallerIdentityResult>\n    <Arn>{}</Arn>\n    <UserId>{}</UserId>\n    <Account>{}</Account>\n  \
         </GetCallerIdentityResult>\n",
        escape(&caller.arn),
        escape(&caller.user_id),
        caller.account
    )
}

/// What a trust policy can ask.
struct TrustContext<'a> {
    caller: &'a Principal,
    external_id: Option<&'a str>,
    session_name: &'a str,
}

impl Context for TrustContext<'_> {
    fn values(&self, key: &str) -> Option<Vec<Cow<'_, str>>> {
        let value: Cow<'_, str> = match key {
            "sts:externalid" => self.external_id?.into(),
            "sts:rolesessionname" => self.session_name.into(),
            "aws:principalarn" => self.caller.role.as_deref().unwrap_or(&self.caller.arn).into(),
            "aws:principalaccount" => (*self.caller.account).into(),
            "aws:userid" => self.caller.user_id.as_str().into(),
            "aws:username" => self.caller.user_name()?.into(),
            _ => return None,
        };
        Some(vec![value])
    }
}

fn assume_role<'p>(
    service: &Service,
    caller: &Principal,
    parameter: &impl Fn(&str) -> Option<&'p str>,
) -> Result<String, Refusal> {
    let missing = |name: &str| {
        let member = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
        refusal(
            400,
            "ValidationError",
            format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not \
                 be null"
            ),
        )
    };
    let role_arn = parameter("RoleArn").ok_or_else(|| missing("RoleArn"))?;
    let session_name = parameter("RoleSessionName").ok_or_else(|| missing("RoleSessionName"))?;
    let account = account_of(role_arn).filter(|_| role_arn.contains(":role/"));
    let account = account.ok_or_else(|| refusal(400, "ValidationError", format!("{role_arn} is invalid")))?;
    let well_named = (2..=64).contains(&session_name.len())
        && session_name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_=,.@-".contains(letter));
    if !well_named {
        return Err(refusal(
            400,
            "ValidationError",
            format!(
                "1 validation error detected: Value '{session_name}' at 'roleSessionName' failed to satisfy \
                 constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
            ),
        ));
    }
    let seconds = parameter("DurationSeconds").unwrap_or("3600");
    let seconds = seconds.parse::<i64>().ok().filter(|seconds| (900..=43_200).contains(seconds)).ok_or_else(|| {
        refusal(
            400,
            "ValidationError",
            format!(
                "1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: \
                 Member must have value between 900 and 43200"
            ),
        )
    })?;
    let session_policy = match parameter("Policy") {
        None => None,
        Some(text) => Some(Arc::new(
            PolicyDocument::parse(text)
                .map_err(|error| refusal(400, "MalformedPolicyDocument", error.to_string()))?,
        )),
    };
    let denied = || {
        refusal(
            403,
            "AccessDenied",
            format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
                caller.arn
            ),
        )
    };
    let role = service.callers.role(role_arn).ok_or_else(denied)?;
    let context = TrustContext { caller, external_id: parameter("ExternalId"), session_name };
    if !service.callers.is_open(role_arn) {
        check_trust(caller, account, &role.trust, role_arn, &context).map_err(|_| denied())?;
    }
    let now_ms = Clock::real_ms();
    let session =
        session(&role.arn, account, session_name, &role.policies, session_policy, now_ms + seconds * 1000)
            .ok_or_else(|| refusal(500, "InternalFailure", "The random source failed."))?;
    let result = render_session(&session);
    service.callers.add_session(session, now_ms);
    Ok(result)
}

/// The role's trust policy must allow; so must the caller's own policies unless it is named in its own account.
fn check_trust(
    caller: &Principal,
    role_account: &str,
    trust: &PolicyDocument,
    role_arn: &str,
    context: &TrustContext<'_>,
) -> Result<(), Denial> {
    // A trust policy has no Resource element; its verdict is asked with each statement's resource being everything.
    let verdict = trust.trust_verdict(caller.asker(), "sts:AssumeRole", context);
    let identity = decision::identity(caller, "sts:AssumeRole", role_arn, context);
    decision::key(caller, role_account, verdict, false, identity)
}

fn session(
    role_arn: &str,
    account: &str,
    session_name: &str,
    policies: &[PolicyDocument],
    session_policy: Option<Arc<PolicyDocument>>,
    expires_ms: i64,
) -> Option<Principal> {
    let key_id = hex::encode_upper(random_bytes(8)?.as_slice());
    let secret = STANDARD.encode(random_bytes(30)?.as_slice());
    let token = STANDARD.encode(random_bytes(96)?.as_slice());
    let name = role_arn.rsplit('/').next()?;
    let head = role_arn.split(":role/").next()?.replacen(":iam:", ":sts:", 1);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, role_arn.as_bytes());
    let role_id = hex::encode_upper(&digest.as_ref()[..9]);
    Some(Principal {
        access_key_id: format!("ASIA{key_id}"),
        secret: Zeroizing::new(secret),
        token: Some(Zeroizing::new(token)),
        account: account.into(),
        arn: format!("{head}:assumed-role/{name}/{session_name}"),
        role: Some(role_arn.to_owned()),
        user_id: format!("AROA{}:{session_name}", &role_id[..17]),
        policies: policies.into(),
        session_policy,
        expires_ms: Some(expires_ms),
        via_service: None,
    })
}

fn render_session(session: &Principal) -> String {
    let expires = session.expires_ms.and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    let expires = expires.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default();
    let mut xml = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        xml,
        "  <AssumeRoleResult>\n    <AssumedRoleUser>\n      <AssumedRoleId>{}</AssumedRoleId>\n      \
         <Arn>{}</Arn>\n    </AssumedRoleUser>\n    <Credentials>\n      <AccessKeyId>{}</AccessKeyId>\n      \
         <SecretAccessKey>{}</SecretAccessKey>\n      <SessionToken>{}</SessionToken>\n      \
         <Expiration>{expires}</Expiration>\n    </Credentials>\n  </AssumeRoleResult>\n",
        escape(&session.user_id),
        escape(&session.arn),
        session.access_key_id,
        escape(&session.secret),
        escape(session.token.as_deref().map_or("", String::as_str)),
    );
    xml
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}
