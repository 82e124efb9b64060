//! `cantle migrate`: moves a stopped node's keys into AWS KMS, or back out of an export file.

mod passphrase;
mod report;

use std::io::{IsTerminal, Write};

use cantle_node::{Access, FromKms, MigrateError, ToKms, read_export, write_export};

use crate::{
    cli::{FromKms as FromKmsArguments, Global, Migrate, MigrateTo, ToKms as ToKmsArguments},
    commands::check,
    failure::Failure,
};

pub(crate) async fn run(migrate: &Migrate, global: &Global) -> Result<(), Failure> {
    match &migrate.to {
        MigrateTo::ToKms(with) if with.own.dry_run => dry_run(&with.own, global).await,
        MigrateTo::ToKms(with) => to_kms(&with.own, global).await,
        MigrateTo::FromKms(with) => from_kms(&with.own, global).await,
    }
}

async fn dry_run(arguments: &ToKmsArguments, global: &Global) -> Result<(), Failure> {
    let config = check::load(global)?;
    let opened = ToKms::open(&config, &arguments.node, &global.data_dir(), None, Access::ReadOnly).await;
    let Some(node) = opened.map_err(failed)? else { return already(&arguments.node) };
    let plan = report::Plan::of(&node);
    if global.json {
        println!("{}", plan.json());
    } else {
        println!("{plan}");
    }
    let checked = node.check();
    node.close().await;
    checked.map_err(failed)
}

async fn to_kms(arguments: &ToKmsArguments, global: &Global) -> Result<(), Failure> {
    let config = check::load(global)?;
    let Some(export) = &arguments.export else {
        return Err(Failure::Usage(
            "error: --export FILE is needed: the private keys are kept there, encrypted, before they are erased"
                .to_owned(),
        ));
    };
    let passphrase = passphrase::read(arguments.passphrase_file.as_deref(), passphrase::Asked::Twice)?;
    let opened = ToKms::open(&config, &arguments.node, &global.data_dir(), None, Access::ReadWrite).await;
    let Some(node) = opened.map_err(failed)? else { return already(&arguments.node) };
    let done = async {
        node.check()?;
        let exported = write_export(export, &passphrase, &node.archive().await?)?;
        eprintln!("exported: {} ({exported}), opened and compared", export.display());
        let moved = node
            .import(&|key, step, kms_key| {
                eprintln!("{step}: {} {} KMS key {kms_key}", report::shown(&key.name), key.fingerprint);
            })
            .await?;
        if !confirmed(
            arguments.yes,
            &format!("switch {} to these KMS keys and erase its private keys", node.node),
        ) {
            return Ok(None);
        }
        node.switch(&moved).await?;
        Ok(Some(moved))
    };
    let done: Result<_, MigrateError> = done.await;
    let text = done.map(|moved| report::moved(&node, moved.as_deref(), export));
    node.close().await;
    println!("{}", text.map_err(failed)?);
    Ok(())
}

async fn from_kms(arguments: &FromKmsArguments, global: &Global) -> Result<(), Failure> {
    let config = check::load(global)?;
    let passphrase = passphrase::read(arguments.passphrase_file.as_deref(), passphrase::Asked::Once)?;
    let export = &arguments.export;
    let archive = read_export(export, &passphrase).map_err(failed)?;
    let opened = FromKms::open(&config, &arguments.node, &global.data_dir()).await.map_err(failed)?;
    let Some(node) = opened else {
        println!("{}: its keys are in its database already; nothing was changed", arguments.node);
        return Ok(());
    };
    let done = async {
        let keys = node.restorable(export, &archive).await?;
        if !confirmed(
            arguments.yes,
            &format!("switch {} to the private keys in {}", node.node, export.display()),
        ) {
            return Ok(None);
        }
        node.switch(&keys).await?;
        Ok(Some(keys.len()))
    };
    let done: Result<_, MigrateError> = done.await;
    let text = done.map(|restored| report::restored(&node, restored));
    node.close().await;
    println!("{}", text.map_err(failed)?);
    Ok(())
}

fn already(node: &str) -> Result<(), Failure> {
    println!("{node}: its keys are in the KMS already; no private key is left in its database");
    Ok(())
}

/// Whether to go on: said beforehand, or asked on a terminal.
fn confirmed(yes: bool, what: &str) -> bool {
    if yes {
        return true;
    }
    if !std::io::stdin().is_terminal() {
        eprintln!("not confirmed: add --yes to {what}");
        return false;
    }
    eprint!("{what}? Type yes: ");
    let mut answer = String::new();
    let asked = std::io::stderr().flush().and_then(|()| std::io::stdin().read_line(&mut answer));
    asked.is_ok() && answer.trim() == "yes"
}

fn failed(error: MigrateError) -> Failure {
    match error {
        MigrateError::UnknownNode { .. } | MigrateError::Configuration { .. } => Failure::usage(error),
        error => Failure::running(error),
    }
}
