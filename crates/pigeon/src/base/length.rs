//! The length of a payload, checked before anything is sent.

use super::status::UsageError;
use crate::words::say;

/// Refuses a payload longer than `most`, which a datagram to that address can carry.
pub(crate) fn check_length(length: usize, most: usize) -> anyhow::Result<()> {
    if length > most {
        let error = say!("errors-too-long", length = length, most = most);
        return Err(UsageError(error).into());
    }
    Ok(())
}
