//! Public keys as scripts see them, and their files.
//!
//! A file is what Canton's console writes: the versioned wrapper around the key. Not here: any check of the key itself; the node does
//! that. Source: <https://docs.daml.com/canton/usermanual/manual_initialization.html>.

use std::sync::Arc;

use cantle_proto::crypto::v0 as wire;
use prost::Message;

use super::companion::enum_constant;
use super::files::write_function;
use super::record::fields_text;
use super::{Data, Instance, Record, fingerprint};
use crate::failure::Failure;

/// A public key.
#[derive(Debug, Clone)]
pub(crate) struct KeyRecord(wire::public_key::Key);

/// The key of a message.
pub(crate) fn public_key(key: wire::public_key::Key) -> Data {
    Data::object(KeyRecord::new(key))
}

/// A key with its name: what the list commands give. All of the key's attributes are its own, too.
pub(crate) fn public_key_with_name(
    kind: &'static str,
    key: wire::PublicKeyWithName,
    more: Vec<(&'static str, Data)>,
) -> Option<Data> {
    let record = KeyRecord(key.public_key?.key?);
    let mut fields = vec![("name", Data::optional_text(key.name))];
    fields.extend(record.fields());
    fields.push(("publicKey", Data::object(record)));
    fields.extend(more);
    let shown = fields.iter().filter(|(name, _)| !matches!(*name, "fingerprint" | "publicKey" | "format"));
    let text = fields_text(kind, shown);
    Some(Data::object(Record::shown(kind, text, fields)))
}

impl KeyRecord {
    pub(crate) fn new(key: wire::public_key::Key) -> Self {
        Self(key)
    }

    /// The message.
    pub(crate) fn wire(&self) -> wire::PublicKey {
        wire::PublicKey { key: Some(self.0.clone()) }
    }

    /// The bare message of the key alone.
    fn concrete(&self) -> Vec<u8> {
        match &self.0 {
            wire::public_key::Key::SigningPublicKey(key) => key.encode_to_vec(),
            wire::public_key::Key::EncryptionPublicKey(key) => key.encode_to_vec(),
        }
    }

    /// What a file of it holds.
    pub(crate) fn file_bytes(&self) -> Vec<u8> {
        cantle_proto::versioned::wrap(&self.concrete(), 0)
    }

    pub(crate) fn fingerprint(&self) -> &str {
        match &self.0 {
            wire::public_key::Key::SigningPublicKey(key) => &key.id,
            wire::public_key::Key::EncryptionPublicKey(key) => &key.id,
        }
    }

    fn is_signing(&self) -> bool {
        matches!(self.0, wire::public_key::Key::SigningPublicKey(_))
    }

    /// What it is for, as the admin API says it.
    pub(crate) fn key_purpose(&self) -> wire::KeyPurpose {
        if self.is_signing() {
            wire::KeyPurpose::SigningKeyPurpose
        } else {
            wire::KeyPurpose::EncryptionKeyPurpose
        }
    }

    fn purpose(&self) -> Data {
        enum_constant("KeyPurpose", if self.is_signing() { "Signing" } else { "Encryption" })
    }

    fn scheme(&self) -> Data {
        match &self.0 {
            wire::public_key::Key::SigningPublicKey(key) => enum_constant(
                "SigningKeyScheme",
                match wire::SigningKeyScheme::try_from(key.scheme) {
                    Ok(wire::SigningKeyScheme::Ed25519) => "Ed25519",
                    Ok(wire::SigningKeyScheme::EcDsaP256) => "EcDsaP256",
                    Ok(wire::SigningKeyScheme::EcDsaP384) => "EcDsaP384",
                    _ => "Unknown",
                },
            ),
            wire::public_key::Key::EncryptionPublicKey(key) => enum_constant(
                "EncryptionKeyScheme",
                match wire::EncryptionKeyScheme::try_from(key.scheme) {
                    Ok(wire::EncryptionKeyScheme::EciesP256HkdfHmacSha256Aes128Gcm) => {
                        "EciesP256HkdfHmacSha256Aes128Gcm"
                    }
                    Ok(wire::EncryptionKeyScheme::EciesP256HmacSha256Aes128Cbc) => {
                        "EciesP256HmacSha256Aes128Cbc"
                    }
                    Ok(wire::EncryptionKeyScheme::Rsa2048OaepSha256) => "Rsa2048OaepSha256",
                    _ => "Unknown",
                },
            ),
        }
    }

    fn format(&self) -> Data {
        let format = match &self.0 {
            wire::public_key::Key::SigningPublicKey(key) => key.format,
            wire::public_key::Key::EncryptionPublicKey(key) => key.format,
        };
        enum_constant(
            "CryptoKeyFormat",
            match wire::CryptoKeyFormat::try_from(format) {
                Ok(wire::CryptoKeyFormat::Tink) => "Tink",
                Ok(wire::CryptoKeyFormat::Der) => "Der",
                Ok(wire::CryptoKeyFormat::Raw) => "Raw",
                Ok(wire::CryptoKeyFormat::Symbolic) => "Symbolic",
                _ => "Unknown",
            },
        )
    }

    fn fields(&self) -> Vec<(&'static str, Data)> {
        vec![
            ("id", fingerprint(self.fingerprint())),
            ("fingerprint", fingerprint(self.fingerprint())),
            ("purpose", self.purpose()),
            ("scheme", self.scheme()),
            ("format", self.format()),
        ]
    }
}

impl Instance for KeyRecord {
    fn kind(&self) -> String {
        if self.is_signing() { "SigningPublicKey".to_owned() } else { "EncryptionPublicKey".to_owned() }
    }

    fn text(&self) -> String {
        let fields =
            [("id", fingerprint(self.fingerprint())), ("format", self.format()), ("scheme", self.scheme())];
        fields_text(&self.kind(), &fields)
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        let bytes = match name {
            "writeToFile" | "write_to_file" => {
                let bytes: Arc<[u8]> = self.file_bytes().into();
                return Ok(Some(Data::object(write_function(bytes))));
            }
            "toByteString" | "to_bytes" => self.file_bytes(),
            _ => {
                return Ok(self.fields().into_iter().find(|(field, _)| *field == name).map(|(_, data)| data));
            }
        };
        Ok(Some(Data::bytes(bytes)))
    }

    fn attr_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.fields().iter().map(|(name, _)| (*name).to_owned()).collect();
        names.extend(["writeToFile", "toByteString"].map(str::to_owned));
        names
    }

    fn identity(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }
}

