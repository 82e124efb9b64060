//! What goes wrong at the KMS, through every operation that a node uses: what the node does meanwhile, and that it goes on
//! afterwards without a restart, with every key that was made its own or named.
//!
//! Makes the tables of docs/reliability.md. `CANTLE_WRITE_TABLES=1` writes them; otherwise they must be what is there.
//! TagResource is not among the operations: tags go with CreateKey, which needs its permission alone.

mod bounds;
pub(crate) mod calls;
mod making;
mod page;
mod rows;
mod running;
pub(crate) mod site;

use std::time::{Duration, Instant};

use cantle_kms_server::{FaultKind, Server, ServerOptions};
use futures::StreamExt;

use rows::Row;
use site::{DOMAIN, Names, PARTICIPANT, PEER, Running, Site, eventually};

/// Faults that are tried side by side.
const AT_ONCE: usize = 3;

async fn site() -> Site {
    Site { kms: Server::start(ServerOptions::default()).await.unwrap() }
}

async fn lines(rows: &[Row]) -> Vec<(Row, page::Line)> {
    let site = site().await;
    let lines =
        futures::stream::iter(rows).map(|row| async { (*row, Box::pin(page::line(&site, *row)).await) });
    let lines: Vec<_> = lines.buffered(AT_ONCE).collect().await;
    site.kms.shutdown().await;
    lines
}

#[test]
fn the_page_has_every_fault_and_every_operation() {
    let written = page::written();
    for (title, operations) in page::TABLES {
        let head = page::head(title, operations);
        let (_, rest) = written.split_once(&head).unwrap_or_else(|| panic!("no table {head}"));
        let rows: Vec<&str> = rest.lines().take_while(|line| line.starts_with('|')).collect();
        let titles: Vec<&str> = rows.iter().map(|row| row.split('|').nth(1).unwrap().trim()).collect();
        assert_eq!(titles, Row::ALL.map(Row::title), "{title}");
        for row in rows {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), operations.len() + 1, "{row}");
            assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_after_the_work_and_disabled_keys_are_got_over() {
    let written = page::written();
    for (row, line) in lines(&[Row::ResetAfter, Row::Disabled]).await {
        for cells in line {
            let entry = page::entry(row, &cells);
            assert!(written.contains(&entry), "the page does not have\n{entry}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or two; .ci/run does it"]
async fn every_fault_of_every_operation_is_got_over() {
    let tables = page::tables(&lines(&Row::ALL).await);
    if std::env::var_os("CANTLE_WRITE_TABLES").is_some() {
        page::write(&tables);
    }
    assert_eq!(page::written(), tables, "CANTLE_WRITE_TABLES=1 writes them anew");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes: as long as the issue's silence, with the time-outs as they are delivered"]
async fn a_minute_of_silence_is_named_and_got_over() {
    let site = site().await;
    let row = Row::ResetBefore;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let names = Names::default();
    let domain = Running::start(&site.domain("domain", row), folders[0].path(), &names).await;
    let participant = Running::start(&site.participant("node", row, true), folders[1].path(), &names).await;
    domain.ready(DOMAIN).await;
    participant.ready(PARTICIPANT).await;
    let (node, peer) = (participant.handle(PARTICIPANT), domain.ready(PEER).await);
    calls::connect(&domain.handle(PEER), &domain.handle(DOMAIN)).await;
    calls::connect(&node, &domain.handle(DOMAIN)).await;
    assert_eq!(calls::ping(&node, &peer, Duration::from_secs(30)).await, Ok(()));

    let silent = Instant::now();
    site.kms.set_faults([cantle_kms_server::Fault::new("*", FaultKind::Delay { ms: 600_000 })]);
    let failed = calls::ping(&node, &peer, Duration::from_secs(20)).await;
    assert!(failed.is_err(), "{failed:?}");
    eventually("a node that says that it does not serve", || !node.health.borrow().serving).await;
    tokio::time::sleep(Duration::from_secs(60).saturating_sub(silent.elapsed())).await;
    site.kms.set_faults([]);
    eventually("a node that serves again", || node.health.borrow().serving).await;
    assert_eq!(calls::ping(&node, &peer, Duration::from_secs(60)).await, Ok(()));
    participant.stop().await;
    domain.stop().await;
    site.kms.shutdown().await;
}
