//! The client's end of the reliable link: what is on the disk before what is sent, and what the
//! application hears.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use pigeon_client::reliable::{
    Config, Disk, Event, From, Key, MessageId, Output, Session, State, Status, Store, SyncId,
};
use pigeon_datagram::Instant;
use pigeon_proto::frame::{ByeReason, ClientFrame, HubFrame, Refused};
use pigeon_proto::{Identity, LinkKind, Message, Position, RoomName};
use rand_core::{Rng, SeedableRng};
use rand_pcg::Pcg64;

struct NoKey;

impl Key for NoKey {
    fn point(&self) -> [u8; 65] {
        [4; 65]
    }

    fn sign(&self, _: &[u8]) -> [u8; 64] {
        [7; 64]
    }
}

struct World {
    session: Session,
    now: Instant,
    file: Vec<u8>,
    syncs: Vec<SyncId>,
    replaced: usize,
    sent: Vec<ClientFrame>,
    events: Vec<Event>,
    connects: usize,
}

impl World {
    fn new(file: Vec<u8>, seed: u64) -> World {
        let store = Store::load(&file, Duration::ZERO);
        let (now, wall) = (Instant::ORIGIN, Duration::ZERO);
        let random = Box::new(Pcg64::seed_from_u64(seed));
        let session = Session::new(now, wall, Config::default(), Box::new(NoKey), store, random);
        let (syncs, sent, events) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = World { session, now, file, syncs, replaced: 0, sent, events, connects: 0 };
        world.drain();
        world
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Connect => self.connects += 1,
                Output::Send(bytes) => {
                    let lines = bytes.split(|byte| *byte == b'\n').filter(|it| !it.is_empty());
                    self.sent.extend(lines.map(|line| ClientFrame::parse(line).unwrap()));
                }
                Output::Close => {}
                Output::Disk(Disk::Append(bytes)) => self.file.extend(bytes),
                Output::Disk(Disk::Sync(id)) => self.syncs.push(id),
                Output::Disk(Disk::Replace(id, file)) => {
                    self.replaced += 1;
                    self.file = file;
                    self.syncs.push(id);
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn hear(&mut self, frame: &HubFrame) {
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        self.session.received(self.now, &bytes);
        self.drain();
    }

    fn sync(&mut self) {
        for id in std::mem::take(&mut self.syncs) {
            self.session.synced(self.now, id);
        }
        self.drain();
    }

    fn say(&mut self, text: &str) -> MessageId {
        let id = self.session.say(self.now, RoomName::lobby(), text.as_bytes()).unwrap();
        self.drain();
        id
    }

    /// Becomes a member, and returns the outbox that the client has named.
    fn join(&mut self) -> u64 {
        self.session.connected(self.now, "f00d");
        self.drain();
        let (hub, nonce, fingerprint) = ("hub".into(), "nonce".into(), "f00d".into());
        self.hear(&HubFrame::Challenge { version: 1, hub, nonce, fingerprint });
        let outbox = self.sent.iter().rev().find_map(|frame| match frame {
            ClientFrame::Prove(prove) => Some(prove.outbox),
            _ => None,
        });
        let room = RoomName::lobby();
        let (author, name, stores, max_text) = (1, None, true, 100);
        self.hear(&HubFrame::Welcome { author, name, room, stores, max_text });
        outbox.unwrap()
    }

    fn expect(&mut self, outbox: u64, number: u64) {
        self.hear(&HubFrame::Expect { outbox, number });
    }

    /// What was said since the last look: outbox, number, after, text.
    fn said(&mut self) -> Vec<(u64, u64, String)> {
        let said = std::mem::take(&mut self.sent).into_iter().filter_map(|frame| match frame {
            ClientFrame::Say(say) => {
                Some((say.number, say.after, String::from_utf8_lossy(&say.text).into_owned()))
            }
            _ => None,
        });
        said.collect()
    }

    fn statuses(&mut self, of: MessageId) -> Vec<Status> {
        let found = self.events.iter().filter_map(|event| match event {
            Event::Status(id, status) if *id == of => Some(status.clone()),
            _ => None,
        });
        found.collect()
    }

    /// The new identity of a message after a conflict.
    fn renumbered(&self, of: MessageId) -> Option<MessageId> {
        self.events.iter().find_map(|event| match event {
            Event::Renumbered { from, to } if *from == of => Some(*to),
            _ => None,
        })
    }
}

fn refused(number: u64, again_ms: Option<u64>) -> HubFrame {
    let (reason, text) = ("muted".into(), "".into());
    HubFrame::Refused(Refused { number, reason, detail: None, text, again_ms })
}

#[test]
fn a_message_is_on_the_disk_before_it_is_sent() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    let id = w.say("hello");
    assert_eq!(w.said(), []);
    w.sync();
    assert_eq!(w.said(), [(1, 0, "hello".to_string())]);
    w.hear(&HubFrame::Stored { number: 1 });
    assert_eq!(w.statuses(id), [Status::Waiting, Status::Sending, Status::Stored]);
    assert_eq!(w.session.waiting(), 0);
}

#[test]
fn what_waits_outlives_a_restart_with_its_identity_and_goes_first() {
    let mut w = World::new(Vec::new(), 1);
    let id = w.say("before");
    w.sync();
    let mut w = World::new(w.file, 2);
    let new = w.say("after");
    assert_ne!(new.outbox, id.outbox, "a process has an outbox of its own");
    w.sync();
    assert_eq!(w.join(), id.outbox);
    w.expect(id.outbox, 1);
    assert_eq!(w.said(), [(1, 0, "before".to_string())]);
    w.hear(&HubFrame::Stored { number: 1 });
    assert_eq!(w.sent, [ClientFrame::Outbox { outbox: new.outbox }]);
    w.expect(new.outbox, 1);
    assert_eq!(w.said(), [(1, 0, "after".to_string())]);
}

#[test]
fn a_connection_that_replaces_another_gets_nothing_that_was_meant_for_that_one() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    w.say("a");
    for id in std::mem::take(&mut w.syncs) {
        w.session.synced(w.now, id);
    }
    w.sent.clear();
    // Before the message is handed over.
    w.session.moved(w.now, "f00d");
    w.drain();
    assert!(matches!(w.sent[..], [ClientFrame::Hello { .. }]), "{:?}", w.sent);
    assert_eq!(w.join(), outbox);
    w.expect(outbox, 1);
    assert_eq!(w.said(), [(1, 0, "a".to_string())]);
    w.session.quit();
    w.drain();
    w.session.moved(w.now, "f00d");
    w.drain();
    assert_eq!(w.session.state(), State::Ended);
}

