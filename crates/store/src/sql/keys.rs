//! The tables of public keys, KMS metadata and private keys.

use async_trait::async_trait;
use cantle_crypto::PublicKey;
use cantle_types::{Fingerprint, KeyName};
use zeroize::Zeroizing;

use super::settings::{change_provider, claim_provider};
use super::{SqlStore, SqlWrite, Statement, rows};
use crate::{
    Conflict, CryptoProvider, Deletion, Erasure, Insertion, KeyOrigin, KeyStore, KmsMetadata,
    PrivateKeyEntry, StoreError, StoredPrivateKey, StoredPublicKey,
};

const PUBLIC: &str = "public_keys";
const KMS: &str = "kms_metadata_store";
const PRIVATE: &str = "private_keys";

type PublicRow = (String, Vec<u8>, Option<String>);
type PrivateRow = (i64, Vec<u8>, Option<String>);
type KmsRow = (String, String, Option<String>, i64, String, String, i64);

#[async_trait]
impl<S: SqlStore> KeyStore for S {
    async fn public_key_insert(
        &self,
        key: &PublicKey,
        name: Option<&KeyName>,
    ) -> Result<Insertion, StoreError> {
        let mut tx = self.begin("public_key_insert").await?;
        let insertion = insert_public(&mut tx, key, name, Naming::KeepFirst).await?;
        tx.commit().await?;
        Ok(insertion)
    }

