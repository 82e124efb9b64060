//! Bodies: requests read up to a bound and a deadline; answers sent at once or, for a fault, in pieces.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

/// The longest body read. AWS's largest request (an import of 6 KiB, a policy of 32 KiB) is far below.
const MAX_BODY: usize = 1 << 20;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A body that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyRefusal {
    TooLarge,
    TooSlow,
    Broken,
}

/// Reads a request's body.
pub(crate) async fn read(body: Incoming) -> Result<Bytes, BodyRefusal> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(BodyRefusal::TooLarge);
    }
    let whole = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    match whole {
        Err(_) => Err(BodyRefusal::TooSlow),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(BodyRefusal::TooLarge),
        Ok(Err(_)) => Err(BodyRefusal::Broken),
    }
}

/// An answer's body.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(Full<Bytes>),
    Slow(Pieces),
    Half(Half),
}

/// The first half of a body whose length is told as the whole's; then the connection breaks.
#[derive(Debug)]
pub(crate) struct Half {
    first: Option<Bytes>,
    length: u64,
    /// Lets the first half leave before the end.
    sleep: Pin<Box<Sleep>>,
}

/// The connection breaks in the midst of an answer, as a fault asks.
#[derive(Debug, thiserror::Error)]
#[error("the answer ends in its midst as a fault asks")]
pub(crate) struct Broken;

/// How long the first half has to leave; it is on its way to a client of the same machine.
const FIRST_HALF: Duration = Duration::from_millis(5);

/// A body in pieces with pauses before each.
#[derive(Debug)]
pub(crate) struct Pieces {
    rest: Bytes,
    piece: usize,
    pause: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl Answer {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Full::new(bytes.into()))
    }

    pub(crate) fn half(bytes: impl Into<Bytes>) -> Self {
        let mut bytes: Bytes = bytes.into();
        let length = bytes.len() as u64;
        bytes.truncate(bytes.len() / 2);
        Self::Half(Half { first: Some(bytes), length, sleep: Box::pin(tokio::time::sleep(FIRST_HALF)) })
    }

    pub(crate) fn slow(bytes: impl Into<Bytes>, piece: usize, pause: Duration) -> Self {
        let sleep = Box::pin(tokio::time::sleep(pause));
        Self::Slow(Pieces { rest: bytes.into(), piece: piece.max(1), pause, sleep })
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(cx).map_err(|never| match never {}),
            Self::Half(half) => {
                if let Some(first) = half.first.take() {
                    half.sleep.as_mut().reset(tokio::time::Instant::now() + FIRST_HALF);
                    return Poll::Ready(Some(Ok(Frame::data(first))));
                }
                std::task::ready!(half.sleep.as_mut().poll(cx));
                Poll::Ready(Some(Err(Broken)))
            }
            Self::Slow(pieces) => {
                if pieces.rest.is_empty() {
                    return Poll::Ready(None);
                }
                std::task::ready!(pieces.sleep.as_mut().poll(cx));
                let next = tokio::time::Instant::now() + pieces.pause;
                pieces.sleep.as_mut().reset(next);
                let length = pieces.piece.min(pieces.rest.len());
                Poll::Ready(Some(Ok(Frame::data(pieces.rest.split_to(length)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Slow(pieces) => pieces.rest.is_empty(),
            Self::Half(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Slow(pieces) => SizeHint::with_exact(pieces.rest.len() as u64),
            Self::Half(half) => SizeHint::with_exact(half.length),
        }
    }
}
