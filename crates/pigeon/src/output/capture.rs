//! Datagrams as a pcapng file.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use pigeon_capture::Writer;

/// A capture file that is being written.
pub(crate) type Capture = Writer<BufWriter<File>>;

/// Begins one. A file that is there is not touched: nobody means to lose a capture.
pub(crate) fn create_capture(path: &Path) -> io::Result<Capture> {
    Writer::new(BufWriter::new(File::create_new(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_is_not_touched() {
        let path = std::env::temp_dir().join(format!("pigeon-capture-{}", std::process::id()));
        std::fs::write(&path, "mine").unwrap();
        assert_eq!(create_capture(&path).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_file(&path).unwrap();
    }
}
