//! The processes that are measured.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use cantle_testkit::Process;

/// How long anything may take at all.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The release binary.
pub(crate) fn binary() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let cantle = own.with_file_name("cantle");
    if cantle.exists() {
        Ok(cantle)
    } else {
        bail!("there is no {}; use `cargo xtask bench`", cantle.display())
    }
}

/// `cantle` in a folder, as the caller `test`.
pub(crate) fn cantle(folder: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(binary()?);
    command
        .current_dir(folder)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .arg("--no-tty");
    Ok(command)
}

/// A running `cantle kms-server` and its endpoint.
pub(crate) fn kms_server(folder: &Path, arguments: &[&str]) -> anyhow::Result<(Process, String)> {
    let mut command = cantle(folder)?;
    command.args(["kms-server", "--address", "127.0.0.1:0"]).args(arguments);
    let mut process = Process::spawn(&mut command)?;
    let line = process.wait_for("ready: kms-server", LONG)?;
    let endpoint = line.rsplit(' ').next().context("the line ends with the endpoint")?.to_owned();
    Ok((process, endpoint))
}

/// The documented configuration at an endpoint.
pub(crate) fn config(folder: &Path, endpoint: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join("participant1.conf");
    let text = format!(
        "canton.participants.participant1.crypto {{\n  provider = kms\n  kms {{ type = aws, region = us-east-1, \
         endpoint-override = \"{endpoint}\", audit-logging = true }}\n}}\n"
    );
    fs::write(&path, text)?;
    Ok(path)
}

/// Starts a daemon and measures until it is ready.
pub(crate) fn daemon(folder: &Path, config: &Path, data: &str) -> anyhow::Result<(Process, Duration)> {
    let mut command = cantle(folder)?;
    command.arg("daemon").arg("-c").arg(config).args(["--data-dir", data]);
    let started = Instant::now();
    let mut process = Process::spawn(&mut command)?;
    process.wait_for("ready: participant", LONG)?;
    Ok((process, started.elapsed()))
}

/// VmRSS in megabytes.
pub(crate) fn resident(process: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kilobytes * 1024.0 / 1e6)
}
