//! Writes datagrams to a pcapng file. With a full disk datagrams are lost, but nothing else: the
//! failure is reported at once, the file stays readable, and writing continues when there is space
//! again.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow};
use pigeon_capture::Writer;

use super::Spool;
use super::file::{create, is_stdout, shown};
use super::patient::write_whole;
use crate::base::status::UsageError;
use crate::base::system_error;
use crate::words::say;

/// The bytes collected per write.
const BUFFER: usize = 64 << 10;

/// A capture being written.
pub(crate) struct Capture {
    shown: String,
    file: File,
    is_stdout: bool,
    /// The end of the last complete block, if the file can be truncated.
    end: Option<u64>,
    /// Blocks not written yet, and their number of datagrams.
    writer: Writer<Vec<u8>>,
    waiting: u64,
    /// Datagrams lost since the last successful write.
    missing: u64,
    /// All lost datagrams. Shared with the command, which reports them at the end.
    lost: Arc<AtomicU64>,
    /// Writing is impossible from now on.
    is_broken: bool,
    notes: Option<Spool<Vec<u8>>>,
}

impl Capture {
    /// Creates a capture at a path, where `-` is stdout. The file is valid from then on.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Capture> {
        let is_stdout = is_stdout(path);
        if is_stdout && io::stdout().is_terminal() {
            return Err(UsageError(say!("errors-capture-terminal")).into());
        }
        let mut file = create(path, false)?;
        let shown = shown(path);
        let mut writer = Writer::new(Vec::with_capacity(BUFFER))?;
        let (_, written) = write_whole(&mut file, writer.get_ref());
        written.with_context(|| UsageError(say!("errors-cannot-write", file = &shown)))?;
        writer.get_mut().clear();
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        let end = is_file.then(|| file.stream_position()).transpose()?;
        Ok(Capture {
            shown,
            file,
            is_stdout,
            end,
            writer,
            waiting: 0,
            missing: 0,
            lost: Arc::default(),
            is_broken: false,
            notes: None,
        })
    }

    /// Reports failures to `notes`.
    pub(crate) fn reporting_to(self, notes: Spool<Vec<u8>>) -> Capture {
        Capture { notes: Some(notes), ..self }
    }

    /// Reports at the end whether everything was written.
    pub(crate) fn losses(&self) -> Losses {
        Losses { shown: self.shown.clone(), lost: Arc::clone(&self.lost) }
    }

    /// Appends a datagram, as [`Writer::write`] does. Fails if the reader of stdout's pipe has
    /// gone.
    pub(crate) fn write(
        &mut self,
        time: Duration,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
        length: usize,
    ) -> io::Result<()> {
        if self.waiting == 0 {
            self.writer.note_missing(self.missing);
        }
        self.waiting += 1;
        self.writer.write(time, from, to, payload, length)?;
        if self.writer.get_ref().len() < BUFFER { Ok(()) } else { self.flush() }
    }

    /// Writes appended datagrams. Fails if the reader of stdout's pipe has gone.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let datagrams = std::mem::take(&mut self.waiting);
        let blocks = std::mem::take(self.writer.get_mut());
        let outcome = match (datagrams, self.is_broken) {
            (0, _) => Ok(()),
            (_, true) => Err(ErrorKind::BrokenPipe.into()),
            (_, false) => self.put(&blocks),
        };
        *self.writer.get_mut() = blocks;
        self.writer.get_mut().clear();
        match outcome {
            Ok(()) if datagrams > 0 && self.missing > 0 => {
                let missing = std::mem::take(&mut self.missing);
                self.report(&say!("errors-capture-again", file = &self.shown, missing = missing));
                Ok(())
            }
            Err(error) if self.is_stdout && error.kind() == ErrorKind::BrokenPipe => Err(error),
            Err(error) => {
                if self.missing == 0 {
                    let error = system_error::said(&error);
                    let file = &self.shown;
                    self.report(&say!("errors-capture-stopped", file = file, error = error));
                }
                self.missing += datagrams;
                self.lost.fetch_add(datagrams, Ordering::Relaxed);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Writes whole blocks, or none.
    fn put(&mut self, blocks: &[u8]) -> io::Result<()> {
        let (written, outcome) = write_whole(&mut self.file, blocks);
        match (&outcome, self.end) {
            (Ok(()), _) => self.end = self.end.map(|end| end + written as u64),
            (Err(_), Some(end)) => {
                let cut = self.file.set_len(end);
                self.is_broken = cut.and_then(|()| self.file.seek(SeekFrom::Start(end))).is_err();
            }
            // A partial block in a pipe cannot be taken back, and a closed pipe does not reopen.
            (Err(error), None) => {
                self.is_broken = written > 0 || error.kind() == ErrorKind::BrokenPipe;
            }
        }
        outcome
    }

    fn report(&self, line: &str) {
        if let Some(notes) = &self.notes {
            notes.line(format!("pigeon: {line}"));
        }
    }
}

/// The number of lost datagrams.
pub(crate) struct Losses {
    shown: String,
    lost: Arc<AtomicU64>,
}

impl Losses {
    /// Returns an error if any datagram was lost.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        match self.lost.load(Ordering::Relaxed) {
            0 => Ok(()),
            lost => Err(anyhow!(say!("errors-capture-lost", lost = lost, file = &self.shown))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("pigeon-capture-{name}-{}", std::process::id()))
    }

    #[test]
    fn an_existing_file_is_not_touched() {
        let path = path("kept");
        std::fs::write(&path, "mine").unwrap();
        let error = Capture::create(&path).err().unwrap();
        assert!(error.is::<UsageError>() && error.to_string().contains("exists"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        std::fs::remove_file(&path).unwrap();
    }

    fn payloads(path: &Path) -> Vec<Vec<u8>> {
        let mut reader = pigeon_capture::Reader::new(File::open(path).unwrap()).unwrap();
        let mut decoder = pigeon_capture::Decoder::new();
        let mut payloads = Vec::new();
        while let Some(packet) = reader.next_packet().unwrap() {
            payloads.push(decoder.decode(&packet).unwrap().payload.to_vec());
        }
        payloads
    }

    #[test]
    fn a_capture_is_whole_before_and_after_an_error() {
        let path = path("healed");
        let mut capture = Capture::create(&path).unwrap();
        assert_eq!(payloads(&path), [[0; 0]; 0]);
        let at = ([10, 0, 0, 1], 9).into();
        let write = |capture: &mut Capture, payload: &[u8]| {
            capture.write(Duration::from_secs(1), at, at, payload, payload.len()).unwrap();
            capture.flush().unwrap();
        };
        write(&mut capture, b"one");
        // A file that cannot be written, like on a full disk.
        let whole = std::mem::replace(&mut capture.file, File::open(&path).unwrap());
        write(&mut capture, b"two");
        write(&mut capture, b"three");
        assert_eq!(payloads(&path), [b"one"]);
        (capture.file, capture.is_broken) = (whole, false);
        write(&mut capture, b"four");
        assert_eq!(payloads(&path), [&b"one"[..], b"four"]);
        let error = capture.losses().check().unwrap_err().to_string();
        assert!(error.starts_with("2 datagrams could not be written"), "{error}");
        std::fs::remove_file(&path).unwrap();
    }
}
