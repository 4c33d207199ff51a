//! Text that a file or standard input holds, read up to a bound: what is named may be `-`, a pipe that
//! somebody writes, or a device without an end.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;
use std::sync::OnceLock;

/// Reads what a path names, `-` being stdin, to its end.
///
/// # Errors
/// What the system says, or that there are more than `most` bytes, or no UTF-8.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<String> {
    /// A hub reads its settings again on SIGHUP; what came from stdin stays as it was.
    static STDIN: OnceLock<String> = OnceLock::new();
    if path != Path::new("-") {
        return read_to_end(File::open(path)?, most);
    }
    if let Some(text) = STDIN.get() {
        return Ok(text.clone());
    }
    let text = read_to_end(piped_stdin()?, most)?;
    Ok(STDIN.get_or_init(|| text).clone())
}

/// Reads a password: the first line of stdin for `-`, where more may follow, or a file's beginning.
///
/// # Errors
/// What the system says.
pub(crate) fn read_secret(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match path == Path::new("-") {
        true => piped_stdin()?.take(most).read_until(b'\n', &mut bytes)?,
        false => File::open(path)?.take(most).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

fn piped_stdin() -> io::Result<io::StdinLock<'static>> {
    match io::stdin().is_terminal() {
        true => Err(io::Error::other("stdin is a terminal; name a file, or pipe into it")),
        false => Ok(io::stdin().lock()),
    }
}

fn read_to_end(input: impl Read, most: u64) -> io::Result<String> {
    let mut text = String::new();
    // One byte more shows that there is more.
    let read = input.take(most + 1).read_to_string(&mut text);
    match read {
        Ok(length) if length as u64 > most => {
            Err(io::Error::other(format!("it has more than {most} bytes")))
        }
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(io::Error::other("it is not UTF-8 text"))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_allowed() {
        assert_eq!(read_to_end(&b"four"[..], 4).unwrap(), "four");
        let error = |input: &[u8]| read_to_end(input, 4).unwrap_err().to_string();
        assert_eq!(error(b"five!"), "it has more than 4 bytes");
        assert_eq!(error(b"\xff"), "it is not UTF-8 text");
        let endless = read_to_end(io::repeat(0), 1 << 20).unwrap_err().to_string();
        assert_eq!(endless, "it has more than 1048576 bytes");
    }
}
