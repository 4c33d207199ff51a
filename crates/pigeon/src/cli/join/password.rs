//! The hub's password, from a file or the environment. There is no flag for it: other users of this
//! machine could read it among the processes.

use std::path::Path;

use pigeon_text::escape;

use crate::base::status::UsageError;
use crate::base::text_file;

/// Holds the password where no file is named.
const VARIABLE: &str = "PIGEON_PASSWORD";

/// The longest password: a command holds no more.
const MAX_BYTES: usize = 1_000;

/// Reads the password, without white space at its ends. `None` where none is given.
///
/// # Errors
/// The file cannot be read, or there is nothing in it.
pub(super) fn read(file: Option<&Path>) -> Result<Option<Box<[u8]>>, UsageError> {
    let (bytes, place) = match (file, std::env::var(VARIABLE)) {
        (Some(path), _) => {
            let place = escape(&path.to_string_lossy().into_owned()).to_string();
            let bytes = text_file::read_secret(path, MAX_BYTES as u64 + 2).map_err(|error| {
                UsageError(format!("cannot read the password {place}: {error}"))
            })?;
            (bytes, place)
        }
        (None, Ok(password)) => (password.into_bytes(), VARIABLE.to_string()),
        (None, Err(_)) => return Ok(None),
    };
    match bytes.trim_ascii() {
        b"" => Err(UsageError(format!("the password in {place} is empty"))),
        long if long.len() > MAX_BYTES => {
            Err(UsageError(format!("the password in {place} has more than {MAX_BYTES} bytes")))
        }
        password => Ok(Some(password.into())),
    }
}
