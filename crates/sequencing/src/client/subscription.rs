//! Following the events of one member, through lost connections, until told to stop.

use std::collections::VecDeque;
use std::time::Duration;

use cantle_protocol::SequencerCounter;
use cantle_store::{ClientCursor, StoreError};
use cantle_types::CantonTimestamp;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::checks::{Checks, KnownEvent, Signatures};
use super::error::ClientError;
use super::health::ConnectionState;
use super::opening::Opened;
use super::retry::{Lost, Retry};
use super::{Inner, MemberSide};
use crate::api::{Caller, ReceivedEvent};
use crate::connect;
use crate::error::{ApiError, chain};
use crate::handler::{Delivery, EventHandler};
use crate::time::{Observed, WantedTime};
use crate::topology::TopologyFeedError;

/// How far apart the events are of which the cursor may be stored while it is behind: as long as a request is open or a ping is
/// abandoned, all events since then are.
const STEP: i64 = 64;
/// The pauses while a store does not answer.
const STORE_PAUSE: Duration = Duration::from_millis(100);
const STORE_PAUSE_MAX: Duration = Duration::from_secs(5);
/// So many bytes of events are taken at once, and one event more.
const MAX_RECEIVED: usize = 4 * 1024 * 1024;
/// So many bytes of opened batches are handled at once, and one batch more.
const MAX_OPENED: usize = 16 * 1024 * 1024;

/// What comes of a subscription.
#[expect(clippy::large_enum_variant, reason = "almost every item is an event, and boxes would cost more")]
enum Item {
    /// The sequencer has opened it.
    Opened,
    Event(ReceivedEvent),
}

struct Subscription<'a> {
    client: &'a Inner,
    handler: &'a dyn EventHandler,
    stop: &'a CancellationToken,
    checks: Checks,
    /// The last event that was accepted.
    known: Option<KnownEvent>,
    /// The last event that was handled.
    handled: Option<SequencerCounter>,
    /// Events that were accepted after the one that is stored as clean: one of each [`STEP`], and the last.
    behind: VecDeque<KnownEvent>,
    /// When the cursor is to be stored.
    flush_at: Instant,
    retry: Retry,
    /// Whether it was asked whether all is here.
    asked: bool,
    /// The last change of the topology is to be seen taking effect, so that it is soon signed by.
    change: Option<WantedTime>,
}

/// Follows the events until `stop`.
pub(super) async fn follow(
    client: &Inner,
    handler: &dyn EventHandler,
    stop: &CancellationToken,
) -> Result<(), ClientError> {
    let mut subscription = Subscription::new(client, handler, stop);
    let result = tokio::select! {
        biased;
        result = subscription.handshake() => match result {
            Ok(()) => subscription.follow().await,
            Err(error) => Err(error),
        },
        () = stop.cancelled() => Ok(()),
    };
    subscription.flush().await;
    result
}

impl<'a> Subscription<'a> {
    fn new(client: &'a Inner, handler: &'a dyn EventHandler, stop: &'a CancellationToken) -> Self {
        let signatures = client.side.as_ref().map(|side| Signatures {
            sequencer: client.identity.sequencer.clone(),
            crypto: side.crypto.clone(),
            topology: side.topology.clone(),
        });
        Self {
            client,
            handler,
            stop,
            checks: Checks { domain: client.identity.domain.clone(), signatures },
            known: client.side.as_ref().and_then(|side| side.start.clone()),
            handled: None,
            behind: VecDeque::new(),
            flush_at: Instant::now() + client.options.cursor_interval,
            retry: Retry::new(client.options),
            asked: false,
            change: None,
        }
    }