#[test]
fn a_hub_that_was_set_back_gets_what_it_had_stored() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    for text in ["a", "b", "c"] {
        w.say(text);
    }
    w.sync();
    w.sync();
    w.hear(&HubFrame::Stored { number: 3 });
    w.said();
    w.session.disconnected(w.now);
    w.now = w.session.poll_timeout().unwrap();
    w.session.handle_timeout(w.now);
    w.drain();
    assert_eq!(w.join(), outbox);
    w.expect(outbox, 2);
    assert_eq!(w.sent.pop(), Some(ClientFrame::Outbox { outbox }), "from the first outbox on");
    w.expect(outbox, 2);
    assert_eq!(w.said(), [(2, 1, "b".to_string()), (3, 2, "c".to_string())]);
}

#[test]
fn a_refused_message_is_passed_over_and_told_until_it_was_heard() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    let (first, second) = (w.say("a"), w.say("b"));
    w.sync();
    w.sync();
    assert_eq!(w.said().len(), 2);
    w.hear(&refused(1, None));
    assert_eq!(w.said(), [], "nothing passes over it before the refusal is on the disk");
    assert_eq!(w.statuses(first).len(), 2, "not told before it is on the disk");
    w.sync();
    assert_eq!(w.said(), [(2, 0, "b".to_string())]);
    assert!(matches!(w.statuses(first).last(), Some(Status::Refused(_))));
    w.hear(&HubFrame::Stored { number: 2 });
    assert_eq!(w.statuses(second).last(), Some(&Status::Stored));
    let mut w = World::new(w.file, 2);
    assert!(matches!(w.statuses(first).last(), Some(Status::Refused(_))));
    w.session.heard(w.now, first);
    w.drain();
    assert_eq!(World::new(w.file, 3).statuses(first), []);
}

