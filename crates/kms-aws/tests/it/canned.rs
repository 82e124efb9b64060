//! An HTTP server that answers the same to every request, or breaks off. HTTP/1.1 by hand: what is sent is what is
//! tested.

use std::time::Duration;

use cantle_kms_aws::{AwsKms, AwsKmsOptions, StaticCredentials};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What to do with a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Status, extra header lines, body.
    Http(u16, &'static str, String),
    /// Close the connection without an answer.
    Close,
    /// Announce a longer body than is sent, then close.
    Cut,
    /// Never answer.
    Silence,
}

/// A JSON error as AWS sends it.
pub(crate) fn aws_error(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(r#"{{"__type":"{code}","message":"{message}"}}"#);
    Answer::Http(status, "x-amzn-RequestId: req-canned\r\n", body)
}

/// A server on loopback.
pub(crate) struct Canned {
    pub(crate) endpoint: String,
    pub(crate) requests: mpsc::UnboundedReceiver<String>,
}

impl Canned {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), sender.clone()));
            }
        });
        Self { endpoint, requests }
    }

    /// How many requests came so far.
    pub(crate) fn count(&mut self) -> usize {
        std::iter::from_fn(|| self.requests.try_recv().ok()).count()
    }
}

/// A client of that endpoint with an access key, and short waits.
pub(crate) async fn client(endpoint: &str) -> AwsKms {
    let mut options = AwsKmsOptions::new("us-east-1");
    options.endpoint_override = Some(endpoint.to_owned());
    options.static_credentials = Some(StaticCredentials::new("test", "test"));
    options.attempt_timeout = Duration::from_millis(500);
    AwsKms::connect(options).await.unwrap()
}

async fn serve(mut stream: TcpStream, answer: Answer, requests: mpsc::UnboundedSender<String>) {
    while let Some(request) = read_request(&mut stream).await {
        let _ = requests.send(request);
        match &answer {
            Answer::Http(status, headers, body) => {
                let text = format!(
                    "HTTP/1.1 {status} canned\r\n{headers}content-type: application/x-amz-json-1.1\r\n\
                     content-length: {}\r\n\r\n{body}",
                    body.len()
                );
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            Answer::Close => return,
            Answer::Cut => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{").await;
                return;
            }
            Answer::Silence => std::future::pending().await,
        }
    }
}

/// Head and body of the next request.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
