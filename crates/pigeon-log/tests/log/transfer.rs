//! Export, import, backup.

use pigeon_log::{BackupError, Entry, Follow, Identity, Options, Outcome, Position, Reader, Seen};
use pigeon_proto::LinkKind;
use serde_json::Value;

use crate::support::{Fixture, keyed, plain, room};

fn fill(fixture: &Fixture) {
    let mut raw = plain(900, "");
    (raw.text, raw.room) = (b"\xff\x00raw".as_slice().into(), room("video"));
    let mut large = plain(901, "\u{202e} \"quoted\"\n");
    large.identity = Identity { author: u128::MAX, outbox: u64::MAX, number: i64::MAX as u64 };
    fixture
        .append((1..=700).flat_map(|n| [plain(n, "平常"), keyed(9, n, &format!("message {n}"))]));
    fixture.append([raw, large]);
}

fn export(fixture: &Fixture) -> Vec<u8> {
    let mut out = Vec::new();
    fixture.log().reader().unwrap().export(Position::START, None, &mut out).unwrap();
    out
}

/// Lines without the values that each log assigns: the position, and the link `import`.
fn comparable(lines: &[u8]) -> Vec<Value> {
    let lines = std::str::from_utf8(lines).unwrap().lines();
    let mut values: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    for value in &mut values {
        let object = value.as_object_mut().unwrap();
        for name in ["position", "after", "link"] {
            object.remove(name);
        }
    }
    values
}

#[test]
fn an_export_imported_into_an_empty_log_exports_the_same() {
    let first = Fixture::with(Options { queue_bytes: 1_000_000, ..Options::default() });
    fill(&first);
    // Adds a gap.
    while first.log().try_append(plain(5_000, &"x".repeat(50_000))).is_ok() {}
    first.log().flush().wait();
    let lines = export(&first);
    assert!(first.all().iter().any(|entry| matches!(entry, Entry::Gap(_))));

    let second = Fixture::new();
    let imported = second.log().import(&*lines).unwrap();
    assert_eq!((imported.stored, imported.bad), (first.all().len() as u64, 0));
    let again = export(&second);
    assert_eq!(comparable(&again), comparable(&lines));
    assert!(second.all().iter().filter_map(Entry::message).all(|m| m.link == LinkKind::Import));

    let repeated = second.log().import(&*lines).unwrap();
    assert_eq!((repeated.stored, repeated.known), (0, imported.stored));
    // Importing into the original log, too, where the hub's own numbers have no index.
    let returned = first.log().import(&*lines).unwrap();
    assert_eq!((returned.stored, returned.known), (0, imported.stored));
    first.log().flush().wait();
    let indexes = rusqlite::Connection::open(first.path().join("log.sqlite")).unwrap();
    let left: i64 = indexes
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'import_by_identity'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(left, 0, "an import leaves no index behind");
    assert_eq!(export(&second), again);
    // The member's outbox continues after the imported messages.
    assert!(matches!(second.append_one(keyed(9, 701, "next")), Outcome::Stored { .. }));
    // An explicit import restores forgotten messages.
    second.log().forget(pigeon_log::Forget::Room(room("lobby"))).wait().unwrap();
    second.log().import(&*lines).unwrap();
    assert_eq!(comparable(&export(&second)).len(), comparable(&lines).len());
}

#[test]
fn bad_lines_are_told_and_the_rest_goes_on() {
    let fixture = Fixture::new();
    let good = r#"{"room":"lobby","from":"a","unix_ms":1,"text":"b","author":"1","outbox":"2","number":3}"#;
    let other = good.replace("\"b\"", "\"other\"");
    let deep = "[".repeat(100_000);
    let long = "x".repeat(3 << 20);
    let lines =
        format!("{good}\nnonsense\n\n{{}}\n{deep}\n{long}\n{other}\n{}", good.replace('3', "4"));
    let imported = fixture.log().import(lines.as_bytes()).unwrap();
    assert_eq!((imported.stored, imported.conflicts, imported.bad), (2, 1, 4));
    let numbers: Vec<u64> = imported.bad_lines.iter().map(|(line, _)| *line).collect();
    assert_eq!(numbers, [2, 4, 5, 6]);
}

#[test]
fn a_backup_is_a_whole_log_that_begins_a_new_epoch() {
    let fixture = Fixture::new();
    fill(&fixture);
    let reader = fixture.log().reader().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("log.sqlite");
    let log = fixture.log();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (1_000..3_000).for_each(|n| {
                log.try_append(plain(n, "meanwhile")).unwrap();
            })
        });
        reader.backup(&copy).unwrap();
    });
    log.flush().wait();
    assert!(matches!(reader.backup(&copy), Err(BackupError::Exists { .. })));
    let files = std::fs::read_dir(elsewhere.path()).unwrap().count();
    assert_eq!(files, 1, "one file and nothing beside it");
    let held = reader.after(Position::START, None, 5_000).unwrap();
    let ahead = held.last().unwrap().message().unwrap();
    let ahead = Seen { position: ahead.position, identity: ahead.identity };

    let mut restored = Fixture::new();
    restored.log = None;
    std::fs::copy(&copy, restored.path().join("log.sqlite")).unwrap();
    restored.open(Options::default()).unwrap();
    let entries = restored.all();
    assert_eq!(entries, held[..entries.len()], "whole transactions from the beginning");
    let Outcome::Stored { position } = restored.append_one(plain(9_000, "new")) else { panic!() };
    assert_eq!(position, Position::at(1, 1).unwrap());
    let follow = restored.log().reader().unwrap().follow(Some(ahead), Position::START).unwrap();
    if entries.len() < held.len() {
        let last = entries.last().unwrap().message().unwrap();
        let last = Seen { position: last.position, identity: last.identity };
        assert_eq!(follow, Follow::Reset { last_common: Some(last), forgotten: None });
    }
    restored.open(Options::default()).unwrap();
    assert_eq!(
        restored.append_one(plain(9_001, "x")),
        Outcome::Stored { position: Position::at(1, 2).unwrap() }
    );
    assert!(Reader::open(elsewhere.path()).is_ok(), "a backup can be read where it is");
}
