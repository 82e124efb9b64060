//! ECIES on P-256, in the two layouts of Canton.
//!
//! - GCM, as Tink's ECIES-AEAD-HKDF: ephemeral point (65 bytes, uncompressed) ‖ AES-128-GCM output. The key is
//!   HKDF-HMAC-SHA256 of ephemeral point ‖ shared x, without salt and info.
//! - CBC, as BouncyCastle's `ECIESwithSHA256andAES-CBC`: IV (16) ‖ ephemeral point (65) ‖ AES-128-CBC with PKCS#7
//!   padding ‖ HMAC-SHA256 (32). Cipher key (16) and MAC key (64) are KDF2-SHA256 of ephemeral point ‖ shared x;
//!   the MAC is over the CBC text and eight zero bytes, the length of the empty encoding vector.
//!
//! The MAC does not cover the IV, so that whoever can change a ciphertext can change the first block of its
//! plaintext. That is a weakness of the CBC layout itself; prefer the GCM one.
//!
//! Invariant: nothing is unpadded before its MAC is checked, so that padding tells nothing.
//! Source: <https://developers.google.com/tink/wire-format>; IEEE P1363a; ISO 18033-2 (KDF2).

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::cipher::{
    AES_128, AES_CBC_IV_LEN, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use crate::error::EncryptError;
use crate::hkdf::hkdf;
use crate::random::random_bytes;
use crate::scheme::EncryptionKeyScheme;
use crate::symmetric::SymmetricKey;

const POINT_LENGTH: usize = 65;
const KEY_LENGTH: usize = 16;
const MAC_KEY_LENGTH: usize = 64;
const MAC_LENGTH: usize = 32;

/// The length tag of an empty encoding vector, which the MAC covers.
const EMPTY_VECTOR_LENGTH: [u8; 8] = [0; 8];

/// Encrypts to the uncompressed point of a P-256 key, in Tink's layout.
pub(crate) fn gcm_encrypt(recipient: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
    let failed =
        EncryptError::Failed { scheme: EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm.name() };
    let Some((ephemeral, secret)) = encapsulate(recipient) else { return Err(failed) };
    let Some(key) = gcm_key(&secret) else { return Err(failed) };
    let text = key.encrypt(plaintext)?;
    Ok([&ephemeral[..], &text].concat())
}

/// Decrypts Tink's layout.
pub(crate) fn gcm_decrypt(key: &PrivateKey, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (ephemeral, text) = ciphertext.split_first_chunk::<POINT_LENGTH>()?;
    gcm_key(&shared_secret(key, ephemeral)?)?.open(text)
}

fn gcm_key(secret: &[u8]) -> Option<SymmetricKey> {
    SymmetricKey::from_bytes(&hkdf(secret, &[], KEY_LENGTH).ok()?)
}

/// Encrypts to the uncompressed point of a P-256 key, in BouncyCastle's layout.
pub(crate) fn cbc_encrypt(recipient: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, EncryptError> {
    let scheme = EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc.name();
    cbc_seal(recipient, plaintext).ok_or(EncryptError::Failed { scheme })
}

fn cbc_seal(recipient: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
    let (ephemeral, secret) = encapsulate(recipient)?;
    let iv = random_bytes::<AES_CBC_IV_LEN>().ok()?;
    let (cipher_key, mac_key) = cbc_keys(&secret);

    let key =
        PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_128, &*cipher_key).ok()?).ok()?;
    // Room for the padding, so that the plaintext is not left behind in a smaller buffer.
    let mut text = Vec::with_capacity(plaintext.len() + AES_CBC_IV_LEN);
    text.extend_from_slice(plaintext);
    key.less_safe_encrypt(&mut text, EncryptionContext::Iv128(FixedLength::from(iv))).ok()?;

    let tag = hmac::sign(&mac_key, &[&text[..], &EMPTY_VECTOR_LENGTH].concat());
    Some([&iv[..], &ephemeral, &text, tag.as_ref()].concat())
}

/// Decrypts BouncyCastle's layout.
pub(crate) fn cbc_decrypt(key: &PrivateKey, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (iv, rest) = ciphertext.split_first_chunk::<AES_CBC_IV_LEN>()?;
    let (ephemeral, rest) = rest.split_first_chunk::<POINT_LENGTH>()?;
    let (text, tag) = rest.split_last_chunk::<MAC_LENGTH>()?;
    let secret = shared_secret(key, ephemeral)?;
    let (cipher_key, mac_key) = cbc_keys(&secret);

    hmac::verify(&mac_key, &[text, &EMPTY_VECTOR_LENGTH].concat(), tag).ok()?;
    let key =
        PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_128, &*cipher_key).ok()?).ok()?;
    let mut text = Zeroizing::new(text.to_vec());
    let context = DecryptionContext::Iv128(FixedLength::from(*iv));
    let length = key.decrypt(&mut text, context).ok()?.len();
    text.truncate(length);
    Some(text)
}

fn cbc_keys(secret: &[u8]) -> (Zeroizing<[u8; KEY_LENGTH]>, hmac::Key) {
    let mut keys = Zeroizing::new([0; KEY_LENGTH + MAC_KEY_LENGTH]);
    kdf2(secret, keys.as_mut_slice());
    let (cipher_key, mac_key) = keys.split_first_chunk().expect("the cipher key comes first");
    (Zeroizing::new(*cipher_key), hmac::Key::new(hmac::HMAC_SHA256, mac_key))
}

/// KDF2 of ISO 18033-2 with SHA-256: digests of the secret and a counter from 1.
fn kdf2(secret: &[u8], output: &mut [u8]) {
    for (block, counter) in output.chunks_mut(SHA256.output_len()).zip(1_u32..) {
        let mut context = Context::new(&SHA256);
        context.update(secret);
        context.update(&counter.to_be_bytes());
        block.copy_from_slice(&context.finish().as_ref()[..block.len()]);
    }
}

/// A new ephemeral point, and what is shared with the recipient: the point and x.
fn encapsulate(recipient: &[u8]) -> Option<([u8; POINT_LENGTH], Zeroizing<Vec<u8>>)> {
    let key = PrivateKey::generate(&ECDH_P256).ok()?;
    let ephemeral = key.compute_public_key().ok()?.as_ref().try_into().ok()?;
    Some((ephemeral, agreed(&key, recipient, &ephemeral)?))
}

/// What the sender of the ephemeral point shares with `key`.
fn shared_secret(key: &PrivateKey, ephemeral: &[u8; POINT_LENGTH]) -> Option<Zeroizing<Vec<u8>>> {
    // Other first bytes would make it another encoding, which neither library writes.
    (ephemeral[0] == 4).then_some(())?;
    agreed(key, ephemeral, ephemeral)
}

fn agreed(key: &PrivateKey, peer: &[u8], ephemeral: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let peer = UnparsedPublicKey::new(&ECDH_P256, peer);
    agree(key, peer, (), |x| Ok(Zeroizing::new([ephemeral, x].concat()))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kdf2_counts_from_one() {
        let mut output = [0; 40];
        kdf2(b"secret", &mut output);
        let first = aws_lc_rs::digest::digest(&SHA256, b"secret\0\0\0\x01");
        let second = aws_lc_rs::digest::digest(&SHA256, b"secret\0\0\0\x02");
        assert_eq!(output[..32], *first.as_ref());
        assert_eq!(output[32..], second.as_ref()[..8]);
    }
}
