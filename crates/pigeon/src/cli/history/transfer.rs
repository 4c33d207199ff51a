//! Exports, imports and backups of a log.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use pigeon_log::{BackupError, ExportError, Log, Options, Position, Reader};
use pigeon_proto::RoomName;

use super::progress::Progress;
use crate::base::random;
use crate::base::status::{Status, UsageError};
use crate::base::system_error;
use crate::output::file::{create, is_stdout, shown};
use crate::output::remark;
use crate::words::say;

/// Writes everything, or one room, as JSON lines.
pub(super) fn export(
    reader: &Reader,
    room: Option<&RoomName>,
    file: &Path,
) -> anyhow::Result<Status> {
    let is_stdout = is_stdout(file);
    let out: Box<dyn Write> = match is_stdout {
        true => Box::new(io::stdout().lock()),
        false => Box::new(create(file, true)?),
    };
    let counted = Counted { inner: out, lines: 0, bytes: 0, progress: Progress::new(is_stdout) };
    let mut out = BufWriter::with_capacity(1 << 16, counted);
    match reader.export(Position::START, room, &mut out) {
        Ok(lines) => {
            drop(out);
            if !is_stdout {
                remark(say!("history-exported", count = lines, file = shown(file)));
            }
            Ok(Status::Done)
        }
        Err(ExportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            // Discards the buffer, because writing failed.
            drop(out.into_parts());
            Ok(Status::Done)
        }
        Err(error) => {
            drop(out.into_parts());
            let what = say!("history-export-incomplete", file = shown(file));
            Err(anyhow!(error).context(what))
        }
    }
}

/// Counts written bytes.
struct Counted<W> {
    inner: W,
    lines: usize,
    bytes: usize,
    progress: Progress,
}

impl<W> Counted<W> {
    fn count(&mut self, bytes: &[u8]) {
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        self.bytes += bytes.len();
        let Counted { lines, bytes, .. } = *self;
        self.progress
            .step(|| say!("history-progress", count = lines, megabytes = bytes / 1_000_000));
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.count(bytes.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Stores the lines of an export. Reports and skips bad lines.
pub(super) fn import(folder: &Path, file: &Path) -> anyhow::Result<Status> {
    let lines: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(file).map_err(|error| {
            anyhow!(error).context(UsageError(say!("errors-cannot-read", file = shown(file))))
        })?),
    };
    // Keeps everything; the hub deletes by age and size when it starts.
    let options = Options { keep: None, keep_size: None, ..Options::default() };
    let log = Log::open(folder, options, |_| ())
        .map_err(super::explained)
        .with_context(|| say!("history-import-alone"))?;
    let progress = Progress::new(false);
    let lines = Counted { inner: lines, lines: 0, bytes: 0, progress };
    let mut lines = BufReader::with_capacity(1 << 16, lines);
    let imported = log.import(&mut lines as &mut dyn BufRead);
    // Ends the progress line, and stores the rest.
    drop(lines);
    log.close();
    let imported = imported.with_context(|| say!("history-import-incomplete"))?;
    for (line, what) in &imported.bad_lines {
        remark(say!("history-bad-line", line = line, what = system_error::whole(what)));
    }
    let unsaid = imported.bad - imported.bad_lines.len() as u64;
    if unsaid > 0 {
        remark(say!("history-bad-lines", count = unsaid));
    }
    if imported.conflicts > 0 {
        remark(say!("history-conflicts", count = imported.conflicts));
    }
    remark(say!("history-imported", stored = imported.stored, known = imported.known));
    let whole = imported.bad == 0 && imported.conflicts == 0;
    Ok(if whole { Status::Done } else { Status::Usage })
}

/// Copies the log to a new file. For a pipe it uses a temporary file, because SQLite must seek.
pub(super) fn backup(reader: &Reader, file: &Path) -> anyhow::Result<Status> {
    let is_pipe = is_stdout(file) || std::fs::metadata(file).is_ok_and(|named| !named.is_file());
    if !is_pipe {
        let bytes = copy(reader, file)?;
        remark(say!("history-backed-up", file = shown(file), bytes = bytes));
        return Ok(Status::Done);
    }
    if is_stdout(file) && io::stdout().is_terminal() {
        return Err(UsageError(say!("history-backup-terminal")).into());
    }
    let mut out = create(file, true)?;
    // An unpredictable name, so that no one can create the file first.
    let name = format!("pigeon-backup-{:016x}", random::u64()?);
    let temporary = std::env::temp_dir().join(name);
    let copied = copy(reader, &temporary).and_then(|_| {
        let sent = File::open(&temporary).and_then(|mut copy| io::copy(&mut copy, &mut out));
        sent.with_context(|| say!("history-backup-incomplete", file = shown(file)))
    });
    let _ = std::fs::remove_file(&temporary);
    copied.map(|_| Status::Done)
}

/// Backs up to a new file and returns its length.
fn copy(reader: &Reader, file: &Path) -> anyhow::Result<u64> {
    reader.backup(file).map_err(|error| match error {
        BackupError::Exists { .. } => UsageError(system_error::whole(&error)).into(),
        error => anyhow!(error),
    })?;
    Ok(std::fs::metadata(file).map_or(0, |metadata| metadata.len()))
}
