//! The `node` table: provider and identity, each written once.

use async_trait::async_trait;
use cantle_types::UniqueIdentifier;

use super::{SqlStore, SqlWrite, Statement, rows};
use crate::{Conflict, CryptoProvider, SettingsStore, StoreError};

const TABLE: &str = "node";

type Column = (Option<String>,);

#[async_trait]
impl<S: SqlStore> SettingsStore for S {
    async fn provider_find(&self) -> Result<Option<CryptoProvider>, StoreError> {
        let statement = Statement::new("SELECT crypto_provider FROM node");
        parse_provider(self.read_first("provider_find", statement).await?)
    }

    async fn provider_claim(&self, provider: CryptoProvider) -> Result<CryptoProvider, StoreError> {
        let mut tx = self.begin("provider_claim").await?;
        let recorded = claim_provider(&mut tx, provider).await?;
        tx.commit().await?;
        Ok(recorded)
    }

    async fn uid_find(&self) -> Result<Option<UniqueIdentifier>, StoreError> {
        parse_uid(self.read_first("uid_find", Statement::new("SELECT uid FROM node")).await?)
    }

    async fn uid_insert(&self, uid: &UniqueIdentifier) -> Result<(), StoreError> {
        let mut tx = self.begin("uid_insert").await?;
        tx.execute(Statement::new("UPDATE node SET uid = $1 WHERE uid IS NULL").bind(uid.as_str())).await?;
        let recorded = parse_uid(tx.fetch_first(Statement::new("SELECT uid FROM node")).await?)?;
        match recorded {
            Some(recorded) if recorded != *uid => Err(Conflict::Uid { recorded, wanted: uid.clone() }.into()),
            _ => tx.commit().await,
        }
    }

    fn write_failed(&self) -> bool {
        SqlStore::write_failed(self)
    }

    async fn write_probe(&self) -> Result<(), StoreError> {
        let mut tx = self.begin("write_probe").await?;
        // There and back: SQLite writes no page whose content an update leaves as it is.
        tx.execute(Statement::new("UPDATE node SET name = name || '.'")).await?;
        tx.execute(Statement::new("UPDATE node SET name = substr(name, 1, length(name) - 1)")).await?;
        tx.commit().await
    }
}

/// Records the provider unless one is recorded; returns the recorded one.
pub(super) async fn claim_provider(
    tx: &mut impl SqlWrite,
    provider: CryptoProvider,
) -> Result<CryptoProvider, StoreError> {
    tx.execute(
        Statement::new("UPDATE node SET crypto_provider = $1 WHERE crypto_provider IS NULL")
            .bind(provider.as_str()),
    )
    .await?;
    let row = tx.fetch_first(Statement::new("SELECT crypto_provider FROM node")).await?;
    Ok(parse_provider(row)?.unwrap_or(provider))
}

/// Replaces the recorded provider by another one: a migration, the only way to do so.
pub(super) async fn change_provider(
    tx: &mut impl SqlWrite,
    from: CryptoProvider,
    to: CryptoProvider,
) -> Result<(), StoreError> {
    let changed = tx
        .execute(
            Statement::new("UPDATE node SET crypto_provider = $2 WHERE crypto_provider = $1")
                .bind(from.as_str())
                .bind(to.as_str()),
        )
        .await?;
    if changed > 0 {
        return Ok(());
    }
    let recorded = parse_provider(tx.fetch_first(Statement::new("SELECT crypto_provider FROM node")).await?)?;
    Err(Conflict::Provider { recorded: recorded.unwrap_or(from), wanted: to }.into())
}

fn parse_provider(row: Option<Column>) -> Result<Option<CryptoProvider>, StoreError> {
    row.and_then(|(column,)| column)
        .map(|word| rows::word(TABLE, "crypto_provider", &word, CryptoProvider::parse))
        .transpose()
}

fn parse_uid(row: Option<Column>) -> Result<Option<UniqueIdentifier>, StoreError> {
    row.and_then(|(column,)| column).map(|uid| rows::text(TABLE, "uid", &uid)).transpose()
}