    async fn public_key_find(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Option<StoredPublicKey>, StoreError> {
        let row = self.read_first("public_key_find", select_public(fingerprint)).await?;
        row.as_ref().map(parse_public).transpose()
    }

    async fn public_key_list(&self) -> Result<Vec<StoredPublicKey>, StoreError> {
        let statement = Statement::new("SELECT fingerprint, key, name FROM public_keys ORDER BY position");
        let rows: Vec<PublicRow> = self.read("public_key_list", statement).await?;
        rows.iter().map(parse_public).collect()
    }

    async fn public_key_rename(
        &self,
        fingerprint: &Fingerprint,
        name: Option<&KeyName>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin("public_key_rename").await?;
        if rename(&mut tx, fingerprint, rows::some_name(name)).await? == 0 {
            return Err(StoreError::UnknownKey { fingerprint: fingerprint.clone() });
        }
        tx.commit().await
    }

    async fn kms_key_insert(
        &self,
        key: &PublicKey,
        name: Option<&KeyName>,
        metadata: &KmsMetadata,
    ) -> Result<Insertion, StoreError> {
        let fingerprint = key.fingerprint();
        let mut tx = self.begin("kms_key_insert").await?;
        claim(&mut tx, CryptoProvider::Kms).await?;
        let known: Option<(String,)> = tx
            .fetch_first(
                Statement::new("SELECT fingerprint FROM kms_metadata_store WHERE fingerprint = $1")
                    .bind(fingerprint.as_str()),
            )
            .await?;
        let naming = if known.is_some() { Naming::KeepFirst } else { Naming::TakeGiven };
        let mut insertion = insert_public(&mut tx, key, name, naming).await?;
        if known.is_none() {
            insert_metadata(&mut tx, metadata).await?;
            insertion = Insertion::Inserted;
        }
        super::creations::end_of(&mut tx, metadata).await?;
        tx.commit().await?;
        Ok(insertion)
    }

    async fn kms_metadata_find(&self, fingerprint: &Fingerprint) -> Result<Option<KmsMetadata>, StoreError> {
        let statement = Statement::new(
            "SELECT fingerprint, kms_key_id, kms_key_arn, purpose, key_spec, origin, created_at \
             FROM kms_metadata_store WHERE fingerprint = $1",
        )
        .bind(fingerprint.as_str());
        self.read_first("kms_metadata_find", statement).await?.map(parse_kms).transpose()
    }

    async fn kms_metadata_list(&self) -> Result<Vec<KmsMetadata>, StoreError> {
        let statement = Statement::new(
            "SELECT k.fingerprint, k.kms_key_id, k.kms_key_arn, k.purpose, k.key_spec, k.origin, k.created_at \
             FROM kms_metadata_store k JOIN public_keys p ON p.fingerprint = k.fingerprint ORDER BY p.position",
        );
        self.read("kms_metadata_list", statement).await?.into_iter().map(parse_kms).collect()
    }

    async fn private_key_insert(
        &self,
        key: &PublicKey,
        name: Option<&KeyName>,
        private: &StoredPrivateKey,
    ) -> Result<Insertion, StoreError> {
        let fingerprint = key.fingerprint();
        let mut tx = self.begin("private_key_insert").await?;
        claim(&mut tx, CryptoProvider::Jce).await?;
        let known: Option<(String,)> = tx
            .fetch_first(
                Statement::new("SELECT fingerprint FROM private_keys WHERE fingerprint = $1")
                    .bind(fingerprint.as_str()),
            )
            .await?;
        let naming = if known.is_some() { Naming::KeepFirst } else { Naming::TakeGiven };
        let mut insertion = insert_public(&mut tx, key, name, naming).await?;
        if known.is_none() {
            insert_private(&mut tx, private).await?;
            insertion = Insertion::Inserted;
        }
        tx.commit().await?;
        Ok(insertion)
    }

    async fn private_key_find(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<Option<StoredPrivateKey>, StoreError> {
        let statement =
            Statement::new("SELECT purpose, key, wrapper_key_id FROM private_keys WHERE fingerprint = $1")
                .bind(fingerprint.as_str());
        let row: Option<PrivateRow> = self.read_first("private_key_find", statement).await?;
        let Some((purpose, key, wrapper_key_id)) = row else { return Ok(None) };
        let key = Zeroizing::new(key);
        let purpose = rows::purpose(PRIVATE, fingerprint.as_str(), purpose)?;
        Ok(Some(StoredPrivateKey { fingerprint: fingerprint.clone(), purpose, key, wrapper_key_id }))
    }

    async fn private_key_list(&self) -> Result<Vec<PrivateKeyEntry>, StoreError> {
        let statement = Statement::new(
            "SELECT k.fingerprint, k.purpose, k.wrapper_key_id \
             FROM private_keys k JOIN public_keys p ON p.fingerprint = k.fingerprint ORDER BY p.position",
        );
        let rows: Vec<(String, i64, Option<String>)> = self.read("private_key_list", statement).await?;
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

    async fn private_keys_replace(&self, keys: &[StoredPrivateKey]) -> Result<(), StoreError> {
        let mut tx = self.begin("private_keys_replace").await?;
        for StoredPrivateKey { fingerprint, purpose, key, wrapper_key_id } in keys {
            let replaced = tx
                .execute(
                    Statement::new(
                        "UPDATE private_keys SET key = $3, wrapper_key_id = $4 WHERE fingerprint = $1 AND purpose = $2",
                    )
                    .bind(fingerprint.as_str())
                    .bind(rows::purpose_number(*purpose))
                    .bind(key.as_slice())
                    .bind(wrapper_key_id.as_deref()),
                )
                .await?;
            if replaced == 0 {
                return Err(StoreError::UnknownKey { fingerprint: fingerprint.clone() });
            }
            if let Some(wrapper_key_id) = wrapper_key_id {
                super::creations::end_of_wrapper(&mut tx, wrapper_key_id).await?;
            }
        }
        tx.commit().await
    }

    async fn keys_move_to_kms(&self, moved: &[KmsMetadata], kept: &[Fingerprint]) -> Result<(), StoreError> {
        let mut tx = self.begin("keys_move_to_kms").await?;
        change_provider(&mut tx, CryptoProvider::Jce, CryptoProvider::Kms).await?;
        for metadata in moved {
            insert_metadata(&mut tx, metadata).await?;
            super::creations::end_of(&mut tx, metadata).await?;
        }
        let stored: Vec<(String,)> = tx.fetch(Statement::new("SELECT fingerprint FROM private_keys")).await?;
        for (fingerprint,) in &stored {
            if !kept.iter().any(|kept| kept.as_str() == fingerprint) {
                delete_private(&mut tx, fingerprint).await?;
            }
        }
        tx.commit().await
    }

    async fn keys_move_to_store(&self, moved: &[StoredPrivateKey]) -> Result<(), StoreError> {
        let mut tx = self.begin("keys_move_to_store").await?;
        change_provider(&mut tx, CryptoProvider::Kms, CryptoProvider::Jce).await?;
        for private in moved {
            // One that the way into the KMS has kept is there.
            delete_private(&mut tx, private.fingerprint.as_str()).await?;
            insert_private(&mut tx, private).await?;
        }
        tx.execute(Statement::new("DELETE FROM kms_key_deletions")).await?;
        tx.execute(Statement::new("DELETE FROM kms_metadata_store")).await?;
        tx.commit().await
    }

    async fn remains_erase(&self) -> Result<Erasure, StoreError> {
        self.erase("remains_erase").await
    }

    async fn key_delete(&self, fingerprint: &Fingerprint) -> Result<Deletion, StoreError> {
        let mut tx = self.begin("key_delete").await?;
        super::deletions::end_of(&mut tx, fingerprint).await?;
        let mut deleted = [false; 3];
        let statements = [
            "DELETE FROM private_keys WHERE fingerprint = $1",
            "DELETE FROM kms_metadata_store WHERE fingerprint = $1",
            "DELETE FROM public_keys WHERE fingerprint = $1",
        ];
        for (statement, deleted) in statements.into_iter().zip(&mut deleted) {
            let rows = tx.execute(Statement::new(statement).bind(fingerprint.as_str())).await?;
            *deleted = rows > 0;
        }
        tx.commit().await?;
        let [private, kms, public] = deleted;
        if private {
            self.private_key_deleted(fingerprint).await;
        }
        Ok(Deletion { public, private, kms })
    }
}

async fn insert_metadata(tx: &mut impl SqlWrite, metadata: &KmsMetadata) -> Result<(), StoreError> {
    let inserted = tx
        .execute(
            Statement::new(
                "INSERT INTO kms_metadata_store \
                 (fingerprint, kms_key_id, kms_key_arn, purpose, key_spec, origin, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            )
            .bind(metadata.fingerprint.as_str())
            .bind(metadata.kms_key_id.as_str())
            .bind(metadata.kms_key_arn.as_deref())
            .bind(rows::purpose_number(metadata.purpose))
            .bind(metadata.key_spec.as_str())
            .bind(metadata.origin.as_str())
            .bind(metadata.created_at.as_microsecond()),
        )
        .await?;
    if inserted == 0 {
        let (kms_key_id, fingerprint) = (metadata.kms_key_id.clone(), metadata.fingerprint.clone());
        return Err(Conflict::KmsKey { kms_key_id, fingerprint }.into());
    }
    Ok(())
}

async fn delete_private(tx: &mut impl SqlWrite, fingerprint: &str) -> Result<(), StoreError> {
    let statement = Statement::new("DELETE FROM private_keys WHERE fingerprint = $1").bind(fingerprint);
    tx.execute(statement).await.map(drop)
}

async fn insert_private(tx: &mut impl SqlWrite, private: &StoredPrivateKey) -> Result<(), StoreError> {
    tx.execute(
        Statement::new(
            "INSERT INTO private_keys (fingerprint, purpose, key, wrapper_key_id) VALUES ($1, $2, $3, $4)",
        )
        .bind(private.fingerprint.as_str())
        .bind(rows::purpose_number(private.purpose))
        .bind(private.key.as_slice())
        .bind(private.wrapper_key_id.as_deref()),
    )
    .await?;
    match &private.wrapper_key_id {
        Some(wrapper_key_id) => super::creations::end_of_wrapper(tx, wrapper_key_id).await,
        None => Ok(()),
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

async fn claim(tx: &mut impl SqlWrite, wanted: CryptoProvider) -> Result<(), StoreError> {
    let recorded = claim_provider(tx, wanted).await?;
    if recorded == wanted { Ok(()) } else { Err(Conflict::Provider { recorded, wanted }.into()) }
}

async fn insert_public(
    tx: &mut impl SqlWrite,
    key: &PublicKey,
    name: Option<&KeyName>,
    naming: Naming,
) -> Result<Insertion, StoreError> {
    let fingerprint = key.fingerprint();
    let bytes = key.to_versioned_bytes();
    let given = rows::some_name(name);
    let stored: Option<PublicRow> = tx.fetch_first(select_public(fingerprint)).await?;
    let Some((_, stored_bytes, stored_name)) = stored else {
        tx.execute(
            Statement::new(
                "INSERT INTO public_keys (fingerprint, purpose, key, name) VALUES ($1, $2, $3, $4)",
            )
            .bind(fingerprint.as_str())
            .bind(rows::purpose_number(key.purpose()))
            .bind(bytes.as_slice())
            .bind(given),
        )
        .await?;
        return Ok(Insertion::Inserted);
    };
    if stored_bytes != bytes {
        return Err(Conflict::PublicKey { fingerprint: fingerprint.clone() }.into());
    }
    let kept = match naming {
        Naming::KeepFirst => stored_name.as_deref().or(given),
        Naming::TakeGiven => given.or(stored_name.as_deref()),
    };
    if kept != stored_name.as_deref() {
        rename(tx, fingerprint, kept).await?;
    }
    Ok(Insertion::Existing { name: rows::name(PUBLIC, fingerprint.as_str(), kept)? })
}

async fn rename(
    tx: &mut impl SqlWrite,
    fingerprint: &Fingerprint,
    name: Option<&str>,
) -> Result<u64, StoreError> {
    let statement = Statement::new("UPDATE public_keys SET name = $2 WHERE fingerprint = $1");
    tx.execute(statement.bind(fingerprint.as_str()).bind(name)).await
}

fn select_public(fingerprint: &Fingerprint) -> Statement<'_> {
    Statement::new("SELECT fingerprint, key, name FROM public_keys WHERE fingerprint = $1")
        .bind(fingerprint.as_str())
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
