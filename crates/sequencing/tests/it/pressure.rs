//! A handler that is slow holds the events up, not the memory.

use std::sync::Arc;

use async_trait::async_trait;
use cantle_protocol::{Batch, SequencerCounter};
use cantle_sequencing::{Delivery, EventHandler, HandlerError, SendOutcome, SequencerClient, Submission};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::support::{World, in_time, message};

/// A handler that handles as many batches as it is allowed.
struct Slow {
    allowed: Semaphore,
    sizes: std::sync::Mutex<Vec<usize>>,
}

#[async_trait]
impl EventHandler for Slow {
    async fn handle(&self, events: Vec<Delivery>) -> Result<(), HandlerError> {
        self.sizes.lock().unwrap().push(events.len());
        self.allowed.acquire().await.map_err(HandlerError::new)?.forget();
        Ok(())
    }
}

#[tokio::test]
async fn no_more_is_read_than_is_handled_at_once() {
    let world = World::new();
    let alice = world.member("alice").await;
    for number in 0..1000 {
        world.sequencer.deliver(&message(&format!("{number}"), &[alice.member()]));
    }
    let mut setup = world.setup(&alice);
    setup.client.options.max_events = 10;
    let client = SequencerClient::open(setup.client, setup.own).await.unwrap();
    let handler = Arc::new(Slow { allowed: Semaphore::new(0), sizes: std::sync::Mutex::default() });
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (client, handler, stop) = (client.clone(), Arc::clone(&handler), stop.clone());
        async move { client.run(handler, stop).await }
    });
    in_time("the first events", async {
        while handler.sizes.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // Others go on meanwhile: what is sent is accepted, though its receipt has to wait.
    let pending = client.send(Submission::new(message("x", &[alice.member()]))).await.unwrap();
    assert!(world.sequencer.taken(&alice.member()) <= 10);
    assert_eq!(handler.sizes.lock().unwrap().len(), 1);
    handler.allowed.add_permits(10_000);
    assert!(matches!(in_time("the receipt", pending).await, SendOutcome::Sequenced { .. }));
    assert!(handler.sizes.lock().unwrap().iter().all(|size| *size <= 10));
    stop.cancel();
    in_time("the end", running).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_batch_that_swells_beyond_the_limit_counts_as_empty() {
    let world = World::new();
    let alice = world.member("alice").await;
    let mut setup = world.setup(&alice);
    setup.client.options.max_batch_size = 100_000;
    let running = world.start_with(setup, Default::default()).await;
    running.caught_up().await;
    let small = message("x", &[alice.member()]);
    let bomb = Batch::new(vec![small.envelopes()[0].clone(); 1000]);
    assert!(bomb.compress().bytes().len() < 10_000);
    world.sequencer.deliver(&bomb);
    world.sequencer.deliver(&message("after", &[alice.member()]));
    running.handler.heard("after").await;
    let seen = running.stopped().await.seen();
    let before = seen.iter().rev().find(|seen| seen.texts.is_empty()).unwrap();
    assert_eq!(before.envelopes, 0);
    assert!(SequencerCounter::new(before.counter).is_ok());
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_handed_on_as_such() {
    use cantle_protocol::{Envelope, Recipients};
    let world = World::new();
    let alice = world.member("alice").await;
    let running = world.start(&alice).await;
    running.caught_up().await;
    let garbage = Envelope::new(&b"garbage"[..], Recipients::only(alice.member()));
    world.sequencer.deliver(&Batch::new(vec![garbage]));
    world.sequencer.deliver(&message("after", &[alice.member()]));
    running.handler.heard("after").await;
    let seen = running.stopped().await.seen();
    assert!(seen.iter().any(|seen| seen.envelopes == 1 && seen.texts.is_empty() && seen.counter > 0));
}
