//! Text from a file or standard input, up to a limit: the path may be `-`, a pipe, or an endless
//! device.

use crate::words::say;
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read};
use std::path::Path;
use std::sync::OnceLock;

/// Reads a path, where `-` is stdin, to its end. Fails if there are more than `most` bytes, or if
/// they are not UTF-8.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<String> {
    /// stdin is read once: when a hub reloads its settings on SIGHUP, its content stays.
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

/// Reads a password: the first line of stdin for `-`, where more may follow, or the start of a
/// file.
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
        true => Err(io::Error::other(say!("errors-stdin-terminal"))),
        false => Ok(io::stdin().lock()),
    }
}

fn read_to_end(input: impl Read, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    // One more byte reveals a longer file. The reported length is useless for /dev/zero and pipes.
    input.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let why = say!("errors-file-too-large", most = &most);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count() + 1;
        io::Error::new(io::ErrorKind::InvalidData, say!("errors-line-not-utf8", line = &line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_allowed() {
        assert_eq!(read_to_end(&b"four"[..], 4).unwrap(), "four");
        let error = |input: &[u8]| read_to_end(input, 4).unwrap_err().to_string();
        assert!(error(b"five!").starts_with("it has more than 4 bytes"));
        assert_eq!(error(b"a\n\xff"), "line 2 is not valid UTF-8");
        let endless = read_to_end(io::repeat(0), 1 << 20).unwrap_err().to_string();
        assert!(endless.starts_with("it has more than 1048576 bytes"));
    }
}
