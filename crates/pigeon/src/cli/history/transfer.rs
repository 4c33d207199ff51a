//! Copies of a log: exported, imported, backed up.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use pigeon_log::{BackupError, ExportError, Log, Options, Position, Reader};
use pigeon_proto::RoomName;
use pigeon_text::escape;

use super::progress::Progress;
use crate::base::count::count;
use crate::base::status::{Status, UsageError};
use crate::output::remark;

/// Writes everything, or a room, as JSON lines.
pub(super) fn export(
    reader: &Reader,
    room: Option<&RoomName>,
    file: &Path,
) -> anyhow::Result<Status> {
    let is_stdout = file == Path::new("-");
    let out: Box<dyn Write> = match is_stdout {
        true => Box::new(io::stdout().lock()),
        false => Box::new(create(file)?),
    };
    let counted = Counted { inner: out, lines: 0, bytes: 0, progress: Progress::new(is_stdout) };
    let mut out = BufWriter::with_capacity(1 << 16, counted);
    match reader.export(Position::START, room, &mut out) {
        Ok(lines) => {
            drop(out);
            if !is_stdout {
                remark(format_args!("{} exported to {}", count(lines, "line"), shown(file)));
            }
            Ok(Status::Done)
        }
        Err(ExportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            // Nothing more can be written, at the end neither.
            drop(out.into_parts());
            Ok(Status::Done)
        }
        Err(error) => {
            drop(out.into_parts());
            Err(anyhow!("{error}").context(format!("the export to {} is incomplete", shown(file))))
        }
    }
}

/// A new file, or a pipe or device that is there. A file that is there is left as it is: it may be
/// the only copy of a log.
fn create(file: &Path) -> anyhow::Result<File> {
    let opened = match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_file() || metadata.is_dir() => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        Ok(_) => File::options().write(true).open(file),
        Err(_) => private().open(file),
    };
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let file = shown(file);
            UsageError(format!("{file} exists and is left as it is; choose another name")).into()
        }
        _ => anyhow!(error).context(UsageError(format!("cannot write {}", shown(file)))),
    })
}

/// How a new file is made that nobody else may read.
fn private() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Counts what is written.
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
        self.progress.step(|| format!("{}, {} MB", count(lines, "line"), bytes / 1_000_000));
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

/// Stores the lines of an export. Bad ones are reported and passed over.
pub(super) fn import(folder: &Path, file: &Path) -> anyhow::Result<Status> {
    let lines: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(file).map_err(|error| {
            anyhow!(error).context(UsageError(format!("cannot read {}", shown(file))))
        })?),
    };
    // Nothing is deleted by age or size now: the hub decides that when it starts.
    let options = Options { keep: None, keep_size: None, ..Options::default() };
    let log = Log::open(folder, options, |_| ())
        .map_err(super::explained)
        .context("an import needs the log for itself")?;
    let progress = Progress::new(false);
    let lines = Counted { inner: lines, lines: 0, bytes: 0, progress };
    let mut lines = BufReader::with_capacity(1 << 16, lines);
    let imported = log.import(&mut lines as &mut dyn BufRead);
    // Ends the line of progress, and stores what is left.
    drop(lines);
    log.close();
    let imported = imported.context("the import is incomplete; what was stored stays")?;
    for (line, what) in &imported.bad_lines {
        remark(format_args!("pigeon: line {line} is passed over: {}", escape(what)));
    }
    let unsaid = imported.bad - imported.bad_lines.len() as u64;
    if unsaid > 0 {
        remark(format_args!("pigeon: {} more passed over", count(unsaid, "line")));
    }
    if imported.conflicts > 0 {
        let messages = count(imported.conflicts, "message");
        remark(format_args!(
            "pigeon: {messages} not stored: others are there under the same number"
        ));
    }
    let (stored, known) = (count(imported.stored, "line"), imported.known);
    remark(format_args!("{stored} imported, {known} were there already"));
    let whole = imported.bad == 0 && imported.conflicts == 0;
    Ok(if whole { Status::Done } else { Status::Usage })
}

/// Copies the log to a new file.
pub(super) fn backup(reader: &Reader, file: &Path) -> anyhow::Result<Status> {
    reader.backup(file).map_err(|error| match error {
        BackupError::Exists { .. } => UsageError(escape(&error.to_string()).to_string()).into(),
        error => anyhow!("{}", escape(&error.to_string())),
    })?;
    let bytes = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    remark(format_args!("backed up to {}, {bytes} bytes", shown(file)));
    Ok(Status::Done)
}

fn shown(file: &Path) -> String {
    escape(&*file.to_string_lossy()).to_string()
}
