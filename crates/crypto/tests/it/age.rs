//! Files encrypted under a passphrase, against the vectors of the format's own project.
//!
//! `fixtures/age`: the files `scrypt*` of <https://github.com/C2SP/CCTV>, `age/testdata`, commit 1e3d286. A vector says
//! in its head what must come of it, and the age file follows after an empty line.

use std::{fs, path::Path};

use aws_lc_rs::digest::{SHA256, digest};
use cantle_crypto::{PassphraseError, decrypt_with_passphrase};

struct Vector {
    name: String,
    head: Vec<(String, String)>,
    file: Vec<u8>,
}

impl Vector {
    fn get(&self, key: &str) -> Option<&str> {
        self.head.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

fn vectors() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/age");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap();
        let head = std::str::from_utf8(&bytes[..end]).unwrap().lines();
        let pair = |line: &str| line.split_once(": ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        Vector {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            head: head.map(pair).collect(),
            file: bytes[end + 2..].to_vec(),
        }
    };
    fs::read_dir(folder).unwrap().map(read).collect()
}

#[test]
fn vectors_of_passphrase_files_open_or_fail_as_they_say() {
    let vectors = vectors();
    assert!(vectors.len() >= 20, "{}", vectors.len());
    for vector in vectors {
        let passphrase = vector.get("passphrase").unwrap_or("password");
        let opened = decrypt_with_passphrase(passphrase.as_bytes(), &vector.file);
        match vector.get("expect") {
            Some("success") => {
                let content = opened.unwrap_or_else(|error| panic!("{}: {error}", vector.name));
                let hash = hex::encode(digest(&SHA256, &content));
                assert_eq!(Some(hash.as_str()), vector.get("payload"), "{}", vector.name);
            }
            expected => assert!(opened.is_err(), "{}: {expected:?}", vector.name),
        }
    }
}

#[test]
fn a_wrong_passphrase_is_told_from_a_file_of_another_kind() {
    let vectors = vectors();
    let scrypt = vectors.iter().find(|vector| vector.name == "scrypt").unwrap();
    let error = decrypt_with_passphrase(b"pass word", &scrypt.file).unwrap_err();
    assert_eq!(error, PassphraseError::Passphrase);
    let error = decrypt_with_passphrase(b"password", b"-----BEGIN AGE ENCRYPTED FILE-----").unwrap_err();
    assert!(matches!(error, PassphraseError::Format { .. }), "{error:?}");
}
