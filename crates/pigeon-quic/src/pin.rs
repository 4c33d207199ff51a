//! Server authentication for clients: by the public key of the certificate, regardless of its name
//! and dates.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use crate::Fingerprint;

/// The server that a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The one with this key.
    Key(Fingerprint),
    /// Any server, at first contact. Only the handshake is sent before the layers above write, so
    /// they can check the [`fingerprint`](crate::Client::fingerprint) first.
    FirstUse,
}

/// The server's certificate in one handshake.
#[derive(Debug)]
pub(crate) struct Shown {
    pin: Pin,
    found: OnceLock<Fingerprint>,
    signed: OnceLock<bool>,
    provider: Arc<CryptoProvider>,
}

impl Shown {
    pub(crate) fn new(pin: Pin, provider: Arc<CryptoProvider>) -> Arc<Shown> {
        Arc::new(Shown { pin, found: OnceLock::new(), signed: OnceLock::new(), provider })
    }

    /// The key's fingerprint. It is proved once the connection is open: before, another host may
    /// send the certificate.
    pub(crate) fn found(&self) -> Option<Fingerprint> {
        self.found.get().copied()
    }

    /// The pinned key and the key found, if they differ.
    pub(crate) fn mismatch(&self) -> Option<(Fingerprint, Fingerprint)> {
        match (self.pin, self.found()) {
            (Pin::Key(expected), Some(found)) if expected != found => Some((expected, found)),
            _ => None,
        }
    }

    /// Whether the server failed to sign with the certificate's key.
    pub(crate) fn is_stolen(&self) -> bool {
        self.signed.get() == Some(&false)
    }
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let _ = self.found.set(Fingerprint::of_certificate(certificate)?);
        match self.mismatch() {
            Some(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        let verified = verify_tls13_signature(message, certificate, signature, schemes);
        let _ = self.signed.set(verified.is_ok());
        verified
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
