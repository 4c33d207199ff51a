//! A server's self-signed certificate. Clients pin its public key and ignore names and dates, so it
//! never needs renewal.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ring::digest::{SHA256, digest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use crate::config::provider;

/// A self-signed certificate and its private key.
pub struct Certificate {
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    fingerprint: Fingerprint,
}

/// Why a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A key or a certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The PEM text has no readable certificate.
    #[error("no CERTIFICATE in PEM form")]
    NoCertificate,
    /// The PEM text has no readable private key.
    #[error("no PRIVATE KEY in PEM form")]
    NoKey,
    /// The certificate is invalid, or the key's type is not supported.
    #[error("cannot use the certificate or its key: {0}")]
    Unusable(rustls::Error),
    /// The private key belongs to another certificate.
    #[error("the PRIVATE KEY is not that of the CERTIFICATE")]
    Mismatch,
}

impl Certificate {
    /// Generates a P-256 key from the system's randomness, and a certificate for it. Its dates,
    /// 1975 to 4096, are meaningless. Fails without randomness.
    pub fn generate() -> Result<Certificate, CertificateError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = rcgen::CertificateParams::new(vec!["pigeon".to_owned()])?;
        params.distinguished_name.push(rcgen::DnType::CommonName, "pigeon");
        let certificate = params.self_signed(&key)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Certificate::checked(certificate.der().clone(), key)
    }

    /// Reads the output of [`to_pem`](Certificate::to_pem): a certificate and a private key, in any
    /// order.
    pub fn from_pem(pem: &[u8]) -> Result<Certificate, CertificateError> {
        let der =
            CertificateDer::from_pem_slice(pem).map_err(|_| CertificateError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| CertificateError::NoKey)?;
        Certificate::checked(der, key)
    }

    fn checked(
        der: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Certificate, CertificateError> {
        let fingerprint = Fingerprint::of_certificate(&der).map_err(CertificateError::Unusable)?;
        let provider = provider();
        let signing = provider.key_provider.load_private_key(key.clone_key());
        let signing = signing.map_err(CertificateError::Unusable)?;
        let both = CertifiedKey::new(vec![der.clone()], signing);
        both.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => CertificateError::Mismatch,
            error => CertificateError::Unusable(error),
        })?;
        Ok(Certificate { der, key, fingerprint })
    }

    /// The certificate and its private key as PEM text, for a file that only its owner can read.
    pub fn to_pem(&self) -> String {
        let label = match self.key {
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        pem("CERTIFICATE", &self.der) + &pem(label, self.key.secret_der())
    }

    /// The fingerprint of the public key, which clients pin.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The certificate in DER form.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.der.clone()]
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

impl fmt::Debug for Certificate {
    /// Hides the private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// RFC 7468: lines of 64 characters between two labels.
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (place, letter) in base64.char_indices() {
        if place > 0 && place % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text + &format!("\n-----END {label}-----\n")
}

/// The SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 5280 section 4.1), as in HTTP pinning
/// (RFC 7469 section 2.4). It identifies the key, not the certificate, so the certificate can be
/// replaced.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// Text that is not a fingerprint: 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 64 hexadecimal digits")]
pub struct BadFingerprint;

impl Fingerprint {
    /// A fingerprint from its bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Fingerprint(bytes)
    }

    /// The fingerprint's bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn of_certificate(der: &CertificateDer<'_>) -> Result<Fingerprint, rustls::Error> {
        let parsed = ParsedCertificate::try_from(der)?;
        let hash = digest(&SHA256, &parsed.subject_public_key_info());
        let bytes = hash.as_ref().try_into();
        bytes.map(Fingerprint).map_err(|_| rustls::Error::General("no SHA-256".to_owned()))
    }
}

impl fmt::Display for Fingerprint {
    /// 64 lowercase hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(BadFingerprint);
        let text: &[u8; 64] = text.as_bytes().try_into().map_err(|_| BadFingerprint)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks(2)) {
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Fingerprint(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_comes_back_from_its_pem() {
        let made = Certificate::generate().unwrap();
        let read = Certificate::from_pem(made.to_pem().as_bytes()).unwrap();
        assert_eq!(read.der(), made.der());
        assert_eq!(read.fingerprint(), made.fingerprint());
        assert_eq!(read.to_pem(), made.to_pem());
        assert_ne!(Certificate::generate().unwrap().fingerprint(), made.fingerprint());
    }

    #[test]
    fn a_pem_without_its_parts_says_which_is_missing() {
        let (one, other) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
        let (der, key) = (pem("CERTIFICATE", &one.der), pem("PRIVATE KEY", other.key.secret_der()));
        let error = |pem: String| Certificate::from_pem(pem.as_bytes()).unwrap_err();
        assert!(matches!(error(String::new()), CertificateError::NoCertificate));
        assert!(matches!(error(key.clone()), CertificateError::NoCertificate));
        assert!(matches!(error(der.clone()), CertificateError::NoKey));
        assert!(matches!(error(der + &key), CertificateError::Mismatch));
        let damaged = pem("CERTIFICATE", &one.der[..100]) + &key;
        assert!(matches!(error(damaged), CertificateError::Unusable(_)));
        assert!(!format!("{one:?}").contains("key"));
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let fingerprint = Certificate::generate().unwrap().fingerprint();
        let text = fingerprint.to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!(text.to_uppercase().parse(), Ok(fingerprint));
        for bad in ["", &text[1..], &format!("{text}0"), &text.replace(&text[..1], "g"), "é"] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(BadFingerprint), "{bad}");
        }
    }
}
