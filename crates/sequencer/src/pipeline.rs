//! From the order to the disk: units are signed side by side and written in their order, many at once.
//!
//! A sender is answered, and an event delivered, only when the write has returned. When one fails, what stands in line
//! behind it is given up too, since its counters build on it: the order begins anew from what the store has, and all
//! senders in line learn that the outcome of their submission is unknown.
//! Invariants: nothing is published that is not stored; after a failure nothing that was given up can still be written.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cantle_sequencing::{chain, stored_topology};
use cantle_store::{NodeStore, SequencerBatch, SequencerGroup, StoreError};
use cantle_types::{CantonTimestamp, Clock, DomainId, Member};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::SubmitError;
use crate::feed::Feeds;
use crate::follower::Eagerness;
use crate::in_flight::Place;
use crate::options::SequencerOptions;
use crate::order::{Order, Unit};
use crate::signer::{EventSignError, Signed, Signer};
use crate::topology::Topology;

/// How a sequencer is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SequencerHealth {
    /// What keeps it from working, or nothing.
    pub trouble: Option<String>,
    /// Whether it shares its database with other sequencers of the domain and one of those writes.
    pub follows: bool,
}

/// A unit on its way to disk.
pub(crate) struct Queued {
    signing: JoinHandle<Result<(Unit, Vec<Signed>), EventSignError>>,
    answer: oneshot::Sender<Result<CantonTimestamp, SubmitError>>,
    _place: Place,
}

/// The order, unless it is being made anew, and the line to the disk.
#[derive(Debug)]
pub(crate) struct Line {
    state: Mutex<LineState>,
}

#[derive(Debug)]
struct LineState {
    order: Option<Order>,
    queue: mpsc::UnboundedSender<Queued>,
}

impl Line {
    /// What `give` makes of the order stands in line before anything that is made of it later.
    ///
    /// `None` of the order: the sequencer cannot work just now.
    pub(crate) fn with_order<T>(&self, give: impl FnOnce(&mut Order, &Entry<'_>) -> T) -> Option<T> {
        let mut state = self.lock();
        let LineState { order, queue } = &mut *state;
        order.as_mut().map(|order| give(order, &Entry { queue }))
    }

    /// Whether there is an order.
    pub(crate) fn has_order(&self) -> bool {
        self.lock().order.is_some()
    }

    /// Gives up the order: nothing comes into line any more.
    fn give_up(&self) {
        self.lock().order = None;
    }

    fn begin_anew(&self, order: Order) {
        self.lock().order = Some(order);
    }

    fn lock(&self) -> MutexGuard<'_, LineState> {
        // The order is changed only after all that can fail.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of the line, open as long as the order is locked.
pub(crate) struct Entry<'a> {
    queue: &'a mpsc::UnboundedSender<Queued>,
}

impl Entry<'_> {
    /// Puts a unit in line; it is being signed from now on. Its place in line was taken before, so that the line is
    /// bounded.
    pub(crate) fn put(
        &self,
        mut unit: Unit,
        signer: &Arc<Signer>,
        place: Place,
    ) -> oneshot::Receiver<Result<CantonTimestamp, SubmitError>> {
        let signer = Arc::clone(signer);
        let signing = tokio::spawn(async move {
            let signed = signer.sign_unit(&mut unit).await?;
            Ok((unit, signed))
        });
        let (answer, answered) = oneshot::channel();
        // When the writer has ended, the answer is dropped, and that is the answer.
        let _ = self.queue.send(Queued { signing, answer, _place: place });
        answered
    }
}

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sign(#[from] EventSignError),
    #[error("a signature was not finished")]
    Interrupted,
}

/// The one that writes.
pub(crate) struct Writer {
    pub(crate) domain: DomainId,
    pub(crate) manager: Member,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) store: Arc<dyn NodeStore>,
    /// The sequencers that share the store, if any do.
    pub(crate) group: Option<Arc<dyn SequencerGroup>>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) options: Arc<SequencerOptions>,
    pub(crate) health: watch::Sender<SequencerHealth>,
    /// Told of each change of the topology once it is stored.
    pub(crate) changed: watch::Sender<u64>,
    pub(crate) stop: CancellationToken,
}

/// A unit that is signed.
struct Ready {
    unit: Unit,
    events: Vec<Signed>,
    answer: oneshot::Sender<Result<CantonTimestamp, SubmitError>>,
    _place: Place,
}

impl Writer {
    /// Reads the order from the store and starts to write what is put in line.
    pub(crate) async fn start(self) -> Result<(Arc<Line>, JoinHandle<()>), StoreError> {
        let order = match &self.group {
            None => Some(self.load().await?),
            Some(_) => None,
        };
        let (queue, incoming) = mpsc::unbounded_channel();
        let line = Arc::new(Line { state: Mutex::new(LineState { order, queue }) });
        let task = tokio::spawn(self.run(Arc::clone(&line), incoming));
        Ok((line, task))
    }

