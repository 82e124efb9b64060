//! The table of registered domains.

use async_trait::async_trait;
use cantle_types::{DomainAlias, DomainId};

use super::{SqlStore, SqlWrite, Statement, rows};
use crate::{Conflict, ConnectionStore, DomainConnection, StoreError};

const TABLE: &str = "domain_connections";

type Row = (String, Option<String>, Vec<u8>);

#[async_trait]
impl<S: SqlStore> ConnectionStore for S {
    async fn connection_insert(&self, connection: &DomainConnection) -> Result<(), StoreError> {
        let mut tx = self.begin("connection_insert").await?;
        let inserted = tx
            .execute(
                Statement::new(
                    "INSERT INTO domain_connections (alias, domain, config) VALUES ($1, $2, $3) \
                     ON CONFLICT (alias) DO NOTHING",
                )
                .bind(connection.alias.as_str())
                .bind(connection.domain.as_ref().map(DomainId::as_str))
                .bind(connection.config.as_slice()),
            )
            .await?;
        if inserted == 0 {
            return Err(Conflict::Connection { alias: connection.alias.clone() }.into());
        }
        tx.commit().await
    }

    async fn connection_update(&self, alias: &DomainAlias, config: &[u8]) -> Result<(), StoreError> {
        let mut tx = self.begin("connection_update").await?;
        let update = Statement::new("UPDATE domain_connections SET config = $2 WHERE alias = $1")
            .bind(alias.as_str())
            .bind(config);
        if tx.execute(update).await? == 0 {
            return Err(StoreError::UnknownConnection { alias: alias.clone() });
        }
        tx.commit().await
    }

    async fn connection_identify(&self, alias: &DomainAlias, domain: &DomainId) -> Result<(), StoreError> {
        let mut tx = self.begin("connection_identify").await?;
        tx.execute(
            Statement::new("UPDATE domain_connections SET domain = $2 WHERE alias = $1 AND domain IS NULL")
                .bind(alias.as_str())
                .bind(domain.as_str()),
        )
        .await?;
        let row: Option<Row> = tx.fetch_first(find(alias)).await?;
        match row.map(parse).transpose()? {
            None => Err(StoreError::UnknownConnection { alias: alias.clone() }),
            Some(DomainConnection { domain: Some(recorded), .. }) if recorded != *domain => {
                let (alias, wanted) = (alias.clone(), domain.clone());
                Err(Conflict::ConnectionDomain { alias, recorded, wanted }.into())
            }
            Some(_) => tx.commit().await,
        }
    }

    async fn connection_find(&self, alias: &DomainAlias) -> Result<Option<DomainConnection>, StoreError> {
        let row: Option<Row> = self.read_first("connection_find", find(alias)).await?;
        row.map(parse).transpose()
    }

    async fn connection_list(&self) -> Result<Vec<DomainConnection>, StoreError> {
        let statement =
            Statement::new("SELECT alias, domain, config FROM domain_connections ORDER BY position");
        let rows: Vec<Row> = self.read("connection_list", statement).await?;
        rows.into_iter().map(parse).collect()
    }
}

fn find(alias: &DomainAlias) -> Statement<'_> {
    Statement::new("SELECT alias, domain, config FROM domain_connections WHERE alias = $1")
        .bind(alias.as_str())
}

fn parse((alias, domain, config): Row) -> Result<DomainConnection, StoreError> {
    Ok(DomainConnection {
        domain: domain.map(|domain| rows::text(TABLE, &alias, &domain)).transpose()?,
        alias: rows::text(TABLE, &alias, &alias)?,
        config,
    })
}
