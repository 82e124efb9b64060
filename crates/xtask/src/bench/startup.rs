//! From nothing to ready, from an identity to ready, what an idle participant holds; and from nothing to a domain.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;
use cantle_testkit::Process;

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
    founding(figures, folder.path(), &endpoint)?;
    kms.terminate(process::LONG)?;
    Ok(())
}

/// A distributed domain in one process, as `setup.bootstrap_domain` founds it: what that takes beyond a script that does
/// nothing with the same nodes, whose start makes the keys of the domain manager.
fn founding(figures: &mut Figures, folder: &Path, endpoint: &str) -> anyhow::Result<()> {
    let crypto = format!(
        "crypto {{ provider = kms, kms {{ type = aws, region = us-east-1, endpoint-override = \"{endpoint}\" }} }}"
    );
    let config = folder.join("domain.conf");
    let text = format!(
        "canton.domain-managers.manager {{ {crypto}, init.domain-parameters.protocol-version = 7 }}\n\
         canton.sequencers.sequencer1 {{ {crypto} }}\ncanton.mediators.mediator1 {{ {crypto} }}\n"
    );
    fs::write(&config, text)?;
    let mut runs = [Vec::new(), Vec::new()];
    for run in 0..RUNS {
        let scripts =
            ["print(manager.id)\n", "manager.setup.bootstrap_domain(Seq(sequencer1), Seq(mediator1))\n"];
        for (times, script) in runs.iter_mut().zip(scripts) {
            let file = folder.join("domain.canton");
            fs::write(&file, script)?;
            let mut command = process::cantle(folder)?;
            command.arg("run").arg(&file).arg("-c").arg(&config);
            command.args(["--data-dir", &format!("domain{}-{run}", times.len() + script.len())]);
            let started = Instant::now();
            let finished = Process::spawn(&mut command)?.finish(process::LONG)?;
            ensure!(finished.status.success(), "the script failed:\n{}", finished.stderr);
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
    }
    let [without, with] = runs.map(median);
    let bound = LATENCY.as_secs_f64() * 14_000.0 + 1000.0;
    figures.at_most("setup.bootstrap_domain, KMS at 50 ms", with - without, bound, "ms");
    figures.only("  with the start of the three nodes and their end", with, "ms");
    Ok(())
}
