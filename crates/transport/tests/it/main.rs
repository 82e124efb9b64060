//! Servers and clients over loopback, with certificates of authorities made for the test.
#![expect(clippy::unwrap_used, reason = "what a test sets up must be there")]

mod authority;
mod plain;
mod tls;

use std::time::Duration;

use cantle_transport::{
    ClientTls, ClientTlsOptions, Listener, ServerSettings, ServerTls, Trust, connect, endpoint, server,
};
use tokio::sync::oneshot;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

/// How long anything may take before the test fails; nothing waits for it when all is well.
const SOON: Duration = Duration::from_secs(30);

/// A running server with the health service, stopped when dropped.
struct Running {
    port: u16,
    _stop: oneshot::Sender<()>,
}

async fn serve(tls: Option<ServerTls>) -> Running {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.address().port();
    let (stop, stopped) = oneshot::channel::<()>();
    let (_reporter, health) = tonic_health::server::health_reporter();
    let served = server(&ServerSettings::default(), "node").add_service(health).serve_with_incoming_shutdown(
        listener.incoming(tls),
        async {
            let _ = stopped.await;
        },
    );
    tokio::spawn(served);
    Running { port, _stop: stop }
}

/// Calls the server once.
async fn call(host: &str, port: u16, tls: Option<&ClientTls>) -> Result<(), String> {
    let endpoint = endpoint(host, port, tls, None).unwrap();
    let asked = tokio::time::timeout(SOON, async {
        let channel = connect(&endpoint, tls).await.map_err(|error| text(&error))?;
        let request = HealthCheckRequest { service: String::new() };
        HealthClient::new(channel).check(request).await.map_err(|status| text(&status))
    });
    asked.await.expect("an answer or a refusal in time").map(drop)
}

/// An error with its causes.
fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn client(trust: Trust) -> ClientTls {
    ClientTls::new(&ClientTlsOptions { trust, identity: None }).unwrap()
}