/// Which key a file should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFile {
    Signing,
    Encryption,
    /// Both are written alike; an RSA key can only be for encryption.
    Either,
}

/// The key in the bytes of a file.
pub(crate) fn key_from_bytes(bytes: &[u8], wanted: KeyFile) -> Result<KeyRecord, Failure> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let unreadable = || Failure::value("these bytes are not a public key");
    if let Ok(wire::PublicKey { key: Some(key @ wire::public_key::Key::EncryptionPublicKey(_)) }) =
        wire::PublicKey::decode(bytes)
        && wanted != KeyFile::Signing
    {
        return Ok(KeyRecord(key));
    }
    let (inner, _) = cantle_proto::versioned::unwrap(bytes).map_err(|_| unreadable())?;
    let key = wire::SigningPublicKey::decode(inner.as_slice()).map_err(|_| unreadable())?;
    if key.id.is_empty() || key.public_key.is_empty() {
        return Err(unreadable());
    }
    let rsa = key.public_key.windows(RSA.len()).any(|window| window == RSA);
    if wanted == KeyFile::Signing || (wanted == KeyFile::Either && !rsa) {
        return Ok(KeyRecord(wire::public_key::Key::SigningPublicKey(key)));
    }
    let key = wire::EncryptionPublicKey {
        id: key.id,
        format: key.format,
        public_key: key.public_key,
        scheme: key.scheme,
    };
    Ok(KeyRecord(wire::public_key::Key::EncryptionPublicKey(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signing() -> KeyRecord {
        KeyRecord(wire::public_key::Key::SigningPublicKey(wire::SigningPublicKey {
            id: "1220aa".to_owned(),
            format: 2,
            public_key: vec![1, 2, 3],
            scheme: 2,
        }))
    }

    #[test]
    fn a_key_file_is_the_wrapped_key_and_reads_back() {
        let bytes = signing().file_bytes();
        assert_eq!(hex::encode(&bytes), "0a110a06313232306161100 21a0301020320 02".replace(' ', ""));
        let read = key_from_bytes(&bytes, KeyFile::Either).unwrap();
        assert_eq!(read.identity(), signing().identity());
    }

    #[test]
    fn an_rsa_key_in_a_file_is_for_encryption() {
        let mut key = wire::EncryptionPublicKey {
            id: "1220bb".to_owned(),
            format: 2,
            public_key: vec![0x30],
            scheme: 3,
        };
        key.public_key.extend([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]);
        let record = KeyRecord(wire::public_key::Key::EncryptionPublicKey(key));
        let read = key_from_bytes(&record.file_bytes(), KeyFile::Either).unwrap();
        assert_eq!(read.kind(), "EncryptionPublicKey");
    }

    #[test]
    fn other_bytes_are_no_key() {
        for bytes in [&b""[..], b"hello", b"\x0a\x02\x0a\x00"] {
            assert!(key_from_bytes(bytes, KeyFile::Either).is_err());
        }
    }
}
