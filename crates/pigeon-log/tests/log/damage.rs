//! Files with random damage are rejected or read; they never cause a panic and are never
//! overwritten.

use std::path::Path;

use pigeon_log::{Log, OpenError, Options, Position, Query, Reader};

use crate::support::{Fixture, Random, keyed, plain, rounds};

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = ["log.sqlite", "log.sqlite-wal"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), std::fs::read(folder.join(name)).ok()?)))
        .filter(|(_, bytes)| !bytes.is_empty())
        .collect();
    files.sort();
    files
}

/// `PIGEON_LOG_DAMAGES=1000` for the long form.
#[test]
fn a_damaged_file_is_refused_or_read_and_never_overwritten() {
    let mut whole = Fixture::with(Options { index_lag: 100, ..Options::default() });
    whole.append((1..=800).map(|n| plain(n, &format!("温度 message {n}"))));
    whole.append((1..=50).map(|n| keyed(5, n, "text")));
    whole.wait_indexed();
    // The files have a write-ahead log, as after a crash.
    let crashed = files(whole.path());
    whole.log = None;
    let closed = files(whole.path());
    assert!(crashed.len() == 2 && closed.len() == 1);
    let (mut refused, mut opened) = (0, 0);
    for round in 0..rounds("PIGEON_LOG_DAMAGES", 200) {
        let mut random = Random(round as u64 + 1);
        let folder = tempfile::tempdir().unwrap();
        let mut damaged = if round % 2 == 0 { closed.clone() } else { crashed.clone() };
        let which = random.below(damaged.len());
        harm(&mut damaged[which].1, &mut random);
        for (name, bytes) in &damaged {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        if let Ok(reader) = Reader::open(folder.path()) {
            read_everything(&reader);
        }
        match Log::open(folder.path(), Options::default(), |_| ()) {
            Ok(log) => {
                opened += 1;
                read_everything(&log.reader().unwrap());
                let _ = log.try_append(plain(100_000, "new"));
                log.flush().wait();
                drop(log);
            }
            Err(error) => {
                refused += 1;
                let words = error.to_string();
                assert!(words.contains("log.sqlite"), "{words}");
                if matches!(error, OpenError::Damaged { .. }) {
                    assert!(words.contains("put a backup in its place"), "{words}");
                }
                // SQLite emptying the write-ahead log would be a loss, too.
                damaged.retain(|(_, bytes)| !bytes.is_empty());
                assert!(files(folder.path()) == damaged, "round {round}: {words}");
            }
        }
    }
    println!("{refused} refused, {opened} read");
    assert!(refused > 0 && opened > 0);
}

fn harm(bytes: &mut Vec<u8>, random: &mut Random) {
    match random.below(6) {
        0 => bytes.truncate(random.below(bytes.len())),
        1 => {
            let at = random.below(bytes.len());
            let end = (at + random.below(8_192)).min(bytes.len());
            bytes[at..end].fill(0);
        }
        2 => {
            let (from, to) = (random.below(bytes.len() / 8_192), random.below(bytes.len() / 8_192));
            bytes.copy_within(from * 8_192..from * 8_192 + 8_192, to * 8_192);
        }
        _ => {
            for _ in 0..1 + random.below(20) {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
        }
    }
}

fn read_everything(reader: &Reader) {
    let _ = reader.after(Position::START, None, 10_000);
    let _ = reader.before(Position::END, Some(&crate::support::room("lobby")), 100);
    let _ = reader.search(&Query::parse("温度").unwrap(), None, 10_000, Position::END);
    let _ = reader.search(&Query::parse("mess 7").unwrap(), None, 100, Position::END);
    let _ = reader.export(Position::START, None, std::io::sink());
    let _ = reader.rooms();
}

/// The table definitions are in the first page, where SQLite's check does not read them.
#[test]
fn a_damaged_definition_of_a_table_is_refused_as_damage() {
    let mut whole = Fixture::new();
    whole.append((1..=20).map(|n| plain(n, "text")));
    whole.wait_indexed();
    whole.log = None;
    let (_, bytes) = files(whole.path()).remove(0);
    let mut refused = 0;
    for at in (100..8_192).step_by(46) {
        let folder = tempfile::tempdir().unwrap();
        let mut harmed = bytes.clone();
        harmed[at] ^= 0x15;
        std::fs::write(folder.path().join("log.sqlite"), &harmed).unwrap();
        match Log::open(folder.path(), Options::default(), |_| ()) {
            // An unused byte.
            Ok(log) => {
                let reader = log.reader().unwrap();
                reader.rooms().unwrap();
                assert_eq!(reader.after(Position::START, None, 100).unwrap().len(), 20, "{at}");
            }
            Err(error) => {
                refused += 1;
                let words = error.to_string();
                assert!(
                    words.contains("is damaged") || words.contains("is not a pigeon log"),
                    "{words}"
                );
                assert!(!words.contains('\n'), "{words}");
            }
        }
    }
    assert!(refused > 25, "{refused}");
}

#[test]
fn checking_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.append([plain(1, "text")]);
    pigeon_log::check(fixture.path()).unwrap();
    fixture.log = None;
    let before = files(fixture.path());
    pigeon_log::check(fixture.path()).unwrap();
    assert_eq!(files(fixture.path())[0], before[0]);
}
