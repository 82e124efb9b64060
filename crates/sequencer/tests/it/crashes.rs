//! Killed at any point, opened again: what was acknowledged is there, and no counter is given twice.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use cantle_protocol::MessageId;
use cantle_types::Member;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use proptest::prelude::*;

use super::support::{World, events, last, next, to};

/// Ends a future after it was polled so often, wherever it is then.
struct Fuse<F> {
    future: F,
    polls: u32,
}

impl<F: Future + Unpin> Future for Fuse<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.polls.checked_sub(1) else { return Poll::Ready(None) };
        self.polls = left;
        Pin::new(&mut self.future).poll(context).map(Some)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What was seen before the end.
#[derive(Debug, Default)]
struct Seen {
    acknowledged: Vec<MessageId>,
    delivered: Vec<Vec<u8>>,
}

/// Sends side by side and reads along; the fuse ends it with everything as it is.
async fn busy(world: &World, sends: usize, polls: u32, seen: &mut Seen) {
    let (sequencer, _) = world.open(world.store().await).await;
    let from = i64::try_from(seen.delivered.len()).unwrap();
    let Ok(mut subscription) = sequencer.subscribe(&world.two().member, from) else {
        panic!("what was delivered is there")
    };
    let mut work = FuturesUnordered::new();
    for _ in 0..sends {
        work.push(world.send(&sequencer, world.one(), vec![to(b"x", &[&world.two().member])]));
    }
    let Seen { acknowledged, delivered } = seen;
    let all = Box::pin(async {
        loop {
            tokio::select! {
                sent = work.next() => match sent {
                    Some(sent) => acknowledged.push(sent.unwrap()),
                    None => break,
                },
                event = next(&mut subscription) => delivered.push(event.bytes().to_vec()),
            }
        }
    });
    Fuse { future: all, polls }.await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_is_delivered_twice(
        rounds in proptest::collection::vec((1..12_usize, 0..120_u32), 1..5),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let world = World::in_file(&folder.path().join("sequencer.db"));
        runtime().block_on(async {
            world.running().await.close().await;
        });
        let mut seen = Seen::default();
        for (sends, polls) in rounds {
            // The runtime goes with all its tasks, at whatever they await.
            runtime().block_on(busy(&world, sends, polls, &mut seen));
            world.clock.advance(std::time::Duration::from_millis(1));
        }
        runtime().block_on(async {
            let (sequencer, _) = world.open(world.store().await).await;
            let of_two = events(&sequencer, &world.two().member).await;
            let of_one = events(&sequencer, &world.one().member).await;
            for (bytes, event) in seen.delivered.iter().zip(&of_two) {
                prop_assert_eq!(&bytes[..], event.bytes(), "an event changed under its counter");
            }
            prop_assert!(seen.delivered.len() <= of_two.len());
            let mut receipts: HashMap<MessageId, usize> = HashMap::new();
            for event in &of_one {
                if let Some(id) = event.content().message_id() {
                    *receipts.entry(id.clone()).or_default() += 1;
                }
            }
            for id in &seen.acknowledged {
                prop_assert_eq!(receipts.get(id), Some(&1), "{:?}", id);
            }
            prop_assert_eq!(of_one.len(), of_two.len(), "each submission has both events or none");
            for events in [&of_one, &of_two] {
                prop_assert!(events.windows(2).all(|pair| pair[0].content().timestamp() < pair[1].content().timestamp()));
            }
            // And it goes on.
            world.send(&sequencer, world.one(), vec![to(b"x", &[&world.two().member])]).await.unwrap();
            let next = last(&sequencer, &world.two().member).await;
            prop_assert_eq!(usize::try_from(next.content().counter().get()).unwrap(), of_two.len());
            Ok(())
        })?;
    }
}

/// A write that fails gives up what is in line, and the sequencer goes on from the store by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_write_is_recovered_from_and_counters_stay_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sequencer.db");
    let world = World::in_file(&path);
    let sequencer = world.running().await;
    let two: Member = world.two().member.clone();
    let mut subscription = sequencer.subscribe(&two, 1).unwrap();
    let raw = |sql: &'static str| {
        let path = path.clone();
        async move {
            use sqlx::ConnectOptions;
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
            let mut connection = options.connect().await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        }
    };
    raw("CREATE TRIGGER broken BEFORE INSERT ON sequencer_events BEGIN SELECT RAISE(ABORT, 'broken'); END")
        .await;
    let lost = world.send(&sequencer, world.one(), vec![to(b"lost", &[&two])]).await.unwrap_err();
    assert!(matches!(lost, cantle_sequencer::SubmitError::Lost), "{lost:?}");
    raw("DROP TRIGGER broken").await;
    let mut health = sequencer.health();
    super::support::in_time(health.wait_for(|health| health.trouble.is_none())).await.unwrap();
    world.send(&sequencer, world.one(), vec![to(b"kept", &[&two])]).await.unwrap();
    let event = next(&mut subscription).await.into_content();
    assert_eq!(event.counter().get(), 1);
    assert_eq!(super::support::contents(&event), [b"kept"]);
}
