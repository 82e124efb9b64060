//! Known answers: AWS's published Signature Version 4 test suite (key `AKIDEXAMPLE`, 30 August 2015).

use super::*;
use crate::auth::credentials::{Caller, Credentials};

const NOW: &str = "20150830T123600Z";
const CREDENTIAL: &str = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";

fn callers() -> Callers {
    let caller = Caller::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    Callers::new(&Credentials::new([caller], []), "000000000000").unwrap()
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)], signed: &str, signature: &str) -> Parts {
    let mut builder = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "example.amazonaws.com")
        .header("x-amz-date", NOW)
        .header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders={signed}, Signature={signature}"
            ),
        );
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn verify(parts: &Parts, body: &[u8], now: &str) -> Result<Authenticated, KmsError> {
    Verifier::default().verify(&callers(), parts, body, "service", parse_basic(now).unwrap())
}

const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

/// Method, URI, headers, signed headers, body, signature.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str, &'a str);

#[test]
fn published_requests_verify() {
    let cases: &[Case<'_>] = &[
        ("GET", "/", &[], "host;x-amz-date", "", VANILLA),
        (
            "POST",
            "/",
            &[],
            "host;x-amz-date",
            "",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            &[],
            "host;x-amz-date",
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET",
            "/",
            &[("my-header1", "value1"), ("my-header2", "\"a   b   c\"")],
            "host;my-header1;my-header2;x-amz-date",
            "",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "POST",
            "/",
            &[("content-type", "application/x-www-form-urlencoded")],
            "content-type;host;x-amz-date",
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ];
    for (method, uri, headers, signed, body, signature) in cases {
        let parts = request(method, uri, headers, signed, signature);
        let verified = verify(&parts, body.as_bytes(), NOW);
        assert_eq!(verified.unwrap().region, "us-east-1", "{method} {uri} {signed}");
    }
}

fn refused(parts: &Parts, body: &[u8], now: &str) -> (&'static str, String) {
    let error = verify(parts, body, now).unwrap_err();
    (error.code, error.message.unwrap_or_default().into_owned())
}

#[test]
fn altered_requests_are_refused() {
    let parts = request("GET", "/", &[], "host;x-amz-date", VANILLA);
    assert_eq!(refused(&parts, b"altered", NOW).0, "InvalidSignatureException");
    for (method, uri) in [("POST", "/"), ("GET", "/other"), ("GET", "/?a=b")] {
        let parts = request(method, uri, &[], "host;x-amz-date", VANILLA);
        assert_eq!(refused(&parts, b"", NOW).0, "InvalidSignatureException");
    }
    let parts = request("GET", "/", &[], "x-amz-date", VANILLA);
    assert!(refused(&parts, b"", NOW).1.contains("'Host'"));
}

#[test]
fn time_is_bounded_by_five_minutes_on_both_sides() {
    let parts = request("GET", "/", &[], "host;x-amz-date", VANILLA);
    assert!(verify(&parts, b"", "20150830T124100Z").is_ok());
    let (code, message) = refused(&parts, b"", "20150830T124101Z");
    assert_eq!(code, "InvalidSignatureException");
    assert_eq!(
        message,
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T124101Z - 5 min.)"
    );
    assert!(verify(&parts, b"", "20150830T123100Z").is_ok());
    assert!(
        refused(&parts, b"", "20150830T123059Z").1.starts_with("Signature not yet current: 20150830T123600Z")
    );
}

#[test]
fn incomplete_and_unknown_credentials_have_their_own_errors() {
    let plain = http::Request::builder().uri("/").body(()).unwrap().into_parts().0;
    assert_eq!(refused(&plain, b"", NOW).0, "MissingAuthenticationTokenException");
    let basic = http::Request::builder()
        .uri("/")
        .header("authorization", "Basic dGVzdA==")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    assert_eq!(refused(&basic, b"", NOW).0, "IncompleteSignatureException");
    let parts = request("GET", "/", &[], "host;x-amz-date", VANILLA);
    let error =
        Verifier::default().verify(&callers(), &parts, b"", "kms", parse_basic(NOW).unwrap()).unwrap_err();
    assert_eq!(error.message.unwrap(), "Credential should be scoped to correct service: 'kms'.");
    let mut parts = request("GET", "/", &[], "host;x-amz-date", VANILLA);
    let header = parts.headers["authorization"].to_str().unwrap().replace("AKIDEXAMPLE", "AKIDNOBODY");
    parts.headers.insert("authorization", header.parse().unwrap());
    assert_eq!(refused(&parts, b"", NOW).0, "UnrecognizedClientException");
    let mut parts = request("GET", "/", &[], "host;x-amz-date", VANILLA);
    parts.headers.insert("x-amz-security-token", "uncalled for".parse().unwrap());
    assert_eq!(refused(&parts, b"", NOW).0, "UnrecognizedClientException");
}

#[test]
fn hostile_headers_do_not_panic() {
    for header in ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 =,=,", "AWS4-HMAC-SHA256 Credential=/////", "é", ""]
    {
        let request = http::Request::builder().uri("/?%=%zz&é").header("authorization", header);
        let Ok(request) = request.body(()) else { continue };
        assert!(verify(&request.into_parts().0, b"", NOW).is_err());
    }
    assert_eq!(decode("%41+%zz%"), "A %zz%");
    assert_eq!(parse_basic("20150830X123600Z"), None);
    assert_eq!(parse_basic("20159930T123600Z"), None);
}
