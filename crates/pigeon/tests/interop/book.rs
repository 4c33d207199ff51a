//! A test's own contacts file.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::{Process, SOON};

/// A directory with a contacts file, used by every program started through it.
pub(crate) struct Book(PathBuf);

impl Book {
    pub(crate) fn new() -> Book {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = format!("pigeon-contacts-{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        fs::create_dir(&directory).unwrap();
        Book(directory)
    }

    /// A book with this file.
    pub(crate) fn saying(text: &str) -> Book {
        let book = Book::new();
        fs::write(book.path(), text).unwrap();
        book
    }

    pub(crate) fn directory(&self) -> &PathBuf {
        &self.0
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.join("contacts.toml")
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    /// `pigeon ARGS…` with these contacts.
    pub(crate) fn pigeon(&self, name: &str, args: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
        Process::spawn(name, command.args(args).env("PIGEON_CONTACTS", self.path()))
    }

    /// Runs the command to its end: returns its exit status and the process.
    #[track_caller]
    pub(crate) fn ended(&self, args: &[&str]) -> (Option<i32>, Process) {
        let mut process = self.pigeon(&format!("pigeon {}", args[0]), args);
        process.end_stdin();
        let status = process.expect_end(SOON);
        (status.code(), process)
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        // A leftover in the system's temporary directory is harmless.
        let _ = fs::remove_dir_all(&self.0);
    }
}
