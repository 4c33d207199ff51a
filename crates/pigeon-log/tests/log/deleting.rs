//! Retention and forgetting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pigeon_log::{Append, Entry, Follow, Forget, Options, Outcome, Position, Query, Report, Seen};

use crate::support::{Fixture, keyed, plain, room, text, wait_until};

const DAY: u64 = 86_400;

/// Options with a monotonic clock that the test sets, in days.
fn with_clock(options: Options) -> (Options, Arc<AtomicU64>) {
    let day = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&day);
    let clock = Arc::new(move || Duration::from_secs(read.load(Ordering::Relaxed) * DAY));
    (Options { clock, ..options }, day)
}

fn on_day(day: u64, mut message: Append) -> Append {
    message.wall = Duration::from_secs((20_000 + day) * DAY);
    message
}

#[test]
fn messages_older_than_what_is_kept_are_deleted() {
    let keep = Some(Duration::from_secs(90 * DAY));
    let (options, today) = with_clock(Options { keep, ..Options::default() });
    let mut fixture = Fixture::with(options.clone());
    for day in 0..=100 {
        today.store(day, Ordering::Relaxed);
        fixture.append_one(on_day(day, plain(day + 1, &format!("day {day}"))));
    }
    wait_until("retention", || fixture.texts().len() <= 90);
    assert_eq!(fixture.texts().first().unwrap(), "day 11");
    // Silence and a jumping clock delete nothing.
    today.store(100, Ordering::Relaxed);
    fixture.append_one(on_day(5_000, plain(200, "ten years ahead")));
    fixture.append_one(on_day(0, plain(201, "and back")));
    fixture.open(options).unwrap();
    today.store(400, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(1_300));
    assert_eq!(fixture.texts().len(), 92);
    // The first message's outbox is still known.
    assert_eq!(fixture.append_one(on_day(0, plain(1, "day 0"))), Outcome::Again { position: None });
}

#[test]
fn over_size_the_room_and_speaker_that_hold_most_lose_first() {
    let options = Options { keep_size: Some(1_500_000), index_lag: 1_000, ..Options::default() };
    let fixture = Fixture::with(options);
    let mut number = 0;
    let mut say = |place: &str, who: &str, text: &str| {
        number += 1;
        let mut message = plain(number, text);
        (message.room, message.speaker) = (room(place), who.into());
        message
    };
    fixture.append((0..50).map(|n| say("lobby", "faithful", &format!("quiet {n}"))));
    fixture.append((0..50).map(|n| say("flooded", "guest", &format!("guest {n}"))));
    for n in 0..6_000 {
        let flood = say("flooded", "loud", &format!("flood {n} {}", "喧".repeat(100)));
        while fixture.log().try_append(flood.clone()).is_err() {
            std::thread::yield_now();
        }
    }
    fixture.log().flush().wait();
    let file = fixture.path().join("log.sqlite");
    let size = || std::fs::metadata(&file).unwrap().len();
    wait_until("retention", || {
        let left = fixture.texts().len();
        left < 5_000 && size() < 7_000_000
    });
    std::thread::sleep(Duration::from_millis(2_500));
    let texts = fixture.texts();
    let count = |word: &str| texts.iter().filter(|text| text.starts_with(word)).count();
    assert_eq!((count("quiet"), count("guest")), (50, 50));
    let flood = count("flood");
    assert!(flood > 200 && texts.iter().any(|text| text.starts_with("flood 5999")), "{flood} left");
    let used: u64 = rusqlite::Connection::open(&file)
        .unwrap()
        .query_row(
            "SELECT ((SELECT page_count FROM pragma_page_count)
             - (SELECT freelist_count FROM pragma_freelist_count))
             * (SELECT page_size FROM pragma_page_size)",
            [],
            |row| row.get::<_, i64>(0),
        )
        .unwrap() as u64;
    assert!(used < 1_600_000, "{used} bytes are in use");
    // The index agrees.
    let reader = fixture.log().reader().unwrap();
    let found = |words: &str| {
        reader
            .search(&Query::parse(words).unwrap(), None, 10_000, Position::END)
            .unwrap()
            .messages
            .len()
    };
    assert_eq!((found("喧喧"), found("uiet"), found("guest")), (flood, 50, 50));
}

