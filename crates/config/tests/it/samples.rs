//! What good configurations mean.

use std::path::Path;
use std::time::Duration;

use cantle_config::{
    AutoInit, ClientAuth, Config, CryptoProvider, EncryptionScheme, HealthCheck, LoadOptions, NodeIdentifier,
    NodeKind, Secrets, SigningScheme, SslMode, SslVerification, StorageBackend, StorageConfig, resolved_json,
};
use cantle_types::{NodeName, ProtocolVersion};

use crate::{golden, load, load_text, load_with};

const CANTON: [(&str, &str); 4] = [
    ("POSTGRES_USER", "canton"),
    ("POSTGRES_PASSWORD", "supersafe"),
    ("POSTGRES_NUM_CONNECTIONS", "12"),
    ("TLS_CERT_LOCATION", "tests/samples/canton/tls"),
];

fn ignored(config: &Config) -> String {
    golden(config.ignored.iter().map(|key| (key.to_string(), vec![&key.origin])))
}

#[test]
fn the_shortest_kms_configuration_has_all_defaults() {
    let config = load("participant-kms.conf").config;
    let (name, participant) = config.participants.first().unwrap();
    assert_eq!(name.as_str(), "participant1");
    let node = &participant.node;
    assert_eq!((node.kind, node.init.auto_init), (NodeKind::Participant, AutoInit::Yes));
    assert_eq!(node.init.node_identifier, NodeIdentifier::Config);
    assert_eq!(node.init.node_identifier.fixed(name).unwrap().as_str(), "participant1");
    assert_eq!(node.crypto.provider, CryptoProvider::Kms);
    assert_eq!(node.crypto.signing.default, SigningScheme::EcDsaP256);
    assert_eq!(node.crypto.signing.own, [SigningScheme::EcDsaP256, SigningScheme::EcDsaP384]);
    assert_eq!(node.crypto.signing.allowed, SigningScheme::ALL);
    assert_eq!(node.crypto.encryption.default, EncryptionScheme::Rsa2048OaepSha256);
    let kms = node.crypto.kms.as_ref().unwrap();
    assert_eq!((kms.region.as_str(), kms.multi_region_key, kms.audit_logging), ("us-east-1", false, true));
    assert_eq!((&kms.endpoint_override, kms.ssl_verification), (&None, SslVerification::On));
    assert_eq!(kms.failures.initial_delay, Duration::from_millis(500));
    assert_eq!((kms.failures.max_delay, kms.failures.max_retries), (Duration::from_secs(10), None));
    assert_eq!(kms.create_key_check.initial_delay, Duration::from_millis(100));
    assert_eq!(kms.create_key_check.max_retries, Some(20));
    assert_eq!(
        (kms.throttling.initial_delay, kms.throttling.max_retries),
        (Duration::from_millis(200), Some(20))
    );
    assert_eq!((kms.limits.quota_percent, kms.limits.max_concurrent_requests), (None, 256));
    assert!(kms.credentials.profile.is_none() && kms.credentials.assume_role.is_none());
    assert!(matches!(node.storage.backend, StorageBackend::Sqlite { file: None }));
    assert_eq!(node.storage.sqlite_file(Path::new("data"), name).unwrap(), Path::new("data/participant1.db"));
    assert_eq!((node.admin_api.address.as_str(), node.admin_api.port), ("127.0.0.1", None));
    assert_eq!(participant.initial_protocol_version, ProtocolVersion::V7);
    assert!(config.ignored.is_empty() && config.warnings.is_empty(), "{:?}", config.warnings);
    assert!(config.startable().is_ok());
}

