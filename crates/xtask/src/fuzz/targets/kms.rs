//! AWS KMS on loopback: bodies of requests, and requests as they are signed.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use cantle_kms_server::{Authentication, Fault, FaultKind, Server, ServerOptions};
use http::Request;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::Target;
use crate::fuzz::{
    corpus::{self, Corpus},
    mutate::Form,
};

/// Inputs after which a server is replaced: it keeps the keys that it makes.
const RENEWED_AFTER: u32 = 20_000;

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "-1",
    "1e400",
    "4096",
    "\"RAW\"",
    "\"DIGEST\"",
    "\"ECDSA_SHA_256\"",
    "\"ECC_NIST_P521\"",
    "\"HMAC_512\"",
    "\"SYMMETRIC_DEFAULT\"",
    "\"MAC\"",
    "alias/",
    "arn:aws:kms:us-east-1:000000000000:key/",
    "mrk-",
    "\"KeyId\":",
    "\"DryRun\":true",
    "$SIGN",
    "$RSA",
    "$AES",
    "$MAC",
    "$BLOB",
    "AAAA",
    "====",
    "*",
    "?",
    "${aws:username}",
    "\\\"Version\\\"",
    "Statement",
];

const HEADERS: &[&str] = &[
    "\n",
    ":",
    ": ",
    ";",
    ",",
    "=",
    "/",
    "%",
    "%2F",
    "%zz",
    "?a=b&c",
    "//",
    "/../",
    " ",
    "\t",
    "host",
    "x-amz-date",
    "authorization: ",
    "AWS4-HMAC-SHA256 ",
    "Credential=",
    "SignedHeaders=",
    "Signature=",
    "aws4_request",
    "20240101T000000Z",
    "X-Amz-Credential=",
    "X-Amz-Expires=604800",
    "X-Amz-Signature=",
    "UNSIGNED-PAYLOAD",
    "0",
    "x-amz-security-token: ",
    "x-amz-content-sha256: ",
    "us-east-1",
    "kms",
    "sts",
];

/// A runtime and a server in it.
struct Site {
    runtime: Runtime,
    server: Server,
    asked: u32,
    authentication: Authentication,
    /// What the words that begin with a dollar stand for.
    words: Vec<(&'static str, String)>,
}

impl Site {
    fn start(authentication: Authentication) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut options = ServerOptions::default();
        options.auth = authentication;
        let server = runtime.block_on(Server::start(options))?;
        let mut site = Self { runtime, server, asked: 0, authentication, words: Vec::new() };
        if authentication == Authentication::None {
            let made = [
                (
                    "$SIGN",
                    json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "MultiRegion": true}),
                ),
                ("$RSA", json!({"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"})),
                ("$MAC", json!({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"})),
                ("$AES", json!({})),
            ];
            for (word, body) in made {
                let answer = site.ask("CreateKey", &body.to_string())?;
                site.words.push((word, text(&answer["KeyMetadata"]["KeyId"])?));
            }
            let body = json!({"KeyId": "$AES", "Plaintext": "aGVsbG8=", "EncryptionContext": {"a": "b"}});
            let answer = site.ask("Encrypt", &site.with_words(&body.to_string()))?;
            site.words.push(("$BLOB", text(&answer["CiphertextBlob"])?));
        }
        Ok(site)
    }

    fn with_words(&self, body: &str) -> String {
        self.words.iter().fold(body.to_owned(), |body, (word, stands_for)| body.replace(word, stands_for))
    }

    fn ask(&self, operation: &str, body: &str) -> anyhow::Result<Value> {
        let request = Request::post("/").header("x-amz-target", format!("TrentService.{operation}"));
        let answer = self
            .runtime
            .block_on(self.server.exchange(request.body(body.to_owned().into_bytes().into())?))?;
        Ok(serde_json::from_slice(answer.body())?)
    }

