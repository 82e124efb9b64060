//! What bad configurations print.

use std::path::Path;

use cantle_config::{LoadOptions, Problem};

use crate::{golden, load_text, load_with};

fn bad_samples() -> Vec<String> {
    let mut samples: Vec<String> = std::fs::read_dir(Path::new("tests/samples/bad"))
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    samples.sort();
    samples
}

#[test]
fn bad_samples_print_all_their_faults() {
    let samples = bad_samples();
    assert!(samples.len() >= 9, "{samples:?}");
    for sample in samples {
        let errors = load_with(&format!("bad/{sample}"), &[]).unwrap_err();
        let faults = errors.faults().iter().map(|fault| {
            let mut origins = vec![&fault.origin];
            if let Problem::Duplicate { first_origin, .. } = &fault.problem {
                origins.push(first_origin);
            }
            (fault.to_string(), origins)
        });
        insta::assert_snapshot!(sample.trim_end_matches(".conf"), golden(faults));
    }
}

#[test]
fn documents_that_cannot_be_read_are_faults_of_their_own() {
    for (text, words) in [
        ("canton.participants.p { admin-api { port = 1 ", ""),
        ("canton.participants.p.crypto.kms.region = ${ABSENT}", "ABSENT"),
    ] {
        let errors = load_text(text).unwrap_err();
        assert!(errors.faults().iter().all(|fault| fault.problem.code() == "config-document"), "{errors}");
        assert!(errors.to_string().contains(words), "{errors}");
    }
}

#[test]
fn faults_show_no_secrets() {
    for sample in bad_samples() {
        let errors = load_with(&format!("bad/{sample}"), &[]).unwrap_err();
        let shown = format!("{errors}\n{errors:?}");
        for secret in ["supersafe", "hunter2", "hunter3"] {
            assert!(!shown.contains(secret), "{sample}: {secret}");
        }
    }
}

#[test]
fn a_missing_file_is_a_fault_that_names_it() {
    let errors = load_with("absent.conf", &[]).unwrap_err();
    assert!(errors.to_string().contains("absent.conf"), "{errors}");
}

#[test]
fn a_fault_knows_file_line_column_and_path() {
    let text = "canton {\n  participants.p {\n    storgae.type = memory\n  }\n}";
    let errors = load_text(text).unwrap_err();
    let [fault] = errors.faults() else { panic!("{errors}") };
    assert_eq!(fault.origin.source(), "test.conf");
    assert_eq!(fault.origin.line(), Some(3));
    assert_eq!(fault.path.as_ref().unwrap().to_string(), "canton.participants.p.storgae");
    assert_eq!(fault.problem.code(), "config-unknown-key");
    assert!(matches!(&fault.problem, Problem::UnknownKey { nearest: Some(near), .. } if near == "storage"));
}

#[test]
fn a_setting_is_named_as_the_place_of_its_fault() {
    let options = LoadOptions::new(["tests/samples/participant-kms.conf"])
        .environment([("", ""); 0])
        .setting("canton.participants.participant1.admin-api.port", "eighty");
    let errors = cantle_config::Config::load(&options).unwrap_err();
    assert!(errors.to_string().starts_with("-C"), "{errors}");
}

#[test]
fn a_misplaced_key_is_suggested_at_its_place() {
    let errors = load_text("canton.participants.p { region = us-east-1 }").unwrap_err();
    assert!(
        errors.to_string().contains("did you mean `canton.participants.p.crypto.kms.region`"),
        "{errors}"
    );
}

#[test]
fn disabled_verification_needs_non_standard_config() {
    let kms =
        "crypto { provider = kms, kms { type = aws, region = us-east-1, disable-ssl-verification = true } }";
    let errors = load_text(&format!("canton.participants.p {{ {kms} }}")).unwrap_err();
    assert!(errors.to_string().contains("canton.parameters.non-standard-config = yes"), "{errors}");
    let text = format!("canton {{ participants.p {{ {kms} }}, parameters.non-standard-config = yes }}");
    assert!(load_text(&text).is_ok());
}

