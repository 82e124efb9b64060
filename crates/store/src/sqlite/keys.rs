//! The tables of public keys, KMS metadata and private keys.

use async_trait::async_trait;
use cantle_crypto::PublicKey;
use cantle_types::{Fingerprint, KeyName};
use sqlx::SqliteConnection;
use zeroize::Zeroizing;

use super::settings::claim_provider;
use super::{SqliteStore, rows};
use crate::{
    Conflict, CryptoProvider, Deletion, Insertion, KeyOrigin, KeyStore, KmsMetadata, PrivateKeyEntry,
    StoreError, StoredPrivateKey, StoredPublicKey,
};

const PUBLIC: &str = "public_keys";
const KMS: &str = "kms_metadata_store";
const PRIVATE: &str = "private_keys";

type PublicRow = (String, Vec<u8>, Option<String>);
type KmsRow = (String, String, Option<String>, i64, String, String, i64);

#[async_trait]
impl KeyStore for SqliteStore {
    async fn public_key_insert(
        &self,
        key: &PublicKey,
        name: Option<&KeyName>,
    ) -> Result<Insertion, StoreError> {
        const OPERATION: &str = "public_key_insert";
        let mut tx = self.begin(OPERATION).await?;
        let insertion = insert_public(&mut tx, OPERATION, key, name, Naming::KeepFirst).await?;
        tx.commit().await.map_err(rows::failed(OPERATION))?;
        Ok(insertion)
    }

