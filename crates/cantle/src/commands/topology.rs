//! `cantle topology`: topology transactions that are signed away from the node.

use std::path::Path;

use cantle_crypto::{PublicKey, SigningPublicKey};
use cantle_node::{
    OfflineError, OfflineKey, OfflineMapping, Prepared, check_new, read_public_key, read_signature, write_new,
};
use cantle_types::KeyPurpose;

use super::{check, confirm::confirmed, passphrase};
use crate::{
    cli::{
        Global,
        topology::{Assemble, Into, Sign, Topology, TopologyStep, What},
    },
    failure::Failure,
    output::say,
};

pub(crate) async fn run(topology: &Topology, global: &Global) -> Result<(), Failure> {
    match &topology.step {
        TopologyStep::Prepare(with) => prepare(&with.own.what),
        TopologyStep::Show(with) => show(&with.own.transaction),
        TopologyStep::Sign(with) => sign(&with.own, global).await,
        TopologyStep::Assemble(with) => assemble(&with.own),
    }
}

fn prepare(what: &What) -> Result<(), Failure> {
    let (prepared, into) = prepared(what).map_err(Failure::running)?;
    let Into { out, message_out, .. } = into;
    if message_out.as_ref() == Some(out) {
        return Err(Failure::Usage("error: --out and --message-out are the same file".to_owned()));
    }
    message_out.as_ref().map_or(Ok(()), |out| check_new(out)).map_err(Failure::running)?;
    write_new(out, prepared.bytes()).map_err(Failure::running)?;
    if let Some(message_out) = message_out {
        write_new(message_out, &prepared.message()).map_err(Failure::running)?;
    }
    say!("{}\nprepared: {}", prepared.words(), out.display());
    Ok(())
}

fn prepared(what: &What) -> Result<(Prepared, &Into), OfflineError> {
    let (mapping, into) = match what {
        What::NamespaceDelegation { namespace, key, root_delegation, into } => {
            let key = signing_key(key)?;
            let own = || key.fingerprint().clone().into();
            let namespace = namespace.clone().unwrap_or_else(own);
            // The root certificate of a namespace is one by its nature.
            let root_delegation = *root_delegation || namespace.fingerprint() == key.fingerprint();
            (OfflineMapping::NamespaceDelegation { namespace, key, root_delegation }, into)
        }
        What::IdentifierDelegation { identifier, key, into } => {
            let (identifier, key) = (identifier.clone(), signing_key(key)?);
            (OfflineMapping::IdentifierDelegation { identifier, key }, into)
        }
        What::OwnerToKey { owner, key, purpose, into } => {
            let (owner, key) = (owner.clone(), read_public_key(key, *purpose)?);
            (OfflineMapping::OwnerToKey { owner, key }, into)
        }
        What::PartyToParticipant { party, participant, side, permission, into } => {
            let (party, participant) = (party.clone(), participant.clone());
            let (side, permission) = (*side, *permission);
            (OfflineMapping::PartyToParticipant { side, party, participant, permission }, into)
        }
        What::ParticipantState { domain, participant, side, permission, trust_level, into } => {
            let mapping = OfflineMapping::ParticipantState {
                side: *side,
                domain: domain.clone(),
                participant: participant.clone(),
                permission: *permission,
                trust_level: *trust_level,
            };
            (mapping, into)
        }
        What::MediatorState { domain, mediator, side, into } => {
            let (domain, mediator) = (domain.clone(), mediator.clone());
            (OfflineMapping::MediatorState { side: *side, domain, mediator }, into)
        }
        What::Removal { of, into } => {
            return Ok((Prepared::read(of)?.reverse()?.at_version(into.protocol_version)?, into));
        }
        What::Conversion { of, into } => {
            return Ok((Prepared::read(of)?.at_version(into.protocol_version)?, into));
        }
    };
    Ok((mapping.prepare(into.protocol_version)?, into))
}

fn signing_key(path: &Path) -> Result<SigningPublicKey, OfflineError> {
    match read_public_key(path, Some(KeyPurpose::Signing))? {
        PublicKey::Signing(key) => Ok(key),
        PublicKey::Encryption(_) => unreachable!("the purpose was signing"),
    }
}

fn show(path: &Path) -> Result<(), Failure> {
    say!("{}", Prepared::read(path).map_err(Failure::running)?.words());
    Ok(())
}

async fn sign(arguments: &Sign, global: &Global) -> Result<(), Failure> {
    let transaction = Prepared::read(&arguments.transaction).map_err(Failure::running)?;
    let outputs = [Some(&arguments.out), arguments.key_out.as_ref()];
    outputs.into_iter().flatten().try_for_each(|out| check_new(out)).map_err(Failure::running)?;
    if arguments.key_out.as_ref() == Some(&arguments.out) {
        return Err(Failure::Usage("error: --out and --key-out are the same file".to_owned()));
    }
    let key = key(arguments, &transaction, global).await?;
    let public = key.public();
    say!("{}", transaction.words());
    say!("with key: {} ({})", public.fingerprint(), public.scheme().name());
    if !transaction.is_of_namespace(public.fingerprint()) {
        say!("          it is not the namespace's own: it must have a delegation where this is to be used");
    }
    if !confirmed(arguments.yes, "sign this") {
        return Err(Failure::Usage("error: not signed: it was not confirmed".to_owned()));
    }
    let signature = key.sign(&transaction).await.map_err(Failure::running)?;
    write_new(&arguments.out, &signature.to_versioned_bytes()).map_err(Failure::running)?;
    if let Some(key_out) = &arguments.key_out {
        write_new(key_out, &public.to_versioned_bytes()).map_err(Failure::running)?;
    }
    say!("signed:   {}", arguments.out.display());
    Ok(())
}

async fn key(arguments: &Sign, transaction: &Prepared, global: &Global) -> Result<OfflineKey, Failure> {
    if let (Some(kms_key), Some(node)) = (&arguments.kms_key, &arguments.node) {
        let config = check::load(global)?;
        return OfflineKey::in_kms(&config, node, kms_key).await.map_err(Failure::running);
    }
    let Some(file) = &arguments.key_file else {
        return Err(Failure::Usage("error: --key-file FILE or --kms-key KEY is needed".to_owned()));
    };
    let passphrase = if OfflineKey::needs_passphrase(file).map_err(Failure::running)? {
        Some(passphrase::read(arguments.passphrase_file.as_deref(), passphrase::Asked::Once)?)
    } else {
        None
    };
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_str());
    OfflineKey::in_file(file, passphrase, arguments.fingerprint.as_ref(), transaction)
        .map_err(Failure::running)
}

fn assemble(arguments: &Assemble) -> Result<(), Failure> {
    let signed = || {
        let transaction = Prepared::read(&arguments.transaction)?;
        let key = signing_key(&arguments.key)?;
        let signature = read_signature(&arguments.signature, &key)?;
        let bytes = transaction.assemble(&key, signature)?;
        write_new(&arguments.out, &bytes)?;
        Ok((transaction, key))
    };
    let (transaction, key) = signed().map_err(|error: OfflineError| Failure::running(error))?;
    say!("{}\nsigned by {} ({})", transaction.words(), key.fingerprint(), key.scheme().name());
    say!(
        "assembled: {}; load it with NODE.topology.load_transaction(utils.read_byte_string_from_file(\"{}\"))",
        arguments.out.display(),
        arguments.out.display()
    );
    Ok(())
}
