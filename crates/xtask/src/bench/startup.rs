//! From nothing to ready, from an identity to ready, and what an idle participant holds.

use std::{fs, time::Duration};

use super::{Figures, count, median, process};

const RUNS: usize = 5;
const LATENCY: Duration = Duration::from_millis(50);

pub(crate) fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (kms, endpoint) = process::kms_server(folder.path(), &["--latency", "50ms"])?;
    let config = process::config(folder.path(), &endpoint)?;

    let mut fresh = Vec::new();
    for run in 0..RUNS {
        let (daemon, ready) = process::daemon(folder.path(), &config, &format!("data{run}"))?;
        daemon.terminate(process::LONG)?;
        fresh.push(ready.as_secs_f64() * 1000.0);
    }
    let fresh = median(fresh);
    figures.at_most(
        "empty store to ready, KMS at 50 ms",
        fresh,
        LATENCY.as_secs_f64() * 6000.0 + 250.0,
        "ms",
    );
    figures.only("  that is, in KMS round trips", fresh / (LATENCY.as_secs_f64() * 1000.0), "");

    let (daemon, again) = process::daemon(folder.path(), &config, "data0")?;
    figures.at_most("existing identity to ready, KMS at 50 ms", again.as_secs_f64() * 1000.0, 1000.0, "ms");
    figures.at_most("  resident memory, idle", process::resident(daemon.id())?, 60.0, "MB");
    let log = daemon.terminate(process::LONG)?.stderr;
    let requests = log.lines().filter(|line| line.contains("Sending request [")).count();
    let checks = log.lines().filter(|line| line.contains("RetrieveMetadataRequest(")).count();
    figures.at_most("  KMS requests that are no key checks", count(requests - checks), 0.0, "");
    figures.only("  key checks", count(checks), "");

    let size = fs::metadata(process::binary()?)?.len();
    figures.only("size of the binary", count(usize::try_from(size)?) / 1e6, "MB");
    kms.terminate(process::LONG)?;
    Ok(())
}