#[test]
fn every_key_of_kms_is_read() {
    let config = load("participant-kms-full.conf").config;
    let node = &config.participants[0].node;
    let kms = node.crypto.kms.as_ref().unwrap();
    assert_eq!(node.crypto.signing.default, SigningScheme::EcDsaP384);
    assert_eq!((kms.multi_region_key, kms.ssl_verification), (true, SslVerification::Off));
    assert_eq!(kms.failover_regions, ["eu-west-1", "eu-north-1"]);
    assert_eq!(kms.endpoint_override.as_deref(), Some("http://localhost:4599"));
    let tags = [("cost centre", "17"), ("environment", "test"), ("owner", "a@example.org")];
    assert_eq!(kms.custom_tags, tags.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!((kms.failures.max_delay, kms.failures.max_retries), (Duration::from_secs(60), Some(5)));
    assert_eq!(kms.create_key_check.max_delay, Duration::from_secs(5));
    assert_eq!((kms.throttling.max_delay, kms.throttling.max_retries), (Duration::from_secs(20), Some(10)));
    let limits = &kms.limits;
    assert_eq!(
        (limits.quota_percent, limits.quotas.ecc, limits.quotas.create_key),
        (Some(50), Some(5000), Some(10))
    );
    assert_eq!((limits.max_concurrent_requests, limits.max_waiting_requests), (64, 100));
    assert_eq!(limits.max_wait, Duration::from_secs(5));
    assert_eq!(kms.credentials.profile.as_deref(), Some("cantle"));
    let role = kms.credentials.assume_role.as_ref().unwrap();
    assert_eq!(role.role_arn, "arn:aws:iam::123456789012:role/cantle");
    assert_eq!(role.external_id.as_deref(), Some("outside-1"));
    assert!(
        matches!(&node.storage.backend, StorageBackend::Sqlite { file: Some(file) } if file == Path::new("data/participant1.db"))
    );
    assert_eq!(node.storage.parameters.max_connections, Some(4));
    assert_eq!((node.admin_api.port, node.admin_api.max_inbound_message_size), (Some(5012), 20 << 20));
}

#[test]
fn variables_of_the_environment_are_strings_and_read_as_numbers() {
    let environment = [("NODE_IDENTIFIER", "treasury"), ("ADMIN_API_PORT", "5012")];
    let config = load_with("participant-pre-generated.conf", &environment).unwrap().config;
    let node = &config.participants[0].node;
    assert_eq!(node.init.auto_init, AutoInit::No);
    assert!(matches!(&node.init.node_identifier, NodeIdentifier::Explicit(id) if id.as_str() == "treasury"));
    assert_eq!(node.admin_api.port, Some(5012));
}

#[test]
fn all_five_kinds_are_decoded() {
    let config = load("distributed.conf").config;
    let kinds: Vec<(String, &str)> =
        config.nodes().map(|node| (node.kind.to_string(), node.name.as_str())).collect();
    let expected = [
        ("participant", "p1"),
        ("participant", "p2"),
        ("domain", "embedded"),
        ("domain-manager", "manager"),
        ("sequencer", "sequencer1"),
        ("sequencer", "sequencer2"),
        ("mediator", "mediator"),
    ];
    assert_eq!(kinds, expected.map(|(kind, name)| (kind.to_owned(), name)));
    assert!(config.nodes().all(|node| node.crypto.provider == CryptoProvider::Kms));
    let manager = &config.domain_managers[0];
    assert_eq!(manager.parameters.protocol_version, ProtocolVersion::V7);
    assert_eq!(
        manager.parameters.required_signing_schemes.as_deref(),
        Some(&[SigningScheme::EcDsaP256, SigningScheme::EcDsaP384][..])
    );
    assert!(!manager.topology.open);
    let domain = &config.domains[0];
    assert_eq!(domain.parameters.protocol_version, ProtocolVersion::V5);
    assert_eq!(domain.public_api.port, None);
    assert_eq!(domain.public_api.token_expiration_time, Duration::from_secs(3600));
    assert!(config.startable().is_ok(), "all five kinds start");
}

#[test]
fn keys_that_nothing_here_uses_are_named_once_each() {
    let config = load("ignored.conf").config;
    insta::assert_snapshot!("ignored", ignored(&config));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(config.parameters.console_timeouts.unbounded, None);
    assert_eq!(config.parameters.console_timeouts.bounded, Some(Duration::from_secs(120)));
    assert_eq!(config.parameters.retention.mediator, Duration::from_secs(30 * 86400));
    assert!(
        config.features.testing_commands
            && config.features.repair_commands
            && config.features.preview_commands
    );
    assert_eq!(config.monitoring.prometheus[0].port, Some(9000));
    assert!(
        matches!(&config.monitoring.health.as_ref().unwrap().check, HealthCheck::Ping { participant, .. } if participant == "p")
    );
    assert!(config.monitoring.logging.message_payloads);
}

#[test]
fn former_keys_are_moved_with_a_warning() {
    let config = load("deprecated.conf").config;
    insta::assert_snapshot!(
        "deprecated",
        golden(config.warnings.iter().map(|w| (w.to_string(), vec![&w.origin])))
    );
    let storage = &config.participants[0].node.storage;
    assert!(matches!(storage.backend, StorageBackend::Memory));
    assert_eq!(storage.parameters.max_connections, Some(10));
    assert!(!storage.parameters.fail_fast_on_startup, "the present place wins");
    assert!(
        matches!(&config.monitoring.health.as_ref().unwrap().check, HealthCheck::IsActive { node: Some(node) } if node == "old")
    );
    let public_api = config.remote_domains[0].public_api.as_ref().unwrap();
    assert!(public_api.tls.as_ref().unwrap().trust_collection_file.is_some());
}

#[test]
fn a_participant_of_cantons_files_is_decoded() {
    let loaded = load_with("canton/participant.conf", &CANTON).unwrap();
    let node = &loaded.config.participants[0].node;
    assert_eq!(node.init.node_identifier, NodeIdentifier::Random);
    let StorageBackend::Postgres(database) = &node.storage.backend else { panic!("{:?}", node.storage) };
    assert_eq!((database.host.as_str(), database.port), ("localhost", 5432));
    assert_eq!(database.database.as_deref(), Some("canton_participant"));
    assert_eq!(database.user.as_deref(), Some("canton"));
    assert_eq!(database.expose_password(), Some("supersafe"));
    assert_eq!(database.ssl_mode, SslMode::VerifyCa);
    assert_eq!(node.storage.parameters.max_connections, Some(18));
    assert!(!node.storage.parameters.fail_fast_on_startup);
    let tls = node.admin_api.tls.as_ref().unwrap();
    assert!(matches!(tls.client_auth, ClientAuth::Require { .. }));
    assert_eq!(node.grpc_health_server.as_ref().unwrap().port, Some(10003));
    insta::assert_snapshot!("canton-participant-ignored", ignored(&loaded.config));
    assert!(!format!("{loaded:?}").contains("supersafe"));
    loaded.config.startable().unwrap();
}

#[test]
fn the_other_nodes_of_cantons_files_are_decoded() {
    for (sample, kind) in [
        ("domain", NodeKind::Domain),
        ("manager", NodeKind::DomainManager),
        ("sequencer", NodeKind::Sequencer),
        ("mediator", NodeKind::Mediator),
    ] {
        let loaded =
            load_with(&format!("canton/{sample}.conf"), &CANTON).unwrap_or_else(|e| panic!("{sample}:\n{e}"));
        assert_eq!(loaded.config.nodes().map(|node| node.kind).collect::<Vec<_>>(), [kind]);
    }
    let sequencer = load_with("canton/sequencer.conf", &CANTON).unwrap().config.sequencers[0].clone();
    let database = |storage: &StorageConfig| match &storage.backend {
        StorageBackend::Postgres(database) => (database.database.clone(), database.schema.clone()),
        other => panic!("{other:?}"),
    };
    let named = Some("canton_sequencer".to_owned());
    assert_eq!(database(sequencer.shared_storage.as_ref().unwrap()), (named.clone(), None));
    assert_eq!(database(&sequencer.node.storage), (named, Some("cantle_sequencer".to_owned())));
    let sandbox = load("canton/sandbox.conf").config;
    assert_eq!((sandbox.participants.len(), sandbox.domains.len()), (1, 1));
}

#[test]
fn remote_nodes_are_decoded() {
    let environment = [("TLS_CERT_LOCATION", "tests/samples/canton/tls"), ("ADMIN_TOKEN", "supersafe")];
    let config = load_with("canton/remote/all.conf", &environment).unwrap().config;
    assert!(config.nodes().next().is_none() && !config.is_empty());
    assert_eq!(config.remote_participants[0].admin_api.port, 10002);
    assert!(config.remote_participants[0].token.is_some());
    let sequencer = &config.remote_sequencers[0];
    assert_eq!(sequencer.admin_api.port, 10039);
    assert_eq!(sequencer.admin_api.keep_alive.unwrap().time, Duration::from_secs(60));
    assert_eq!(sequencer.public_api.as_ref().unwrap().port, 10038);
    assert!(config.remote_mediators[0].admin_api.tls.is_some());
    assert!(config.remote_domain_managers[0].admin_api.tls.is_none());
    assert!(!format!("{config:?}").contains("supersafe"));
}

#[test]
fn several_files_and_settings_are_one_configuration() {
    let options =
        LoadOptions::new(["tests/samples/participant-kms.conf", "tests/samples/canton/sandbox.conf"])
            .environment([("", ""); 0])
            .setting("canton.participants.participant1.crypto.kms.region", "eu-west-1")
            .setting("canton.participants.sandbox.admin-api.port", "7000");
    let config = Config::load(&options).unwrap().config;
    let name: NodeName = "participant1".parse().unwrap();
    assert_eq!(config.participants[&name].node.crypto.kms.as_ref().unwrap().region, "eu-west-1");
    let name: NodeName = "sandbox".parse().unwrap();
    assert_eq!(config.participants[&name].node.admin_api.port, Some(7000));
}

#[test]
fn fixtures_load_or_fail_as_they_should() {
    let options = LoadOptions::new(["tests/fixtures/01_canton.conf"]).environment([("HC_ENV", "envval")]);
    assert!(Config::load(&options).is_ok());
    let options =
        LoadOptions::new(["tests/fixtures/43_canton_real.conf"]).environment([("HC_ENV", "envval")]);
    let errors = Config::load(&options).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors}");
    assert!(errors.to_string().contains("crypto.private-key-store.encryption.wrapper-key-id"), "{errors}");
}

