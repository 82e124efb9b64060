//! The cantle binary: commands, logging and exit statuses.
//!
//! Results go to stdout, logs and progress to stderr. Exit status: 0 done; 1 it failed while running; 2 the command
//! line or the configuration is wrong.

mod cli;
mod commands;
mod core_dumps;
mod failure;
mod logging;
mod output;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::{cli::Cli, failure::Failure};

/// Requests come from all threads and most of what they need lives as briefly as they do: with the system's allocator a
/// ping costs a fifth more, and the memory of a busy hour is not given back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let written = || match output::failure() {
        None => Ok(()),
        Some(reason) => Err(Failure::running(anyhow::anyhow!("the result could not be written: {reason}"))),
    };
    match run(&cli).and_then(|()| written()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit_code()
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let global = cli.global();
    let level = logging::start(&global).map_err(Failure::usage)?;
    core_dumps::forbid();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("cantle")
        .build()
        .map_err(Failure::running)?;
    let result = runtime.block_on(commands::run(&cli.command, global, level));
    // A console's thread may wait for input that never comes; the process ends without it.
    runtime.shutdown_background();
    result
}
