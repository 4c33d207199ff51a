//! Connection ids (RFC 9000 section 5.1): eight bytes that outsiders cannot predict, and that the
//! endpoint recognizes as its own.

use pigeon_guard::TokenKey;
use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};

/// Separates the codes of the two keys.
const NONCE: u8 = 2;
const CHECK: u8 = 3;

/// Half of an id is random, the other half authenticates it.
const HALF: usize = 4;

/// Derives ids from a key instead of quinn-proto's generator, which uses the system's randomness.
///
/// There are two keys. The drawing key is new in each run, so that ids do not repeat. The checking
/// key survives a restart, so that a server recognizes ids of its earlier run and can answer with a
/// stateless reset (RFC 9000 section 10.3); a client then reconnects at once instead of after a
/// timeout.
pub(crate) struct Ids {
    draw: TokenKey,
    check: TokenKey,
    drawn: u64,
}

impl Ids {
    pub(crate) fn new(draw: [u8; 16], check: [u8; 16]) -> Ids {
        Ids { draw: TokenKey::new(draw), check: TokenKey::new(check), drawn: 0 }
    }

    fn check(&self, nonce: &[u8]) -> [u8; HALF] {
        let [a, b, c, d, ..] = self.check.code(CHECK, nonce).bytes();
        [a, b, c, d]
    }
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        self.drawn += 1;
        let mut id = [0; 2 * HALF];
        let (nonce, check) = id.split_at_mut(HALF);
        nonce.copy_from_slice(&self.draw.code(NONCE, &self.drawn.to_be_bytes()).bytes()[..HALF]);
        check.copy_from_slice(&self.check(nonce));
        ConnectionId::new(&id)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        match id.split_at_checked(HALF) {
            Some((nonce, check)) if self.check(nonce) == *check => Ok(()),
            _ => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        2 * HALF
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_after_a_restart_and_to_nobody_else() {
        let mut before = Ids::new([1; 16], [7; 16]);
        let mut after = Ids::new([2; 16], [7; 16]);
        let (old, new) = (before.generate_cid(), after.generate_cid());
        assert_ne!(old, new);
        assert_ne!(old, before.generate_cid());
        assert!(after.validate(&old).is_ok());
        assert!(Ids::new([1; 16], [8; 16]).validate(&old).is_err());
        assert!(after.validate(&ConnectionId::new(&[0; 8])).is_err());
        assert!(after.validate(&ConnectionId::new(&[])).is_err());
    }
}
