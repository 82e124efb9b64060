//! A port that is listened on, and the connections that come to it, each after its TLS handshake.
//!
//! Handshakes run side by side, so that a client which is slow, or says nothing, holds up nobody; each has a time limit,
//! and their number is bounded like that of the connections. Beyond the bounds new connections wait in the system's
//! backlog.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tracing::{debug, warn};

use crate::ServerTls;

/// A client has this long for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections of one listener where nobody says otherwise, those in their handshake among them.
const CONNECTIONS: usize = 4096;
/// Connections that the server has not taken up yet.
const WAITING: usize = 64;
/// The pause after the system had no connection to give, because files or memory are short.
const SHORTAGE: Duration = Duration::from_millis(100);

/// A bound port.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    connections: usize,
}

impl Listener {
    /// Binds the port; 0 lets the system choose.
    ///
    /// # Errors
    /// When the address is taken, or not this machine's.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        let address = tcp.local_addr()?;
        Ok(Self { tcp, address, connections: CONNECTIONS })
    }

    /// The same, with at most so many connections at once; without it 4096.
    #[must_use]
    pub fn at_most(self, connections: usize) -> Self {
        Self { connections: connections.min(Semaphore::MAX_PERMITS), ..self }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The connections that come, for a server. Dropping the stream frees the port.
    ///
    /// Must be called within a Tokio runtime.
    #[must_use]
    pub fn incoming(self, tls: Option<ServerTls>) -> Incoming {
        let (sender, connections) = mpsc::channel(WAITING);
        let acceptor = tls.map(|tls| TlsAcceptor::from(tls.0));
        let accepting = tokio::spawn(accept(self.tcp, acceptor, self.connections, sender));
        Incoming { connections, accepting }
    }
}

/// The connections that come to a [`Listener`].
#[derive(Debug)]
pub struct Incoming {
    connections: mpsc::Receiver<Connection>,
    accepting: JoinHandle<()>,
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections.poll_recv(context).map(|connection| connection.map(Ok))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Takes up connections until nobody wants them any more.
async fn accept(
    tcp: TcpListener,
    acceptor: Option<TlsAcceptor>,
    most: usize,
    connections: mpsc::Sender<Connection>,
) {
    let places = Arc::new(Semaphore::new(most));
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            () = connections.closed() => return,
        };
        // The semaphore is never closed.
        let Ok(place) = place else { return };
        let (stream, peer) = match tcp.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_connection(&error) => continue,
            Err(error) => {
                warn!("no connection can be taken up: {error}");
                tokio::time::sleep(SHORTAGE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, "the connection was gone at once: {error}");
            continue;
        }
        let info = TcpConnectInfo { local_addr: stream.local_addr().ok(), remote_addr: Some(peer) };
        match &acceptor {
            None => {
                let connection = Connection { stream: Transport::Plain(stream), info, _place: place };
                if connections.send(connection).await.is_err() {
                    return;
                }
            }
            Some(acceptor) => {
                tokio::spawn(shake_hands(acceptor.clone(), stream, info, place, connections.clone()));
            }
        }
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    info: TcpConnectInfo,
    place: OwnedSemaphorePermit,
    connections: mpsc::Sender<Connection>,
) {
    let peer = info.remote_addr;
    let shaken = tokio::select! {
        shaken = timeout(HANDSHAKE, acceptor.accept(stream)) => shaken,
        () = connections.closed() => return,
    };
    match shaken {
        Ok(Ok(stream)) => {
            let connection = Connection { stream: Transport::Tls(Box::new(stream)), info, _place: place };
            // The server stops: nobody is there for it.
            let _ = connections.send(connection).await;
        }
        Ok(Err(error)) => warn!(?peer, "a connection was refused, its TLS handshake failed: {error}"),
        Err(_) => debug!(?peer, "a connection was closed, its TLS handshake took too long"),
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A connection of a client, encrypted or not.
#[derive(Debug)]
pub struct Connection {
    stream: Transport,
    info: TcpConnectInfo,
    /// Its place among the connections of the listener, free again when it ends.
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
