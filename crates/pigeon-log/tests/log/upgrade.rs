//! Upgrades a hand-made file of version 1.

use pigeon_log::{Log, OpenError, Options, Outcome, Position, Query, Reader};

use crate::support::{Fixture, keyed};

/// The first version's schema.
const VERSION_1: &str = "
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA application_id = 1885826151;
    PRAGMA journal_mode = WAL;
    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY, folded TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
    CREATE TABLE outboxes (
        id INTEGER PRIMARY KEY, author BLOB NOT NULL, outbox INTEGER NOT NULL,
        last_number INTEGER NOT NULL, last_position INTEGER NOT NULL, last_used INTEGER NOT NULL,
        UNIQUE (author, outbox));
    CREATE TABLE messages (
        position INTEGER PRIMARY KEY, room INTEGER NOT NULL, speaker TEXT NOT NULL,
        link INTEGER NOT NULL, wall INTEGER NOT NULL, text, outbox INTEGER, number INTEGER);
    CREATE INDEX messages_by_room ON messages (room);
    CREATE UNIQUE INDEX messages_by_identity ON messages (outbox, number) WHERE outbox IS NOT NULL;
    CREATE TABLE gaps (
        position INTEGER PRIMARY KEY, after INTEGER NOT NULL, count INTEGER NOT NULL);
    CREATE TABLE facts (
        kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (kind, key)) WITHOUT ROWID;
    CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO rooms VALUES (1, 'lobby', 'lobby');
    INSERT INTO outboxes VALUES (1, x'00000000000000000000000000000005', 7, 2, 4, 0);
    INSERT INTO messages VALUES (3, 1, '狗哥', 1, 1795824000000, '吃饭了吗', 1, 1);
    INSERT INTO messages VALUES (4, 1, '狗哥', 1, 1795824000001, '传感器', 1, 2);
    INSERT INTO settings VALUES ('reserved', 10);
    PRAGMA user_version = 1;";

fn version_1(version: i64) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.log = None;
    let file = fixture.path().join("log.sqlite");
    std::fs::remove_file(&file).unwrap();
    let old = rusqlite::Connection::open(&file).unwrap();
    old.execute_batch(VERSION_1).unwrap();
    old.pragma_update(None, "user_version", version).unwrap();
    fixture
}

#[test]
fn a_file_of_version_1_is_upgraded_with_all_it_holds() {
    let mut fixture = version_1(1);
    assert!(matches!(Reader::open(fixture.path()), Err(OpenError::Older { found: 1, .. })));
    fixture.open(Options::default()).unwrap();
    assert_eq!(fixture.texts(), ["吃饭了吗", "传感器"]);
    fixture.wait_indexed();
    let reader = fixture.log().reader().unwrap();
    let found = reader.search(&Query::parse("感器").unwrap(), None, 9, Position::END).unwrap();
    assert_eq!(found.messages[0].position.get(), 4);
    let outcomes = fixture.append([keyed(5, 2, "传感器"), keyed(5, 3, "new")]);
    assert_eq!(outcomes[0], Outcome::Again { position: Position::new(4) });
    assert_eq!(outcomes[1], Outcome::Stored { position: Position::new(11).unwrap() });
    fixture.open(Options::default()).unwrap();
    assert_eq!(fixture.texts().len(), 3);
}

#[test]
fn a_file_of_a_newer_version_is_left_as_it_is() {
    for (version, newer) in [(99, true), (0, false)] {
        let fixture = version_1(version);
        let file = fixture.path().join("log.sqlite");
        let before = std::fs::read(&file).unwrap();
        let error = Log::open(fixture.path(), Options::default(), |_| ()).unwrap_err();
        assert_eq!(matches!(error, OpenError::Newer { found: 99, .. }), newer, "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
}
