//! One KMS as one caller: where it is, whether it answers, whom it takes the caller for, what time it has.
//!
//! Asked once for all the nodes that have the same `crypto.kms`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use cantle_config::KmsConfig;
use cantle_kms::{Backoff, CredentialsProblem, Kms, KmsError, KmsKeyId, Regional, RetryOptions, Retrying};
use cantle_kms_aws::{AwsKms, ConnectError, Probe, StaticCredentials};
use uuid::Uuid;

use super::finding::{Check, Finding};
use crate::kms;

/// AWS refuses requests that are signed more than five minutes off. From here on it is close.
const CLOCK_FAILS: Duration = Duration::from_secs(240);
/// A clock that is off by so much is not kept by NTP.
const CLOCK_WARNS: Duration = Duration::from_secs(30);

/// How often a question that found no answer is asked again: the doctor is not fooled by one lost answer.
const RETRIES: RetryOptions =
    RetryOptions { failures: AGAIN, throttling: AGAIN, deadline: Some(Duration::from_secs(10)) };
const AGAIN: Backoff = Backoff {
    initial_delay: Duration::from_millis(200),
    max_delay: Duration::from_secs(1),
    max_retries: Some(2),
};

/// A KMS and what it said.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) config: KmsConfig,
    connected: Result<AwsKms, ConnectError>,
    /// The other Regions that the nodes may go to.
    elsewhere: Vec<(String, Arc<dyn Kms>)>,
    probe: Option<Probe>,
}

impl Service {
    /// Sets up a client. Sends nothing.
    pub(super) async fn new(config: &KmsConfig, credentials: Option<StaticCredentials>) -> Self {
        let connected = kms::connect_backend(config, &config.region, credentials.clone()).await;
        let mut elsewhere = Vec::new();
        for region in &config.failover_regions {
            // What cannot be there cannot be here either, which is told.
            if let Ok(there) = kms::connect_backend(config, region, credentials.clone()).await {
                elsewhere.push((region.clone(), in_region(there, region)));
            }
        }
        Self { config: config.clone(), connected, elsewhere, probe: None }
    }

    /// Asks for a key that is not there.
    pub(super) async fn ask(&mut self) {
        if let Ok(aws) = &self.connected
            && let Ok(nobody) = KmsKeyId::parse(&Uuid::new_v4().to_string())
        {
            let mut probe = aws.probe(&nobody).await;
            if probe.error.as_ref().is_some_and(KmsError::retryable) {
                probe = aws.probe(&nobody).await;
            }
            self.probe = Some(probe);
        }
    }

    /// What keys are asked of, if the service knows the caller.
    pub(super) fn usable(&self) -> Option<Arc<dyn Kms>> {
        let aws = self.connected.as_ref().ok()?;
        self.probe.as_ref().filter(|probe| probe.is_authenticated())?;
        Some(in_region(aws.clone(), &self.config.region))
    }

    /// The other Regions.
    pub(super) fn elsewhere(&self) -> &[(String, Arc<dyn Kms>)] {
        &self.elsewhere
    }

    /// Endpoint, credentials and clock, as a node of this name needs them.
    pub(super) fn findings(&self, node: &str) -> Vec<Finding> {
        let aws = match &self.connected {
            Ok(aws) => aws,
            Err(error) => {
                let text = cantle_sequencing::chain(error);
                return vec![Finding::fail(node, Check::Endpoint, text, "Correct crypto.kms")];
            }
        };
        let Some(probe) = &self.probe else { return Vec::new() };
        let answers = format!(
            "{} answers for the Region {} in {} ms",
            aws.endpoint(),
            self.config.region,
            probe.took.as_millis()
        );
        let mut findings = Vec::new();
        match &probe.error {
            Some(error @ KmsError::Credentials { problem, .. }) => {
                // Without credentials nothing was sent.
                if probe.server_time.is_some() {
                    findings.push(Finding::ok(node, Check::Endpoint, answers));
                }
                let check = match problem {
                    CredentialsProblem::ClockSkew => Check::Clock,
                    _ => Check::Credentials,
                };
                findings.push(Finding::of(node, check, error));
            }
            Some(error) if !probe.is_authenticated() => {
                findings.push(Finding::of(node, Check::Endpoint, error));
            }
            _ => {
                findings.push(Finding::ok(node, Check::Endpoint, answers));
                let who = probe.caller().map(|who| format!(": the caller is {who}")).unwrap_or_default();
                findings.push(Finding::ok(node, Check::Credentials, format!("accepted{who}")));
            }
        }
        if !findings.iter().any(|finding| finding.check == Check::Clock) {
            findings.extend(judge_clock(node, probe.server_time, probe.local_time));
        }
        findings
    }
}

/// Asks again a few times, for keys by their names in that Region.
fn in_region(aws: AwsKms, region: &str) -> Arc<dyn Kms> {
    Arc::new(Retrying::new(Arc::new(Regional::new(Arc::new(aws), region)), RETRIES))
}

/// How far this machine's clock is from the service's; nothing if the service did not say.
fn judge_clock(node: &str, server: Option<SystemTime>, local: SystemTime) -> Option<Finding> {
    let server = server?;
    let off = match local.duration_since(server) {
        Ok(ahead) => ahead,
        Err(behind) => behind.duration(),
    };
    let direction = if local > server { "ahead of" } else { "behind" };
    let text = format!("{} s {direction} the service's", off.as_secs());
    let remedy = "Set this machine's clock by NTP: AWS accepts five minutes of difference";
    Some(if off >= CLOCK_FAILS {
        Finding::fail(node, Check::Clock, text, remedy)
    } else if off >= CLOCK_WARNS {
        Finding::warn(node, Check::Clock, text, remedy)
    } else {
        Finding::ok(node, Check::Clock, "as the service's, to a few seconds")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn a_clock_is_judged_by_its_distance_either_way() {
        let service = SystemTime::now();
        for (off, severity) in
            [(0, Severity::Ok), (29, Severity::Ok), (31, Severity::Warn), (250, Severity::Fail)]
        {
            for local_time in [service + Duration::from_secs(off), service - Duration::from_secs(off)] {
                let found = judge_clock("n", Some(service), local_time).unwrap();
                assert_eq!(found.severity, severity, "{found}");
            }
        }
        assert_eq!(judge_clock("n", None, service), None);
    }
}