#[test]
fn the_resolved_document_is_printed_without_secrets() {
    let loaded = load_with("canton/participant.conf", &CANTON).unwrap();
    let redacted = resolved_json(&loaded.document, Secrets::Redact);
    let parsed: serde_json::Value = serde_json::from_str(&redacted).unwrap();
    insta::assert_snapshot!("resolved", serde_json::to_string_pretty(&parsed).unwrap());
    assert!(!redacted.contains("supersafe") && !redacted.contains("not-safe-for-production"));
    let shown = resolved_json(&loaded.document, Secrets::Show);
    assert!(shown.contains("supersafe"));
    assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok());
}

#[test]
fn what_does_not_fit_where_nothing_reads_it_is_a_warning() {
    let text = "canton.participants.p { ledger-api { port = lots, tls.cert-chain-file = x }, caching.contract-store {} }";
    let config = load_text(text).unwrap();
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.warnings[0].to_string().contains("ledger-api.port: \"lots\" is not a port"));
    let errors = load_text("canton.participants.p.ledger-api.prot = 5011").unwrap_err();
    assert!(errors.to_string().contains("did you mean `port`"), "{errors}");
}

#[test]
fn a_durationless_unit_is_warned_about() {
    let config = load_text("canton.participants.p.sequencer-client.handshake-retry-delay = 500").unwrap();
    assert_eq!(
        config.participants[0].node.sequencer_client.handshake_retry_delay,
        Duration::from_millis(500)
    );
    assert!(config.warnings[0].to_string().contains("write `500ms`"), "{:?}", config.warnings);
}

