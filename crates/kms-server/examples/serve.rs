//! Serves until it is stopped: `serve [ADDRESS [DATA [CREDENTIALS]]]`; `-` leaves one out.

use cantle_kms_server::{Credentials, Server, ServerOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| Some(argument).filter(|text| text != "-"));
    let mut options = ServerOptions::default();
    if let Some(address) = arguments.next().flatten() {
        options.address = address.parse()?;
    }
    options.data = arguments.next().flatten().map(Into::into);
    if let Some(file) = arguments.next().flatten() {
        options.credentials = Credentials::from_file(file)?;
    }
    let server = Server::start(options).await?;
    std::io::Write::write_all(&mut std::io::stdout(), format!("{}\n", server.endpoint()).as_bytes())?;
    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    Ok(())
}
