//! Certificates for a test.

use std::{fs, path::PathBuf};

use cantle_transport::CertificateFiles;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// An authority, and a folder with the certificates it has given.
pub(crate) struct Authority {
    folder: TempDir,
    name: &'static str,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("root.crt"), certificate.pem()).unwrap();
        Self { folder, name, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.file("root.crt")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A certificate for these hosts; the chain ends with the root.
    pub(crate) fn certificate(&self, name: &str, hosts: &[&str]) -> CertificateFiles {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("{name} of {}", self.name));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let root = fs::read_to_string(self.root()).unwrap();
        CertificateFiles {
            cert_chain_file: self.write(&format!("{name}.crt"), &(certificate.pem() + &root)),
            private_key_file: self.write(&format!("{name}.pem"), &key.serialize_pem()),
        }
    }
}