#[test]
fn names_and_tags_with_other_characters_are_faults() {
    let errors = load_text("canton.participants { \"my participant\" {}, \"a.b\" {} }").unwrap_err();
    assert_eq!(errors.len(), 2, "{errors}");
    assert!(errors.to_string().contains("is not the name of a node"), "{errors}");
    let tags = r#"custom-tags { "aws:name" = x, "a*b" = y }"#;
    let text = format!(
        "canton.participants.p.crypto {{ provider = kms, kms {{ type = aws, region = us-east-1, {tags} }} }}"
    );
    let errors = load_text(&text).unwrap_err().to_string();
    assert!(
        errors.contains("start with aws:") && errors.contains("\"a*b\" is not the key of a tag"),
        "{errors}"
    );
}

#[test]
fn limits_of_the_kms_have_bounds() {
    let with = |limits: &str| {
        load_text(&format!(
            "canton.participants.p.crypto {{ provider = kms, kms {{ type = aws, region = us-east-1, limits {{ {limits} }} }} }}"
        ))
    };
    for out_of_range in
        ["quota-percent = 0", "quota-percent = 101", "max-concurrent-requests = 0", "quotas.ecc = 0"]
    {
        let errors = with(out_of_range).unwrap_err();
        assert_eq!(errors.faults()[0].problem.code(), "config-out-of-range", "{out_of_range}: {errors}");
    }
    assert!(with("max-wait = 0 s").is_err());
    let warned = with("quotas.ecc = 5000").unwrap().warnings;
    assert!(warned.iter().any(|warning| warning.text.contains("quota-percent")), "{warned:?}");
}

#[test]
fn regions_to_fail_over_to_are_other_regions_of_multi_region_keys() {
    let with = |keys: &str| {
        load_text(&format!(
            "canton.participants.p.crypto {{ provider = kms, kms {{ type = aws, region = us-east-1, {keys} }} }}"
        ))
    };
    assert!(with("multi-region-key = true, failover-regions = [eu-west-1, us-west-2]").is_ok());
    for (keys, says) in [
        ("failover-regions = [eu-west-1]", "multi-region-key = true"),
        ("multi-region-key = true, failover-regions = [us-east-1]", "named twice"),
        ("multi-region-key = true, failover-regions = [eu-west-1, eu-west-1]", "named twice"),
        ("multi-region-key = true, failover-regions = [Ireland]", "is not an AWS Region"),
    ] {
        let errors = with(keys).unwrap_err().to_string();
        assert!(errors.contains("failover-regions") && errors.contains(says), "{keys}: {errors}");
    }
}

#[test]
fn as_many_tags_as_fit_are_taken_and_one_more_is_not() {
    let with = |count: usize| {
        let tags: Vec<String> = (0..count).map(|i| format!("t{i} = x")).collect();
        load_text(&format!(
            "canton.participants.p.crypto {{ provider = kms, kms {{ type = aws, region = us-east-1, custom-tags {{ {} }} }} }}",
            tags.join(", ")
        ))
    };
    assert!(with(45).is_ok());
    assert_eq!(with(46).unwrap_err().faults()[0].problem.code(), "config-out-of-range");
}

#[test]
fn the_same_port_on_two_addresses_is_no_fault() {
    let text = |a: &str, b: &str| {
        format!(
            "canton.participants {{ a.admin-api {{ address = {a}, port = 5000 }}, b.admin-api {{ address = {b}, port = 5000 }} }}"
        )
    };
    assert!(load_text(&text("10.0.0.1", "10.0.0.2")).is_ok());
    assert!(load_text(&text("localhost", "127.0.0.1")).is_err());
    assert!(load_text(&text("10.0.0.1", "0.0.0.0")).is_err());
}
