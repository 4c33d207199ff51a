//! Logs on disk, or on a memory file system if there is one: a target opens some hundred per
//! second.

use std::path::Path;

use pigeon_log::{Log, Options, Position, Reader};
use tempfile::TempDir;

/// A temporary folder.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder of its own")
}

/// Options of a log without retention.
pub fn options() -> Options {
    Options { keep: None, keep_size: None, ..Options::default() }
}

/// All entries as JSON lines.
pub fn export(log: &Log) -> Vec<u8> {
    let mut lines = Vec::new();
    let reader = log.reader().expect("the log is open");
    reader.export(Position::START, None, &mut lines).expect("the log is whole");
    lines
}

/// Reads in every possible way. Whatever the file contains, reading ends.
pub fn read(reader: &Reader) {
    let Ok(rooms) = reader.rooms() else { return };
    for room in rooms.iter().take(4).map(Some).chain([None]) {
        let mut position = Position::START;
        while let Ok(entries) = reader.after(position, room, 256) {
            let Some(last) = entries.last() else { break };
            assert!(last.position() > position, "reading goes in a circle");
            position = last.position();
        }
        let _ = reader.before(Position::END, room, 64);
        for words in ["温度", "ess", "a", "7 温"] {
            let query = pigeon_log::Query::parse(words).expect("there are words");
            let mut before = Position::END;
            while let Ok(found) = reader.search(&query, room, 256, before) {
                let Some(more) = found.more else { break };
                assert!(more < before, "a search goes in a circle");
                before = more;
            }
        }
    }
    let _ = reader.export(Position::START, None, std::io::sink());
}