    async fn handshake(&self) -> Result<(), ClientError> {
        let options = &self.client.options;
        let (retries, pause) = (options.handshake_retries, options.handshake_retry_delay);
        match connect::handshake(&*self.client.api, &self.client.versions, retries, pause).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let member = self.client.member.clone();
                Err(ClientError::Handshake { member, source: Box::new(error) })
            }
        }
    }

    async fn follow(&mut self) -> Result<(), ClientError> {
        loop {
            let lost = tokio::select! {
                caller = self.client.caller() => match caller {
                    Ok(caller) => match self.read(caller).await? {
                        Some(lost) => lost,
                        None => return Ok(()),
                    },
                    Err(error) => Lost::Authentication(error),
                },
                () = self.stop.cancelled() => return Ok(()),
            };
            let trouble = lost.trouble();
            let pause = self.retry.after(lost, &self.client.member)?;
            self.disconnected(trouble, pause);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Reads one subscription to its end; nothing if that was wanted.
    async fn read(&mut self, caller: Caller) -> Result<Option<Lost>, ClientError> {
        self.retry.begin();
        // What is known comes first again.
        let mut again = self.known.is_some();
        let mut items = self.subscribe(&caller).fuse();
        loop {
            let chunk = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(None),
                () = tokio::time::sleep_until(self.flush_at) => {
                    self.flush().await;
                    continue;
                }
                chunk = next_chunk(&mut items, self.client.options.max_events) => chunk,
            };
            if chunk.is_empty() {
                return Ok(Some(Lost::Closed));
            }
            if let Some(error) = self.take(chunk, &mut again).await? {
                if error.is_unauthenticated()
                    && let Some(side) = &self.client.side
                {
                    side.authenticator.invalidate(&caller);
                }
                return Ok(Some(Lost::Api(error)));
            }
        }
    }

    /// The events from the known one on. Opening is part of the stream, since a sequencer may let it wait for an event.
    fn subscribe(&self, caller: &Caller) -> BoxStream<'a, Result<Item, ApiError>> {
        let from = self.known.as_ref().map_or(SequencerCounter::GENESIS, |known| known.counter);
        let client = self.client;
        let caller = caller.clone();
        let opening = async move {
            let events = match &client.side {
                Some(_) => client.api.subscribe(&caller, from).await?,
                None => client.api.subscribe_unauthenticated(&caller, from).await?,
            };
            Ok(stream::once(async { Ok(Item::Opened) }).chain(events.map_ok(Item::Event)))
        };
        stream::once(opening).try_flatten().boxed()
    }

    /// Checks and handles what came. Gives the error with which the subscription ended, if it did.
    async fn take(
        &mut self,
        chunk: Vec<Result<Item, ApiError>>,
        again: &mut bool,
    ) -> Result<Option<ApiError>, ClientError> {
        let mut deliveries = Vec::with_capacity(chunk.len());
        let mut answered = None;
        let mut ended = Ok(None);
        let mut size = 0;
        for item in chunk {
            let received = match item {
                Ok(Item::Opened) => {
                    self.connected();
                    continue;
                }
                Ok(Item::Event(received)) => received,
                Err(error) => {
                    ended = Ok(Some(error));
                    break;
                }
            };
            self.retry.received();
            // Opened batches can be far larger than what came.
            if size > MAX_OPENED {
                self.handle(std::mem::take(&mut deliveries), answered.take()).await?;
                size = 0;
            }
            match self.look_at(received, again).await {
                Ok(Some((delivery, how))) => {
                    size += delivery.size();
                    if how == Observed::TimeProof {
                        answered = Some(delivery.timestamp());
                    }
                    deliveries.push(delivery);
                }
                Ok(None) => {}
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            }
        }
        // What came before the end has come.
        self.handle(deliveries, answered).await?;
        ended
    }

    /// Checks one event. Nothing, if it was known and came again.
    async fn look_at(
        &mut self,
        received: ReceivedEvent,
        again: &mut bool,
    ) -> Result<Option<(Delivery, Observed)>, ClientError> {
        let opened = Opened::open(self.client, received.event.content());
        if std::mem::take(again) {
            self.check_again(&received, &opened)?;
            return Ok(None);
        }
        let how = self.accept(&received, &opened).await?;
        let ReceivedEvent { event, trace } = received;
        Ok(Some((Delivery { event, trace, envelopes: opened.envelopes }, how)))
    }

    fn check_again(&self, received: &ReceivedEvent, opened: &Opened) -> Result<(), ClientError> {
        let Some(known) = &self.known else { return Ok(()) };
        let event = received.event.content();
        Checks::is_again(known, event, &opened.content).map_err(|source| self.untrusted(source))
    }

    /// Checks a new event and lets all know of it who must before it is handled.
    async fn accept(&mut self, received: &ReceivedEvent, opened: &Opened) -> Result<Observed, ClientError> {
        self.checks.follows(self.known.as_ref(), &received.event).map_err(|source| self.untrusted(source))?;
        let client = self.client;
        let event = received.event.content();
        let timestamp = event.timestamp();
        if let Some(side) = &client.side {
            self.take_topology(side, timestamp, opened).await?;
            side.topology.observe(timestamp);
        }
        client.pending.observe(event);
        let how = if client.is_own_tick(event.message_id()) { Observed::TimeProof } else { Observed::Event };
        client.time.observe(timestamp, how);
        let known = KnownEvent { counter: event.counter(), timestamp, content: opened.content };
        self.known = Some(known.clone());
        match self.behind.back_mut() {
            Some(last) if last.counter.get() % STEP != 0 => *last = known,
            _ => self.behind.push_back(known),
        }
        Ok(how)
    }

    fn untrusted(&self, source: super::EventError) -> ClientError {
        tracing::error!(member = %self.client.member, error = %chain(&source), "an event of the sequencer must not be trusted");
        ClientError::Event { member: self.client.member.clone(), source: Box::new(source) }
    }

    async fn take_topology(
        &mut self,
        side: &MemberSide,
        at: CantonTimestamp,
        opened: &Opened,
    ) -> Result<(), ClientError> {
        let messages = opened.topology_messages();
        if messages.is_empty() {
            return Ok(());
        }
        let mut pause = STORE_PAUSE;
        loop {
            match side.topology.take(at, &messages).await {
                Err(TopologyFeedError::Store(error)) if error.retryable() && !self.stop.is_cancelled() => {
                    tracing::warn!(domain = %self.client.identity.domain, error = %chain(&error), "the topology of the domain cannot be stored yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(STORE_PAUSE_MAX);
                }
                taken => {
                    taken.map_err(|error| ClientError::Topology {
                        member: self.client.member.clone(),
                        source: Box::new(error),
                    })?;
                    let effective = side.topology.head().borrow().last_effective;
                    let after = effective.and_then(CantonTimestamp::successor);
                    self.change = after.map(|after| self.client.time.want(after));
                    return Ok(());
                }
            }
        }
    }

    async fn handle(
        &mut self,
        deliveries: Vec<Delivery>,
        answered: Option<CantonTimestamp>,
    ) -> Result<(), ClientError> {
        let Some((counter, last)) = deliveries.last().map(|last| (last.counter(), last.timestamp())) else {
            self.ask_whether_all_is_here();
            return Ok(());
        };
        let handled = self.handler.handle(deliveries).await;
        handled.map_err(|source| ClientError::Handler { member: self.client.member.clone(), source })?;
        self.handled = Some(counter);
        self.client.health.send_modify(|health| health.last_event = Some(last));
        self.ask_whether_all_is_here();
        if let Some(at) = answered
            && self.client.health.send_if_modified(|health| !std::mem::replace(&mut health.caught_up, true))
        {
            self.handler.caught_up(at).await;
        }
        Ok(())
    }

    /// Once there is a topology to sign by, the receipt of a question for the time tells that all before it has come.
    fn ask_whether_all_is_here(&mut self) {
        if self.known.is_some() && self.client.side.is_some() && !std::mem::replace(&mut self.asked, true) {
            self.client.time.ask_now();
        }
    }

    fn connected(&self) {
        self.client.health.send_modify(|health| health.connection = ConnectionState::Connected);
    }

    fn disconnected(&mut self, trouble: String, pause: Duration) {
        let (member, domain) = (&self.client.member, &self.client.identity.domain);
        match self.retry.warning() {
            Some(without) => {
                tracing::warn!(%member, %domain, trouble, ?without, "there is no connection to the sequencer");
            }
            None => {
                tracing::info!(%member, %domain, trouble, ?pause, "the connection to the sequencer is made again")
            }
        }
        self.client
            .health
            .send_modify(|health| health.connection = ConnectionState::Disconnected { trouble });
    }
}

