//! `cargo xtask fuzz`: hostile input for everything that reads what others wrote, for a time or a number of inputs.
//!
//! An input is made of a target's name, a seed and a number, and of nothing else: what was found is found again by the
//! command that is printed with it. Inputs are the corpus (the fixtures of the crates, and `crates/xtask/corpus`) changed
//! by [`mutate`]. Each target is worked on by processes of their own, so that a crash, a hang or a hunger for memory ends
//! that process and is told by this one. A panic anywhere, an input that takes more than [`SLOWEST`], and a process that
//! grows beyond [`worker::LARGEST`] are failures.
//!
//! Not coverage-guided: that needs another toolchain. `accepted` says how many inputs were read without an error.

mod corpus;
mod mutate;
mod targets;
mod wire;
mod worker;

use std::{
    collections::{BTreeMap, VecDeque},
    io::Read,
    process::{Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Args;

pub(crate) use worker::WorkerArguments;

/// What one input may take.
const SLOWEST: Duration = Duration::from_secs(5);
/// What a process may take from one sign of life to the next; it has some inputs on its way.
const SILENT: Duration = Duration::from_secs(60);

/// What is run.
#[derive(Debug, Args)]
pub(crate) struct FuzzArguments {
    /// For so many seconds
    #[arg(long, default_value_t = 60, conflicts_with = "inputs")]
    seconds: u64,
    /// So many inputs
    #[arg(long)]
    inputs: Option<u64>,
    /// These targets alone
    #[arg(long = "target", value_parser = clap::builder::PossibleValuesParser::new(targets::NAMES.map(|(name, _)| name)))]
    targets: Vec<String>,
    /// Another sequence of inputs; drawn where none is given
    #[arg(long)]
    seed: Option<u64>,
}

/// A part of a run, for one process.
#[derive(Debug, Clone)]
struct Job {
    target: &'static str,
    first: u64,
    inputs: Option<u64>,
    seconds: Option<f64>,
}

/// What became of a target.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    inputs: u64,
    accepted: u64,
    seconds: f64,
}

/// Runs all targets.
pub(crate) fn run(arguments: &FuzzArguments) -> anyhow::Result<()> {
    let drawn =
        || std::time::SystemTime::UNIX_EPOCH.elapsed().map(|since| since.as_secs()).unwrap_or_default();
    let seed = arguments.seed.unwrap_or_else(drawn);
    let side_by_side = std::thread::available_parallelism()?.get();
    println!("seed {seed}, {side_by_side} processes");
    let jobs = Mutex::new(jobs(arguments, side_by_side));
    let sums = Mutex::new(BTreeMap::<&str, Sum>::new());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..side_by_side {
            scope.spawn(|| {
                let next = || locked(&jobs).pop_front();
                while let Some(job) = next() {
                    let began = Instant::now();
                    match process(&job, seed) {
                        Ok((inputs, accepted)) => {
                            let mut sums = locked(&sums);
                            let sum = sums.entry(job.target).or_default();
                            sum.inputs += inputs;
                            sum.accepted += accepted;
                            sum.seconds += began.elapsed().as_secs_f64();
                        }
                        Err(error) => {
                            eprintln!("{}: {error:#}", job.target);
                            locked(&failures).push(job.target);
                        }
                    }
                }
            });
        }
    });
    let sums = locked(&sums);
    for (target, sum) in sums.iter() {
        let Sum { inputs, accepted, seconds } = sum;
        println!("{target:<12} {inputs:>10} inputs, {accepted:>9} accepted, {seconds:>6.0} s");
    }
    println!("{:<12} {:>10} inputs", "together", sums.values().map(|sum| sum.inputs).sum::<u64>());
    let failures = locked(&failures);
    if failures.is_empty() { Ok(()) } else { bail!("failed: {}", failures.join(", ")) }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The run in parts: by their shares of the time, or of the inputs.
