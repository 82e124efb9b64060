//! Serves until it is stopped: `serve [ADDRESS [DATA]]`.

use cantle_kms_server::{Server, ServerOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut options = ServerOptions::default();
    if let Some(address) = arguments.next() {
        options.address = address.parse()?;
    }
    options.data = arguments.next().map(Into::into);
    let server = Server::start(options).await?;
    std::io::Write::write_all(&mut std::io::stdout(), format!("{}\n", server.endpoint()).as_bytes())?;
    tokio::signal::ctrl_c().await?;
    server.shutdown().await;
    Ok(())
}
