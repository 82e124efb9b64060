//! The resolved document as JSON, without its secrets.
//!
//! What is a secret is told by the words of its key and by the form of its value: it errs on the side of hiding.
//! Invariant: with [`Secrets::Redact`] no value of a key that sounds like a secret, no password in a URL and no
//! private key in PEM is in the output.

use cantle_hocon::{Kind, Object, Origin, Value};

/// Whether secrets are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// They are replaced by `[REDACTED]`.
    Redact,
    /// They are shown.
    Show,
}

const REDACTED: &str = "[REDACTED]";

/// Words of keys that name a secret.
const WORDS: [&str; 19] = [
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "passphrases",
    "passcode",
    "pw",
    "pwd",
    "secret",
    "secrets",
    "token",
    "tokens",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "jdbc",
    "authorization",
    "hmac",
];

/// Two words in a row that do.
const PAIRS: [(&str, &str); 5] =
    [("private", "key"), ("access", "key"), ("api", "key"), ("secret", "key"), ("encryption", "key")];

/// Last words of keys that only speak about a secret: where it is, how long it lasts.
const ABOUT: [&str; 16] = [
    "file",
    "files",
    "path",
    "paths",
    "dir",
    "time",
    "timeout",
    "expiry",
    "expiration",
    "interval",
    "store",
    "enabled",
    "retries",
    "type",
    "scheme",
    "schemes",
];

/// Sections with the name of a secret that have none.
const SECTIONS: [&str; 2] = ["auth-token", "private-key-store"];

/// Prints a resolved document as JSON, keys sorted, two spaces of indentation.
#[must_use]
pub fn resolved_json(document: &Value, secrets: Secrets) -> String {
    match secrets {
        Secrets::Show => document.to_json_pretty(),
        Secrets::Redact => redacted(document).to_json_pretty(),
    }
}

fn redacted(value: &Value) -> Value {
    let kind = match &value.kind {
        Kind::Object(object) => Kind::Object(
            object
                .iter()
                .map(|(key, value)| (key.to_owned(), redacted_under(key, value)))
                .collect::<Object>(),
        ),
        Kind::Array(values) => Kind::Array(values.iter().map(redacted).collect()),
        Kind::String(text) => Kind::String(without_password(text)),
        other => other.clone(),
    };
    Value::new(kind, value.origin.clone())
}

fn redacted_under(key: &str, value: &Value) -> Value {
    if is_secret(key) { blackened(value) } else { redacted(value) }
}

/// Everything below a secret key is one.
fn blackened(value: &Value) -> Value {
    let black = |origin: &Origin| Value::new(Kind::String(REDACTED.to_owned()), origin.clone());
    let kind = match &value.kind {
        Kind::Object(object) => {
            Kind::Object(object.iter().map(|(key, value)| (key.to_owned(), blackened(value))).collect())
        }
        Kind::Array(values) => Kind::Array(values.iter().map(blackened).collect()),
        Kind::String(_) | Kind::Number(_) => return black(&value.origin),
        other => other.clone(),
    };
    Value::new(kind, value.origin.clone())
}

/// Whether a key sounds like a secret.
fn is_secret(key: &str) -> bool {
    if SECTIONS.contains(&key) {
        return false;
    }
    let words = words(key);
    let word = words.iter().any(|word| WORDS.contains(&word.as_str()));
    let pair = words.windows(2).any(|pair| PAIRS.contains(&(pair[0].as_str(), pair[1].as_str())));
    let about = words.last().is_some_and(|last| ABOUT.contains(&last.as_str()));
    let url = words.last().is_some_and(|last| last == "url") && !words.iter().any(|word| word == "jdbc");
    (word || pair) && !about && !url
}

/// The words of `admin-token`, `adminToken`, `ADMIN_TOKEN`.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in key.chars() {
        let starts = c.is_uppercase() && after_lower;
        if (starts || !c.is_alphanumeric()) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    words
}

/// A text without the passwords that URLs and connection strings carry, and without private keys.
fn without_password(text: &str) -> String {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----") {
        return REDACTED.to_owned();
    }
    let text = without_user_password(text);
    without_parameters(&text)
}

/// `scheme://user:password@host` and Oracle's `thin:user/password@host`.
fn without_user_password(text: &str) -> String {
    let (start, separator) = match (text.find("://"), text.find("thin:")) {
        (Some(start), _) => (start + 3, ':'),
        (None, Some(start)) => (start + 5, '/'),
        (None, None) => return text.to_owned(),
    };
    let rest = &text[start..];
    // A password may hold any character but the `@` that ends it; the last one before the query counts.
    let end = rest.find('?').unwrap_or(rest.len());
    let Some(at) = rest[..end].rfind('@') else { return text.to_owned() };
    let Some(colon) = rest[..at].find(separator) else { return text.to_owned() };
    format!("{}{}{REDACTED}{}", &text[..start], &rest[..=colon], &rest[at..])
}

/// `password=…` and its like, up to the next `&` or `;`.
fn without_parameters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(equals) = rest.find('=') {
        let (name, after) = rest.split_at(equals + 1);
        out.push_str(name);
        let key =
            name[..equals].rsplit(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).next();
        let end = after.find(['&', ';', ' ']).unwrap_or(after.len());
        let (value, tail) = after.split_at(end);
        if key.is_some_and(is_secret) && !value.is_empty() {
            out.push_str(REDACTED);
            rest = tail;
        } else {
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_sound_like_a_secret_are_secrets() {
        for key in [
            "password",
            "PASSWORD",
            "dbPassword",
            "POSTGRES_PASSWORD",
            "admin-token",
            "token",
            "secret",
            "client_secret",
            "private-key",
            "apiKey",
            "AWS_SECRET_ACCESS_KEY",
            "ledger-api-jdbc-url",
            "pw",
            "tls-passphrase",
        ] {
            assert!(is_secret(key), "{key}");
        }
    }

    #[test]
    fn keys_that_speak_about_secrets_are_none() {
        for key in [
            "private-key-file",
            "private-key-store",
            "token-expiration-time",
            "auth-token",
            "secrets-url",
            "user",
            "pwned",
            "refresh-auth-token-before-expiry",
            "key",
            "region",
            "passive-check-period",
            "compass",
            "",
        ] {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn passwords_in_urls_are_hidden_and_the_rest_is_not() {
        let hidden = [
            ("postgresql://me:p@ss@h/x", "postgresql://me:[REDACTED]@h/x"),
            (
                "jdbc:postgresql://h/x?user=me&password=p&ssl=true",
                "jdbc:postgresql://h/x?user=me&password=[REDACTED]&ssl=true",
            ),
            ("jdbc:oracle:thin:me/p@//h:1521/x", "jdbc:oracle:thin:me/[REDACTED]@//h:1521/x"),
            ("Server=h;Password=p;Port=1", "Server=h;Password=[REDACTED];Port=1"),
        ];
        for (text, expected) in hidden {
            assert_eq!(without_password(text), expected);
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for text in
            ["", "http://localhost:4599/", "a=b", "x@y", "https://h/?q=a:b@c", "3.minutes", "password"]
        {
            assert_eq!(without_password(text), text);
        }
    }

    #[test]
    fn private_keys_are_hidden_whole() {
        assert_eq!(
            without_password("-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----"),
            REDACTED
        );
    }
}
