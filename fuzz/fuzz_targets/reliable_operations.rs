//! Any sequence of things that happen to a hub and three clients of its reliable link, and anything
//! that is sent to one end of it.
//!
//! What was acknowledged reaches every client once and in order, and what was not is said to be so.
//! Whatever a client or a hub sends, the other end does not panic, holds a bounded amount, says only
//! whole frames, and its timers do not spin.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pigeon_client::reliable as client;
use pigeon_datagram::Instant;
use pigeon_hub::reliable::{Answer, Joined, Outcome, Output, Sessions};
use pigeon_hub::{Origin, Source};
use pigeon_proto::frame::{ClientFrame, HubFrame, Lines, MAX_FRAME};
use pigeon_proto::{Follow, RoomName};
use pigeon_reliability::{CELLS, Happening, proof, run_script, session, sessions};

#[derive(Arbitrary, Debug)]
enum Input {
    Run { cell: u8, seed: u8, script: Vec<(u16, What)> },
    ToHub { proves: bool, pieces: Vec<Vec<u8>> },
    ToClient { pieces: Vec<Vec<u8>> },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum What {
    Cut(u8),
    KillHub,
    KillClient(u8),
    CrashClient(u8),
    RestoreHub,
    RestoreClient(u8),
    BackUpHub,
    BackUpClient(u8),
    PlainSays,
}

fuzz_target!(|input: Input| match input {
    Input::Run { cell, seed, script } => run(cell, seed, &script),
    Input::ToHub { proves, pieces } => to_hub(proves, &pieces),
    Input::ToClient { pieces } => to_client(&pieces),
});

fn run(cell: u8, seed: u8, script: &[(u16, What)]) {
    let client = |number: u8| usize::from(number % 3);
    let script = script.iter().take(40).map(|(after, what)| {
        let happening = match *what {
            What::Cut(number) => Happening::Cut(client(number)),
            What::KillHub => Happening::KillHub,
            What::KillClient(number) => {
                Happening::KillClient { client: client(number), crashes: false }
            }
            What::CrashClient(number) => {
                Happening::KillClient { client: client(number), crashes: true }
            }
            What::RestoreHub => Happening::RestoreHub,
            What::RestoreClient(number) => Happening::RestoreClient(client(number)),
            What::BackUpHub => Happening::BackUpHub,
            What::BackUpClient(number) => Happening::BackUpClient(client(number)),
            What::PlainSays => Happening::PlainSays,
        };
        (Duration::from_millis((after % 500).into()), happening)
    });
    let script: Vec<_> = script.collect();
    let cell = &CELLS[usize::from(cell) % CELLS.len()];
    if let Err(why) = run_script(cell, seed.into(), 20, &script) {
        panic!("{}: {why}: {script:?}", cell.name);
    }
}

fn to_hub(proves: bool, pieces: &[Vec<u8>]) {
    let (mut sessions, mut now) = (sessions(), Instant::ORIGIN);
    let source = Source { ip: [127, 0, 0, 1].into(), origin: Origin::Loopback };
    let conn = sessions.opened(now, source).expect("there is a place");
    let mut lines = Lines::default();
    if proves {
        let mut hello = Vec::new();
        ClientFrame::Hello { version: 1, client: "".into() }.write(&mut hello);
        sessions.received(now, conn, &hello);
        answer(&mut sessions, now, &mut lines);
        let Ok(Some(line)) = lines.next_line(MAX_FRAME) else { panic!("no challenge") };
        let Ok(HubFrame::Challenge { nonce, .. }) = HubFrame::parse(line) else { panic!() };
        let mut prove = Vec::new();
        proof(&nonce, 7).write(&mut prove);
        sessions.received(now, conn, &prove);
        answer(&mut sessions, now, &mut lines);
        assert!(matches!(lines.next_line(MAX_FRAME), Ok(Some(_))), "a welcome");
    }
    for piece in pieces {
        now = now + Duration::from_millis(100);
        sessions.received(now, conn, piece);
        answer(&mut sessions, now, &mut lines);
        if sessions.poll_timeout().is_some_and(|at| at <= now) {
            sessions.handle_timeout(now);
            assert!(sessions.poll_timeout().is_none_or(|at| at > now), "it spins");
        }
    }
    while let Ok(Some(line)) = lines.next_line(MAX_FRAME) {
        HubFrame::parse(line).expect("the hub says frames");
    }
    sessions.closed(now, conn);
    answer(&mut sessions, now, &mut lines);
    sessions.handle_timeout(now + Duration::from_secs(60));
    answer(&mut sessions, now, &mut lines);
    assert_eq!((sessions.statistics().connections, sessions.poll_timeout()), (0, None));
}

/// Does what the sessions want done, with a log that holds nothing.
fn answer(sessions: &mut Sessions, now: Instant, lines: &mut Lines) {
    let log =
        pigeon_hub::reliable::MemoryLog::new(pigeon_proto::Position::at(1, 0).unwrap(), 1_000);
    loop {
        sessions.pump(now, &log);
        let Some(output) = sessions.poll_output() else { return };
        match output {
            Output::Send { conn, bytes } => {
                lines.push(&bytes);
                sessions.sent(conn, bytes.len());
            }
            Output::Join(join) => {
                let joined = Joined { name: join.name, room: RoomName::lobby() };
                sessions.joined(now, join.author, Ok(joined));
            }
            Output::Say(say) => sessions.settled(say.id, Outcome::Stored),
            Output::Read { id, read } => {
                let answer = match log.read(&read) {
                    Answer::Follow(Follow::From(_)) => Answer::Failed,
                    answer => answer,
                };
                sessions.answered(now, id, answer);
            }
            _ => {}
        }
    }
}

fn to_client(pieces: &[Vec<u8>]) {
    let (mut session, mut now) = (session(), Instant::ORIGIN);
    session.follow(RoomName::lobby(), client::From::Last(10));
    session.say(now, RoomName::lobby(), b"hello").expect("it is taken");
    let mut lines = Lines::default();
    for piece in pieces {
        now = now + Duration::from_millis(100);
        session.handle_timeout(now);
        while let Some(output) = session.poll_output() {
            match output {
                client::Output::Connect => session.connected(now, "f00d"),
                client::Output::Send(bytes) => lines.push(&bytes),
                client::Output::Close => lines = Lines::default(),
                client::Output::Disk(client::Disk::Sync(id) | client::Disk::Replace(id, _)) => {
                    session.synced(now, id)
                }
                _ => {}
            }
        }
        session.received(now, piece);
        assert!(
            session.poll_timeout().is_none_or(|at| at > now || {
                session.handle_timeout(now);
                session.poll_timeout().is_none_or(|at| at > now)
            }),
            "it spins"
        );
    }
    while let Ok(Some(line)) = lines.next_line(MAX_FRAME) {
        ClientFrame::parse(line).expect("a client says frames");
    }
}
