//! A log output that survives a full disk.
//!
//! Otherwise a log would end at its first error, and with it the reason for the service's trouble.
//! Lines that cannot be written are dropped and counted; the next written line reports how many are
//! missing.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::words::say;

/// How long to wait if another program has made the stream non-blocking and it is full. Only the
/// bounded queue in front waits.
const FULL_PIPE: Duration = Duration::from_millis(20);

/// Writes lines to `out`, and drops them while its disk is full.
pub(super) struct Patient<W> {
    out: W,
    /// Lines dropped since the last written one.
    missing: u64,
    /// All dropped lines.
    lost: Arc<AtomicU64>,
    /// Whether the last line was written in part.
    is_broken: bool,
}

impl<W: Write> Patient<W> {
    pub(super) fn new(out: W, lost: Arc<AtomicU64>) -> Self {
        Patient { out, missing: 0, lost, is_broken: false }
    }
}

/// Writes all bytes, or returns after how many it failed.
pub(super) fn write_whole(out: &mut impl Write, mut bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(count) => {
                written += count;
                bytes = bytes.get(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PIPE),
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

impl<W: Write> Patient<W> {
    /// Writes all bytes, or returns after how many the disk was full.
    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match write_whole(&mut self.out, bytes) {
            (_, Err(error)) if !is_full(&error) => Err(error),
            (written, _) => Ok(written),
        }
    }
}

impl<W: Write> Write for Patient<W> {
    /// Writes whole lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let count = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        if self.missing > 0 {
            let end = if self.is_broken { "\n" } else { "" };
            let line = say!("errors-lines-missing", count = self.missing);
            let line = format!("{end}{line}\n");
            if self.write_whole(line.as_bytes())? == line.len() {
                (self.missing, self.is_broken) = (0, false);
            }
        }
        let written = match self.missing {
            0 => self.write_whole(lines)?,
            _ => 0,
        };
        let (done, left) = lines.split_at(written);
        let missing = count(left);
        if written > 0 && missing > 0 {
            self.is_broken = !done.ends_with(b"\n");
        }
        self.missing += missing;
        self.lost.fetch_add(missing, Ordering::Relaxed);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.out.flush() {
            Err(error) if is_full(&error) => Ok(()),
            flushed => flushed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with limited space.
    struct Disk {
        room: usize,
        holds: Vec<u8>,
        calls: usize,
    }

    impl Write for &mut Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(3) {
                return Err(ErrorKind::WouldBlock.into());
            }
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.holds.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_costs_lines_and_the_log_says_how_many() {
        let mut disk = Disk { room: 12, holds: Vec::new(), calls: 0 };
        let lost = Arc::<AtomicU64>::default();
        let mut patient = Patient::new(&mut disk, Arc::clone(&lost));
        patient.write_all(b"one\ntwo\n").unwrap();
        patient.write_all(b"three and four\n").unwrap();
        patient.write_all(b"five\nsix\n").unwrap();
        patient.out.room = 10;
        patient.write_all(b"seven\n").unwrap();
        patient.out.room = 1_000;
        patient.write_all(b"eight\n").unwrap();
        assert_eq!(lost.load(Ordering::Relaxed), 4);
        let text = String::from_utf8(disk.holds).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["one", "two", "thre"]);
        assert_eq!(
            lines[lines.len() - 2..],
            ["4 lines are missing here: the disk was full", "eight"]
        );
    }

    #[test]
    fn a_reader_who_has_gone_ends_it() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut patient = Patient::new(Gone, Arc::default());
        assert_eq!(patient.write_all(b"x\n").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}
