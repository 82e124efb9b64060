//! A line to the server that can be cut at the worst moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes connections on to a server, unencrypted.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    cut_at_commit: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut_at_commit = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&cut_at_commit);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, SocketAddr::from(([127, 0, 0, 1], server)), Arc::clone(&cut)));
            }
        });
        Self { port, cut_at_commit }
    }

    /// Of the next commit, the server gets the request and the client no answer.
    pub(crate) fn cut_at_commit(&self) {
        self.cut_at_commit.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_cut(&self) -> bool {
        !self.cut_at_commit.load(Ordering::SeqCst)
    }
}

async fn pass_on(mut client: TcpStream, server: SocketAddr, cut: Arc<AtomicBool>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let (mut request, mut answer) = (vec![0; 65536], vec![0; 65536]);
    let mut committing = false;
    loop {
        tokio::select! {
            read = client.read(&mut request) => match read {
                Ok(length @ 1..) => {
                    let commit = request[..length].windows(6).any(|window| window == b"COMMIT");
                    committing = commit && cut.load(Ordering::SeqCst);
                    if server.write_all(&request[..length]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
            read = server.read(&mut answer) => match read {
                Ok(1..) if committing => {
                    cut.store(false, Ordering::SeqCst);
                    return;
                }
                Ok(length @ 1..) => {
                    if client.write_all(&answer[..length]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}
