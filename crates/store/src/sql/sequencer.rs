//! A sequencer's tables: members, head and events.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SqlStore, SqlWrite, Statement, rows, topology};
use crate::{
    Conflict, EventPage, ForwardedOutcome, MemberNumber, SequencerBatch, SequencerEvent, SequencerMember,
    SequencerStore, StoreError,
};

const EVENTS: &str = "sequencer_events";
const MEMBERS: &str = "sequencer_members";

/// Rows of one statement: few sizes, so that few statements are prepared.
const ROWS: [usize; 3] = [64, 8, 1];

type Member = (i64, String, i64, Option<i64>, i64);
type Event = (i64, i64, Vec<u8>, Option<String>);

#[async_trait]
impl<S: SqlStore> SequencerStore for S {
    async fn sequencer_append(&self, batch: &SequencerBatch) -> Result<(), StoreError> {
        let conflict = |error| as_conflict(error, batch.latest);
        let mut tx = self.begin("sequencer_append").await?;
        let moved = tx
            .execute(
                Statement::new(
                    "INSERT INTO sequencer_head (one, latest) VALUES (1, $1) \
                     ON CONFLICT (one) DO UPDATE SET latest = excluded.latest \
                     WHERE sequencer_head.latest < excluded.latest",
                )
                .bind(batch.latest.as_microsecond()),
            )
            .await?;
        if moved == 0 {
            return Err(Conflict::Sequenced { latest: batch.latest }.into());
        }
        for member in &batch.members {
            let insert = Statement::new(
                "INSERT INTO sequencer_members (number, member, registered_at) VALUES ($1, $2, $3)",
            )
            .bind(member.number.0)
            .bind(member.member.as_str())
            .bind(member.registered.as_microsecond());
            tx.execute(insert).await.map_err(conflict)?;
        }
        let mut events = batch.events.as_slice();
        for size in ROWS {
            while let Some((rows, rest)) = events.split_at_checked(size) {
                tx.execute(insert(rows)).await.map_err(conflict)?;
                events = rest;
            }
        }
        for id in &batch.forwarded {
            let answer = Statement::new(
                "UPDATE sequencer_forwarded SET outcome = $2 WHERE id = $1 AND outcome IS NULL",
            )
            .bind(id.0)
            .bind(ForwardedOutcome::SEQUENCED);
            if tx.execute(answer).await? == 0 {
                return Err(Conflict::Sequenced { latest: batch.latest }.into());
            }
        }
        for topology in &batch.topology {
            topology::append_sequenced(&mut tx, &batch.domain, topology).await?;
        }
        tx.commit().await
    }

    async fn sequencer_latest(&self) -> Result<Option<Timestamp>, StoreError> {
        let statement = Statement::new("SELECT latest FROM sequencer_head");
        let row: Option<(i64,)> = self.read_first("sequencer_latest", statement).await?;
        row.map(|(latest,)| rows::time("sequencer_head", "latest", latest)).transpose()
    }

    async fn sequencer_members(&self) -> Result<Vec<SequencerMember>, StoreError> {
        let statement = Statement::new(
            "SELECT number, member, registered_at, acknowledged_at, \
             COALESCE((SELECT max(counter) FROM sequencer_events WHERE member = number), -1) + 1 \
             FROM sequencer_members ORDER BY number",
        );
        let rows: Vec<Member> = self.read("sequencer_members", statement).await?;
        rows.into_iter().map(parse_member).collect()
    }