#[test]
fn kms_with_memory_warns_of_the_cost_and_jce_of_an_unused_section() {
    let kms = "kms { type = aws, region = us-east-1 }";
    let text =
        format!("canton.participants.p {{ storage.type = memory, crypto {{ provider = kms, {kms} }} }}");
    assert!(load_text(&text).unwrap().warnings[0].text.contains("paid for"));
    let config = load_text(&format!("canton.participants.p.crypto {{ {kms} }}")).unwrap();
    assert!(config.warnings[0].text.contains("crypto.provider = kms"));
    assert!(config.participants[0].node.crypto.kms.is_none());
}

#[test]
fn an_admin_api_without_tls_beyond_loopback_is_warned_about() {
    let warned = |address: &str| {
        let config = load_text(&format!("canton.participants.p.admin-api.address = \"{address}\"")).unwrap();
        !config.warnings.is_empty()
    };
    assert!(warned("0.0.0.0") && warned("10.1.2.3"));
    assert!(!warned("localhost") && !warned("127.0.0.1") && !warned("::1"));
}

#[test]
fn null_means_not_set_and_takes_away_keep_alive() {
    let config = load_text(
        "canton.participants.p { storage = null, crypto = null, admin-api { port = null, keep-alive-server = null } }",
    );
    let config = config.unwrap();
    assert!(config.participants[0].node.admin_api.keep_alive.is_none());
    assert!(matches!(config.participants[0].node.storage.backend, StorageBackend::Sqlite { .. }));
}

#[test]
fn lists_can_be_objects_with_numbers_as_keys() {
    let text = "canton { participants.p.crypto.signing.allowed { 0 = ed-25519, 1 = ec-dsa-p-256 } }";
    let config = load_text(text).unwrap();
    let allowed = &config.participants[0].node.crypto.signing.allowed;
    assert_eq!(*allowed, [SigningScheme::Ed25519, SigningScheme::EcDsaP256]);
}
