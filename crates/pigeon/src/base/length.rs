//! The length of a payload, checked before anything is sent.

use super::status::UsageError;

/// Refuses a payload longer than `most`, which a datagram to that address can carry.
pub(crate) fn check_length(length: usize, most: usize) -> anyhow::Result<()> {
    if length > most {
        let error =
            format!("not sent: {length} bytes, and a datagram there carries at most {most}");
        return Err(UsageError(error).into());
    }
    Ok(())
}
