//! Fake signatures, because these runs have no impostors.

use pigeon_client::reliable::Key;
use pigeon_hub::reliable::Crypto;

pub(crate) const CRYPTO: Crypto = Crypto { verify, author };

/// The key of a client, by its number.
pub(crate) struct FakeKey(pub(crate) u8);

impl Key for FakeKey {
    fn point(&self) -> [u8; 65] {
        [self.0; 65]
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        sign(&self.point(), message)
    }
}

pub(crate) fn author(key: &[u8; 65]) -> u128 {
    u128::from(key[0]) << 96
}

fn verify(key: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool {
    *signature == sign(key, message)
}

fn sign(key: &[u8; 65], message: &[u8]) -> [u8; 64] {
    let mut signature = [key[0]; 64];
    for (at, byte) in message.iter().enumerate() {
        signature[at % 64] = signature[at % 64].rotate_left(3) ^ byte;
    }
    signature
}
