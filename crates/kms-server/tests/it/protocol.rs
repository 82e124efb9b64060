//! HTTP and what surrounds the operations: hostile requests, faults, latency, limits, counts, the record.

use std::time::{Duration, Instant};

use cantle_kms_server::{Fault, FaultKind, Latency, RateLimits, ServerOptions};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::client::{base64, exchange, read_answer, start, start_with};

fn error_of(body: &[u8]) -> Value {
    serde_json::from_slice::<Value>(body).unwrap()["__type"].clone()
}

#[tokio::test]
async fn answers_look_like_aws() {
    let (_server, client) = start().await;
    let answer = exchange(client.address, &client.kms_request("ListKeys", &json!({}))).await.unwrap();
    let head = answer.head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/x-amz-json-1.1"));
    assert!(head.contains("x-amzn-requestid: "));
    let key = client.create("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT").await;
    let request = client.kms_request("EnableKey", &json!({"KeyId": key["KeyId"]}));
    let answer = exchange(client.address, &request).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[tokio::test]
async fn malformed_requests_are_refused_in_kind() {
    let (_server, client) = start().await;
    let headers =
        |target: &'static str| [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
    let list = "TrentService.ListKeys";
    let deep = "[".repeat(100_000);
    let cases: [(&str, &[u8], &str); 6] = [
        (list, b"{", "SerializationException"),
        (list, b"[]", "SerializationException"),
        (list, deep.as_bytes(), "SerializationException"),
        (list, b"{\"Limit\": \"many\"}", "SerializationException"),
        ("TrentService.Nothing", b"{}", "UnknownOperationException"),
        ("OtherService.ListKeys", b"{}", "UnknownOperationException"),
    ];
    for (target, body, expected) in cases {
        let answer = exchange(client.address, &client.signed("kms", &headers(target), body)).await.unwrap();
        assert_eq!((answer.status, error_of(&answer.body)), (400, expected.into()), "{target}");
    }
    let plain =
        b"POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: TrentService.ListKeys\r\ncontent-length: 2\r\n\r\n{}";
    let answer = exchange(client.address, plain).await.unwrap();
    assert_eq!(error_of(&answer.body), "MissingAuthenticationTokenException");
    let get = exchange(client.address, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_eq!(error_of(&get.body), "UnknownOperationException");
}

#[tokio::test]
async fn huge_requests_are_bounded() {
    let (_server, client) = start().await;
    let announced = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n";
    assert_eq!(exchange(client.address, announced).await.unwrap().status, 413);
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    for _ in 0..32 {
        // The server may stop reading at any time.
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    if let Ok(answer) = read_answer(&mut stream).await {
        assert_eq!(answer.status, 413);
    }
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    let endless = format!("POST / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    drop(stream.write_all(endless.as_bytes()).await);
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    client.ok("ListKeys", json!({})).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_server, client) = start().await;
    let key = client.create("ECC_NIST_P256", "SIGN_VERIFY").await;
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    let mut requests = Vec::new();
    for index in 0..20 {
        let (operation, body) = if index % 2 == 0 {
            ("ListKeys", json!({}))
        } else {
            ("DescribeKey", json!({"KeyId": key["KeyId"]}))
        };
        requests.extend(client.kms_request(operation, &body));
    }
    stream.write_all(&requests).await.unwrap();
    for index in 0..20 {
        let answer = read_answer(&mut stream).await.unwrap();
        let value: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(value.get("Keys").is_some(), index % 2 == 0);
    }
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_their_turn() {
    let mut options = ServerOptions::default();
    options.max_connections = 1;
    let (_server, client) = start_with(options).await;
    let first = TcpStream::connect(client.address).await.unwrap();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.call("ListKeys", json!({})).await }
    });
    drop(first);
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test]
async fn faults_strike_as_armed() {
    let (server, client) = start().await;
    let once = |operation: &str, kind| Fault::new(operation, kind).count(1);
    server.set_faults([once("ListKeys", FaultKind::InternalError)]);
    let refusal = client.call("ListKeys", json!({})).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code.as_str()), (500, "KMSInternalException"));
    client.ok("ListKeys", json!({})).await;

    let create = client.kms_request("CreateKey", &json!({}));
    server.set_faults([once("CreateKey", FaultKind::ResetBefore)]);
    assert!(exchange(client.address, &create).await.is_err());
    assert_eq!(client.ok("ListKeys", json!({})).await["Keys"], json!([]));
    for (keys, kind) in [(1, FaultKind::ResetAfter), (2, FaultKind::HalfAnswer)] {
        server.set_faults([once("CreateKey", kind)]);
        assert!(exchange(client.address, &create).await.is_err());
        assert_eq!(client.ok("ListKeys", json!({})).await["Keys"].as_array().unwrap().len(), keys);
    }
    for seconds in [600, -600] {
        server.set_faults([once("ListKeys", FaultKind::ClockSkew { seconds })]);
        assert_eq!(client.code("ListKeys", json!({})).await, "InvalidSignatureException");
    }
    server.set_faults([once("ListKeys", FaultKind::ClockSkew { seconds: 200 })]);
    client.ok("ListKeys", json!({})).await;
    server.change_faults(|armed| assert!(armed.is_empty(), "{armed:?}"));

    let (status, _) = client
        .admin("PUT", "faults", r#"[{"operation":"ListKeys","skip":1,"count":1,"kind":"throttle"}]"#)
        .await;
    assert_eq!(status, 200);
    client.ok("ListKeys", json!({})).await;
    assert_eq!(client.code("ListKeys", json!({})).await, "ThrottlingException");
    assert_eq!(client.admin("GET", "faults", "").await, (200, json!([])));
    assert_eq!(client.admin("PUT", "faults", "nonsense").await.0, 400);
    assert_eq!(client.admin("GET", "elsewhere", "").await.0, 404);

    server.set_faults([once("*", FaultKind::SlowBody { chunk: 5, ms: 1 })]);
    client.ok("ListKeys", json!({})).await;
    let error =
        FaultKind::Error { code: "DependencyTimeoutException".into(), status: 500, message: "m".into() };
    server.set_faults([once("*", error)]);
    assert_eq!(client.code("ListKeys", json!({})).await, "DependencyTimeoutException");
}