#[test]
fn a_room_flooded_under_many_names_loses_its_oldest() {
    let options = Options { keep_size: Some(1_500_000), index_lag: 1_000, ..Options::default() };
    let fixture = Fixture::with(options);
    fixture.append((1..=50).map(|n| {
        let mut message = plain(n, &format!("quiet {n}"));
        message.room = room("kitchen");
        message
    }));
    for n in 100..6_100 {
        let mut flood = plain(n, &format!("flood {n} {}", "喧".repeat(100)));
        flood.speaker = format!("192.0.2.{}:{n}", n % 250).into();
        while fixture.log().try_append(flood.clone()).is_err() {
            std::thread::yield_now();
        }
    }
    fixture.log().flush().wait();
    let count = || fixture.texts().iter().filter(|text| text.starts_with("flood")).count();
    wait_until("retention", || count() < 3_500);
    let texts = fixture.texts();
    assert_eq!(texts.iter().filter(|text| text.starts_with("quiet")).count(), 50);
    assert!(texts.iter().any(|text| text.starts_with("flood 6099")));
    assert!(!texts.iter().any(|text| text.starts_with("flood 100 ")));
}

#[test]
fn a_follower_that_was_away_learns_that_something_was_forgotten() {
    let mut fixture = Fixture::new();
    fixture.append((1..=30).map(|n| {
        let mut message = plain(n, &format!("message {n}"));
        message.speaker = if n == 11 || n == 21 { "Secretive" } else { "faithful" }.into();
        message
    }));
    let seen: Vec<Seen> = fixture
        .all()
        .iter()
        .filter_map(Entry::message)
        .map(|m| Seen { position: m.position, identity: m.identity })
        .collect();
    let follow = |fixture: &Fixture, at: usize| {
        fixture.log().reader().unwrap().follow(Some(seen[at]), Position::START).unwrap()
    };
    assert_eq!(follow(&fixture, 29), Follow::From(seen[29].position));
    fixture.log().forget(Forget::Speaker("secretive".into())).wait().unwrap();
    let newest = seen[29].position;
    let reset = Follow::Reset { last_common: Some(seen[9]), forgotten: Some(newest) };
    for round in 0..2 {
        // The follower had deleted messages, or its last message is itself deleted.
        assert_eq!(follow(&fixture, 29), reset);
        assert_eq!(follow(&fixture, 20), reset);
        assert_eq!(follow(&fixture, 10), reset);
        // The follower had none of the deleted messages.
        assert_eq!(follow(&fixture, 9), Follow::From(seen[9].position), "round {round}");
        fixture.open(Options::default()).unwrap();
    }
    // Followers are notified from then on.
    let Outcome::Stored { position } = fixture.append_one(plain(31, "later")) else { panic!() };
    let later = Seen { position, identity: plain(31, "").identity };
    let reader = fixture.log().reader().unwrap();
    assert_eq!(reader.follow(Some(later), Position::START).unwrap(), Follow::From(position));
    drop(reader);
    // A hundred requests fit a bounded number of ranges: some followers delete too much, and none
    // too little.
    for n in 100..200 {
        let mut message = plain(2 * n, "secret");
        message.speaker = "Secretive".into();
        fixture.append([message, plain(2 * n + 1, "ordinary")]);
        fixture.log().forget(Forget::Speaker("secretive".into())).wait().unwrap();
    }
    let is_reset = |follow: Follow| match follow {
        Follow::Reset { last_common, forgotten: Some(_) } => last_common == Some(seen[9]),
        _ => false,
    };
    assert!(is_reset(follow(&fixture, 29)));
    let reader = fixture.log().reader().unwrap();
    assert!(is_reset(reader.follow(Some(later), Position::START).unwrap()));
    let count: i64 = rusqlite::Connection::open(fixture.path().join("log.sqlite"))
        .unwrap()
        .query_row("SELECT count(*) FROM forgotten", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 64);
}

#[test]
fn a_follower_that_has_carried_out_a_deletion_hears_of_the_next_one_alone() {
    let mut fixture = Fixture::new();
    fixture.append((1..=30).map(|n| {
        let mut message = plain(n, &format!("message {n}"));
        message.speaker = ["a", "b", "c"][n as usize % 3].into();
        message
    }));
    let last = |fixture: &Fixture| {
        let entries = fixture.all();
        let message = entries.iter().filter_map(Entry::message).next_back().unwrap();
        Seen { position: message.position, identity: message.identity }
    };
    let (mut seen, mut deletion) = (last(&fixture), Position::START);
    // Nothing is said between the deletions.
    for speaker in ["a", "b"] {
        fixture.log().forget(Forget::Speaker(speaker.into())).wait().unwrap();
        let follow = |fixture: &Fixture, seen, deletion| {
            fixture.log().reader().unwrap().follow(Some(seen), deletion).unwrap()
        };
        let Follow::Reset { forgotten: Some(newest), .. } = follow(&fixture, seen, deletion) else {
            panic!("{speaker} was not forgotten")
        };
        assert!(newest > deletion);
        (seen, deletion) = (last(&fixture), newest);
        for _ in 0..2 {
            assert_eq!(follow(&fixture, seen, deletion), Follow::From(seen.position));
            fixture.open(Options::default()).unwrap();
        }
    }
}

