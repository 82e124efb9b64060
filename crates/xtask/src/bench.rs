//! `cargo xtask bench`: the figures of a participant, as ratios in one run against `cantle kms-server`; and
//! `cargo xtask bench kms-server`: those of that server itself; `cargo xtask bench sequencer`, `ping` and `topology`.
//!
//! Everything is built in release mode; the processes are those an operator runs. A bound that is not kept is printed
//! as such and ends the run with an error.

mod kms_server;
mod load;
mod ping;
mod process;
mod sequencer;
mod signature;
mod startup;
mod topology;
mod verification;

use std::{path::Path, process::Command};

use anyhow::{Context, bail};
use clap::ValueEnum;

/// What is measured.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Subject {
    /// A participant whose keys are in a KMS.
    #[default]
    Participant,
    /// AWS KMS on loopback.
    KmsServer,
    /// A sequencer alone: signed events a second, with few and with many stored.
    Sequencer,
    /// Pings over an embedded domain: KMS requests, time, throughput, memory.
    Ping,
    /// Topology transactions judged a second, and a start with many of them.
    Topology,
    /// The verification of each signature of the KMS, as a share of a round trip.
    Verification,
}

/// Builds in release mode and runs [`measure`] there.
pub(crate) fn run(subject: Subject) -> anyhow::Result<()> {
    // The whole workspace, so that nothing is built twice with other features.
    finish(Command::new(env!("CARGO")).args(["build", "--release", "--workspace", "--bins"]))?;
    let debug = std::env::current_exe()?;
    let target = debug.parent().and_then(Path::parent).context("xtask runs from cargo's target folder")?;
    let subject = subject.to_possible_value().context("every subject has a name")?;
    finish(Command::new(target.join("release").join("xtask")).args(["measure", subject.get_name()]))
}

fn finish(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} did not start"))?;
    if status.success() { Ok(()) } else { bail!("{command:?} failed") }
}

/// Measures, in a release build.
pub(crate) fn measure(subject: Subject) -> anyhow::Result<()> {
    if cfg!(debug_assertions) && !matches!(subject, Subject::Verification) {
        bail!("this is a debug build; use `cargo xtask bench`");
    }
    let mut figures = Figures::default();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match subject {
        Subject::Participant => {
            verification::measure(&mut figures)?;
            runtime()?.block_on(signature::measure(&mut figures))?;
            startup::measure(&mut figures)?;
        }
        Subject::KmsServer => kms_server::measure(&mut figures)?,
        Subject::Sequencer => runtime()?.block_on(sequencer::measure(&mut figures))?,
        Subject::Ping => runtime()?.block_on(ping::measure(&mut figures))?,
        Subject::Verification => verification::measure(&mut figures)?,
        Subject::Topology => runtime()?.block_on(topology::measure(&mut figures))?,
    }
    figures.finish()
}

/// What was measured, printed as it comes.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    missed: Vec<String>,
}

impl Figures {
    /// A figure with an upper bound.
    pub(crate) fn at_most(&mut self, name: &str, value: f64, bound: f64, unit: &str) {
        self.figure(name, value, bound, unit, value <= bound, "≤");
    }

    /// A figure with a lower bound.
    pub(crate) fn at_least(&mut self, name: &str, value: f64, bound: f64, unit: &str) {
        self.figure(name, value, bound, unit, value >= bound, "≥");
    }

    /// A figure without a bound.
    pub(crate) fn only(&self, name: &str, value: f64, unit: &str) {
        println!("{name:<68} {value:>10.2} {unit}");
    }

    fn figure(&mut self, name: &str, value: f64, bound: f64, unit: &str, kept: bool, sign: &str) {
        let mark = if kept { "ok" } else { "MISSED" };
        println!("{name:<68} {value:>10.2} {unit:<4} ({sign} {bound:.2}) {mark}");
        if !kept {
            self.missed.push(name.to_owned());
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        if self.missed.is_empty() { Ok(()) } else { bail!("bounds missed: {}", self.missed.join("; ")) }
    }
}

/// A number of things as a figure.
pub(crate) fn count(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap_or(u32::MAX))
}

/// The middle of the values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
