//! The ciphertext of symmetric keys: opaque to callers, bound to the key and to the encryption context.
//!
//! A blob names the key it was made under (account, key id, material), masked so that it reads as noise, and is
//! authenticated as a whole: a changed byte anywhere is an invalid ciphertext. 152 bytes longer than the plaintext,
//! as AWS's are. The format is ours; AWS does not publish its own.

use std::collections::BTreeMap;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest,
};
use zeroize::Zeroizing;

use super::material::{SecretBytes, random_bytes};
use crate::state::key::KeyId;

const MAGIC: [u8; 5] = [1, 2, 2, 0, 0x78];
const NONCE: std::ops::Range<usize> = 5..17;
const MASKED: std::ops::Range<usize> = 17..66;
const HEADER: usize = 136;
const TAG: usize = 16;

/// An encryption context: bound to the ciphertext, never part of it.
pub(crate) type EncryptionContext = BTreeMap<String, String>;

/// The key a blob was made under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlobKey {
    pub(crate) account: u64,
    pub(crate) key: KeyId,
    /// The first half of the material's identifier.
    pub(crate) material: [u8; 16],
}

/// Encrypts under a key of 32 bytes.
pub(crate) fn seal(
    secret: &[u8],
    under: &BlobKey,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Option<Vec<u8>> {
    let mut blob = random_bytes(HEADER)?.to_vec();
    blob[..MAGIC.len()].copy_from_slice(&MAGIC);
    let mut named = Vec::with_capacity(MASKED.len());
    named.extend_from_slice(under.key.bytes());
    named.push(u8::from(under.key.is_multi_region()));
    named.extend_from_slice(&under.account.to_be_bytes());
    named.extend_from_slice(&under.material);
    let check = digest::digest(&digest::SHA256, &named);
    named.extend_from_slice(&check.as_ref()[..8]);
    let mask = mask(&blob[NONCE]);
    for (place, (byte, masked)) in blob[MASKED].iter_mut().zip(named.iter().zip(mask)) {
        *place = byte ^ masked;
    }
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(&blob[NONCE]).ok()?;
    let mut sealed = plaintext.to_vec();
    key.seal_in_place_append_tag(nonce, Aad::from(associated(&blob, context)), &mut sealed).ok()?;
    blob.extend_from_slice(&sealed);
    Some(blob)
}

/// The key that a blob names; `None` if it is no blob of ours or was changed.
pub(crate) fn named_key(blob: &[u8]) -> Option<BlobKey> {
    if blob.len() < HEADER + TAG || !blob.starts_with(&MAGIC) {
        return None;
    }
    let named: Vec<u8> =
        blob[MASKED].iter().zip(mask(&blob[NONCE])).map(|(byte, masked)| byte ^ masked).collect();
    let (named, check) = named.split_at(41);
    if &digest::digest(&digest::SHA256, named).as_ref()[..8] != check {
        return None;
    }
    Some(BlobKey {
        key: KeyId::from_bytes(named[..16].try_into().ok()?, named[16] == 1),
        account: u64::from_be_bytes(named[17..25].try_into().ok()?),
        material: named[25..41].try_into().ok()?,
    })
}

/// Decrypts; `None` if the key, the context or a byte is wrong.
pub(crate) fn open(secret: &[u8], context: &EncryptionContext, blob: &[u8]) -> Option<SecretBytes> {
    let (header, sealed) = blob.split_at_checked(HEADER)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).ok()?);
    let nonce = Nonce::try_assume_unique_for_key(&header[NONCE]).ok()?;
    let mut plaintext = Zeroizing::new(sealed.to_vec());
    let length = key.open_in_place(nonce, Aad::from(associated(header, context)), &mut plaintext).ok()?.len();
    plaintext.truncate(length);
    Some(plaintext)
}

fn mask(nonce: &[u8]) -> impl Iterator<Item = u8> + use<> {
    let mut first = digest::Context::new(&digest::SHA512);
    first.update(b"ciphertext blob");
    first.update(nonce);
    first.finish().as_ref().to_vec().into_iter()
}

/// Lengths before every part, so that no two contexts look alike.
fn associated(header: &[u8], context: &EncryptionContext) -> Vec<u8> {
    let mut data = header.to_vec();
    for part in context.iter().flat_map(|(name, value)| [name, value]) {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part.as_bytes());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under() -> BlobKey {
        BlobKey { account: 123_456_789_012, key: KeyId::random(true), material: [7; 16] }
    }

    #[test]
    fn a_blob_names_its_key_and_opens() {
        let under = under();
        let context = EncryptionContext::from([("a".to_owned(), "b".to_owned())]);
        let blob = seal(&[9; 32], &under, &context, b"plaintext").unwrap();
        assert_eq!(blob.len(), 9 + 152);
        assert_eq!(named_key(&blob), Some(under));
        assert_eq!(open(&[9; 32], &context, &blob).unwrap().as_slice(), b"plaintext");
        assert!(open(&[9; 32], &EncryptionContext::new(), &blob).is_none());
        assert!(open(&[8; 32], &context, &blob).is_none());
    }

    #[test]
    fn a_changed_byte_anywhere_is_refused() {
        let blob = seal(&[9; 32], &under(), &EncryptionContext::new(), b"plaintext").unwrap();
        for place in 0..blob.len() {
            let mut changed = blob.clone();
            changed[place] ^= 1;
            let opened =
                named_key(&changed).and_then(|_| open(&[9; 32], &EncryptionContext::new(), &changed));
            assert!(opened.is_none(), "byte {place}");
        }
        assert!(named_key(b"").is_none());
        assert!(named_key(&[0; 500]).is_none());
    }

    #[test]
    fn contexts_that_concatenate_alike_differ() {
        let one = EncryptionContext::from([("ab".to_owned(), "c".to_owned())]);
        let other = EncryptionContext::from([("a".to_owned(), "bc".to_owned())]);
        let blob = seal(&[9; 32], &under(), &one, b"plaintext").unwrap();
        assert!(open(&[9; 32], &other, &blob).is_none());
    }
}