    /// The status of the answer, which must be one that AWS gives for something that the caller did.
    fn exchange(&mut self, request: Request<Vec<u8>>) -> u16 {
        self.asked += 1;
        if self.asked > RENEWED_AFTER {
            *self = Self::start(self.authentication).expect("another server starts");
        }
        let answer = self.runtime.block_on(self.server.exchange(request.map(Into::into)));
        let answer = answer.expect("no fault is armed that breaks connections");
        let status = answer.status().as_u16();
        let told = String::from_utf8_lossy(answer.body());
        assert!(status < 500, "the server blames itself: {status} {told}");
        status
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    Ok(value.as_str().context("a text in the answer")?.to_owned())
}

/// Bodies: an operation, a blank and JSON.
pub(super) struct Json(Site);

impl Json {
    pub(super) fn start() -> anyhow::Result<Self> {
        Ok(Self(Site::start(Authentication::None)?))
    }
}

impl Target for Json {
    fn corpus(&self) -> anyhow::Result<Corpus> {
        let text = corpus::text("xtask/corpus/kms.txt")?;
        Ok(text.lines().filter(|line| !line.starts_with('#')).map(|line| line.as_bytes().to_vec()).collect())
    }

    fn form(&self) -> Form {
        Form::Text(WORDS)
    }

    fn run(&mut self, input: &[u8]) -> bool {
        let input = String::from_utf8_lossy(input);
        let (operation, body) = input.split_once(' ').unwrap_or((&input, ""));
        let request = Request::post("/").header("x-amz-target", format!("TrentService.{operation}"));
        let Ok(request) = request.body(self.0.with_words(body).into_bytes()) else { return false };
        self.0.exchange(request) == 200
    }
}

/// When the requests of the corpus were signed.
const SIGNED_AT: Duration = Duration::from_secs(1_704_067_200);

/// Requests: a line with method and target, headers, an empty line, the body.
pub(super) struct SigV4(Site);

impl SigV4 {
    pub(super) fn start() -> anyhow::Result<Self> {
        Ok(Self(Site::start(Authentication::SigV4)?))
    }

    /// The server's clock is that of the signatures.
    fn set_clock(&self) {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let seconds = i32::try_from(since.saturating_sub(SIGNED_AT.as_secs())).unwrap_or(i32::MAX);
        self.0.server.set_faults([Fault::new("*", FaultKind::ClockSkew { seconds: -seconds })]);
    }
}

impl Target for SigV4 {
    fn corpus(&self) -> anyhow::Result<Corpus> {
        let mut items = Vec::new();
        let kms = ("kms", "/", "application/x-amz-json-1.1");
        let sts = ("sts", "/", "application/x-www-form-urlencoded");
        let caller = "Action=GetCallerIdentity&Version=2011-06-15";
        let role = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Fr\
                    &RoleSessionName=s&DurationSeconds=900";
        for ((service, target, kind), operation, body) in [
            (kms, Some("ListKeys"), "{}"),
            (kms, Some("GenerateRandom"), r#"{"NumberOfBytes":8}"#),
            (("kms", "/?b=2&a=%20x&a", kms.2), Some("ListAliases"), "{}"),
            (sts, None, caller),
            (sts, None, role),
        ] {
            items.push(signed(service, target, kind, operation, body)?);
        }
        Ok(items.into_iter().collect())
    }

    fn form(&self) -> Form {
        Form::Text(HEADERS)
    }

    fn run(&mut self, input: &[u8]) -> bool {
        if self.0.asked.is_multiple_of(1000) {
            self.set_clock();
        }
        let Some(request) = request(input) else { return false };
        self.0.exchange(request) == 200
    }
}

/// A request as text, signed at [`SIGNED_AT`].
fn signed(
    service: &str,
    target: &str,
    kind: &str,
    operation: Option<&str>,
    body: &str,
) -> anyhow::Result<Vec<u8>> {
    let mut headers = vec![("host", "localhost".to_owned()), ("content-type", kind.to_owned())];
    headers.extend(operation.map(|operation| ("x-amz-target", format!("TrentService.{operation}"))));
    let identity = Credentials::new("test", "test", None, None, "fuzz").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name(service)
        .time(SystemTime::UNIX_EPOCH + SIGNED_AT)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let signable = SignableRequest::new(
        "POST",
        format!("http://localhost{target}"),
        headers.iter().map(|(name, value)| (*name, value.as_str())),
        SignableBody::Bytes(body.as_bytes()),
    )?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    let mut text = format!("POST {target}\n");
    for (name, value) in &headers {
        writeln!(text, "{name}: {value}")?;
    }
    for (name, value) in instructions.headers() {
        writeln!(text, "{name}: {value}")?;
    }
    write!(text, "\n{body}")?;
    Ok(text.into_bytes())
}

/// The request of such a text; nothing where no HTTP library would let it through.
fn request(input: &[u8]) -> Option<Request<Vec<u8>>> {
    let end = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    let (head, body) = (&input[..end], input.get(end + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    request.body(body.to_vec()).ok()
}
