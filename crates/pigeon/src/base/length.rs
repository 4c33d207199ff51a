//! Checks a payload's length before anything is sent.

use super::status::UsageError;
use crate::words::say;

/// Rejects a payload longer than `most`, the maximum for its destination.
pub(crate) fn check_length(length: usize, most: usize) -> anyhow::Result<()> {
    if length > most {
        let error = say!("errors-too-long", length = length, most = most);
        return Err(UsageError(error).into());
    }
    Ok(())
}
