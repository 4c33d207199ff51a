//! A file of records to which one process appends: what must outlive `kill -9` and a power cut.
//!
//! ```text
//!   file   = MAGIC, record, record, …
//!   record = length (u32, little endian), CRC-32 of length and bytes (u32), the bytes
//! ```
//!
//! The end may be torn: what was not synced was acknowledged to nobody, and opening the file cuts it
//! off. The CRC covers the length, or a run of zeros, which a power cut can leave, would read as empty
//! records. After a power cut a torn record may stand before whole ones, as damage may, so the rest
//! is kept in a file beside the journal and reported.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

const MAGIC: &[u8; 8] = b"pigeon1\n";
const HEAD: usize = 8;

/// The longest record.
pub(crate) const MAX_RECORD: usize = 1 << 20;

/// A journal that this process has locked.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    /// Where the next record begins.
    end: u64,
    /// Whether a failed write may have left bytes after `end`.
    is_torn: bool,
}

/// A journal as it was found.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    pub(crate) records: Vec<Vec<u8>>,
    /// Where the end of the file was put, from a record on that could not be read and was not the
    /// last.
    pub(crate) damaged: Option<PathBuf>,
}

/// Why a journal was not opened. The file is unchanged.
#[derive(Debug, Error)]
pub(crate) enum JournalError {
    /// Another process has it.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The file is something else.
    #[error("{} is not a journal; move it away to begin anew", .0.display())]
    Foreign(PathBuf),
    /// The system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Journal {
    /// Opens a journal, which is created if need be, and gives its records.
    pub(crate) fn open(path: &Path) -> Result<Opened, JournalError> {
        let failed = |doing| move |source| JournalError::Io { doing, path: path.into(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        private(&mut options);
        let mut file = options.open(path).map_err(failed("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse(path.into())),
            Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read"))?;
        let Parsed { records, end, is_damaged } =
            parse(&bytes).ok_or_else(|| JournalError::Foreign(path.into()))?;
        let damaged = is_damaged.then(|| path.with_extension("damaged"));
        if let Some(damaged) = &damaged {
            std::fs::write(damaged, &bytes[end..]).map_err(failed("copy the damaged end of"))?;
        }
        let mut journal = Journal { file, path: path.into(), end: end as u64, is_torn: true };
        journal.repair().map_err(failed("write"))?;
        Ok(Opened { journal, records, damaged })
    }

    /// Appends a record. It outlives a power cut after [`sync`](Journal::sync).
    ///
    /// # Errors
    /// When the disk is full or fails. The journal is as before.
    pub(crate) fn append(&mut self, record: &[u8]) -> io::Result<()> {
        if record.len() > MAX_RECORD {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the record is too long"));
        }
        self.repair()?;
        self.is_torn = true;
        self.file.write_all(&framed(record))?;
        self.is_torn = false;
        self.end += (HEAD + record.len()) as u64;
        Ok(())
    }

    /// Puts everything appended on the disk.
    ///
    /// # Errors
    /// When the disk fails. What was appended since the last sync may be lost in a power cut.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Replaces all records by these, in one step.
    ///
    /// # Errors
    /// When the disk is full or fails. The journal is as before.
    pub(crate) fn rewrite<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a [u8]>,
    ) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        private(&mut options);
        let mut file = options.open(&beside)?;
        let mut bytes = MAGIC.to_vec();
        records.into_iter().for_each(|record| bytes.extend(framed(record)));
        // Locked before it has the name, so that no other process finds it free.
        let written = file
            .try_lock()
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(&bytes))
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&beside, &self.path));
        if let Err(error) = written {
            let _ = std::fs::remove_file(&beside);
            return Err(error);
        }
        self.file = file;
        self.end = bytes.len() as u64;
        self.is_torn = false;
        sync_folder(&self.path)
    }

    /// How large the file is, in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.end
    }

    /// Cuts off what a torn write left, and writes the magic of a new file.
    fn repair(&mut self) -> io::Result<()> {
        if !self.is_torn {
            return Ok(());
        }
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        if self.end == 0 {
            self.file.write_all(MAGIC)?;
            self.end = MAGIC.len() as u64;
            self.file.sync_all()?;
            sync_folder(&self.path)?;
        }
        self.is_torn = false;
        Ok(())
    }
}

fn framed(record: &[u8]) -> Vec<u8> {
    let length = (record.len() as u32).to_le_bytes();
    [&length, &checksum(length, record).to_le_bytes(), record].concat()
}