    async fn sequencer_events(
        &self,
        member: MemberNumber,
        page: EventPage,
    ) -> Result<Vec<SequencerEvent>, StoreError> {
        const OPERATION: &str = "sequencer_events";
        let sizes = Statement::new(
            "SELECT counter, CAST(length(signed) AS BIGINT) FROM sequencer_events \
             WHERE member = $1 AND counter >= $2 ORDER BY counter LIMIT $3",
        )
        .bind(member.0)
        .bind(page.from)
        .bind(i64::from(page.events));
        let sizes: Vec<(i64, i64)> = self.read(OPERATION, sizes).await?;
        let Some(last) = last_within(&sizes, page.bytes) else { return Ok(Vec::new()) };
        let events = Statement::new(
            "SELECT counter, sequenced, signed, traceparent FROM sequencer_events \
             WHERE member = $1 AND counter >= $2 AND counter <= $3 ORDER BY counter",
        )
        .bind(member.0)
        .bind(page.from)
        .bind(last);
        let rows: Vec<Event> = self.read(OPERATION, events).await?;
        rows.into_iter().map(|row| parse_event(member, row)).collect()
    }

    async fn sequencer_earliest(&self) -> Result<Option<Timestamp>, StoreError> {
        let statement = Statement::new("SELECT sequenced FROM sequencer_events ORDER BY position LIMIT 1");
        let row: Option<(i64,)> = self.read_first("sequencer_earliest", statement).await?;
        row.map(|(time,)| rows::time(EVENTS, "earliest", time)).transpose()
    }

    async fn sequencer_acknowledge(
        &self,
        acknowledged: &[(MemberNumber, Timestamp)],
    ) -> Result<(), StoreError> {
        let mut tx = self.begin("sequencer_acknowledge").await?;
        for (member, time) in acknowledged {
            tx.execute(
                Statement::new(
                    "UPDATE sequencer_members SET acknowledged_at = $2 \
                     WHERE number = $1 AND (acknowledged_at IS NULL OR acknowledged_at < $2)",
                )
                .bind(member.0)
                .bind(time.as_microsecond()),
            )
            .await?;
        }
        tx.commit().await
    }
}

fn insert(events: &[SequencerEvent]) -> Statement<'_> {
    let mut sql = Statement::new(
        "INSERT INTO sequencer_events (member, counter, sequenced, signed, traceparent) VALUES ",
    );
    for (index, event) in events.iter().enumerate() {
        sql.push_value(if index == 0 { "(" } else { ", (" }, event.member.0);
        sql.push_value(", ", event.counter);
        sql.push_value(", ", event.sequenced.as_microsecond());
        sql.push_value(", ", event.signed.as_ref());
        sql.push_value(", ", event.traceparent.as_deref());
        sql.push(")");
    }
    sql
}

/// The last counter up to which the sizes sum to at most `bytes`; the first one in any case.
fn last_within(sizes: &[(i64, i64)], bytes: u64) -> Option<i64> {
    let mut sum = 0_u64;
    let fitting = sizes.iter().take_while(|(_, size)| {
        sum = sum.saturating_add(size.unsigned_abs());
        sum <= bytes
    });
    fitting.last().or_else(|| sizes.first()).map(|(counter, _)| *counter)
}

/// A broken rule of the tables is the caller's doing, and the same call would break it again.
fn as_conflict(error: StoreError, latest: Timestamp) -> StoreError {
    match error {
        StoreError::Unavailable { source, .. } if source.is_broken_rule() => {
            Conflict::Sequenced { latest }.into()
        }
        error => error,
    }
}

fn parse_member(row: Member) -> Result<SequencerMember, StoreError> {
    let (number, member, registered, acknowledged, next_counter) = row;
    Ok(SequencerMember {
        number: MemberNumber(number),
        registered: rows::time(MEMBERS, &member, registered)?,
        acknowledged: acknowledged.map(|time| rows::time(MEMBERS, &member, time)).transpose()?,
        next_counter,
        member: rows::text(MEMBERS, &member, &member)?,
    })
}

fn parse_event(member: MemberNumber, row: Event) -> Result<SequencerEvent, StoreError> {
    let (counter, sequenced, signed, traceparent) = row;
    let sequenced = rows::time(EVENTS, &format!("{}, {counter}", member.0), sequenced)?;
    Ok(SequencerEvent { member, counter, sequenced, signed: signed.into(), traceparent })
}