#[tokio::test]
async fn latency_is_added() {
    let mut options = ServerOptions::default();
    options.latency = Latency::Fixed(Duration::from_millis(60));
    let (_server, client) = start_with(options).await;
    let begun = Instant::now();
    client.ok("ListKeys", json!({})).await;
    assert!(begun.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn aws_rate_limits_throttle() {
    let mut options = ServerOptions::default();
    options.rate_limits = RateLimits::Aws;
    let (_server, client) = start_with(options).await;
    let mut throttled = 0;
    for _ in 0..30 {
        match client.call("CreateKey", json!({})).await {
            Ok(_) => {}
            Err(refusal) => {
                assert_eq!((refusal.status, refusal.code.as_str()), (400, "ThrottlingException"));
                throttled += 1;
            }
        }
    }
    assert!(throttled > 0);
}

#[tokio::test]
async fn requests_are_counted_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let mut options = ServerOptions::default();
    options.audit = Some(path.clone());
    let (server, client) = start_with(options).await;
    let key = client.create("ECC_NIST_P256", "SIGN_VERIFY").await;
    let sign = json!({
        "KeyId": key["KeyId"], "Message": base64("very secret"), "SigningAlgorithm": "ECDSA_SHA_256",
    });
    client.ok("Sign", sign.clone()).await;
    client.ok("DisableKey", json!({"KeyId": key["KeyId"]})).await;
    client.code("Sign", sign).await;
    let counts = server.request_counts();
    assert_eq!((counts["CreateKey"], counts["Sign"]), (1, 2));
    let detailed = server.request_counts_in_detail();
    assert_eq!(detailed.outcomes["Sign"]["DisabledException"], 1);
    assert_eq!(detailed.keys[key["Arn"].as_str().unwrap()]["Sign"], 2);
    let (status, seen) = client.admin("GET", "counts", "").await;
    assert_eq!((status, &seen["operations"]["Sign"]["Success"]), (200, &1.into()));
    let recorded = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[3]["errorCode"], "Disabled");
    assert_eq!(lines[1]["resources"][0]["ARN"], key["Arn"]);
    assert_eq!(lines[1]["requestParameters"]["signingAlgorithm"], "ECDSA_SHA_256");
    assert!(!recorded.contains(&base64("very secret")));
}

#[tokio::test]
async fn shutdown_lets_requests_finish_and_stops_listening() {
    let mut options = ServerOptions::default();
    options.latency = Latency::Fixed(Duration::from_millis(100));
    let (server, client) = start_with(options).await;
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    stream.write_all(&client.kms_request("ListKeys", &json!({}))).await.unwrap();
    let underway = tokio::spawn(async move { read_answer(&mut stream).await });
    // The request is counted as soon as it is taken up; it takes 100 ms more.
    tokio::task::yield_now().await;
    let stopping = Instant::now();
    server.shutdown().await;
    assert!(stopping.elapsed() < Duration::from_secs(5));
    drop(underway.await);
    assert!(TcpStream::connect(client.address).await.is_err());
}
