//! The workspace checks and measures itself: `cargo xtask <task>`.
//!
//! Not a place for anything that an operator needs: that is in the `cantle` binary.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of the workspace speaks to a terminal"
)]

mod arrows;
mod bench;
#[cfg(test)]
mod config_fields;
mod fuzz;
#[cfg(test)]
mod points;

use clap::{Parser, Subcommand};

/// As in the `cantle` binary, so that what is measured in here is what runs there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Checks and measurements of the workspace")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Fails when a crate depends on one of ours that it may not see
    Arrows,
    /// Measures in release mode
    Bench {
        /// What is measured
        #[arg(value_enum, default_value_t)]
        subject: bench::Subject,
    },
    /// Gives hostile input to everything that reads what others wrote
    Fuzz(fuzz::FuzzArguments),
    /// A part of `fuzz`, or one of its inputs again
    #[command(hide = true)]
    FuzzWorker(fuzz::WorkerArguments),
    /// What `bench` runs once all is built
    #[command(hide = true)]
    Measure {
        /// What is measured
        #[arg(value_enum)]
        subject: bench::Subject,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Arrows => arrows::check(),
        Task::Bench { subject } => bench::run(subject),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::FuzzWorker(arguments) => fuzz::work(&arguments),
        Task::Measure { subject } => bench::measure(subject),
    }
}
