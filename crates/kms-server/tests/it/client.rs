//! A minimal AWS client: signs with Signature Version 4, speaks HTTP/1.1 over a fresh connection.

use std::net::SocketAddr;

use aws_lc_rs::{digest, hmac};
use base64::{Engine, engine::general_purpose::STANDARD};
use cantle_kms_server::{Server, ServerOptions};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An error in AWS's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) access_key: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
    pub(crate) region: String,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

pub(crate) async fn start() -> (Server, Client) {
    start_with(ServerOptions::default()).await
}

pub(crate) async fn start_with(options: ServerOptions) -> (Server, Client) {
    let server = Server::start(options).await.unwrap();
    let client = Client {
        address: server.address(),
        access_key: "test".into(),
        secret: "test".into(),
        token: None,
        region: "us-east-1".into(),
    };
    (server, client)
}

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn hmac_of(key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

impl Client {
    pub(crate) fn as_caller(&self, access_key: &str, secret: &str) -> Self {
        Self { access_key: access_key.into(), secret: secret.into(), token: None, ..self.clone() }
    }

    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self { region: region.into(), ..self.clone() }
    }

    /// The bytes of a signed request.
    pub(crate) fn signed(&self, service: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let host = self.address.to_string();
        let mut all: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all.push(("host".into(), host));
        all.push(("x-amz-date".into(), now.clone()));
        if let Some(token) = &self.token {
            all.push(("x-amz-security-token".into(), token.clone()));
        }
        all.sort();
        let names = all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let lines: String = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", sha256(body));
        let scope = format!("{}/{}/{service}/aws4_request", &now[..8], self.region);
        let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in scope.split('/') {
            key = hmac_of(&key, part);
        }
        let signature = hex::encode(hmac_of(&key, &to_sign));
        let fields: String = all.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut request = format!(
            "POST / HTTP/1.1\r\n{fields}authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, \
             SignedHeaders={names}, Signature={signature}\r\ncontent-length: {}\r\n\r\n",
            self.access_key,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        request
    }

    pub(crate) fn kms_request(&self, operation: &str, body: &Value) -> Vec<u8> {
        let target = format!("TrentService.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        self.signed("kms", &headers, body.to_string().as_bytes())
    }

    /// Does an operation.
    pub(crate) async fn call(&self, operation: &str, body: Value) -> Result<Value, Refusal> {
        let answer = exchange(self.address, &self.kms_request(operation, &body)).await.unwrap();
        let value =
            if answer.body.is_empty() { Value::Null } else { serde_json::from_slice(&answer.body).unwrap() };
        if answer.status == 200 {
            return Ok(value);
        }
        let message = value.get("message").or_else(|| value.get("Message"));
        Err(Refusal {
            status: answer.status,
            code: value["__type"].as_str().unwrap_or_default().to_owned(),
            message: message.and_then(Value::as_str).unwrap_or_default().to_owned(),
        })
    }

    /// Does an operation that must succeed.
    pub(crate) async fn ok(&self, operation: &str, body: Value) -> Value {
        self.call(operation, body).await.unwrap_or_else(|refusal| panic!("{operation}: {refusal:?}"))
    }

    /// Does an operation that must be refused; gives back the exception's name and text.
    pub(crate) async fn refused(&self, operation: &str, body: Value) -> (String, String) {
        match self.call(operation, body).await {
            Ok(answer) => panic!("{operation} succeeded: {answer}"),
            Err(refusal) => (refusal.code, refusal.message),
        }
    }

    /// The exception's name alone.
    pub(crate) async fn code(&self, operation: &str, body: Value) -> String {
        self.refused(operation, body).await.0
    }

    /// Makes a key; gives back its metadata.
    pub(crate) async fn create(&self, spec: &str, usage: &str) -> Value {
        self.ok("CreateKey", json!({"KeySpec": spec, "KeyUsage": usage})).await["KeyMetadata"].clone()
    }

    /// An STS request; gives back status and XML.
    pub(crate) async fn sts(&self, form: &str) -> (u16, String) {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = exchange(self.address, &self.signed("sts", &headers, form.as_bytes())).await.unwrap();
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    /// An admin request.
    pub(crate) async fn admin(&self, method: &str, page: &str, body: &str) -> (u16, Value) {
        let request = format!(
            "{method} /_cantle/{page} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = exchange(self.address, request.as_bytes()).await.unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }
}

/// Sends bytes over a fresh connection and reads one answer.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    read_answer(&mut stream).await
}

pub(crate) async fn read_answer(stream: &mut TcpStream) -> std::io::Result<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await?;
    Ok(Answer { status, head, body })
}
