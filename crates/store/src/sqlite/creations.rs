//! The table of KMS key creations under way.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::{SqliteStore, rows};
use crate::{CreationJournal, KeyCreation, KmsMetadata, StoreError};

const TABLE: &str = "kms_key_creations";

#[async_trait]
impl CreationJournal for SqliteStore {
    async fn creation_begin(&self, creation: &KeyCreation) -> Result<(), StoreError> {
        const OPERATION: &str = "creation_begin";
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query(
            "INSERT INTO kms_key_creations (id, purpose, key_spec, name, kms_key_id, started_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
        )
        .bind(creation.id.as_str())
        .bind(rows::purpose_number(creation.purpose))
        .bind(creation.key_spec.as_str())
        .bind(creation.name.as_ref().map(|name| name.as_str()).filter(|name| !name.is_empty()))
        .bind(creation.kms_key_id.as_deref())
        .bind(creation.started_at.as_microsecond())
        .execute(&mut *tx)
        .await
        .map_err(rows::failed(OPERATION))?;
        tx.commit().await.map_err(rows::failed(OPERATION))
    }

    async fn creation_made(&self, id: &str, kms_key_id: &str) -> Result<(), StoreError> {
        const OPERATION: &str = "creation_made";
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query("UPDATE kms_key_creations SET kms_key_id = ?2 WHERE id = ?1")
            .bind(id)
            .bind(kms_key_id)
            .execute(&mut *tx)
            .await
            .map_err(rows::failed(OPERATION))?;
        tx.commit().await.map_err(rows::failed(OPERATION))
    }

    async fn creation_end(&self, id: &str) -> Result<(), StoreError> {
        const OPERATION: &str = "creation_end";
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query("DELETE FROM kms_key_creations WHERE id = ?1")
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(rows::failed(OPERATION))?;
        tx.commit().await.map_err(rows::failed(OPERATION))
    }

    async fn creation_list(&self) -> Result<Vec<KeyCreation>, StoreError> {
        let rows: Vec<(String, i64, String, Option<String>, Option<String>, i64)> = sqlx::query_as(
            "SELECT id, purpose, key_spec, name, kms_key_id, started_at FROM kms_key_creations ORDER BY position",
        )
        .fetch_all(self.readers())
        .await
        .map_err(rows::failed("creation_list"))?;
        rows.into_iter()
            .map(|(id, purpose, key_spec, name, kms_key_id, started_at)| {
                Ok(KeyCreation {
                    purpose: rows::purpose(TABLE, &id, purpose)?,
                    name: rows::name(TABLE, &id, name.as_deref())?,
                    started_at: rows::time(TABLE, &id, started_at)?,
                    id,
                    key_spec,
                    kms_key_id,
                })
            })
            .collect()
    }
}

/// Forgets the creation of a key that is stored now.
pub(super) async fn end_of(
    connection: &mut SqliteConnection,
    operation: &'static str,
    metadata: &KmsMetadata,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM kms_key_creations WHERE kms_key_id = ?1 OR kms_key_id = ?2")
        .bind(metadata.kms_key_id.as_str())
        .bind(metadata.kms_key_arn.as_deref())
        .execute(connection)
        .await
        .map_err(rows::failed(operation))?;
    Ok(())
}
