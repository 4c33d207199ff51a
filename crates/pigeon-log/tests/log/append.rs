//! Storing: order, exactly-once, followers.

use pigeon_log::{
    Append, AppendError, Entry, Fact, Follow, Identity, Key, Numbering, Options, Outcome, Position,
    RoomSettings, Seen,
};
use pigeon_proto::Name;

use crate::support::{Fixture, keyed, plain, room, text};

fn stored(outcome: Outcome) -> Position {
    match outcome {
        Outcome::Stored { position } => position,
        other => panic!("{other:?}"),
    }
}

#[test]
fn positions_grow_and_readers_see_what_is_durable() {
    let fixture = Fixture::new();
    let outcomes = fixture.append((1..=100).map(|n| plain(n, &format!("message {n}"))));
    let positions: Vec<Position> = outcomes.into_iter().map(stored).collect();
    assert!(positions.is_sorted_by(|a, b| a < b));
    assert_eq!(fixture.log().durable(), positions[99]);
    let all = fixture.all();
    assert_eq!(all.iter().map(Entry::position).collect::<Vec<_>>(), positions);
    let message = all[41].message().unwrap();
    assert_eq!(message.identity, Identity { author: 1, outbox: 0, number: 42 });
    assert_eq!((&*message.speaker, message.room.as_str()), ("狗哥", "lobby"));
}

#[test]
fn a_reader_gives_the_same_from_memory_and_from_the_file() {
    let small = Options { tail_bytes: 20_000, ..Options::default() };
    let fixture = Fixture::with(small);
    let rooms = ["lobby", "厨房"];
    fixture.append((1..=400).map(|n| {
        let mut message = plain(n, &format!("message {n}"));
        message.room = room(rooms[n as usize % 2]);
        message
    }));
    let inside = fixture.log().reader().unwrap();
    let outside = pigeon_log::Reader::open(fixture.path()).unwrap();
    for reader in [&inside, &outside] {
        for name in [None, Some(room("lobby")), Some(room("LOBBY"))] {
            let mut found = Vec::new();
            let mut position = Position::START;
            loop {
                let next = reader.after(position, name.as_ref(), 7).unwrap();
                let Some(last) = next.last() else { break };
                position = last.position();
                found.extend(next);
            }
            let step = if name.is_some() { 2 } else { 1 };
            let first = if name.is_some() { 2 } else { 1 };
            let expected: Vec<String> =
                (first..=400).step_by(step).map(|n| format!("message {n}")).collect();
            assert_eq!(found.iter().map(text).collect::<Vec<_>>(), expected);
            let last = reader.before(Position::END, name.as_ref(), 3).unwrap();
            assert_eq!(last.iter().map(text).collect::<Vec<_>>(), expected[expected.len() - 3..]);
        }
        assert!(reader.after(Position::START, Some(&room("nowhere")), 9).unwrap().is_empty());
    }
    let names = inside.rooms().unwrap();
    assert_eq!(names, [room("lobby"), room("厨房")]);
}

#[test]
fn what_comes_again_is_found_by_its_identity() {
    let mut fixture = Fixture::new();
    let first = stored(fixture.append_one(keyed(5, 1, "one")));
    let second = stored(fixture.append_one(keyed(5, 2, "two")));
    for _ in 0..2 {
        let mut renamed = keyed(5, 1, "one");
        renamed.speaker = "another name".into();
        let again = [renamed, keyed(5, 2, "two"), keyed(5, 2, "three"), keyed(5, 4, "four")];
        assert_eq!(
            fixture.append(again),
            [
                Outcome::Again { position: Some(first) },
                Outcome::Again { position: Some(second) },
                Outcome::Conflict { position: second },
                Outcome::Gap { expected: 3 },
            ]
        );
        let mut elsewhere = keyed(5, 1, "one");
        elsewhere.room = room("kitchen");
        assert_eq!(fixture.append_one(elsewhere), Outcome::Conflict { position: first });
        assert_eq!(fixture.append_one(keyed(6, 2, "new")), Outcome::Gap { expected: 1 });
        fixture.open(Options::default()).unwrap();
    }
    assert_eq!(fixture.texts(), ["one", "two"]);
}

#[test]
fn within_a_group_too() {
    let fixture = Fixture::new();
    let group = [keyed(5, 1, "one"), keyed(5, 1, "one"), keyed(5, 3, "three"), keyed(5, 2, "two")];
    let outcomes = fixture.append(group);
    assert!(matches!(outcomes[0], Outcome::Stored { .. }));
    assert!(matches!(outcomes[1], Outcome::Again { position: Some(_) }));
    assert_eq!(outcomes[2], Outcome::Gap { expected: 2 });
    assert!(matches!(outcomes[3], Outcome::Stored { .. }));
}