    async fn public_key_find(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Option<StoredPublicKey>, StoreError> {
        let row: Option<PublicRow> =
            sqlx::query_as("SELECT fingerprint, key, name FROM public_keys WHERE fingerprint = ?1")
                .bind(fingerprint.as_str())
                .fetch_optional(self.readers())
                .await
                .map_err(rows::failed("public_key_find"))?;
        row.as_ref().map(parse_public).transpose()
    }

    async fn public_key_list(&self) -> Result<Vec<StoredPublicKey>, StoreError> {
        let rows: Vec<PublicRow> =
            sqlx::query_as("SELECT fingerprint, key, name FROM public_keys ORDER BY position")
                .fetch_all(self.readers())
                .await
                .map_err(rows::failed("public_key_list"))?;
        rows.iter().map(parse_public).collect()
    }

    async fn public_key_rename(
        &self,
        fingerprint: &Fingerprint,
        name: Option<&KeyName>,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "public_key_rename";
        let mut tx = self.begin(OPERATION).await?;
        let changed = sqlx::query("UPDATE public_keys SET name = ?2 WHERE fingerprint = ?1")
            .bind(fingerprint.as_str())
            .bind(some_name(name))
            .execute(&mut *tx)
            .await
            .map_err(rows::failed(OPERATION))?;
        if changed.rows_affected() == 0 {
            return Err(StoreError::UnknownKey { fingerprint: fingerprint.clone() });
        }
        tx.commit().await.map_err(rows::failed(OPERATION))
    }

    async fn kms_key_insert(
        &self,
        key: &PublicKey,
        name: Option<&KeyName>,
        metadata: &KmsMetadata,
    ) -> Result<Insertion, StoreError> {
        const OPERATION: &str = "kms_key_insert";
        let fingerprint = key.fingerprint();
        let mut tx = self.begin(OPERATION).await?;
        claim(&mut tx, OPERATION, CryptoProvider::Kms).await?;
        let known: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM kms_metadata_store WHERE fingerprint = ?1")
                .bind(fingerprint.as_str())
                .fetch_optional(&mut *tx)
                .await
                .map_err(rows::failed(OPERATION))?;
        let naming = if known.is_some() { Naming::KeepFirst } else { Naming::TakeGiven };
        let mut insertion = insert_public(&mut tx, OPERATION, key, name, naming).await?;
        if known.is_none() {
            sqlx::query(
                "INSERT INTO kms_metadata_store \
                 (fingerprint, kms_key_id, kms_key_arn, purpose, key_spec, origin, created_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .bind(fingerprint.as_str())
            .bind(metadata.kms_key_id.as_str())
            .bind(metadata.kms_key_arn.as_deref())
            .bind(rows::purpose_number(metadata.purpose))
            .bind(metadata.key_spec.as_str())
            .bind(metadata.origin.as_str())
            .bind(metadata.created_at.as_microsecond())
            .execute(&mut *tx)
            .await
            .map_err(|error| {
                if rows::is_duplicate(&error) {
                    let kms_key_id = metadata.kms_key_id.clone();
                    Conflict::KmsKey { kms_key_id, fingerprint: fingerprint.clone() }.into()
                } else {
                    rows::failed(OPERATION)(error)
                }
            })?;
            insertion = Insertion::Inserted;
        }
        super::creations::end_of(&mut tx, OPERATION, metadata).await?;
        tx.commit().await.map_err(rows::failed(OPERATION))?;
        Ok(insertion)
    }

    async fn kms_metadata_find(&self, fingerprint: &Fingerprint) -> Result<Option<KmsMetadata>, StoreError> {
        let row: Option<KmsRow> = sqlx::query_as(
            "SELECT fingerprint, kms_key_id, kms_key_arn, purpose, key_spec, origin, created_at \
             FROM kms_metadata_store WHERE fingerprint = ?1",
        )
        .bind(fingerprint.as_str())
        .fetch_optional(self.readers())
        .await
        .map_err(rows::failed("kms_metadata_find"))?;
        row.map(parse_kms).transpose()
    }

    async fn kms_metadata_list(&self) -> Result<Vec<KmsMetadata>, StoreError> {
        let rows: Vec<KmsRow> = sqlx::query_as(
            "SELECT k.fingerprint, k.kms_key_id, k.kms_key_arn, k.purpose, k.key_spec, k.origin, k.created_at \
             FROM kms_metadata_store k JOIN public_keys p ON p.fingerprint = k.fingerprint ORDER BY p.position",
        )
        .fetch_all(self.readers())
        .await
        .map_err(rows::failed("kms_metadata_list"))?;
        rows.into_iter().map(parse_kms).collect()
    }

    async fn private_key_insert(
        &self,
        key: &PublicKey,
        name: Option<&KeyName>,
        private: &StoredPrivateKey,
    ) -> Result<Insertion, StoreError> {
        const OPERATION: &str = "private_key_insert";
        let fingerprint = key.fingerprint();
        let mut tx = self.begin(OPERATION).await?;
        claim(&mut tx, OPERATION, CryptoProvider::Jce).await?;
        let known: Option<i64> = sqlx::query_scalar("SELECT 1 FROM private_keys WHERE fingerprint = ?1")
            .bind(fingerprint.as_str())
            .fetch_optional(&mut *tx)
            .await
            .map_err(rows::failed(OPERATION))?;
        let naming = if known.is_some() { Naming::KeepFirst } else { Naming::TakeGiven };
        let mut insertion = insert_public(&mut tx, OPERATION, key, name, naming).await?;
        if known.is_none() {
            sqlx::query(
                "INSERT INTO private_keys (fingerprint, purpose, key, wrapper_key_id) VALUES (?1, ?2, ?3, ?4)",
            )
            .bind(fingerprint.as_str())
            .bind(rows::purpose_number(private.purpose))
            .bind(private.key.as_slice())
            .bind(private.wrapper_key_id.as_deref())
            .execute(&mut *tx)
            .await
            .map_err(rows::failed(OPERATION))?;
            insertion = Insertion::Inserted;
        }
        tx.commit().await.map_err(rows::failed(OPERATION))?;
        Ok(insertion)
    }

    async fn private_key_find(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Option<StoredPrivateKey>, StoreError> {
        let row: Option<(i64, Vec<u8>, Option<String>)> =
            sqlx::query_as("SELECT purpose, key, wrapper_key_id FROM private_keys WHERE fingerprint = ?1")
                .bind(fingerprint.as_str())
                .fetch_optional(self.readers())
                .await
                .map_err(rows::failed("private_key_find"))?;
        let Some((purpose, key, wrapper_key_id)) = row else { return Ok(None) };
        let key = Zeroizing::new(key);
        let purpose = rows::purpose(PRIVATE, fingerprint.as_str(), purpose)?;
        Ok(Some(StoredPrivateKey { fingerprint: fingerprint.clone(), purpose, key, wrapper_key_id }))
    }

    async fn private_key_list(&self) -> Result<Vec<PrivateKeyEntry>, StoreError> {
        let rows: Vec<(String, i64, Option<String>)> = sqlx::query_as(
            "SELECT k.fingerprint, k.purpose, k.wrapper_key_id \
             FROM private_keys k JOIN public_keys p ON p.fingerprint = k.fingerprint ORDER BY p.position",
        )
        .fetch_all(self.readers())
        .await
        .map_err(rows::failed("private_key_list"))?;
        rows.into_iter()
            .map(|(fingerprint, purpose, wrapper_key_id)| {
                Ok(PrivateKeyEntry {
                    purpose: rows::purpose(PRIVATE, &fingerprint, purpose)?,
                    fingerprint: rows::fingerprint(PRIVATE, &fingerprint)?,
                    wrapper_key_id,
                })
            })
            .collect()
    }

    async fn key_delete(&self, fingerprint: &Fingerprint) -> Result<Deletion, StoreError> {
        const OPERATION: &str = "key_delete";
        let mut tx = self.begin(OPERATION).await?;
        let mut deleted = [false; 3];
        let statements = [
            "DELETE FROM private_keys WHERE fingerprint = ?1",
            "DELETE FROM kms_metadata_store WHERE fingerprint = ?1",
            "DELETE FROM public_keys WHERE fingerprint = ?1",
        ];
        for (statement, deleted) in statements.into_iter().zip(&mut deleted) {
            let result = sqlx::query(statement)
                .bind(fingerprint.as_str())
                .execute(&mut *tx)
                .await
                .map_err(rows::failed(OPERATION))?;
            *deleted = result.rows_affected() > 0;
        }
        tx.commit().await.map_err(rows::failed(OPERATION))?;
        let [private, kms, public] = deleted;
        if private {
            // The key is overwritten in the file only once the log is copied into it. The deletion stands either way.
            let truncated = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.inner.writer).await;
            if let Err(error) = truncated {
                tracing::warn!(%fingerprint, %error, "the write-ahead log still holds the deleted private key");
            }
        }
        Ok(Deletion { public, private, kms })
    }
}

/// Which name a known key has after an insertion.
#[derive(Clone, Copy)]
enum Naming {
    /// The one it had, unless it had none.
    KeepFirst,
    /// The given one, unless none is given: the key becomes this node's own.
    TakeGiven,
}

async fn claim(
    connection: &mut SqliteConnection,
    operation: &'static str,
    wanted: CryptoProvider,
) -> Result<(), StoreError> {
    let recorded = claim_provider(connection, operation, wanted).await?;
    if recorded == wanted { Ok(()) } else { Err(Conflict::Provider { recorded, wanted }.into()) }
}

async fn insert_public(
    connection: &mut SqliteConnection,
    operation: &'static str,
    key: &PublicKey,
    name: Option<&KeyName>,
    naming: Naming,
) -> Result<Insertion, StoreError> {
    let fingerprint = key.fingerprint();
    let bytes = key.to_versioned_bytes();
    let stored: Option<PublicRow> =
        sqlx::query_as("SELECT fingerprint, key, name FROM public_keys WHERE fingerprint = ?1")
            .bind(fingerprint.as_str())
            .fetch_optional(&mut *connection)
            .await
            .map_err(rows::failed(operation))?;
    let Some((_, stored_bytes, stored_name)) = stored else {
        sqlx::query("INSERT INTO public_keys (fingerprint, purpose, key, name) VALUES (?1, ?2, ?3, ?4)")
            .bind(fingerprint.as_str())
            .bind(rows::purpose_number(key.purpose()))
            .bind(bytes)
            .bind(some_name(name))
            .execute(connection)
            .await
            .map_err(rows::failed(operation))?;
        return Ok(Insertion::Inserted);
    };
    if stored_bytes != bytes {
        return Err(Conflict::PublicKey { fingerprint: fingerprint.clone() }.into());
    }
    let given = some_name(name);
    let kept = match naming {
        Naming::KeepFirst => stored_name.as_deref().or(given),
        Naming::TakeGiven => given.or(stored_name.as_deref()),
    };
    if kept != stored_name.as_deref() {
        sqlx::query("UPDATE public_keys SET name = ?2 WHERE fingerprint = ?1")
            .bind(fingerprint.as_str())
            .bind(kept)
            .execute(connection)
            .await
            .map_err(rows::failed(operation))?;
    }
    Ok(Insertion::Existing { name: rows::name(PUBLIC, fingerprint.as_str(), kept)? })
}

fn some_name(name: Option<&KeyName>) -> Option<&str> {
    name.map(KeyName::as_str).filter(|name| !name.is_empty())
}

fn parse_public((fingerprint, key, name): &PublicRow) -> Result<StoredPublicKey, StoreError> {
    let key =
        PublicKey::from_versioned_bytes(key).map_err(|error| rows::corrupt(PUBLIC, fingerprint, error))?;
    if key.fingerprint().as_str() != fingerprint {
        return Err(rows::corrupt(
            PUBLIC,
            fingerprint,
            format!("the key's fingerprint is {}", key.fingerprint()),
        ));
    }
    Ok(StoredPublicKey { key, name: rows::name(PUBLIC, fingerprint, name.as_deref())? })
}

fn parse_kms(row: KmsRow) -> Result<KmsMetadata, StoreError> {
    let (fingerprint, kms_key_id, kms_key_arn, purpose, key_spec, origin, created_at) = row;
    Ok(KmsMetadata {
        purpose: rows::purpose(KMS, &fingerprint, purpose)?,
        origin: rows::word(KMS, &fingerprint, &origin, KeyOrigin::parse)?,
        created_at: rows::time(KMS, &fingerprint, created_at)?,
        fingerprint: rows::fingerprint(KMS, &fingerprint)?,
        kms_key_id,
        kms_key_arn,
        key_spec,
    })
}
