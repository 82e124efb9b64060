//! The `node` table: provider and identity, each written once.

use async_trait::async_trait;
use cantle_types::UniqueIdentifier;
use sqlx::SqliteConnection;

use super::{SqliteStore, rows};
use crate::{Conflict, CryptoProvider, SettingsStore, StoreError};

const TABLE: &str = "node";

#[async_trait]
impl SettingsStore for SqliteStore {
    async fn provider_find(&self) -> Result<Option<CryptoProvider>, StoreError> {
        let column: Option<Option<String>> = sqlx::query_scalar("SELECT crypto_provider FROM node")
            .fetch_optional(self.readers())
            .await
            .map_err(rows::failed("provider_find"))?;
        parse_provider(column.flatten())
    }

    async fn provider_claim(&self, provider: CryptoProvider) -> Result<CryptoProvider, StoreError> {
        const OPERATION: &str = "provider_claim";
        let mut tx = self.begin(OPERATION).await?;
        let recorded = claim_provider(&mut tx, OPERATION, provider).await?;
        tx.commit().await.map_err(rows::failed(OPERATION))?;
        Ok(recorded)
    }

    async fn uid_find(&self) -> Result<Option<UniqueIdentifier>, StoreError> {
        let column: Option<Option<String>> = sqlx::query_scalar("SELECT uid FROM node")
            .fetch_optional(self.readers())
            .await
            .map_err(rows::failed("uid_find"))?;
        column.flatten().map(|uid| rows::text(TABLE, "uid", &uid)).transpose()
    }

    async fn uid_insert(&self, uid: &UniqueIdentifier) -> Result<(), StoreError> {
        const OPERATION: &str = "uid_insert";
        let failed = rows::failed(OPERATION);
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query("UPDATE node SET uid = ?1 WHERE uid IS NULL")
            .bind(uid.as_str())
            .execute(&mut *tx)
            .await
            .map_err(&failed)?;
        let recorded: String =
            sqlx::query_scalar("SELECT uid FROM node").fetch_one(&mut *tx).await.map_err(&failed)?;
        if recorded != uid.as_str() {
            let recorded = rows::text(TABLE, "uid", &recorded)?;
            return Err(Conflict::Uid { recorded, wanted: uid.clone() }.into());
        }
        tx.commit().await.map_err(&failed)
    }
}

/// Records the provider unless one is recorded; returns the recorded one.
pub(super) async fn claim_provider(
    connection: &mut SqliteConnection,
    operation: &'static str,
    provider: CryptoProvider,
) -> Result<CryptoProvider, StoreError> {
    sqlx::query("UPDATE node SET crypto_provider = ?1 WHERE crypto_provider IS NULL")
        .bind(provider.as_str())
        .execute(&mut *connection)
        .await
        .map_err(rows::failed(operation))?;
    let column: Option<String> = sqlx::query_scalar("SELECT crypto_provider FROM node")
        .fetch_one(&mut *connection)
        .await
        .map_err(rows::failed(operation))?;
    Ok(parse_provider(column)?.unwrap_or(provider))
}

fn parse_provider(column: Option<String>) -> Result<Option<CryptoProvider>, StoreError> {
    column.map(|word| rows::word(TABLE, "crypto_provider", &word, CryptoProvider::parse)).transpose()
}
