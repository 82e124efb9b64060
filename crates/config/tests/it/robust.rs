//! Hostile documents: faults, never a panic.

use cantle_config::{Config, Secrets, resolved_json};
use cantle_hocon::{Kind, Object, Origin, Value};
use proptest::prelude::*;

use crate::load_text;

/// Keys that lead somewhere, so that random documents go deep.
const KEYS: [&str; 48] = [
    "participants",
    "domains",
    "domain-managers",
    "sequencers",
    "mediators",
    "remote-participants",
    "remote-sequencers",
    "monitoring",
    "parameters",
    "features",
    "crypto",
    "provider",
    "kms",
    "type",
    "region",
    "retries",
    "failures",
    "max-retries",
    "custom-tags",
    "credentials",
    "assume-role",
    "role-arn",
    "signing",
    "default",
    "allowed",
    "init",
    "auto-init",
    "identity",
    "node-identifier",
    "name",
    "storage",
    "config",
    "properties",
    "url",
    "file",
    "admin-api",
    "port",
    "address",
    "tls",
    "client-auth",
    "auth-services",
    "reporters",
    "metrics",
    "domain-parameters",
    "protocol-version",
    "0",
    "p",
    "q",
];

const WORDS: [&str; 24] = [
    "kms",
    "jce",
    "aws",
    "gcp",
    "memory",
    "sqlite",
    "postgres",
    "h2",
    "explicit",
    "random",
    "require",
    "prometheus",
    "us-east-1",
    "yes",
    "no",
    "5012",
    "0",
    "-1",
    "10 s",
    "Inf",
    "1e309",
    "jdbc:postgresql://u:p@h:1/x?a=%",
    "::",
    "",
];

fn value() -> impl Strategy<Value = Value> {
    let origin = || Origin::new("random").at(1, 1);
    let leaf = prop_oneof![
        Just(Kind::Null),
        any::<bool>().prop_map(Kind::Bool),
        prop::sample::select(&WORDS[..]).prop_map(|word| Kind::String(word.to_owned())),
        any::<String>().prop_map(Kind::String),
    ]
    .prop_map(move |kind| Value::new(kind, origin()));
    leaf.prop_recursive(8, 128, 6, move |inner| {
        let key = prop_oneof![
            9 => prop::sample::select(&KEYS[..]).prop_map(str::to_owned),
            1 => any::<String>(),
        ];
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Kind::Array),
            5 => prop::collection::vec((key, inner), 0..6).prop_map(|entries| Kind::Object(entries.into_iter().collect::<Object>())),
        ]
        .prop_map(move |kind| Value::new(kind, origin()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_documents_never_panic(canton in value()) {
        let root: Object = [("canton".to_owned(), canton)].into_iter().collect();
        let document = Value::new(Kind::Object(root), Origin::new("random"));
        match Config::from_document(&document) {
            Ok(config) => prop_assert!(config.startable().is_ok() || !config.gaps.is_empty()),
            Err(errors) => prop_assert!(!errors.is_empty() && !errors.to_string().is_empty()),
        }
        let _json = resolved_json(&document, Secrets::Redact);
    }

    #[test]
    fn random_texts_never_panic(text in "(canton|participants|[{}=:,.\\[\\]\"#$ \n]|p|storage|1|kms){0,40}") {
        let result = load_text(&text);
        prop_assert!(result.is_ok() || !result.unwrap_err().is_empty());
    }

    #[test]
    fn passwords_are_hidden_wherever_they_are(secret in "[a-z]{12,20}", user in "[a-z]{1,8}") {
        let string = |text: String| Value::new(Kind::String(text), Origin::new("random"));
        let root: Object = [
            ("password".to_owned(), string(secret.clone())),
            ("url".to_owned(), string(format!("postgresql://{user}:{secret}@h/x"))),
            ("jdbc".to_owned(), string(secret.clone())),
            ("list".to_owned(), Value::new(Kind::Array(vec![string(format!("h/?password={secret}"))]), Origin::new("random"))),
        ].into_iter().collect();
        let json = resolved_json(&Value::new(Kind::Object(root), Origin::new("random")), Secrets::Redact);
        prop_assert!(!json.contains(&secret), "{}", json);
    }
}
