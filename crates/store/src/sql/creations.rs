//! The table of KMS key creations under way.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SqlStore, SqlWrite, Statement, rows};
use crate::{CreationJournal, KeyCreation, KmsMetadata, StoreError};

const TABLE: &str = "kms_key_creations";

type Row = (String, i64, String, Option<String>, Option<String>, i64, Option<i64>);

#[async_trait]
impl<S: SqlStore> CreationJournal for S {
    async fn creation_begin(&self, creation: &KeyCreation) -> Result<(), StoreError> {
        let mut tx = self.begin("creation_begin").await?;
        tx.execute(
            Statement::new(
                "INSERT INTO kms_key_creations (id, purpose, key_spec, name, kms_key_id, started_at, lost_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
            )
            .bind(creation.id.as_str())
            .bind(rows::purpose_number(creation.purpose))
            .bind(creation.key_spec.as_str())
            .bind(rows::some_name(creation.name.as_ref()))
            .bind(creation.kms_key_id.as_deref())
            .bind(creation.started_at.as_microsecond())
            .bind(creation.lost_at.map(Timestamp::as_microsecond)),
        )
        .await?;
        tx.commit().await
    }

    async fn creation_made(&self, id: &str, kms_key_id: &str) -> Result<(), StoreError> {
        let mut tx = self.begin("creation_made").await?;
        tx.execute(
            Statement::new("UPDATE kms_key_creations SET kms_key_id = $2 WHERE id = $1")
                .bind(id)
                .bind(kms_key_id),
        )
        .await?;
        tx.commit().await
    }

    async fn creation_lost(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin("creation_lost").await?;
        tx.execute(
            Statement::new("UPDATE kms_key_creations SET lost_at = $2 WHERE id = $1 AND lost_at IS NULL")
                .bind(id)
                .bind(at.as_microsecond()),
        )
        .await?;
        tx.commit().await
    }

    async fn creation_end(&self, id: &str) -> Result<(), StoreError> {
        let mut tx = self.begin("creation_end").await?;
        tx.execute(Statement::new("DELETE FROM kms_key_creations WHERE id = $1").bind(id)).await?;
        tx.commit().await
    }

    async fn creation_list(&self) -> Result<Vec<KeyCreation>, StoreError> {
        let statement = Statement::new(
            "SELECT id, purpose, key_spec, name, kms_key_id, started_at, lost_at FROM kms_key_creations \
             ORDER BY position",
        );
        let rows: Vec<Row> = self.read("creation_list", statement).await?;
        rows.into_iter()
            .map(|(id, purpose, key_spec, name, kms_key_id, started_at, lost_at)| {
                Ok(KeyCreation {
                    purpose: rows::purpose(TABLE, &id, purpose)?,
                    name: rows::name(TABLE, &id, name.as_deref())?,
                    started_at: rows::time(TABLE, &id, started_at)?,
                    lost_at: lost_at.map(|at| rows::time(TABLE, &id, at)).transpose()?,
                    id,
                    key_spec,
                    kms_key_id,
                })
            })
            .collect()
    }
}

/// Forgets the creation of a wrapper key that is in use now.
pub(super) async fn end_of_wrapper(tx: &mut impl SqlWrite, wrapper_key_id: &str) -> Result<(), StoreError> {
    let statement =
        Statement::new("DELETE FROM kms_key_creations WHERE kms_key_id = $1").bind(wrapper_key_id);
    tx.execute(statement).await.map(drop)
}

/// Forgets the creation of a key that is stored now.
pub(super) async fn end_of(tx: &mut impl SqlWrite, metadata: &KmsMetadata) -> Result<(), StoreError> {
    tx.execute(
        Statement::new("DELETE FROM kms_key_creations WHERE kms_key_id = $1 OR kms_key_id = $2")
            .bind(metadata.kms_key_id.as_str())
            .bind(metadata.kms_key_arn.as_deref()),
    )
    .await?;
    Ok(())
}