    async fn run(self, line: Arc<Line>, mut incoming: mpsc::UnboundedReceiver<Queued>) {
        let mut waiting = VecDeque::new();
        if let Some(group) = &self.group {
            match self.follow(&**group, Eagerness::Now).await {
                Some(order) => line.begin_anew(order),
                None => return,
            }
        }
        loop {
            if waiting.is_empty() {
                tokio::select! {
                    queued = incoming.recv() => match queued {
                        Some(queued) => waiting.push_back(queued),
                        None => return,
                    },
                    () = self.stop.cancelled() => {
                        line.give_up();
                        if incoming.is_empty() {
                            return;
                        }
                    }
                }
            }
            while let Ok(queued) = incoming.try_recv() {
                waiting.push_back(queued);
            }
            if let Err(error) = self.write_next(&mut waiting).await {
                self.recover(&line, &mut incoming, &mut waiting, error).await;
            }
        }
    }

    /// Waits for the first in line, and writes it with those after it that are signed too.
    async fn write_next(&self, waiting: &mut VecDeque<Queued>) -> Result<(), WriteError> {
        let mut ready: Vec<Ready> = Vec::new();
        let mut events = 0;
        while let Some(first) = waiting.front_mut() {
            if !ready.is_empty() && (!first.signing.is_finished() || events >= self.options.max_batch_events)
            {
                break;
            }
            let signed = (&mut first.signing).await.map_err(|_| WriteError::Interrupted)?;
            let (unit, signed) = signed?;
            let Some(Queued { answer, _place, .. }) = waiting.pop_front() else { break };
            events += signed.len();
            ready.push(Ready { unit, events: signed, answer, _place });
        }
        let Some(last) = ready.last() else { return Ok(()) };
        let mut batch = SequencerBatch {
            domain: self.domain.clone(),
            latest: last.unit.time.to_timestamp(),
            members: Vec::new(),
            events: Vec::with_capacity(events),
            topology: Vec::new(),
            forwarded: Vec::new(),
        };
        for Ready { unit, events, .. } in &mut ready {
            batch.members.append(&mut unit.members);
            batch.topology.extend(unit.topology.take());
            batch.forwarded.extend(unit.forwarded.take());
            batch.events.extend(events.iter().map(|(_, event)| (**event).clone()));
        }
        self.store.sequencer_append(&batch).await?;
        if !batch.topology.is_empty() {
            self.changed.send_modify(|changes| *changes += 1);
        }
        for Ready { unit, events, answer, .. } in ready {
            for (member, event) in events {
                self.feeds.of(&member).publish(event, &self.options);
            }
            // A sender that has gone away sees its event later.
            let _ = answer.send(Ok(unit.time));
        }
        Ok(())
    }

    /// Gives up everything in line, and begins anew from the store.
    async fn recover(
        &self,
        line: &Line,
        incoming: &mut mpsc::UnboundedReceiver<Queued>,
        waiting: &mut VecDeque<Queued>,
        error: WriteError,
    ) {
        line.give_up();
        let mut given_up = 0_usize;
        while let Some(queued) = waiting.pop_front().or_else(|| incoming.try_recv().ok()) {
            queued.signing.abort();
            given_up += 1;
            let _ = queued.answer.send(Err(SubmitError::Lost));
        }
        let trouble = chain(&error);
        tracing::error!(domain = %self.domain, error = %trouble, given_up, "the sequencer could not write events");
        if let Some(group) = &self.group {
            let eagerness = match error {
                WriteError::Store(_) => Eagerness::Now,
                WriteError::Sign(_) | WriteError::Interrupted => Eagerness::Later,
            };
            if let Some(order) = self.follow(&**group, eagerness).await {
                line.begin_anew(order);
            }
            return;
        }
        self.health.send_replace(SequencerHealth { trouble: Some(trouble), follows: false });
        let mut pause = self.options.retry_initial;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return,
            }
            match self.load().await {
                Ok(order) => {
                    line.begin_anew(order);
                    self.health.send_replace(SequencerHealth::default());
                    tracing::info!(domain = %self.domain, "the sequencer goes on from what is stored");
                    return;
                }
                Err(error) => {
                    tracing::warn!(domain = %self.domain, error = %chain(&error), "the sequencer's store cannot be read yet");
                    pause = pause.saturating_mul(2).min(self.options.retry_max.max(Duration::from_millis(1)));
                }
            }
        }
    }

    /// Reads what is stored, and tells the subscriptions of it.
    pub(crate) async fn load(&self) -> Result<Order, StoreError> {
        let stored = stored_topology(&*self.store, &self.domain).await?;
        let latest = self.store.sequencer_latest().await?.map(CantonTimestamp::from);
        let members = self.store.sequencer_members().await?;
        self.topology.reset(stored, latest);
        for member in &members {
            self.feeds.stored(&member.member, member.number, member.next_counter);
        }
        self.changed.send_modify(|changes| *changes += 1);
        Ok(Order::new(latest, &members))
    }
}
