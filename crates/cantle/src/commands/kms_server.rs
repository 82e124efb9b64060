//! `cantle kms-server`: AWS KMS on loopback until stopped.

use cantle_kms_server::{Authentication, Credentials, RateLimits, Server, ServerOptions, StartError};

use crate::{
    cli::{KmsServer, RateLimits as Limits},
    failure::Failure,
    output::tell,
    signals::Stop,
};

pub(crate) async fn run(arguments: &KmsServer) -> Result<(), Failure> {
    let mut stop = Stop::listen().map_err(Failure::running)?;
    let server = Server::start(options(arguments)?).await.map_err(failure)?;
    tell!("ready: kms-server {}", server.endpoint());
    stop.requested().await;
    server.shutdown().await;
    Ok(())
}

/// What the operator wrote is wrong, or the machine does not let it run.
fn failure(error: StartError) -> Failure {
    match error {
        StartError::Faults(_) | StartError::Account { .. } | StartError::NoCallers => Failure::usage(error),
        error => Failure::running(error),
    }
}

fn options(arguments: &KmsServer) -> Result<ServerOptions, Failure> {
    let mut options = ServerOptions::default();
    options.address = arguments.address;
    options.data.clone_from(&arguments.data);
    options.region.clone_from(&arguments.region);
    options.account.clone_from(&arguments.account);
    if let Some(file) = &arguments.credentials {
        options.credentials = Credentials::from_file(file).map_err(Failure::usage)?;
    }
    if arguments.no_auth {
        options.auth = Authentication::None;
    }
    options.latency = arguments.latency.unwrap_or_default();
    options.rate_limits = match arguments.rate_limits {
        Limits::Aws => RateLimits::Aws,
        Limits::Off => RateLimits::Off,
    };
    options.faults.clone_from(&arguments.faults);
    options.audit.clone_from(&arguments.audit);
    options.replication_delay = arguments.replication_delay.unwrap_or_default();
    Ok(options)
}
