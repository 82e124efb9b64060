//! `cantle migrate`: moves a stopped node's keys into AWS KMS, or back out of an export file.

mod report;

use std::path::Path;

use cantle_node::{
    Ed25519Keys, Exported, FromKms, KmsMetadata, MigrateError, OpenedToKms, RotatedKey, ToKms, ToKmsWork,
    read_export, write_export,
};
use zeroize::Zeroizing;

use crate::{
    cli::{FromKms as FromKmsArguments, Global, Migrate, MigrateTo, ToKms as ToKmsArguments},
    commands::{check, confirm::confirmed, passphrase},
    failure::Failure,
    output::{say, tell},
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
    let look = ToKmsWork::Look;
    let opened =
        ToKms::open(&config, &arguments.node, &global.data_dir(), None, look, ed25519(arguments)).await;
    let node = match opened.map_err(failed)? {
        OpenedToKms::ToMove(node) => node,
        OpenedToKms::Moved(node) => {
            node.close().await;
            return already(&arguments.node, &[]);
        }
    };
    let plan = report::Plan::of(&node);
    if global.json {
        say!("{}", plan.json());
    } else {
        say!("{plan}");
    }
    let checked = node.check();
    node.close().await;
    checked.map_err(failed)
}

fn ed25519(arguments: &ToKmsArguments) -> Ed25519Keys {
    if arguments.rotate_ed25519 { Ed25519Keys::Replaced } else { Ed25519Keys::Imported }
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
    let work = if arguments.prepare { ToKmsWork::Prepare(export) } else { ToKmsWork::Move(export) };
    let opened =
        ToKms::open(&config, &arguments.node, &global.data_dir(), None, work, ed25519(arguments)).await;
    let node = match opened.map_err(failed)? {
        OpenedToKms::ToMove(node) => node,
        OpenedToKms::Moved(node) => {
            let rotated =
                if arguments.prepare { Ok(Vec::new()) } else { node.finish(export, &passphrase).await };
            node.close().await;
            return already(&arguments.node, &rotated.map_err(failed)?);
        }
    };
    let done = async {
        node.check()?;
        let moved = export_and_import(&node, export, passphrase).await?;
        if arguments.prepare {
            return Ok(report::prepared(&node, export));
        }
        if !confirmed(
            arguments.yes,
            &format!("switch {} to these KMS keys and erase its private keys", node.node),
        ) {
            return Ok(report::not_confirmed(&node));
        }
        node.switch(&moved).await?;
        tell!("switched: {} has its keys in the KMS", node.node);
        let rotated = node.rotate(export).await?;
        Ok(report::moved(&node, &moved, &rotated, export))
    };
    let text: Result<String, MigrateError> = done.await;
    node.close().await;
    say!("{}", text.map_err(failed)?);
    Ok(())
}

/// Writes the export file, then imports; both at once where an earlier attempt has written the file, which is only opened
/// and compared then.
async fn export_and_import(
    node: &ToKms,
    export: &Path,
    passphrase: Zeroizing<String>,
) -> Result<Vec<KmsMetadata>, MigrateError> {
    let archive = node.archive().await?;
    let path = export.to_owned();
    let exists = export.exists();
    // The passphrase costs most of a second of CPU.
    let exporting =
        tokio::task::spawn_blocking(move || write_export(&path, &passphrase, &archive).map_err(Box::new));
    let exporting = async {
        let exported = match exporting.await {
            Ok(exported) => exported.map_err(|error| *error)?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        tell!("exported: {} ({exported}), opened and compared", export.display());
        Ok::<Exported, MigrateError>(exported)
    };
    let importing = async {
        node.import(&|key, step, kms_key| {
            tell!("{step}: {} {} KMS key {kms_key}", report::shown(&key.name), key.fingerprint);
        })
        .await
    };
    if exists {
        return Ok(tokio::try_join!(exporting, importing)?.1);
    }
    exporting.await?;
    importing.await
}

async fn from_kms(arguments: &FromKmsArguments, global: &Global) -> Result<(), Failure> {
    let config = check::load(global)?;
    let passphrase = passphrase::read(arguments.passphrase_file.as_deref(), passphrase::Asked::Once)?;
    let export = &arguments.export;
    let archive = read_export(export, &passphrase).map_err(failed)?;
    let opened = FromKms::open(&config, &arguments.node, &global.data_dir()).await.map_err(failed)?;
    let Some(node) = opened else {
        say!("{}: its keys are in its database already; nothing was changed", arguments.node);
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
    say!("{}", text.map_err(failed)?);
    Ok(())
}

fn already(node: &str, rotated: &[RotatedKey]) -> Result<(), Failure> {
    say!("{node}: its keys are in the KMS already; nothing that moved there is left in its database");
    say!("{}", report::rotations(node, rotated).trim_end());
    Ok(())
}

/// Whether to go on: said beforehand, or asked on a terminal.
fn failed(error: MigrateError) -> Failure {
    match error {
        MigrateError::UnknownNode(_) | MigrateError::Configuration { .. } => Failure::usage(error),
        error => Failure::running(error),
    }
}