fn checksum(length: [u8; 4], record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(record);
    hasher.finalize()
}

struct Parsed {
    records: Vec<Vec<u8>>,
    /// Where the whole records end.
    end: usize,
    /// Whether a whole record stands after one that is not.
    is_damaged: bool,
}

/// The whole records at the beginning. `None` for a file that is not a journal.
fn parse(bytes: &[u8]) -> Option<Parsed> {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
        // A file that was cut while it was created.
        let is_cut = MAGIC.starts_with(bytes);
        return is_cut.then(|| Parsed { records: Vec::new(), end: 0, is_damaged: false });
    };
    let (mut records, mut end, mut is_damaged) = (Vec::new(), MAGIC.len(), false);
    while let Some((head, tail)) = rest.split_first_chunk::<HEAD>() {
        let [a, b, c, d, crc @ ..] = *head;
        let length = [a, b, c, d];
        let size = u32::from_le_bytes(length) as usize;
        let Some((record, after)) = tail.split_at_checked(size) else { break };
        if checksum(length, record) != u32::from_le_bytes(crc) {
            is_damaged = !after.is_empty();
            break;
        }
        records.push(record.to_vec());
        rest = after;
        end += HEAD + size;
    }
    Some(Parsed { records, end, is_damaged })
}

pub(crate) fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Keeps a name after a power cut. Windows opens no folders, and needs no sync for it.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn written(records: &[&[u8]]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let Opened { mut journal, records: before, .. } = Journal::open(&path).unwrap();
        assert_eq!(before, Vec::<Vec<u8>>::new());
        records.iter().for_each(|record| journal.append(record).unwrap());
        journal.sync().unwrap();
        (folder, path)
    }

    #[test]
    fn records_come_back_as_they_were() {
        let (_folder, path) = written(&[b"one", b"", &[0xff; 70_000]]);
        let Opened { mut journal, records, damaged } = Journal::open(&path).unwrap();
        assert_eq!(damaged, None);
        assert_eq!(records, [b"one".to_vec(), Vec::new(), vec![0xff; 70_000]]);
        journal.rewrite([&b"two"[..]]).unwrap();
        journal.append(b"three").unwrap();
        assert_eq!(journal.len(), std::fs::metadata(&path).unwrap().len());
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().records, [b"two".to_vec(), b"three".to_vec()]);
    }

    #[test]
    fn a_second_process_finds_it_in_use_after_a_rewrite_too() {
        let (_folder, path) = written(&[b"one"]);
        let mut journal = Journal::open(&path).unwrap().journal;
        assert!(matches!(Journal::open(&path), Err(JournalError::InUse(_))));
        journal.rewrite([&b"two"[..]]).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::InUse(_))));
    }

    #[test]
    fn a_torn_end_is_cut_off_wherever_it_is_torn() {
        let (_folder, path) = written(&[b"one", b"two"]);
        let whole = std::fs::read(&path).unwrap();
        let first = MAGIC.len() + HEAD + 3;
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let Opened { mut journal, records, damaged } = Journal::open(&path).unwrap();
            assert_eq!(damaged, None, "{cut}");
            assert_eq!(records.len(), usize::from(cut >= first), "{cut}");
            journal.append(b"new").unwrap();
            drop(journal);
            assert_eq!(Journal::open(&path).unwrap().records.last().unwrap(), b"new");
        }
    }

    #[test]
    fn what_stands_after_damage_is_kept_beside() {
        let (_folder, path) = written(&[b"one", b"two", b"three"]);
        let mut bytes = std::fs::read(&path).unwrap();
        let second = MAGIC.len() + HEAD + 3;
        bytes[second + HEAD] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let Opened { mut journal, records, damaged } = Journal::open(&path).unwrap();
        assert_eq!(records, [b"one"]);
        assert_eq!(std::fs::read(damaged.unwrap()).unwrap(), &bytes[second..]);
        journal.append(b"four").unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().records, [b"one".to_vec(), b"four".to_vec()]);
    }

    #[test]
    fn zeros_are_a_torn_end_and_another_file_is_left_alone() {
        let (_folder, path) = written(&[b"one"]);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend([0; 64]);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Journal::open(&path).unwrap().records, [b"one"]);
        std::fs::write(&path, b"something else").unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::Foreign(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"something else");
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
            let file = [&MAGIC[..], &bytes].concat();
            prop_assert!(parse(&file).is_some_and(|parsed| parsed.end <= file.len()));
        }
    }
}