impl Subscription<'_> {
    /// Stores how far the handler has done with what it handled.
    async fn flush(&mut self) {
        self.flush_at = Instant::now() + self.client.options.cursor_interval;
        let (Some(side), Some(handled)) = (&self.client.side, self.handled) else { return };
        let Some(clean) = self.handler.clean(handled) else { return };
        let done = self.behind.partition_point(|event| event.counter <= clean.min(handled));
        let Some(last) = done.checked_sub(1).and_then(|last| self.behind.get(last)) else { return };
        match store_cursor(self.client, side, last).await {
            Ok(()) => {
                self.client.clean.send_replace(Some(last.timestamp));
                self.behind.drain(..done);
            }
            Err(error) => {
                tracing::warn!(member = %self.client.member, error = %chain(&error), "how far the events are handled could not be stored; they will come again");
            }
        }
    }
}

/// What has come, and at least one item; nothing at the end.
///
/// Dropped while it waits it has taken nothing.
async fn next_chunk<S>(items: &mut S, max: usize) -> Vec<Result<Item, ApiError>>
where
    S: Stream<Item = Result<Item, ApiError>> + Unpin,
{
    let Some(first) = items.next().await else { return Vec::new() };
    let mut size = size_of(&first);
    let mut chunk = vec![first];
    while chunk.len() < max && size < MAX_RECEIVED {
        // At the end the next call finds it again.
        let Some(Some(item)) = items.next().now_or_never() else { break };
        size += size_of(&item);
        chunk.push(item);
    }
    chunk
}

fn size_of(item: &Result<Item, ApiError>) -> usize {
    match item {
        Ok(Item::Event(received)) => received.event.bytes().len(),
        _ => 0,
    }
}

async fn store_cursor(client: &Inner, side: &MemberSide, event: &KnownEvent) -> Result<(), StoreError> {
    let cursor = ClientCursor {
        counter: event.counter.get(),
        sequenced: event.timestamp.to_timestamp(),
        event_hash: event.content.evidence().to_vec(),
    };
    side.store.cursor_advance(&client.identity.domain, &client.member, &cursor).await
}
