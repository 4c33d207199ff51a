//! The floor of the benchmark: the same SQLite with the same settings and one bare table.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rusqlite::{Connection, params};

use crate::text::Text;

/// The table of an earlier index design: pairs of Chinese characters, whole words of other scripts.
const INDEX: &str = "CREATE VIRTUAL TABLE grams USING fts5(
    body, content = '', contentless_delete = 1, tokenize = 'unicode61')";

pub(crate) struct Bare {
    connection: Connection,
    folder: PathBuf,
    position: i64,
    indexes: bool,
}

impl Bare {
    pub(crate) fn new(folder: &Path, indexes: bool) -> Bare {
        let connection = Connection::open(folder.join("bare.sqlite")).expect("a file");
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16384;
                 CREATE TABLE messages (
                     position INTEGER PRIMARY KEY, room INTEGER NOT NULL, speaker TEXT NOT NULL,
                     link INTEGER NOT NULL, wall INTEGER NOT NULL, text, outbox INTEGER,
                     number INTEGER)",
            )
            .expect("a table");
        if indexes {
            connection.execute_batch(INDEX).expect("an index");
        }
        Bare { connection, folder: folder.to_owned(), position: 0, indexes }
    }

    /// Messages per second, with one transaction per group.
    pub(crate) fn rate(&mut self, text: &Text, group: usize, messages: usize) -> f64 {
        let start = Instant::now();
        for _ in 0..messages / group {
            let transaction = self.connection.transaction().expect("a transaction");
            {
                let mut insert = transaction
                    .prepare_cached("INSERT INTO messages VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
                    .expect("a statement");
                for _ in 0..group {
                    self.position += 1;
                    let n = self.position as usize;
                    let speaker = format!("speaker{}", n % crate::SPEAKERS);
                    let (room, line) = ((n % crate::ROOMS) as i64, text.line(n));
                    insert
                        .execute(params![
                            self.position,
                            room,
                            speaker,
                            2,
                            1_795_824_000_000 + self.position,
                            line,
                            1,
                            self.position
                        ])
                        .expect("an insert");
                    if self.indexes {
                        let mut index = transaction
                            .prepare_cached("INSERT INTO grams (rowid, body) VALUES (?1, ?2)")
                            .expect("a statement");
                        index.execute(params![self.position, pairs(line)]).expect("an insert");
                    }
                }
            }
            transaction.commit().expect("a commit");
        }
        (messages / group * group) as f64 / start.elapsed().as_secs_f64()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Splits Chinese text into overlapping pairs, and leaves the rest unchanged.
fn pairs(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut run: Vec<char> = Vec::new();
    let flush = |run: &mut Vec<char>, out: &mut String| {
        if let [alone] = run[..] {
            out.extend([' ', alone, ' ']);
        } else {
            for pair in run.windows(2) {
                out.push(' ');
                out.extend(pair);
            }
            if !run.is_empty() {
                out.push(' ');
            }
        }
        run.clear();
    };
    for c in text.chars() {
        if ('\u{4e00}'..='\u{9fff}').contains(&c) {
            run.push(c);
        } else {
            flush(&mut run, &mut out);
            out.push(c);
        }
    }
    flush(&mut run, &mut out);
    out
}
