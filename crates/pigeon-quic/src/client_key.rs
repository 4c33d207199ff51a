//! A member's key, which identifies it independently of its address: ECDSA on P-256 with SHA-256
//! (FIPS 186-5), with signatures as the 64 bytes r‖s and public keys as uncompressed points (SEC 1
//! section 2.3.3). The layers above define the signed bytes.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};

/// Length of an uncompressed point: 0x04, x and y.
pub const POINT_LENGTH: usize = 65;

/// Length of a signature: r and s.
pub const SIGNATURE_LENGTH: usize = 64;

/// A member's private key.
pub struct ClientKey {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
    point: [u8; POINT_LENGTH],
}

/// The bytes are not a P-256 private key, or the system provides no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// The system provides no randomness.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// The bytes are not a P-256 key in PKCS #8 form.
    #[error("not a P-256 private key in PKCS #8 form")]
    NotPkcs8,
}

impl ClientKey {
    /// Generates a key from the system's randomness. Fails without it.
    pub fn generate() -> Result<ClientKey, BadKey> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map_err(|_| BadKey::NoRandomness)?;
        ClientKey::from_pkcs8(pkcs8.as_ref())
    }

    /// Reads a key in PKCS #8 form (RFC 5958), in DER.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<ClientKey, BadKey> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random)
            .map_err(|_| BadKey::NotPkcs8)?;
        let point = pair.public_key().as_ref().try_into().map_err(|_| BadKey::NotPkcs8)?;
        Ok(ClientKey { pair, pkcs8: pkcs8.to_vec(), point })
    }

    /// The key for [`from_pkcs8`](ClientKey::from_pkcs8). Store it in a file that only its owner
    /// can read.
    pub fn to_pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public key.
    pub fn public_point(&self) -> &[u8; POINT_LENGTH] {
        &self.point
    }

    /// Signs a message. Fails if the system provides no randomness.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; SIGNATURE_LENGTH], BadKey> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        let signature = signature.map_err(|_| BadKey::NoRandomness)?;
        signature.as_ref().try_into().map_err(|_| BadKey::NoRandomness)
    }
}

impl fmt::Debug for ClientKey {
    /// Hides the private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey").finish_non_exhaustive()
    }
}

/// The author id of a key: the first 16 bytes of the point's SHA-256.
pub fn author(point: &[u8; POINT_LENGTH]) -> u128 {
    author_with(b"", point)
}

/// The author id of a key on another link: the hash begins with that link's prefix, so that the key
/// is another author there.
pub fn author_with(prefix: &[u8], point: &[u8; POINT_LENGTH]) -> u128 {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    hash.update(prefix);
    hash.update(point);
    let hash = hash.finish();
    hash.as_ref().iter().take(16).fold(0, |author, &byte| author << 8 | u128::from(byte))
}

/// Whether `signature` over `message` was made with the private key of `point`. False if the point
/// is not on the curve.
pub fn verify(
    point: &[u8; POINT_LENGTH],
    message: &[u8],
    signature: &[u8; SIGNATURE_LENGTH],
) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_signs_and_only_what_it_signed_verifies() {
        let (key, other) = (ClientKey::generate().unwrap(), ClientKey::generate().unwrap());
        let signature = key.sign(b"pigeon/1 nonce").unwrap();
        assert!(verify(key.public_point(), b"pigeon/1 nonce", &signature));
        assert!(!verify(key.public_point(), b"pigeon/1 nonce2", &signature));
        assert!(!verify(other.public_point(), b"pigeon/1 nonce", &signature));
        for bit in 0..8 * SIGNATURE_LENGTH {
            let mut damaged = signature;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(key.public_point(), b"pigeon/1 nonce", &damaged));
        }
        assert!(!verify(&[0; POINT_LENGTH], b"pigeon/1 nonce", &signature));
        assert!(!verify(&[4; POINT_LENGTH], b"pigeon/1 nonce", &signature));
        assert!(!verify(key.public_point(), b"pigeon/1 nonce", &[0; SIGNATURE_LENGTH]));
    }

    #[test]
    fn a_key_comes_back_from_its_bytes() {
        let key = ClientKey::generate().unwrap();
        let again = ClientKey::from_pkcs8(key.to_pkcs8()).unwrap();
        assert_eq!(again.public_point(), key.public_point());
        assert!(verify(key.public_point(), b"x", &again.sign(b"x").unwrap()));
        assert_eq!(key.public_point()[0], 4);
        assert_eq!(ClientKey::from_pkcs8(b"no key").unwrap_err(), BadKey::NotPkcs8);
        assert_eq!(ClientKey::from_pkcs8(&key.to_pkcs8()[1..]).unwrap_err(), BadKey::NotPkcs8);
        assert_eq!(format!("{key:?}"), "ClientKey { .. }");
    }
}
