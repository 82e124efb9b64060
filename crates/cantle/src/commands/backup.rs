//! `cantle backup` and `cantle restore`.

use cantle_node::{BackedUp, BackupError, RestoreOptions, Restored};
use serde_json::json;

use crate::{
    cli::{Backup, Global, Restore},
    commands::check,
    failure::Failure,
    output::say,
};

pub(crate) async fn back_up(arguments: &Backup, global: &Global) -> Result<(), Failure> {
    let config = check::load(global)?;
    let made = cantle_node::back_up(&config, &arguments.node, &global.data_dir(), &arguments.out).await;
    let made = made.map_err(failed)?;
    let BackedUp { node, uid, clear_private_keys, wrapped_private_keys, kms_keys, size } = &made;
    if global.json {
        say!(
            "{}",
            json!({
                "node": node.to_string(), "uid": uid, "file": arguments.out, "size": size, "kms_keys": kms_keys,
                "clear_private_keys": clear_private_keys, "wrapped_private_keys": wrapped_private_keys,
            })
        );
        return Ok(());
    }
    say!("backed up: {node}{} to {} ({size} bytes)", shown(uid.as_deref()), arguments.out.display());
    if *kms_keys > 0 {
        say!("           {kms_keys} keys are in the KMS, and not in the backup: it is of use only with them");
    }
    if *wrapped_private_keys > 0 {
        say!("           {wrapped_private_keys} private keys are in it, encrypted by the wrapper key");
    }
    if *clear_private_keys > 0 {
        say!("           {clear_private_keys} private keys are in it, in clear: whoever has it is the node");
    }
    Ok(())
}

pub(crate) async fn restore(arguments: &Restore, global: &Global) -> Result<(), Failure> {
    let config = check::load(global)?;
    let aside = jiff::Timestamp::now().strftime(".before-%Y%m%dT%H%M%S%.3fZ").to_string();
    let options = RestoreOptions {
        aside: arguments.replace.then_some(aside.as_str()),
        whole_domain: arguments.whole_domain,
    };
    let data = global.data_dir();
    let restored =
        cantle_node::restore(&config, &arguments.node, &data, &arguments.backup, options, None).await;
    let Restored { node, uid, aside, strays } = restored.map_err(failed)?;
    if global.json {
        let found = strays.iter().flat_map(|strays| &strays.found);
        let found: Vec<_> =
            found.map(|key| json!({ "kms_key_id": key.key.to_string(), "purpose": key.purpose })).collect();
        let unseen = strays.as_ref().map(|strays| strays.unseen).ok();
        say!(
            "{}",
            json!({
                "node": node.to_string(), "uid": uid, "file": arguments.backup, "aside": aside,
                "kms_keys_not_in_backup": found, "kms_keys_unseen": unseen, "kms_keys_unknown": strays.err(),
            })
        );
        return Ok(());
    }
    say!("restored: {node}{} from {}", shown(uid.as_deref()), arguments.backup.display());
    if let Some(aside) = aside {
        say!("          the database that was there is {}", aside.display());
    }
    match strays {
        Ok(strays) => {
            for stray in &strays.found {
                say!(
                    "          KMS key {} was made for {} as {} key and is not in the backup; register it, or end it",
                    stray.key,
                    node.name,
                    stray.purpose
                );
            }
            if strays.unseen > 0 {
                say!(
                    "          the tags of {} KMS keys or more cannot be read: keys that are missing may be among them",
                    strays.unseen
                );
            }
        }
        Err(reason) => {
            say!(
                "          whether the KMS has keys of this node that are not in the backup is not known: {reason}"
            );
        }
    }
    Ok(())
}

fn shown(uid: Option<&str>) -> String {
    uid.map(|uid| format!(", {uid},")).unwrap_or_default()
}

fn failed(error: BackupError) -> Failure {
    match error {
        BackupError::UnknownNode(_) => Failure::usage(error),
        error => Failure::running(error),
    }
}