/// The occurrences of a UTF-8 text in the file and its write-ahead log.
fn traces(fixture: &Fixture, text: &str) -> usize {
    let mut count = 0;
    for name in ["log.sqlite", "log.sqlite-wal"] {
        let bytes = std::fs::read(fixture.path().join(name)).unwrap_or_default();
        count += bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
    }
    count
}

#[test]
fn what_is_forgotten_is_in_no_file() {
    let fixture = Fixture::new();
    let secret = "龘靐齉爩";
    fixture.append((1..=3_000).map(|n| {
        let mut message = plain(n, &format!("ordinary {n} {}", "平常话".repeat(n as usize % 30)));
        if n % 7 == 0 {
            message =
                plain(n, &format!("{secret} {n} zebraquagga {}", "马".repeat(n as usize % 50)));
            message.speaker = if n % 2 == 0 { "Secretive" } else { "SECRETIVE" }.into();
        }
        if n % 5 == 0 {
            message.room = room("厨房");
        }
        message
    }));
    fixture.wait_indexed();
    assert!(traces(&fixture, secret) > 0 && traces(&fixture, "龘靐") > 0);
    let forgotten = fixture.log().forget(Forget::Speaker("secretive".into())).wait().unwrap();
    assert_eq!(forgotten.messages, 3_000 / 7);
    for trace in [secret, "龘靐", "靐齉", "zebra", "zeb", "gga", "ecretive", "ECRETIVE"] {
        assert_eq!(traces(&fixture, trace), 0, "{trace}");
    }
    let told = fixture.wait_for(|report| match report {
        Report::Forgotten(forgotten) => Some(forgotten.clone()),
        _ => None,
    });
    assert_eq!(told, forgotten);
    assert!(fixture.texts().iter().all(|text| text.starts_with("ordinary")));
    let reader = fixture.log().reader().unwrap();
    let search = |words: &str| {
        reader
            .search(&Query::parse(words).unwrap(), None, 5_000, Position::END)
            .unwrap()
            .messages
            .len()
    };
    assert_eq!(search("齉爩"), 0);
    assert_eq!(search("ordinary"), 3_000 - 3_000 / 7);
    // Deletes a room, with its name.
    assert!(traces(&fixture, "厨房") > 0);
    let forgotten = fixture.log().forget(Forget::Room(room("厨房"))).wait().unwrap();
    assert!(forgotten.messages > 400);
    assert_eq!(traces(&fixture, "厨房"), 0);
    assert_eq!(search("ordinary"), fixture.all().len());
    // Positions increase even if the newest messages were forgotten.
    let newest = fixture.log().durable();
    fixture.log().forget(Forget::Room(room("lobby"))).wait().unwrap();
    let Outcome::Stored { position } = fixture.append_one(plain(9_000, "new")) else { panic!() };
    assert!(position > newest);
}

#[test]
fn messages_are_stored_while_others_are_forgotten() {
    let fixture = Fixture::new();
    fixture.append((1..=4_000).map(|n| plain(n, &format!("ancient {n}"))));
    fixture.wait_indexed();
    let pending = fixture.log().forget(Forget::Room(room("lobby")));
    let mut number = 0;
    let forgotten = loop {
        number += 1;
        let mut message = keyed(5, number, "new");
        message.room = room("kitchen");
        assert!(matches!(fixture.append_one(message), Outcome::Stored { .. }));
        if let Some(answer) = pending.poll() {
            break answer.unwrap();
        }
    };
    assert_eq!(forgotten.messages, 4_000);
    assert!(number > 3, "the writer was never held up: {number}");
    assert!(fixture.all().iter().filter_map(Entry::message).all(|m| &*m.text == b"new"));
    let reader = fixture.log().reader().unwrap();
    assert_eq!(reader.after(Position::START, None, 9).unwrap().len().min(3), 3);
}

#[test]
fn forgetting_goes_on_after_a_restart() {
    let mut fixture = Fixture::new();
    fixture.append((1..=2_000).map(|n| plain(n, &format!("ancient {n}"))));
    fixture.wait_indexed();
    let _unanswered = fixture.log().forget(Forget::Speaker("狗哥".into()));
    fixture.open(Options::default()).unwrap();
    wait_until("the rest", || fixture.all().is_empty());
    wait_until("the file", || traces(&fixture, "ancient") == 0);
    assert_eq!(fixture.all().iter().map(text).count(), 0);
}
