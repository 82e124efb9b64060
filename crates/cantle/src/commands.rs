//! One file a command.

mod backup;
mod check;
mod confirm;
mod console;
mod daemon;
mod demo;
mod doctor;
mod generate;
mod iam_policy;
mod keys;
mod kms_server;
mod migrate;
mod nodes;
mod passphrase;
mod playground;
mod remote;
mod sandbox;
mod settings;
mod status;
mod topology;

use clap::CommandFactory;

use crate::{
    cli::{Cli, Command, Generated, Global},
    failure::Failure,
    logging::LevelControl,
};

/// Runs a command to its end.
pub(crate) async fn run(command: &Command, global: Global, level: LevelControl) -> Result<(), Failure> {
    match command {
        Command::Demo(_) => demo::run(&global, level).await,
        Command::Sandbox(with) => sandbox::run(&with.own, &global, level).await,
        Command::Daemon(with) => daemon::run(&with.own, &global, level).await,
        Command::Console(with) => console::interactive(&with.own, &global, level).await,
        Command::Run(with) => console::script(&with.own, &global, level).await,
        Command::Check(with) => check::run(&with.own, &global),
        Command::Doctor(with) => doctor::run(&with.own, &global).await,
        Command::IamPolicy(with) => iam_policy::run(&with.own, &global).await,
        Command::Generate(with) => match &with.own.what {
            Generated::RemoteConfig => generate::remote_config(std::path::Path::new("."), &global),
        },
        Command::Keys(with) => keys::run(&with.own, &global).await,
        Command::Migrate(migrate) => migrate::run(migrate, &global).await,
        Command::Backup(with) => backup::back_up(&with.own, &global).await,
        Command::Restore(with) => backup::restore(&with.own, &global).await,
        Command::Topology(topology) => topology::run(topology, &global).await,
        Command::Status(with) => status::run(&with.own, &global).await,
        Command::KmsServer(with) => kms_server::run(&with.own).await,
        Command::Completions(with) => {
            clap_complete::generate(with.own.shell, &mut Cli::command(), "cantle", &mut std::io::stdout());
            Ok(())
        }
    }
}