fn jobs(arguments: &FuzzArguments, side_by_side: usize) -> VecDeque<Job> {
    let wanted = |name: &str| arguments.targets.is_empty() || arguments.targets.iter().any(|it| it == name);
    let chosen: Vec<_> = targets::NAMES.iter().filter(|(name, _)| wanted(name)).collect();
    let share =
        |shares: &targets::Shares| if arguments.inputs.is_some() { shares.inputs } else { shares.time };
    let all: u32 = chosen.iter().map(|(_, shares)| share(shares)).sum();
    let parts = side_by_side as u64;
    let mut jobs = VecDeque::new();
    for (target, shares) in chosen {
        let share = share(shares);
        let part = f64::from(share) / f64::from(all.max(1));
        for number in 0..parts {
            // Far enough from each other that a part by time does not reach the next.
            let first = number << 40;
            let (inputs, seconds) = match arguments.inputs {
                Some(inputs) => (Some(inputs * u64::from(share) / u64::from(all.max(1)) / parts + 1), None),
                None => (None, Some(part * Duration::from_secs(arguments.seconds).as_secs_f64())),
            };
            jobs.push_back(Job { target, first, inputs, seconds });
        }
    }
    jobs
}

/// Has a process do a part, and watches over it: how many inputs, and how many of them were accepted.
fn process(job: &Job, seed: u64) -> anyhow::Result<(u64, u64)> {
    let folder = tempfile::tempdir()?;
    let progress = folder.path().join("progress");
    std::fs::write(&progress, job.first.to_string())?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["fuzz-worker", "--target", job.target]);
    command.args(["--seed", &seed.to_string(), "--first", &job.first.to_string()]);
    command.arg("--progress").arg(&progress);
    if let Some(inputs) = job.inputs {
        command.args(["--inputs", &inputs.to_string()]);
    }
    if let Some(seconds) = job.seconds {
        command.args(["--seconds", &seconds.to_string()]);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().context("a process did not start")?;
    let (mut at, mut since) = (String::new(), Instant::now());
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
        let now = std::fs::read_to_string(&progress).unwrap_or_default();
        if now != at {
            (at, since) = (now, Instant::now());
        } else if since.elapsed() > SILENT {
            child.kill()?;
            child.wait()?;
            bail!("no sign of life; {}", again(job.target, seed, &at));
        }
    };
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut said)?;
    }
    let at = std::fs::read_to_string(&progress).unwrap_or_default();
    if !status.success() {
        bail!("{status}; {said}{}", again(job.target, seed, &at));
    }
    let mut counts = said.split_whitespace().map(str::parse::<u64>);
    let mut next = || counts.next().context("a process that says nothing")?.context("a count");
    Ok((next()?, next()?))
}

/// How to see it again.
fn again(target: &str, seed: u64, first: &str) -> String {
    format!(
        "again: cargo xtask fuzz-worker --target {target} --seed {seed} --first {first} --inputs {}",
        worker::BATCH
    )
}

/// Does a part of a run, in this process.
pub(crate) fn work(arguments: &WorkerArguments) -> anyhow::Result<()> {
    worker::work(arguments)
}

#[cfg(test)]
mod tests {
    use super::{corpus::Corpus, targets, worker};

    /// Inputs of each target in the ordinary suite.
    const SOME: u64 = 300;

    #[test]
    fn some_hostile_inputs_of_every_target_are_read_or_refused() {
        for (name, _) in targets::NAMES {
            let mut target = targets::open(name).unwrap();
            let corpus = target.corpus().unwrap();
            let mut accepted = 0;
            // Of this one each input is many requests.
            let some = if name == "apis" { SOME / 50 } else { SOME };
            for number in 0..some {
                accepted +=
                    u64::from(target.run(&target.input(&corpus, &mut worker::random(name, 1, number))));
            }
            // A signature that is changed is none.
            assert!(accepted > 0 || name == "signatures", "{name}: not one is accepted");
        }
    }

    #[test]
    fn the_corpus_itself_is_accepted() {
        for (name, _) in targets::NAMES {
            let mut target = targets::open(name).unwrap();
            let Corpus { items, .. } = target.corpus().unwrap();
            let accepted = items.iter().filter(|item| target.run(item)).count();
            assert!(items.is_empty() || accepted * 20 > items.len(), "{name}: {accepted} of {}", items.len());
        }
    }

    #[test]
    fn an_input_is_the_same_each_time() {
        let target = targets::open("hocon").unwrap();
        let corpus = target.corpus().unwrap();
        let input = |number| target.input(&corpus, &mut worker::random("hocon", 7, number));
        assert_eq!(input(3), input(3));
        assert_ne!(input(3), input(4));
    }
}
