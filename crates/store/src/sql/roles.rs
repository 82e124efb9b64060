//! The table of single values of the roles.

use async_trait::async_trait;

use super::{SqlStore, SqlWrite, Statement};
use crate::{RoleSetting, RoleStore, StoreError};

#[async_trait]
impl<S: SqlStore> RoleStore for S {
    async fn setting_find(&self, setting: &RoleSetting) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<(Vec<u8>,)> = self.read_first("setting_find", select(setting)).await?;
        Ok(row.map(|(value,)| value))
    }

    async fn setting_put(&self, setting: &RoleSetting, value: &[u8]) -> Result<(), StoreError> {
        let mut tx = self.begin("setting_put").await?;
        let mut insert = insert(setting, value);
        insert.push(" ON CONFLICT (name, domain) DO UPDATE SET value = excluded.value");
        tx.execute(insert).await?;
        tx.commit().await
    }

    async fn setting_claim(&self, setting: &RoleSetting, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut tx = self.begin("setting_claim").await?;
        let mut insert = insert(setting, value);
        insert.push(" ON CONFLICT (name, domain) DO NOTHING");
        tx.execute(insert).await?;
        let row: Option<(Vec<u8>,)> = tx.fetch_first(select(setting)).await?;
        tx.commit().await?;
        Ok(row.map_or_else(|| value.to_vec(), |(value,)| value))
    }
}

fn select(setting: &RoleSetting) -> Statement<'_> {
    let (name, domain) = setting.parts();
    Statement::new("SELECT value FROM role_settings WHERE name = $1 AND domain = $2").bind(name).bind(domain)
}

fn insert<'a>(setting: &'a RoleSetting, value: &'a [u8]) -> Statement<'a> {
    let (name, domain) = setting.parts();
    Statement::new("INSERT INTO role_settings (name, domain, value) VALUES ($1, $2, $3)")
        .bind(name)
        .bind(domain)
        .bind(value)
}