#[test]
fn a_refusal_that_is_not_on_the_disk_holds_the_next_connection_too() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    w.say("a");
    w.sync();
    w.hear(&HubFrame::Stored { number: 1 });
    // The hub was set back, and refuses now what it had stored.
    w.hear(&refused(1, None));
    w.say("b");
    w.said();
    for id in std::mem::take(&mut w.syncs) {
        w.session.sync_failed(w.now, id);
    }
    w.session.disconnected(w.now);
    w.now = w.session.poll_timeout().unwrap();
    w.session.handle_timeout(w.now);
    w.drain();
    assert_eq!(w.join(), outbox);
    w.expect(outbox, 1);
    assert_eq!(w.said(), []);
    while w.replaced == 0 {
        w.now = w.session.poll_timeout().unwrap();
        w.session.handle_timeout(w.now);
        w.drain();
    }
    assert_eq!(w.said(), []);
    w.sync();
    // Named anew, because the hub expects what it had stored.
    assert_eq!(w.sent, [ClientFrame::Outbox { outbox }]);
    w.expect(outbox, 1);
    assert_eq!(w.said(), [(2, 0, "b".to_string())]);
}

#[test]
fn a_message_refused_for_now_comes_again_in_time() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    w.say("a");
    w.sync();
    w.said();
    w.hear(&refused(1, Some(500)));
    assert_eq!(w.said(), []);
    w.now = w.now + Duration::from_millis(500);
    assert_eq!(w.session.poll_timeout(), Some(w.now));
    w.session.handle_timeout(w.now);
    w.drain();
    assert_eq!(w.said(), [(1, 0, "a".to_string())]);
}

#[test]
fn no_timer_is_due_while_a_refusal_is_on_its_way_to_the_disk() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    ["a", "b", "c"].iter().for_each(|text| _ = w.say(text));
    [(); 2].iter().for_each(|()| w.sync());
    w.expect(outbox, 1);
    assert_eq!(w.said().len(), 3);
    w.hear(&refused(1, None));
    w.hear(&refused(3, Some(500)));
    w.now = w.now + Duration::from_millis(600);
    w.session.handle_timeout(w.now);
    assert!(w.session.poll_timeout().is_none_or(|at| at > w.now), "it would spin");
    w.sync();
    assert_eq!(w.said().last(), Some(&(3, 2, "c".to_string())));
}

#[test]
fn a_refused_message_at_the_end_of_an_outbox_does_not_hold_the_next_one() {
    let mut w = World::new(Vec::new(), 1);
    let id = w.say("before");
    w.sync();
    let mut w = World::new(w.file, 2);
    let new = w.say("after");
    w.sync();
    assert_eq!(w.join(), id.outbox);
    w.expect(id.outbox, 1);
    assert_eq!(w.said(), [(1, 0, "before".to_string())]);
    w.hear(&refused(1, None));
    w.sync();
    assert_eq!(w.sent, [ClientFrame::Outbox { outbox: new.outbox }]);
    w.expect(new.outbox, 1);
    assert_eq!(w.said(), [(1, 0, "after".to_string())]);
}

#[test]
fn after_a_refusal_at_the_end_new_messages_and_a_restart_go_on() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    for text in ["a", "b"] {
        w.say(text);
    }
    w.sync();
    w.sync();
    w.said();
    w.hear(&HubFrame::Stored { number: 1 });
    w.hear(&refused(2, None));
    w.sync();
    w.say("c");
    w.sync();
    assert_eq!(w.said(), [(3, 1, "c".to_string())]);
    let mut w = World::new(w.file, 2);
    w.join();
    w.expect(outbox, 2);
    assert_eq!(w.said(), [(3, 1, "c".to_string())]);
}

#[test]
fn a_refusal_does_not_skip_smaller_numbers_that_come_again() {
    for again in [Some(500), None] {
        let mut w = World::new(Vec::new(), 1);
        let outbox = w.join();
        w.expect(outbox, 1);
        for text in ["a", "b", "c"] {
            w.say(text);
        }
        w.sync();
        w.sync();
        w.said();
        w.hear(&refused(1, Some(500)));
        w.hear(&refused(2, again));
        w.sync();
        w.now = w.now + Duration::from_millis(500);
        w.session.handle_timeout(w.now);
        w.drain();
        assert_eq!(w.said().first().map(|(number, ..)| *number), Some(1));
    }
}

