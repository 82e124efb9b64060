//! HTTP/1.1 as far as tests need it: one request a connection, or a stream of events.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lower case, one header a line.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// Sends a request to `authority` with just these headers besides the body's length.
pub(crate) fn ask(authority: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = BufReader::new(open(authority, method, path, headers, body));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "the answer ended in its head: {head}");
    }
    let head = head.to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    Answer { status, head, body: String::from_utf8(body).unwrap() }
}

/// Gets a page as a browser would.
pub(crate) fn get(authority: &str, path: &str) -> Answer {
    ask(authority, "GET", path, &[("Host", authority)], "")
}

fn open(authority: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Server-sent events.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    pub(crate) fn open(authority: &str, path: &str) -> Self {
        Self(BufReader::new(open(authority, "GET", path, &[("Host", authority)], "")))
    }

    /// The first event from here on that fits.
    pub(crate) fn wait_for(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + SILENCE;
        let mut event = String::new();
        while Instant::now() < deadline {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the events ended before a fitting {name}");
            if let Some(named) = line.strip_prefix("event: ") {
                named.trim_end().clone_into(&mut event);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let value: Value = serde_json::from_str(data).unwrap();
                if event == name && fits(&value) {
                    return value;
                }
            }
        }
        panic!("no fitting {name} within {SILENCE:?}")
    }
}
