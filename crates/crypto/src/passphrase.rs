//! Files encrypted under a passphrase, in the format of age, version 1, with its scrypt recipient.
//!
//! A random file key encrypts the content in chunks (ChaCha20-Poly1305); a key that scrypt makes of the passphrase
//! encrypts the file key. The program `age -d` opens such a file too. Recipients of other kinds and armor are not
//! supported. Invariant: nothing of a file that was changed is given out.
//! Source: <https://c2sp.org/age>; RFC 7914.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::hmac::hmac_sha256;
use crate::random::{RandomnessError, random_bytes};

const VERSION: &str = "age-encryption.org/v1";
const SALT_LABEL: &[u8] = b"age-encryption.org/v1/scrypt";
/// The cost of a new file: 128 MiB of memory and less than a second.
const LOG_N: u8 = 17;
/// The highest cost that is accepted: 1 GiB.
const LOG_N_MAX: u8 = 20;
const SALT: usize = 16;
const FILE_KEY: usize = 16;
const PAYLOAD_NONCE: usize = 16;
const TAG: usize = 16;
const CHUNK: usize = 64 * 1024;

/// Why a file was not encrypted or not opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// It is not in the format, or uses what is not supported of it.
    #[error("the file is not encrypted under a passphrase in the format of age: {problem}")]
    Format {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Opening it would cost too much.
    #[error("the file asks for 2^{log_n} rounds of scrypt; at most 2^{LOG_N_MAX} are done")]
    TooCostly {
        /// What the file asks for.
        log_n: u8,
    },
    /// The passphrase is not the one.
    #[error("the passphrase does not open the file")]
    Passphrase,
    /// The file was changed, or its end is missing.
    #[error("the file is damaged: it was changed, or its end is missing")]
    Damaged,
    /// The cryptographic library refused.
    #[error("the file could not be encrypted")]
    Failed,
    /// There was no randomness.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

/// Encrypts content under a passphrase. Takes a second and 128 MiB.
///
/// # Errors
/// When there is no randomness to be had.
pub fn encrypt_with_passphrase(passphrase: &[u8], content: &[u8]) -> Result<Vec<u8>, PassphraseError> {
    let file_key = Zeroizing::new(random_bytes::<FILE_KEY>()?);
    let salt = random_bytes::<SALT>()?;
    let mut body = file_key.to_vec();
    let tag = cipher(&*wrap_key(passphrase, &salt, LOG_N)?)?
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut body)
        .map_err(|_| PassphraseError::Failed)?;
    body.extend_from_slice(tag.as_ref());
    let header = format!(
        "{VERSION}\n-> scrypt {} {LOG_N}\n{}\n---",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(&body)
    );
    let mac = STANDARD_NO_PAD.encode(header_mac(&*file_key, header.as_bytes())?);
    let mut file = format!("{header} {mac}\n").into_bytes();
    let nonce = random_bytes::<PAYLOAD_NONCE>()?;
    file.extend_from_slice(&nonce);
    let key = cipher(&*payload_key(&*file_key, &nonce)?)?;
    let mut chunks = content.chunks(CHUNK).peekable();
    let mut number = 0;
    loop {
        let mut chunk = Zeroizing::new(chunks.next().unwrap_or_default().to_vec());
        let last = chunks.peek().is_none();
        let tag = key
            .seal_in_place_separate_tag(chunk_nonce(number, last), Aad::empty(), &mut chunk)
            .map_err(|_| PassphraseError::Failed)?;
        file.extend_from_slice(&chunk);
        file.extend_from_slice(tag.as_ref());
        number += 1;
        if last {
            return Ok(file);
        }
    }
}

/// Opens what [`encrypt_with_passphrase`] or the program `age -p` made.
///
/// # Errors
/// [`PassphraseError`]; nothing is given out then.
pub fn decrypt_with_passphrase(
    passphrase: &[u8],
    file: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
    let header = Header::read(file)?;
    let mut body = Zeroizing::new(header.body.clone());
    let wrap = wrap_key(passphrase, &header.salt, header.log_n)?;
    let opened = cipher(&*wrap)?
        .open_in_place(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut body)
        .map_err(|_| PassphraseError::Passphrase)?;
    let file_key = Zeroizing::new(opened.to_vec());
    verify_slices_are_equal(&header_mac(&file_key, header.authenticated)?, &header.mac)
        .map_err(|_| PassphraseError::Damaged)?;
    let (nonce, mut rest) = header.payload.split_at_checked(PAYLOAD_NONCE).ok_or(PassphraseError::Damaged)?;
    let key = cipher(&*payload_key(&file_key, nonce)?)?;
    let mut content = Zeroizing::new(Vec::with_capacity(rest.len()));
    let mut number = 0;
    loop {
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK + TAG));
        let last = after.is_empty();
        let mut chunk = Zeroizing::new(chunk.to_vec());
        let opened = key
            .open_in_place(chunk_nonce(number, last), Aad::empty(), &mut chunk)
            .map_err(|_| PassphraseError::Damaged)?;
        // An empty chunk ends an empty file alone.
        if opened.is_empty() && number > 0 {
            return Err(PassphraseError::Damaged);
        }
        content.extend_from_slice(opened);
        number += 1;
        rest = after;
        if last {
            return Ok(content);
        }
    }
}

