//! One process of a run: makes inputs, gives them to a target, and says which of them it did not get over.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use cantle_testkit::Random;
use clap::Args;

use super::{
    SLOWEST,
    targets::{self, Target},
};

/// Inputs from one sign of life to the next.
pub(crate) const BATCH: u64 = 64;
/// The most memory that a process may ever have had, in kB: each has its nodes or its server in it, too.
pub(crate) const LARGEST: u64 = 1 << 20;

/// Bytes of an input that are printed.
const SHOWN: usize = 500;

/// What a process does.
#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    #[arg(long)]
    target: String,
    #[arg(long)]
    seed: u64,
    /// The number of the first input
    #[arg(long, default_value_t = 0)]
    first: u64,
    #[arg(long)]
    inputs: Option<u64>,
    #[arg(long)]
    seconds: Option<f64>,
    /// Where the number of the next input is written
    #[arg(long)]
    progress: Option<PathBuf>,
}

/// The numbers that an input is made of.
pub(crate) fn random(target: &str, seed: u64, number: u64) -> Random {
    Random::new(&format!("{target} {seed}"), number)
}

pub(crate) fn work(arguments: &WorkerArguments) -> anyhow::Result<()> {
    let WorkerArguments { target: name, seed, first, .. } = arguments;
    let mut target = targets::open(name)?;
    let corpus = target.corpus()?;
    let until = arguments.seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds));
    let last = arguments.inputs.map(|inputs| first.saturating_add(inputs));
    let (mut number, mut accepted) = (*first, 0);
    while last.is_none_or(|last| number < last) && until.is_none_or(|until| Instant::now() < until) {
        if let Some(progress) = &arguments.progress {
            std::fs::write(progress, number.to_string())?;
        }
        let end = last.map_or(number + BATCH, |last| last.min(number + BATCH));
        while number < end && until.is_none_or(|until| Instant::now() < until) {
            let input = target.input(&corpus, &mut random(name, *seed, number));
            accepted +=
                u64::from(tried(&mut *target, &input).with_context(|| told(name, *seed, number, &input))?);
            number += 1;
        }
        let peak = peak();
        if peak > LARGEST {
            bail!("{peak} kB of memory");
        }
    }
    println!("{} {accepted}", number - first);
    Ok(())
}

/// Whether the target accepted it.
fn tried(target: &mut dyn Target, input: &[u8]) -> anyhow::Result<bool> {
    let began = Instant::now();
    let accepted = catch_unwind(AssertUnwindSafe(|| target.run(input)));
    let Ok(accepted) = accepted else { bail!("a panic") };
    let took = began.elapsed();
    if took > SLOWEST {
        bail!("{took:?} for one input");
    }
    Ok(accepted)
}

fn told(name: &str, seed: u64, number: u64, input: &[u8]) -> String {
    let length = input.len();
    let shown = match std::str::from_utf8(input) {
        Ok(text) if length <= SHOWN => format!("{text:?}"),
        _ => input.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect(),
    };
    format!(
        "again: cargo xtask fuzz-worker --target {name} --seed {seed} --first {number} --inputs 1; its {length} bytes are, or begin with, {shown}"
    )
}

/// The most memory that this process has had so far, in kB; 0 where the system does not say.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
