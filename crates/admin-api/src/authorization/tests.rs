//! Tokens that others signed (RFC 7515, appendix A), tokens of our own with each kind of key, and what each service makes of
//! a payload.

use std::{fs, net::SocketAddr};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{self, EcdsaKeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cantle_types::ManualClock;
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;

use super::*;

const VAULT: &str = "com.digitalasset.canton.crypto.admin.v0.VaultService";
const NOW: i64 = 1_700_000_000;
/// The payload of RFC 7515, A.1 to A.3.
const JOE: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_second(NOW).unwrap()))
}

fn parts(header: &Value, payload: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(payload))
}

/// A token with HMAC-SHA256.
fn hmac_token(secret: &str, payload: &Value) -> String {
    let signed = parts(&json!({"alg": "HS256", "typ": "JWT"}), payload);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn service(grants: Grants, audience: Option<&str>, scope: Option<&str>) -> AuthorizationService {
    AuthorizationService::Tokens(TokenService {
        verifier: TokenVerifier::unsafe_hmac256("secret"),
        audience: audience.map(str::to_owned),
        scope: scope.map(str::to_owned),
        grants,
    })
}

async fn admitted(authorization: &Authorization, token: Option<&str>, service: &str) -> Code {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    authorization.admit(&headers, service).await.map_or_else(|status| status.code(), |()| Code::Ok)
}

#[test]
fn the_tokens_of_rfc_7515_are_verified_and_no_others() {
    let keys = jwks::read(
        json!({"keys": [
            {"kid": "a2", "kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
            {"kid": "a3", "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
            {"kid": "a4", "kty": "EC", "crv": "P-521", "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk", "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"},
        ]})
        .to_string()
        .as_bytes(),
    );
    let secret = token::decode(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    )
    .unwrap();
    let a1 = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
    let a1 = verifier::Key::Hmac(Box::new(a1));
    let tokens = [
        (&a1, format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{JOE}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")),
        (&keys["a2"], format!("eyJhbGciOiJSUzI1NiJ9.{JOE}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw")),
        (&keys["a3"], format!("eyJhbGciOiJFUzI1NiJ9.{JOE}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")),
        (&keys["a4"], "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn".to_owned()),
    ];
    for (index, (key, text)) in tokens.iter().enumerate() {
        key.verify(&Token::parse(text).unwrap()).unwrap_or_else(|error| panic!("A.{}: {error}", index + 1));
        // Another payload under the same signature, and each other key.
        let (header, signature) = (text.split('.').next().unwrap(), text.rsplit('.').next().unwrap());
        let forged = format!("{header}.eyJzdWIiOiJldmUifQ.{signature}");
        assert!(matches!(key.verify(&Token::parse(&forged).unwrap()), Err(Rejection::Signature)));
        for (other, (key, _)) in tokens.iter().enumerate() {
            assert_eq!(key.verify(&Token::parse(text).unwrap()).is_ok(), other == index);
        }
    }
}

#[tokio::test]
async fn certificates_of_the_three_kinds_check_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let rng = SystemRandom::new();
    let certificate = |name: &str, key: &KeyPair| {
        let path = folder.path().join(name);
        fs::write(&path, CertificateParams::default().self_signed(key).unwrap().pem()).unwrap();
        path
    };
    let fixed = |key: &KeyPair, algorithm, signed: &str| {
        let key = EcdsaKeyPair::from_pkcs8(algorithm, key.serialized_der()).unwrap();
        key.sign(&rng, signed.as_bytes()).unwrap().as_ref().to_vec()
    };
    let generate = |algorithm: &'static SignatureAlgorithm| KeyPair::generate_for(algorithm).unwrap();
    let (rsa, p256, p521) = (
        KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap(),
        generate(&rcgen::PKCS_ECDSA_P256_SHA256),
        generate(&rcgen::PKCS_ECDSA_P521_SHA512),
    );
    let paths =
        [certificate("rsa.crt", &rsa), certificate("p256.crt", &p256), certificate("p521.crt", &p521)];
    let payload = json!({"https://daml.com/ledger-api": {"admin": true}, "exp": NOW + 60});
    let signed = |algorithm: &str| parts(&json!({"alg": algorithm}), &payload);
    let token =
        |signed: String, signature: Vec<u8>| format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let rs256 = {
        let signed = signed("RS256");
        let key = RsaKeyPair::from_pkcs8(rsa.serialized_der()).unwrap();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&signature::RSA_PKCS1_SHA256, &rng, signed.as_bytes(), &mut signature).unwrap();
        token(signed, signature)
    };
    let es256 = signed("ES256");
    let es256 = token(es256.clone(), fixed(&p256, &signature::ECDSA_P256_SHA256_FIXED_SIGNING, &es256));
    let es512 = signed("ES512");
    let es512 = token(es512.clone(), fixed(&p521, &signature::ECDSA_P521_SHA512_FIXED_SIGNING, &es512));
    let makers = [TokenVerifier::rs256, TokenVerifier::es256, TokenVerifier::es512];
    let tokens = [rs256, es256, es512];
    for (index, make) in makers.iter().enumerate() {
        for (other, path) in paths.iter().enumerate() {
            let made = make(path);
            if other != index {
                assert!(matches!(made, Err(AuthorizationSetupError::Key { .. })), "{index} {other}");
                continue;
            }
            let service = TokenService {
                verifier: made.unwrap(),
                audience: None,
                scope: None,
                grants: Grants::OwnClaims,
            };
            let authorization = Authorization::new(vec![AuthorizationService::Tokens(service)], [], clock());
            for (number, token) in tokens.iter().enumerate() {
                let expected = if number == index { Code::Ok } else { Code::Unauthenticated };
                assert_eq!(admitted(&authorization, Some(token), VAULT).await, expected, "{index} {number}");
            }
        }
    }
}

#[tokio::test]
async fn each_service_makes_of_a_token_what_canton_makes_of_it() {
    let custom = |admin: bool| json!({"https://daml.com/ledger-api": {"admin": admin}});
    let user = json!({"sub": "alice", "scope": "daml_ledger_api"});
    let audience = json!({"sub": "alice", "aud": ["https://a.example", "https://b.example"]});
    let users =
        || Grants::Users(vec![AllowedUser { user: "alice".to_owned(), services: vec![VAULT.to_owned()] }]);
    let own = || Grants::OwnClaims;
    let (b, c) = (Some("https://b.example"), Some("https://c.example"));
    type Case = (&'static str, Grants, Option<&'static str>, Option<&'static str>, Value, Code);
    let cases: Vec<Case> = vec![
        ("claims that administrate", own(), None, None, custom(true), Code::Ok),
        ("claims that do not", own(), None, None, custom(false), Code::PermissionDenied),
        ("claims without a namespace", own(), None, None, json!({"admin": true}), Code::Ok),
        ("nothing at all", own(), None, None, json!({}), Code::PermissionDenied),
        ("claims that are none", own(), None, None, json!({"admin": "yes"}), Code::Unauthenticated),
        ("a user by scope", own(), None, None, user.clone(), Code::Unauthenticated),
        (
            "a user by audience",
            own(),
            None,
            None,
            json!({"sub": "alice", "aud": "https://daml.com/jwt/aud/participant/p1"}),
            Code::Unauthenticated,
        ),
        (
            "an unknown scope",
            own(),
            None,
            None,
            json!({"sub": "alice", "scope": "other"}),
            Code::Unauthenticated,
        ),
        ("a privileged scope", Grants::Privileged, None, Some("daml_ledger_api"), user.clone(), Code::Ok),
        ("another scope", Grants::Privileged, None, Some("admin_api"), user.clone(), Code::Unauthenticated),
        (
            "claims where a scope is needed",
            Grants::Privileged,
            None,
            Some("x"),
            custom(true),
            Code::Unauthenticated,
        ),
        ("a listed user", users(), b, None, audience.clone(), Code::Ok),
        ("a listed user for another audience", users(), c, None, audience.clone(), Code::Unauthenticated),
        (
            "a user that is not listed",
            users(),
            None,
            None,
            json!({"sub": "bob", "scope": "daml_ledger_api"}),
            Code::Unauthenticated,
        ),
        ("expired", own(), None, None, json!({"admin": true, "exp": NOW - 1}), Code::Unauthenticated),
        ("about to expire", own(), None, None, json!({"admin": true, "exp": NOW}), Code::Ok),
        ("not yet valid", own(), None, None, json!({"admin": true, "nbf": NOW + 1}), Code::Unauthenticated),
        ("from the future", own(), None, None, json!({"admin": true, "iat": NOW + 1}), Code::Unauthenticated),
        (
            "a time that is none",
            own(),
            None,
            None,
            json!({"admin": true, "exp": "soon"}),
            Code::Unauthenticated,
        ),
    ];
    for (what, grants, audience, scope, payload, expected) in cases {
        let authorization = Authorization::new(vec![service(grants, audience, scope)], [], clock());
        let token = hmac_token("secret", &payload);
        assert_eq!(admitted(&authorization, Some(&token), VAULT).await, expected, "{what}");
        let forged = hmac_token("another secret", &payload);
        assert_eq!(admitted(&authorization, Some(&forged), VAULT).await, Code::Unauthenticated, "{what}");
    }
    let listed = Authorization::new(vec![service(users(), b, None)], [], clock());
    let token = hmac_token("secret", &audience);
    assert_eq!(admitted(&listed, Some(&token), "another.Service").await, Code::Unauthenticated);
}

#[tokio::test]
async fn services_are_asked_in_turn_and_own_tokens_open_everything() {
    let scoped = || service(Grants::Privileged, None, Some("admin"));
    let both =
        Authorization::new(vec![scoped(), service(Grants::OwnClaims, None, None)], ["own-token"], clock());
    let claims = hmac_token("secret", &json!({"admin": true}));
    let privileged = hmac_token("secret", &json!({"sub": "operator", "scope": "admin"}));
    for token in [claims.as_str(), &privileged, "own-token"] {
        assert_eq!(admitted(&both, Some(token), VAULT).await, Code::Ok);
    }
    for token in [None, Some(""), Some("own-toke"), Some("own-token2"), Some("a.b.c"), Some("..")] {
        assert_eq!(admitted(&both, token, VAULT).await, Code::Unauthenticated, "{token:?}");
    }
    let open = Authorization::new(vec![scoped(), AuthorizationService::Wildcard], [], clock());
    assert_eq!(admitted(&open, None, VAULT).await, Code::Ok);
    let none = Authorization::new(Vec::new(), ["own-token"], clock());
    assert_eq!(admitted(&none, None, VAULT).await, Code::Ok);
}

/// Serves a document once for each of `times` connections; how often it was asked.
async fn serve(document: String, times: usize) -> (SocketAddr, tokio::task::JoinHandle<usize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        for _ in 0..times {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{document}", document.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        times
    });
    (address, served)
}

#[tokio::test]
async fn keys_behind_a_url_are_read_once_and_again_for_a_new_one() {
    let p256 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let point = p256.public_key_raw();
    let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
    let document = json!({"keys": [
        {"kid": "one", "kty": "EC", "crv": "P-256", "x": part(1), "y": part(33), "use": "sig"},
        {"kid": "odd", "kty": "oct", "k": "AAAA"},
        {"kty": "RSA"},
    ]});
    let (address, served) = serve(document.to_string(), 2).await;
    let clock = clock();
    let service = TokenService {
        verifier: TokenVerifier::jwks(&format!("http://{address}/keys")).unwrap(),
        audience: None,
        scope: None,
        grants: Grants::OwnClaims,
    };
    let authorization = Authorization::new(vec![AuthorizationService::Tokens(service)], [], clock.clone());
    let token = |id: &str| {
        let signed = parts(&json!({"alg": "ES256", "kid": id}), &json!({"admin": true}));
        let key =
            EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, p256.serialized_der())
                .unwrap();
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    for _ in 0..3 {
        assert_eq!(admitted(&authorization, Some(&token("one")), VAULT).await, Code::Ok);
    }
    // Not asked again at once, whatever comes.
    for id in ["two", "odd", "three"] {
        assert_eq!(admitted(&authorization, Some(&token(id)), VAULT).await, Code::Unauthenticated);
    }
    assert!(!served.is_finished());
    clock.advance(std::time::Duration::from_secs(11));
    assert_eq!(admitted(&authorization, Some(&token("two")), VAULT).await, Code::Unauthenticated);
    assert_eq!(served.await.unwrap(), 2);
    // Keys that were read are good even where the URL does not answer any more.
    assert_eq!(admitted(&authorization, Some(&token("one")), VAULT).await, Code::Ok);
    clock.advance(std::time::Duration::from_secs(11 * 3600));
    assert_eq!(admitted(&authorization, Some(&token("one")), VAULT).await, Code::Unauthenticated);
    assert!(TokenVerifier::jwks("ftp://127.0.0.1/keys").is_err());
}
