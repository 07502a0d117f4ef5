//! Certificate authorities that the administrator adds to those of the system, for the vendor and for buckets.
//!
//! Owns reading the file of `--ca-bundle`. It is read once; a changed file is used by the next process.

use std::path::{Path, PathBuf};

/// Certificates in PEM, at least one.
#[derive(Clone, Eq, PartialEq)]
pub struct CaBundle(Vec<u8>);

/// Why the file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CaBundleError {
    /// It cannot be read.
    #[error("--ca-bundle {}: the file cannot be read: {source}", path.display())]
    Unreadable {
        /// Where it should be.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("--ca-bundle {}: {why}; the file must hold certificates in PEM, -----BEGIN CERTIFICATE-----", path.display())]
    Unusable {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl CaBundle {
    /// Reads and understands the file.
    ///
    /// # Errors
    /// It cannot be read, is not PEM, or has no certificate in it.
    pub fn read(path: &Path) -> Result<Self, CaBundleError> {
        let unusable = |why: String| CaBundleError::Unusable { path: path.to_owned(), why };
        let pem = std::fs::read(path)
            .map_err(|source| CaBundleError::Unreadable { path: path.to_owned(), source })?;
        let found =
            certificates(&pem).map_err(|error| unusable(format!("it is not understood ({error})")))?;
        if found.is_empty() {
            return Err(unusable("there is no certificate in it".into()));
        }
        // What is no certificate after all is only found when it is used.
        reqwest::Client::builder()
            .tls_certs_merge(found)
            .build()
            .map_err(|error| unusable(format!("a certificate in it is not one ({error})")))?;
        Ok(Self(pem))
    }

    /// The text of the file.
    pub fn pem(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for CaBundle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "CaBundle({} bytes)", self.0.len())
    }
}

fn certificates(pem: &[u8]) -> reqwest::Result<Vec<reqwest::Certificate>> {
    reqwest::Certificate::from_pem_bundle(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CaBundle, String> {
        crate::telemetry::install_tls_provider();
        let folder = std::env::temp_dir().join(format!("ca-bundle-{:016x}", rand::random::<u64>()));
        std::fs::write(&folder, text).expect("a file");
        let read = CaBundle::read(&folder).map_err(|error| error.to_string());
        std::fs::remove_file(folder).expect("it is there");
        read
    }

    #[test]
    fn what_is_of_no_use_is_told_with_its_path() {
        let absent = CaBundle::read(Path::new("/nowhere/ca.pem")).unwrap_err().to_string();
        assert!(absent.contains("/nowhere/ca.pem") && absent.contains("No such file"), "{absent}");
        for (text, why) in [
            ("", "no certificate in it"),
            ("# comments alone\n", "no certificate in it"),
            ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "not understood"),
            ("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n", "is not one"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(why) && told.contains("must hold certificates in PEM"), "{text:?}: {told}");
        }
    }

    #[test]
    fn certificates_are_kept_as_they_are() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::default().self_signed(&key).expect("a certificate");
        let pem = certificate.pem().repeat(2);
        let bundle = read(&pem).expect("two certificates");
        assert_eq!(bundle.pem(), pem.as_bytes());
        assert!(!format!("{bundle:?}").contains("BEGIN"));
    }
}
