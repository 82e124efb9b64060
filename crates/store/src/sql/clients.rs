//! The table of the members' cursors.

use async_trait::async_trait;
use cantle_types::{DomainId, Member};

use super::{SqlStore, SqlWrite, Statement, rows};
use crate::{ClientCursor, ClientStore, StoreError};

#[async_trait]
impl<S: SqlStore> ClientStore for S {
    async fn cursor_find(
        &self,
        domain: &DomainId,
        member: &Member,
    ) -> Result<Option<ClientCursor>, StoreError> {
        let statement = Statement::new(
            "SELECT counter, sequenced, event_hash FROM client_cursors WHERE domain = $1 AND member = $2",
        )
        .bind(domain.as_str())
        .bind(member.as_str());
        let row: Option<(i64, i64, Vec<u8>)> = self.read_first("cursor_find", statement).await?;
        row.map(|(counter, sequenced, event_hash)| {
            let sequenced = rows::time("client_cursors", member.as_str(), sequenced)?;
            Ok(ClientCursor { counter, sequenced, event_hash })
        })
        .transpose()
    }

    async fn cursor_advance(
        &self,
        domain: &DomainId,
        member: &Member,
        cursor: &ClientCursor,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin("cursor_advance").await?;
        tx.execute(
            Statement::new(
                "INSERT INTO client_cursors (domain, member, counter, sequenced, event_hash) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (domain, member) DO UPDATE SET \
                 counter = excluded.counter, sequenced = excluded.sequenced, event_hash = excluded.event_hash \
                 WHERE client_cursors.counter < excluded.counter",
            )
            .bind(domain.as_str())
            .bind(member.as_str())
            .bind(cursor.counter)
            .bind(cursor.sequenced.as_microsecond())
            .bind(cursor.event_hash.as_slice()),
        )
        .await?;
        tx.commit().await
    }
}