#[test]
fn the_hub_may_leave_numbers_out() {
    let fixture = Fixture::new();
    assert!(matches!(fixture.append_one(plain(3, "a")), Outcome::Stored { .. }));
    assert!(matches!(fixture.append_one(plain(9, "b")), Outcome::Stored { .. }));
    assert_eq!(fixture.append_one(plain(5, "c")), Outcome::Again { position: None });
}

#[test]
fn payloads_that_are_not_text_stay_as_they_are() {
    let mut fixture = Fixture::new();
    for (n, bytes) in [&b"\xff\xfe\x00raw"[..], b"nul \0 in text", b"", "é\u{202e}".as_bytes()]
        .into_iter()
        .enumerate()
    {
        let mut message = plain(n as u64 + 1, "");
        message.text = bytes.into();
        fixture.append_one(message);
    }
    let before = fixture.all();
    fixture.open(Options::default()).unwrap();
    assert_eq!(fixture.all(), before);
}

#[test]
fn a_follower_goes_on_where_it_was_or_learns_that_it_cannot() {
    let fixture = Fixture::new();
    let outcomes = fixture.append((1..=3).map(|n| keyed(5, n, "text")));
    let positions: Vec<Position> = outcomes.into_iter().map(stored).collect();
    let reader = fixture.log().reader().unwrap();
    let seen = |position, number| Seen { position, identity: keyed(5, number, "").identity };
    assert_eq!(reader.follow(None, Position::START).unwrap(), Follow::From(Position::START));
    assert_eq!(
        reader.follow(Some(seen(positions[1], 2)), Position::START).unwrap(),
        Follow::From(positions[1])
    );
    let common = Some(seen(positions[0], 1));
    let other = reader.follow(Some(seen(positions[1], 7)), Position::START).unwrap();
    assert_eq!(other, Follow::Reset { last_common: common, forgotten: None });
    let ahead = Position::new(positions[2].get() + 50).unwrap();
    let last_common = Some(seen(positions[2], 3));
    assert_eq!(
        reader.follow(Some(seen(ahead, 9)), Position::START).unwrap(),
        Follow::Reset { last_common, forgotten: None }
    );
    let nothing = reader.follow(Some(seen(Position::START, 9)), Position::START).unwrap();
    assert_eq!(nothing, Follow::Reset { last_common: None, forgotten: None });
}

