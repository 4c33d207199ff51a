//! Files that people write: settings, a scenario. They are small, and what is not is another file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Reads a file's text, no more than `most` bytes of it. The length that the system reports would not
/// do: /dev/zero has none, and neither has a pipe.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let why = format!("it has more than {most} bytes, so it is another file than meant");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|&&byte| byte == b'\n').count() + 1;
        io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not valid UTF-8"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_a_file_of_its_kind_has() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "timeout = '3s'\n").unwrap();
        assert_eq!(read_text(file.path(), 15).unwrap(), "timeout = '3s'\n");
        assert!(read_text(file.path(), 14).unwrap_err().to_string().contains("more than 14 bytes"));
        #[cfg(target_os = "linux")]
        assert!(read_text(Path::new("/dev/zero"), 1 << 20).is_err());
        std::fs::write(file.path(), b"a\n\xff").unwrap();
        assert!(read_text(file.path(), 15).unwrap_err().to_string().starts_with("line 2 "));
        assert!(read_text(Path::new("/nonexistent"), 1).is_err());
    }
}
