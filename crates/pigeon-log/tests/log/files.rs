//! The folder: its permissions, and who may open it.

use std::io::Write;
use std::process::{Command, Stdio};

use pigeon_log::{Log, OpenError, Options, Reader};

use crate::support::{Fixture, plain};

#[test]
fn a_second_log_on_the_folder_is_refused_naming_the_first() {
    let mut fixture = Fixture::new();
    let second = Log::open(fixture.path(), Options::default(), |_| ());
    let Err(OpenError::InUse { by, folder }) = second else { panic!("{second:?}") };
    assert_eq!((by, &*folder), (Some(std::process::id()), fixture.path()));
    fixture.append_one(plain(1, "still stored"));
    Reader::open(fixture.path()).unwrap();
    fixture.open(Options::default()).unwrap();
    assert_eq!(fixture.texts(), ["still stored"]);
}

/// The child process of the test below.
#[test]
fn child_that_opens_a_folder() {
    let Some(folder) = std::env::var_os("PIGEON_LOG_OPEN") else { return };
    let said = match Log::open(folder.as_ref(), Options::default(), |_| ()) {
        Ok(_) => "opened".to_owned(),
        Err(error) => error.to_string(),
    };
    std::io::stdout().write_all(format!("\n{said}\n").as_bytes()).unwrap();
}

#[test]
fn another_process_is_refused_too() {
    let fixture = Fixture::new();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "files::child_that_opens_a_folder", "--nocapture"])
        .env("PIGEON_LOG_OPEN", fixture.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&output.stdout);
    let process = format!("is in use by process {}; stop that hub", std::process::id());
    assert!(output.contains(&process), "{output}");
}

#[cfg(unix)]
#[test]
fn folder_and_files_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt;
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("a/b");
    let log = Log::open(&folder, Options::default(), |_| ()).unwrap();
    log.try_append(plain(1, "text")).unwrap();
    log.flush().wait();
    let backup = folder.join("backup.sqlite");
    log.reader().unwrap().backup(&backup).unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn what_is_not_a_log_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.sqlite");
    let open = || Log::open(folder.path(), Options::default(), |_| ());
    let foreign = rusqlite::Connection::open(&file).unwrap();
    foreign.execute_batch("CREATE TABLE precious (text)").unwrap();
    drop(foreign);
    let before = std::fs::read(&file).unwrap();
    assert!(matches!(open(), Err(OpenError::Foreign { .. })));
    assert!(matches!(Reader::open(folder.path()), Err(OpenError::Foreign { .. })));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    std::fs::write(&file, "").unwrap();
    assert!(matches!(open(), Err(OpenError::Damaged { .. })));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(OpenError::Missing { .. })));
    std::fs::write(folder.path().join("log.sqlite-wal"), "left over").unwrap();
    assert!(matches!(open(), Err(OpenError::Damaged { .. })));
}
