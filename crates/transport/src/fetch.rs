//! One document over HTTP or HTTPS, read to its end under a limit. No redirections, no second try.

use std::time::Duration;

use http::{Request, Uri, header::HOST};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::ClientTls;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a document could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A URL that is none of HTTP or HTTPS with a host.
    #[error("{uri} is no URL that begins with http:// or https:// and has a host")]
    Url {
        /// The URL.
        uri: Uri,
    },
    /// The server cannot be reached, or does not answer as HTTP has it.
    #[error("{uri} cannot be read")]
    Unreachable {
        /// The URL.
        uri: Uri,
        /// What went wrong.
        #[source]
        source: Cause,
    },
    /// The server refused.
    #[error("{uri} answered {status}")]
    Refused {
        /// The URL.
        uri: Uri,
        /// The status of the answer.
        status: u16,
    },
    /// The document is longer than is wanted.
    #[error("{uri} has more than {longest} bytes")]
    TooLong {
        /// The URL.
        uri: Uri,
        /// As many bytes are read.
        longest: usize,
    },
    /// It took too long.
    #[error("{uri} was not read within {} s", within.as_secs())]
    Late {
        /// The URL.
        uri: Uri,
        /// As long was waited.
        within: Duration,
    },
}

/// Reads the document behind a URL: at most `longest` bytes, in at most the time given.
///
/// # Errors
/// [`FetchError`].
pub async fn fetch(
    uri: &Uri,
    tls: &ClientTls,
    longest: usize,
    within: Duration,
) -> Result<Vec<u8>, FetchError> {
    tokio::time::timeout(within, read(uri, tls, longest))
        .await
        .unwrap_or_else(|_| Err(FetchError::Late { uri: uri.clone(), within }))
}

async fn read(uri: &Uri, tls: &ClientTls, longest: usize) -> Result<Vec<u8>, FetchError> {
    let wrong = || FetchError::Url { uri: uri.clone() };
    let unreachable = |source: Cause| FetchError::Unreachable { uri: uri.clone(), source };
    let (is_secure, default_port) = match uri.scheme_str() {
        Some("http") => (false, 80),
        Some("https") => (true, 443),
        _ => return Err(wrong()),
    };
    let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(default_port);
    let stream =
        TcpStream::connect((host.as_str(), port)).await.map_err(|source| unreachable(source.into()))?;
    if !is_secure {
        return exchange(uri, stream, longest).await;
    }
    let mut config = (*tls.0).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(host).map_err(|_| wrong())?;
    let stream = TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream).await;
    exchange(uri, stream.map_err(|source| unreachable(source.into()))?, longest).await
}

async fn exchange<S>(uri: &Uri, stream: S, longest: usize) -> Result<Vec<u8>, FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let unreachable = |source: Cause| FetchError::Unreachable { uri: uri.clone(), source };
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|source| unreachable(source.into()))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let request = Request::get(path)
        .header(HOST, authority)
        .body(Empty::<hyper::body::Bytes>::new())
        .map_err(|source| unreachable(source.into()))?;
    let answered = async {
        let answer = sender.send_request(request).await.map_err(|source| unreachable(source.into()))?;
        if !answer.status().is_success() {
            return Err(FetchError::Refused { uri: uri.clone(), status: answer.status().as_u16() });
        }
        let body = Limited::new(answer.into_body(), longest).collect().await;
        match body {
            Ok(body) => Ok(body.to_bytes().to_vec()),
            Err(source) if source.is::<LengthLimitError>() => {
                Err(FetchError::TooLong { uri: uri.clone(), longest })
            }
            Err(source) => Err(unreachable(source)),
        }
    };
    let mut answered = std::pin::pin!(answered);
    // The connection works only while it is polled; its own end is told by the answer.
    tokio::select! {
        answer = &mut answered => answer,
        _ = connection => answered.await,
    }
}
