//! The table of deletions of KMS keys.

use async_trait::async_trait;
use cantle_types::Fingerprint;
use jiff::Timestamp;

use super::{SqlStore, SqlWrite, Statement, rows};
use crate::{DeletionJournal, KeyDeletion, StoreError};

const TABLE: &str = "kms_key_deletions";

type Row = (String, i64, i64, Option<i64>);

#[async_trait]
impl<S: SqlStore> DeletionJournal for S {
    async fn deletion_begin(&self, deletion: &KeyDeletion) -> Result<(), StoreError> {
        let fingerprint = &deletion.fingerprint;
        let mut tx = self.begin("deletion_begin").await?;
        let known: Option<(String,)> = tx
            .fetch_first(
                Statement::new("SELECT fingerprint FROM kms_metadata_store WHERE fingerprint = $1")
                    .bind(fingerprint.as_str()),
            )
            .await?;
        if known.is_none() {
            return Err(StoreError::UnknownKey { fingerprint: fingerprint.clone() });
        }
        tx.execute(
            Statement::new(
                "INSERT INTO kms_key_deletions (fingerprint, pending_window_days, requested_at, deletes_at) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT (fingerprint) DO UPDATE SET \
                 pending_window_days = excluded.pending_window_days, requested_at = excluded.requested_at, \
                 deletes_at = excluded.deletes_at",
            )
            .bind(fingerprint.as_str())
            .bind(i64::from(deletion.pending_window_days))
            .bind(deletion.requested_at.as_microsecond())
            .bind(deletion.deletes_at.map(Timestamp::as_microsecond)),
        )
        .await?;
        tx.commit().await
    }

    async fn deletion_scheduled(
        &self,
        fingerprint: &Fingerprint,
        deletes_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin("deletion_scheduled").await?;
        tx.execute(
            Statement::new("UPDATE kms_key_deletions SET deletes_at = $2 WHERE fingerprint = $1")
                .bind(fingerprint.as_str())
                .bind(deletes_at.as_microsecond()),
        )
        .await?;
        tx.commit().await
    }

    async fn deletion_end(&self, fingerprint: &Fingerprint) -> Result<(), StoreError> {
        let mut tx = self.begin("deletion_end").await?;
        end_of(&mut tx, fingerprint).await?;
        tx.commit().await
    }

    async fn deletion_list(&self) -> Result<Vec<KeyDeletion>, StoreError> {
        let statement = Statement::new(
            "SELECT fingerprint, pending_window_days, requested_at, deletes_at FROM kms_key_deletions \
             ORDER BY requested_at, fingerprint",
        );
        let rows: Vec<Row> = self.read("deletion_list", statement).await?;
        rows.into_iter()
            .map(|(fingerprint, days, requested_at, deletes_at)| {
                Ok(KeyDeletion {
                    pending_window_days: u8::try_from(days)
                        .map_err(|error| rows::corrupt(TABLE, &fingerprint, error))?,
                    requested_at: rows::time(TABLE, &fingerprint, requested_at)?,
                    deletes_at: deletes_at.map(|at| rows::time(TABLE, &fingerprint, at)).transpose()?,
                    fingerprint: rows::fingerprint(TABLE, &fingerprint)?,
                })
            })
            .collect()
    }
}

/// Forgets the deletion of a key.
pub(super) async fn end_of(tx: &mut impl SqlWrite, fingerprint: &Fingerprint) -> Result<(), StoreError> {
    tx.execute(
        Statement::new("DELETE FROM kms_key_deletions WHERE fingerprint = $1").bind(fingerprint.as_str()),
    )
    .await?;
    Ok(())
}