#[test]
fn a_full_queue_hands_back_and_counts_what_the_hub_relayed() {
    let fixture = Fixture::with(Options { queue_bytes: 4_000, ..Options::default() });
    let (mut tickets, mut refused) = (Vec::new(), 0);
    for n in 1..=20_000 {
        match fixture.log().try_append(plain(n, "text")) {
            Ok(ticket) => tickets.push(ticket),
            Err(AppendError::Full(message)) => {
                assert_eq!(message.identity.number, n);
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 0, "the disk is slower than this loop");
    fixture.outcomes(&tickets);
    fixture.log().flush().wait();
    let missing: u64 = fixture
        .all()
        .iter()
        .map(|entry| if let Entry::Gap(gap) = entry { gap.count } else { 0 })
        .sum();
    assert_eq!(missing, refused);
    // Messages that their author repeats leave no gap.
    let gaps = fixture.all().len();
    while fixture.log().try_append(keyed(5, 1, &"x".repeat(3_000))).is_ok() {}
    fixture.log().flush().wait();
    assert!(fixture.all()[gaps..].iter().all(|entry| matches!(entry, Entry::Message(_))));
}

#[test]
fn facts_are_kept_replaced_and_removed() {
    let mut fixture = Fixture::new();
    let name = |name: &str| Name::parse(name.as_bytes()).unwrap();
    let minute = std::time::Duration::from_secs(60);
    let facts = [
        Fact::ResumeSecret([7; 16]),
        Fact::Grant {
            grant: 7,
            name: name("狗哥"),
            room: room("Kitchen"),
            ip: "fe80::1".parse().unwrap(),
            author: Some(u128::MAX - 7),
            resumes: true,
            is_free: true,
        },
        Fact::Grants(65_536),
        Fact::Ban("10.0.0.0/8".into()),
        Fact::Mute { name: name("Loud") },
        Fact::Room { room: room("Kitchen"), settings: RoomSettings { slow: Some(minute) } },
    ];
    for fact in &facts {
        fixture.log().try_set(fact).unwrap();
    }
    fixture.log().try_set(&Fact::Mute { name: name("LOUD") }).unwrap();
    let ticket = fixture.log().try_remove(&Key::Ban("10.0.0.0/8".into())).unwrap();
    assert_eq!(fixture.outcomes(&[ticket]), [Outcome::Kept]);
    fixture.open(Options::default()).unwrap();
    let state = fixture.log().state();
    assert_eq!(state.resume_secret(), Some([7; 16]));
    assert_eq!((state.facts.len(), state.unknown), (5, 0));
    assert!(state.facts.contains(&Fact::Mute { name: name("LOUD") }));
    assert!(state.facts.contains(&facts[1]) && state.facts.contains(&facts[5]));
}

#[test]
fn a_new_epoch_begins_after_every_position_of_the_last() {
    let mut fixture = Fixture::new();
    let old = stored(fixture.append_one(keyed(5, 1, "one")));
    assert_eq!(fixture.log().begin_epoch().wait(), Ok(1));
    let new = stored(fixture.append_one(keyed(5, 2, "two")));
    assert_eq!((old.epoch(), new.epoch(), new.sequence()), (0, 1, 1));
    fixture.open(Options::default()).unwrap();
    let next = stored(fixture.append_one(keyed(5, 3, "three")));
    assert_eq!(next, Position::at(1, 2).unwrap());
}

fn decided(position: u64, message: Append) -> Append {
    let position = Position::new(position).unwrap();
    Append { numbering: Numbering::Decided { position }, ..message }
}

#[test]
fn what_other_hubs_have_decided_is_stored_with_the_place_or_not_at_all() {
    let mut fixture = Fixture::new();
    let old = stored(fixture.append_one(keyed(9, 1, "before the cluster")));
    let entries = fixture.log().decided_entries();
    let store = |fixture: &Fixture, messages: Vec<Append>, place: &str| {
        let ticket =
            entries.try_store(messages, &Fact::Place { epoch: 3, place: place.into() }).unwrap();
        fixture.outcomes(&[ticket])[0]
    };
    let first = Position::at(3, 0).unwrap().get();
    let messages = vec![
        decided(first + 7, keyed(1, 4, "four")),
        decided(first + 8, plain(1, "plain")),
        decided(first + 9, keyed(1, 4, "a double")),
        decided(first + 12, keyed(1, 6, "six")),
    ];
    assert_eq!(store(&fixture, messages, "one"), Outcome::Kept);
    let all = fixture.all();
    let positions: Vec<u64> = all.iter().map(|entry| entry.position().get()).collect();
    assert_eq!(positions, [old.get(), first + 7, first + 8, first + 12]);
    // A position that is not the newest is refused, with the place.
    let late = vec![decided(first + 12, keyed(1, 7, "late"))];
    assert_eq!(store(&fixture, late, "two"), Outcome::NotStored);
    fixture.open(Options::default()).unwrap();
    assert_eq!(fixture.log().state().place(), Some((3, "one")));

    let reader = fixture.log().reader().unwrap();
    let identity = |number| Identity { author: 1, outbox: 7, number };
    assert_eq!(reader.find(identity(6)).unwrap().map(|it| it.position.get()), Some(first + 12));
    assert_eq!(reader.find(identity(5)).unwrap(), None);
    assert_eq!(reader.number_before(1, 7, 6).unwrap(), Some(4));
    assert_eq!(reader.number_before(1, 7, 4).unwrap(), None);
    let numbers = |after, limit| -> Vec<u64> {
        let found = reader.of_outbox(1, 7, after, limit).unwrap();
        found.iter().map(|it| it.identity.number).collect()
    };
    assert_eq!((numbers(0, 10), numbers(0, 1), numbers(4, 10)), (vec![4, 6], vec![4], vec![6]));
    let ends = reader.outboxes(old).unwrap();
    assert_eq!(ends, [pigeon_log::OutboxEnd { author: 1, outbox: 7, last: 6 }]);
    assert_eq!(reader.outboxes(Position::START).unwrap().len(), 2);
    // Alone, the log goes on in an epoch of its own.
    fixture.log().go_alone().unwrap();
    assert_eq!(stored(fixture.append_one(keyed(9, 2, "alone"))).epoch(), 4);
    fixture.open(Options::default()).unwrap();
    fixture.log().go_alone().unwrap();
    assert_eq!(stored(fixture.append_one(keyed(9, 3, "alone"))).epoch(), 4);
}