#[test]
fn nothing_comes_again_after_a_refusal_of_what_the_hub_is_past() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    for text in ["a", "b", "c"] {
        w.say(text);
    }
    w.sync();
    w.sync();
    // The hub had stored 1 and 2, and its acknowledgement was lost. 1 was deleted since.
    w.expect(outbox, 3);
    assert_eq!(w.said().len(), 3);
    w.hear(&refused(1, None));
    w.sync();
    assert_eq!(w.said(), [], "a second 3 would be stored where the first one is refused");
    w.hear(&HubFrame::Stored { number: 2 });
    w.hear(&refused(3, None));
    w.say("d");
    w.sync();
    w.sync();
    assert_eq!(w.said(), [(4, 2, "d".to_string())]);
}

#[test]
fn only_the_message_in_conflict_moves_to_another_outbox() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    let ids = ["a", "b", "c"].map(|text| w.say(text));
    w.sync();
    w.sync();
    assert_eq!(w.said().len(), 3);
    // Another message is 1; the hub goes on, and stores 2 and 3.
    w.hear(&HubFrame::Conflict { number: 1 });
    let to = w.renumbered(ids[0]).unwrap();
    assert_ne!(to.outbox, outbox);
    w.sync();
    assert_eq!(w.said(), [], "2 and 3 are on the way");
    w.hear(&HubFrame::Stored { number: 3 });
    assert_eq!(ids.map(|id| w.statuses(id).pop() == Some(Status::Stored)), [false, true, true]);
    assert_eq!(w.sent, [ClientFrame::Outbox { outbox: to.outbox }]);
    w.expect(to.outbox, 1);
    assert_eq!(w.said(), [(1, 0, "a".to_string())]);
    w.hear(&HubFrame::Stored { number: 1 });
    assert_eq!(w.statuses(to).last(), Some(&Status::Stored));
    assert_eq!(w.session.waiting(), 0);
    assert_eq!(w.say("d").outbox, to.outbox, "another client uses the first outbox");
}

#[test]
fn what_follows_a_conflict_keeps_its_number_over_refusals_and_a_lost_connection() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    for text in ["a", "b", "c"] {
        w.say(text);
    }
    w.sync();
    w.sync();
    w.said();
    w.hear(&HubFrame::Conflict { number: 1 });
    w.hear(&refused(2, Some(500)));
    w.sync();
    assert_eq!(w.said(), []);
    w.now = w.session.poll_timeout().unwrap();
    w.session.handle_timeout(w.now);
    w.drain();
    assert_eq!(w.said(), [(2, 1, "b".to_string()), (3, 2, "c".to_string())]);
    w.hear(&refused(2, None));
    w.sync();
    assert_eq!(w.said(), [(3, 1, "c".to_string())], "the number in conflict is in use");
    let mut w = World::new(w.file, 2);
    assert_eq!(w.join(), outbox);
    w.expect(outbox, 2);
    assert_eq!(w.said(), [(3, 1, "c".to_string())]);
    w.hear(&HubFrame::Conflict { number: 3 });
    w.sync();
    let Some(ClientFrame::Outbox { outbox: next }) = w.sent.pop() else { panic!("an outbox") };
    w.expect(next, 1);
    assert_eq!(w.said(), [(1, 0, "a".to_string())]);
}

#[test]
fn a_conflict_after_a_later_acknowledgement_moves_the_message_too() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    let id = w.say("a");
    w.say("b");
    w.sync();
    w.sync();
    w.said();
    w.hear(&HubFrame::Stored { number: 2 });
    w.hear(&HubFrame::Conflict { number: 1 });
    w.sync();
    let to = w.renumbered(id).unwrap();
    w.expect(to.outbox, 1);
    assert_eq!(w.said(), [(1, 0, "a".to_string())]);
    w.hear(&HubFrame::Stored { number: 1 });
    assert_eq!(w.session.waiting(), 0);
}

#[test]
fn a_message_in_conflict_is_kept_once_wherever_a_crash_cuts_the_file() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    w.say("a");
    w.sync();
    let before = w.file.len();
    w.hear(&HubFrame::Conflict { number: 1 });
    assert!(w.file.len() > before);
    for length in before..=w.file.len() {
        let waiting = Store::load(&w.file[..length], Duration::ZERO).waiting().count();
        assert_eq!(waiting, 1, "{length} bytes of {}", w.file.len());
    }
}