/// The header of a file, read strictly.
struct Header<'a> {
    salt: [u8; SALT],
    log_n: u8,
    body: Vec<u8>,
    mac: Vec<u8>,
    /// What the MAC is of.
    authenticated: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(file: &'a [u8]) -> Result<Self, PassphraseError> {
        let refused = |problem| PassphraseError::Format { problem };
        let mut rest = file;
        let mut line = || {
            let end = rest.iter().take(200).position(|byte| *byte == b'\n')?;
            let (line, after) = rest.split_at(end);
            rest = &after[1..];
            std::str::from_utf8(line).ok()
        };
        if line() != Some(VERSION) {
            return Err(refused("it does not begin with its version"));
        }
        let stanza = line().and_then(|line| line.strip_prefix("-> scrypt "));
        let (salt, log_n) = stanza
            .and_then(|arguments| arguments.split_once(' '))
            .ok_or_else(|| refused("its first recipient is not a passphrase"))?;
        let decoded = |text: &str| STANDARD_NO_PAD.decode(text).ok();
        let salt = decoded(salt)
            .and_then(|salt| salt.try_into().ok())
            .ok_or_else(|| refused("its salt does not have 16 bytes"))?;
        let is_number =
            !log_n.is_empty() && !log_n.starts_with('0') && log_n.bytes().all(|b| b.is_ascii_digit());
        let log_n =
            log_n.parse().ok().filter(|_| is_number).ok_or_else(|| refused("its cost is not a number"))?;
        let body = line()
            .and_then(decoded)
            .filter(|body| body.len() == FILE_KEY + TAG)
            .ok_or_else(|| refused("its file key does not have 32 bytes"))?;
        let mac = line()
            .and_then(|line| line.strip_prefix("--- "))
            .and_then(decoded)
            .filter(|mac| mac.len() == 32)
            .ok_or_else(|| refused("its header does not end with a MAC"))?;
        let header = file.len() - rest.len();
        // Before the blank, the MAC in base64 and the line's end.
        let authenticated = &file[..header - (1 + 43 + 1)];
        Ok(Self { salt, log_n, body, mac, authenticated, payload: rest })
    }
}

fn wrap_key(passphrase: &[u8], salt: &[u8], log_n: u8) -> Result<Zeroizing<[u8; 32]>, PassphraseError> {
    if log_n > LOG_N_MAX {
        return Err(PassphraseError::TooCostly { log_n });
    }
    let parameters = scrypt::Params::new(log_n, 8, 1, 32)
        .map_err(|_| PassphraseError::Format { problem: "its cost is not one of scrypt" })?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase, &[SALT_LABEL, salt].concat(), &parameters, &mut *key)
        .map_err(|_| PassphraseError::Failed)?;
    Ok(key)
}

fn header_mac(file_key: &[u8], header: &[u8]) -> Result<[u8; 32], PassphraseError> {
    Ok(hmac_sha256(&*derived(&[], file_key, b"header")?, header))
}

fn payload_key(file_key: &[u8], nonce: &[u8]) -> Result<Zeroizing<[u8; 32]>, PassphraseError> {
    derived(nonce, file_key, b"payload")
}

fn derived(salt: &[u8], secret: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, PassphraseError> {
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[info], HKDF_SHA256)
        .and_then(|derived| derived.fill(&mut *key))
        .map_err(|_| PassphraseError::Failed)?;
    Ok(key)
}

fn cipher(key: &[u8]) -> Result<LessSafeKey, PassphraseError> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new).map_err(|_| PassphraseError::Failed)
}

/// Eleven bytes of a counter, and whether it is the last chunk.
fn chunk_nonce(number: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSPHRASE: &[u8] = b"correct horse battery staple";

    #[test]
    fn content_of_every_length_comes_back() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK] {
            let content = vec![0x5a; length];
            let file = encrypt_with_passphrase(PASSPHRASE, &content).unwrap();
            assert!(!file.windows(16).any(|part| part == [0x5a; 16]), "the content does not show");
            assert_eq!(*decrypt_with_passphrase(PASSPHRASE, &file).unwrap(), content, "{length} bytes");
        }
    }

    #[test]
    fn a_changed_or_cut_file_is_refused() {
        let file = encrypt_with_passphrase(PASSPHRASE, b"content").unwrap();
        let error = decrypt_with_passphrase(b"another passphrase", &file).unwrap_err();
        assert_eq!(error, PassphraseError::Passphrase);
        for index in [0, 30, 60, 100, file.len() - 40, file.len() - 1] {
            let mut changed = file.clone();
            changed[index] ^= 1;
            assert!(decrypt_with_passphrase(PASSPHRASE, &changed).is_err(), "byte {index}");
        }
        for length in [0, 10, 130, file.len() - 1] {
            assert!(decrypt_with_passphrase(PASSPHRASE, &file[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_file_that_would_cost_too_much_is_refused_at_once() {
        let file = encrypt_with_passphrase(PASSPHRASE, b"").unwrap();
        let text = String::from_utf8_lossy(&file).replacen(" 17\n", " 63\n", 1);
        let error = decrypt_with_passphrase(PASSPHRASE, text.as_bytes()).unwrap_err();
        assert_eq!(error, PassphraseError::TooCostly { log_n: 63 });
    }
}
