//! Random numbers from the system, for seeds, secrets and hash keys.

use anyhow::Context;

use crate::words::say;

/// A seed, or a secret of at most 64 bits.
pub(crate) fn u64() -> anyhow::Result<u64> {
    getrandom::u64().with_context(|| say!("errors-no-randomness"))
}

/// A seed short enough to type.
pub(crate) fn u32() -> anyhow::Result<u32> {
    getrandom::u32().with_context(|| say!("errors-no-randomness"))
}

/// Random bytes for a secret key.
pub(crate) fn bytes<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).with_context(|| say!("errors-no-randomness"))?;
    Ok(bytes)
}

/// Keys of a hash map, so that senders cannot choose keys that collide.
pub(crate) fn hash_keys() -> anyhow::Result<[u64; 4]> {
    let mut keys = [0; 4];
    for key in &mut keys {
        *key = u64()?;
    }
    Ok(keys)
}