#[test]
fn a_disk_that_fails_is_written_anew_and_nothing_is_sent_until_then() {
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    w.say("a");
    for id in std::mem::take(&mut w.syncs) {
        w.session.sync_failed(w.now, id);
    }
    w.drain();
    w.say("b");
    assert_eq!((w.said(), w.syncs.len()), (Vec::new(), 0));
    w.now = w.session.poll_timeout().unwrap();
    w.session.handle_timeout(w.now);
    w.drain();
    assert_eq!(w.replaced, 1);
    w.say("c");
    w.sync();
    w.sync();
    assert_eq!(w.said().len(), 3);
    assert!(w.events.contains(&Event::DiskFailed) && w.events.contains(&Event::DiskHealed));
    assert_eq!(Store::load(&w.file, Duration::ZERO).waiting().count(), 3);
}

#[test]
fn a_file_that_a_crash_has_torn_is_written_anew() {
    let mut w = World::new(Vec::new(), 1);
    w.say("a");
    w.say("b");
    let torn = w.file[..w.file.len() - 3].to_vec();
    let mut w = World::new(torn, 2);
    assert_eq!(w.replaced, 1);
    w.say("c");
    let waiting = Store::load(&w.file, Duration::ZERO).waiting().count();
    assert_eq!(waiting, 2);
}

#[test]
fn it_connects_again_ever_more_slowly() {
    let mut w = World::new(Vec::new(), 1);
    let mut waits = Vec::new();
    for _ in 0..12 {
        w.session.disconnected(w.now);
        let at = w.session.poll_timeout().unwrap();
        waits.push(at - w.now);
        w.now = at;
        w.session.handle_timeout(w.now);
        w.drain();
    }
    assert_eq!(w.connects, 13);
    assert!(waits[0] <= Duration::from_millis(200) && waits[11] <= Duration::from_secs(10));
    assert!(waits[11] >= Duration::from_secs(5));
    w.join();
    w.session.disconnected(w.now);
    assert!(w.session.poll_timeout().unwrap() - w.now <= Duration::from_millis(200));
}

#[test]
fn the_reason_of_a_goodbye_decides_what_comes_next() {
    let after = |reason: ByeReason| {
        let mut w = World::new(Vec::new(), 1);
        w.join();
        w.hear(&HubFrame::Bye { reason, text: "".into() });
        w.session.poll_timeout().map(|at| (at - w.now).as_secs())
    };
    assert_eq!(after(ByeReason::Password), None);
    assert_eq!(after(ByeReason::Stopped), Some(0));
    assert!(after(ByeReason::Kicked).is_some_and(|wait| wait >= 30));
    let mut w = World::new(Vec::new(), 1);
    let outbox = w.join();
    w.expect(outbox, 1);
    assert_eq!(w.say("a").outbox, outbox);
    w.hear(&HubFrame::Bye { reason: ByeReason::Replaced, text: "".into() });
    assert_ne!(w.say("b").outbox, outbox);
}

#[test]
fn states_follow_what_the_hub_says() {
    let mut w = World::new(Vec::new(), 1);
    assert_eq!(w.session.state(), State::Connecting { again: None });
    w.session.follow(RoomName::lobby(), From::LeftOff { last: 20 });
    w.join();
    assert_eq!(w.session.state(), State::CatchingUp);
    let room = RoomName::lobby();
    let follow = ClientFrame::Follow {
        room: room.clone(),
        after: None,
        last: Some(20),
        deletion: Position::START,
    };
    assert!(w.sent.contains(&follow), "together with the proof");
    w.hear(&HubFrame::Live { room: room.clone(), position: Default::default() });
    assert_eq!(w.session.state(), State::Live);
    w.hear(&HubFrame::Behind { room });
    assert_eq!(w.session.state(), State::CatchingUp);
    w.session.received(w.now, b"nonsense\n");
    w.drain();
    assert!(matches!(w.session.state(), State::Connecting { again: Some(_) }));
    w.session.quit();
    assert_eq!(w.session.state(), State::Ended);
    assert!(w.session.say(w.now, RoomName::lobby(), b"x").is_err());
}

