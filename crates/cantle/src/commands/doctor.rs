//! `cantle doctor`: asks the KMS before a node does.

use cantle_node::{DoctorOptions, Finding, Severity, TrialKey, examine};
use serde_json::{Value, json};

use crate::{
    cli::{Doctor, Global},
    commands::check,
    failure::Failure,
    output::say,
};

pub(crate) async fn run(doctor: &Doctor, global: &Global) -> Result<(), Failure> {
    let config = check::load(global)?;
    config.startable().map_err(|gaps| Failure::Usage(gaps.to_string()))?;
    if config.nodes().next().is_none() {
        return Err(Failure::Usage("error: no node is configured; use -c FILE".to_owned()));
    }
    let trial_key = if doctor.create { TrialKey::Make } else { TrialKey::No };
    let options = DoctorOptions { trial_key, migration: doctor.migration, ..DoctorOptions::default() };
    let findings = examine(&config, &global.data_dir(), &options).await;
    if global.json {
        say!("{}", document(&findings));
    } else {
        for finding in &findings {
            say!("{finding}");
        }
    }
    match findings.iter().filter(|finding| finding.severity == Severity::Fail).count() {
        0 => Ok(()),
        failed => Err(Failure::Running(anyhow::anyhow!("{failed} of {} findings failed", findings.len()))),
    }
}

fn document(findings: &[Finding]) -> Value {
    let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok);
    let findings = findings.iter().map(|finding| {
        json!({
            "result": finding.severity.as_str(),
            "node": finding.node,
            "check": finding.check.as_str(),
            "kms_key_id": finding.key,
            "text": finding.text,
            "remedy": finding.remedy,
        })
    });
    json!({"worst": worst.as_str(), "findings": findings.collect::<Vec<_>>()})
}
