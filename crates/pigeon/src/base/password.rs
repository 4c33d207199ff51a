//! The hub's password, from a file or the environment. There is no flag for it: other users of this
//! machine could read it among the processes.

use std::path::Path;

use pigeon_text::escape;

use super::status::UsageError;
use super::{system_error, text_file};
use crate::words::say;

/// Holds the password where no file is named.
const VARIABLE: &str = "PIGEON_PASSWORD";

/// The longest password that fits a command.
const MAX_BYTES: usize = 1_000;

/// Reads the password, without white space at its ends. `None` where none is given. Fails if the
/// file is empty or cannot be read.
pub(crate) fn read(file: Option<&Path>) -> Result<Option<Box<[u8]>>, UsageError> {
    let (bytes, place) = match (file, std::env::var(VARIABLE)) {
        (Some(path), _) => {
            let place = escape(&path.to_string_lossy().into_owned()).to_string();
            let bytes = text_file::read_secret(path, MAX_BYTES as u64 + 2).map_err(|error| {
                let error = system_error::said(&error);
                UsageError(say!("join-password-unreadable", file = &place, error = error))
            })?;
            (bytes, place)
        }
        (None, Ok(password)) => (password.into_bytes(), VARIABLE.to_string()),
        (None, Err(_)) => return Ok(None),
    };
    match bytes.trim_ascii() {
        b"" => Err(UsageError(say!("join-password-empty", place = &place))),
        long if long.len() > MAX_BYTES => {
            Err(UsageError(say!("join-password-too-long", place = &place, most = MAX_BYTES)))
        }
        password => Ok(Some(password.into())),
    }
}