#[test]
fn a_deletion_is_named_once_it_was_carried_out_and_outlives_a_restart() {
    fn follow(w: &World) -> (u64, u64) {
        let named = w.sent.iter().rev().find_map(|frame| match frame {
            ClientFrame::Follow { after, deletion, .. } => Some((*after, *deletion)),
            _ => None,
        });
        let (after, deletion) = named.unwrap();
        (after.map_or(0, |seen| seen.position.get()), deletion.get())
    }
    let lobby = RoomName::lobby;
    let position = |number| Position::new(number).unwrap();
    let message = |at: u64| {
        let identity = Identity { author: 9, outbox: 9, number: at };
        let (room, speaker, link) = (lobby(), "dog".into(), LinkKind::Key);
        let (position, wall, text) = (position(at), Duration::ZERO, b"x"[..].into());
        HubFrame::Message(Message { position, room, speaker, link, wall, text, identity }.into())
    };
    let again = |w: &mut World| {
        w.session.disconnected(w.now);
        w.now = w.session.poll_timeout().unwrap();
        w.session.handle_timeout(w.now);
        w.drain();
        w.join();
    };
    let mut w = World::new(Vec::new(), 1);
    w.session.follow(lobby(), From::LeftOff { last: 20 });
    w.join();
    w.hear(&message(5));
    w.session.processed(w.now, &lobby(), position(5));
    w.drain();
    let deletion = position(7);
    w.hear(&HubFrame::Reset { room: lobby(), last: None, forgotten: true, deletion });
    again(&mut w);
    assert_eq!(follow(&w), (5, 7), "not again on the next connection");
    w.hear(&message(6));
    w.session.processed(w.now, &lobby(), position(6));
    w.drain();
    let mut w = World::new(w.file, 2);
    w.session.follow(lobby(), From::LeftOff { last: 20 });
    w.join();
    assert_eq!(follow(&w), (6, 7));
    // Until something was processed, the application may have ended before it deleted anything.
    w.hear(&HubFrame::Reset { room: lobby(), last: None, forgotten: true, deletion: position(9) });
    let mut w = World::new(w.file, 3);
    w.session.follow(lobby(), From::LeftOff { last: 20 });
    w.join();
    assert_eq!(follow(&w), (6, 7));
}

/// A hub that stores, refuses, and loses connections at random. Several clients share its log.
struct RandomHub {
    random: Pcg64,
    log: BTreeMap<u64, BTreeMap<u64, String>>,
}

/// A client, and what is on the way between it and the hub.
struct Line {
    world: World,
    outbox: u64,
    /// The number after which the hub ignores messages until the next one comes.
    awaited: Option<u64>,
    /// The largest number that the hub has answered since then.
    handled: u64,
    to_hub: VecDeque<ClientFrame>,
    to_client: VecDeque<HubFrame>,
    texts: BTreeMap<MessageId, String>,
    refused: BTreeSet<String>,
    starts: u64,
}

impl RandomHub {
    fn draw(&mut self, below: u64) -> u64 {
        self.random.next_u64() % below
    }

    fn last(&self, outbox: u64) -> u64 {
        self.log.get(&outbox).and_then(|it| it.keys().next_back()).copied().unwrap_or(0)
    }

    fn name(&self, line: &mut Line, outbox: u64) {
        (line.outbox, line.awaited, line.handled) = (outbox, None, 0);
        let number = self.last(outbox) + 1;
        line.to_client.push_back(HubFrame::Expect { outbox, number });
    }

    /// Connects a client anew.
    fn connect(&mut self, line: &mut Line) {
        line.world.session.disconnected(line.world.now);
        while line.world.session.state() != (State::Connecting { again: None }) {
            line.wait();
        }
        line.to_hub.clear();
        line.to_client.clear();
        line.world.sent.clear();
        let outbox = line.world.join();
        line.world.sent.clear();
        self.name(line, outbox);
    }

    fn hear(&mut self, line: &mut Line) {
        let say = match line.to_hub.pop_front() {
            Some(ClientFrame::Outbox { outbox }) => return self.name(line, outbox),
            Some(ClientFrame::Say(say)) => say,
            _ => return,
        };
        let (number, last) = (say.number, self.last(line.outbox));
        let text = String::from_utf8_lossy(&say.text).into_owned();
        let stored = self.log.get(&line.outbox).and_then(|it| it.get(&number)).cloned();
        match line.awaited.filter(|awaited| *awaited < number) {
            Some(awaited) if say.after > awaited => return,
            Some(_) => line.awaited = None,
            None if number <= line.handled => return,
            None => {}
        }
        line.handled = number;
        let answer = match stored {
            Some(stored) if stored == text => HubFrame::Stored { number },
            Some(_) => HubFrame::Conflict { number },
            None if number <= last => refused(number, None),
            None if say.after != last => {
                line.awaited = Some(last);
                HubFrame::Expect { outbox: line.outbox, number: last + 1 }
            }
            None => match self.draw(8) {
                refusal @ 0..2 => {
                    line.awaited = Some(last);
                    refused(number, (refusal == 0).then_some(500))
                }
                _ => {
                    self.log.entry(line.outbox).or_default().insert(number, text);
                    HubFrame::Stored { number }
                }
            },
        };
        line.to_client.push_back(answer);
    }
}

impl Line {
    fn new(seed: u64) -> Line {
        let (to_hub, to_client) = (VecDeque::new(), VecDeque::new());
        let (texts, refused) = (BTreeMap::new(), BTreeSet::new());
        let world = World::new(Vec::new(), seed);
        let (outbox, awaited, handled) = (0, None, 0);
        Line { world, outbox, awaited, handled, to_hub, to_client, texts, refused, starts: 0 }
    }

    fn say(&mut self, text: String) {
        let id = self.world.say(&text);
        self.texts.insert(id, text);
    }

    /// Hears one frame, and returns whether it is a conflict.
    fn hear(&mut self) -> bool {
        let Some(frame) = self.to_client.pop_front() else { return false };
        self.world.hear(&frame);
        matches!(frame, HubFrame::Conflict { .. })
    }

    fn wait(&mut self) {
        if let Some(at) = self.world.session.poll_timeout() {
            self.world.now = self.world.now.max(at);
            self.world.session.handle_timeout(self.world.now);
            self.world.drain();
        }
    }

    fn note(&mut self) {
        self.to_hub.extend(self.world.sent.drain(..));
        for event in std::mem::take(&mut self.world.events) {
            match event {
                Event::Renumbered { from, to } => {
                    let text = self.texts.remove(&from).unwrap();
                    self.texts.insert(to, text);
                }
                Event::Status(id, Status::Refused(_)) => {
                    self.refused.insert(self.texts.get(&id).unwrap().clone());
                }
                _ => {}
            }
        }
    }
}

/// Two clients draw the same outboxes, as two copies of a virtual machine do. One is connected at a
/// time, because the hub replaces a connection that uses the same outbox.
#[test]
fn whatever_is_refused_or_in_conflict_each_message_is_stored_once_or_refused() {
    let mut conflicts = 0;
    for seed in 0..100 {
        let log = BTreeMap::new();
        let mut hub = RandomHub { random: Pcg64::seed_from_u64(seed), log };
        let mut lines = [Line::new(seed), Line::new(seed)];
        let mut said = Vec::new();
        let mut which = 0;
        hub.connect(&mut lines[which]);
        for step in 0..300 {
            let line = &mut lines[which];
            match hub.draw(80) {
                0..8 => {
                    // The other one, too, while it has no connection.
                    let which = hub.draw(2) as usize;
                    said.push(format!("{which} says {step}"));
                    lines[which].say(format!("{which} says {step}"));
                }
                8..28 => line.world.sync(),
                28..52 => hub.hear(line),
                52..74 => conflicts += u32::from(line.hear()),
                74..77 => line.wait(),
                77 => {
                    line.starts += 1;
                    let seed = seed + 1_000 * line.starts;
                    line.world = World::new(line.world.file.clone(), seed);
                    hub.connect(line);
                }
                _ => {
                    line.world.session.disconnected(line.world.now);
                    line.note();
                    which = hub.draw(2) as usize;
                    hub.connect(&mut lines[which]);
                }
            }
            lines.iter_mut().for_each(Line::note);
        }
        for line in &mut lines {
            hub.connect(line);
            for round in 0.. {
                assert!(round < 10_000, "seed {seed}: a message waits for ever");
                line.world.sync();
                line.note();
                hub.hear(line);
                conflicts += u32::from(line.hear());
                line.note();
                if line.to_hub.is_empty() && line.to_client.is_empty() {
                    if line.world.session.waiting() == 0 && line.world.syncs.is_empty() {
                        break;
                    }
                    line.wait();
                }
            }
        }
        for text in said {
            let stored = hub.log.values().flat_map(BTreeMap::values).filter(|it| **it == text);
            let is_refused = lines.iter().any(|line| line.refused.contains(&text));
            let count = stored.count();
            assert_eq!(count + usize::from(is_refused), 1, "seed {seed}: {text}: {count} stored");
        }
    }
    assert!(conflicts > 50, "{conflicts} conflicts");
}
