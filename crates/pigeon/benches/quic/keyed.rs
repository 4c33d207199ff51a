//! Members with a key of the real hub: the frames of the protocol over the bench's own client, which
//! costs less than a member with a disk.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pigeon_perf::fanout::{Burst, Collected, Members, collect_in_turn};
use pigeon_proto::RoomName;
use pigeon_proto::frame::{ClientFrame, HubFrame, Prove, Say, challenge_text};
use pigeon_quic::ClientKey;

use crate::members::Member;

/// How long the hub may take to answer.
const SOON: Duration = Duration::from_secs(10);

/// A member with a new key.
pub(crate) struct Keyed {
    pub(crate) member: Member,
    /// The number of the last message.
    pub(crate) number: u64,
    /// Whether a message was sent.
    has_said: bool,
}

/// Numbers start here, so that all frames have the same length.
const BEFORE_FIRST: u64 = 100_000;

impl Keyed {
    /// Joins the hub that listens for members with a key at this address.
    pub(crate) fn join(seed: u32, hub: SocketAddr) -> Keyed {
        let mut member = Member::new(seed, hub);
        member.wait();
        let mut keyed = Keyed { member, number: BEFORE_FIRST, has_said: false };
        keyed.send(&[ClientFrame::Hello { version: 1, client: "bench".into() }]);
        let HubFrame::Challenge { nonce, fingerprint, .. } = keyed.wait_for("challenge") else {
            panic!("no challenge")
        };
        let key = ClientKey::generate().expect("the system gives randomness");
        let signature = key.sign(&challenge_text(&nonce, &fingerprint)).expect("randomness");
        let prove = Prove {
            key: *key.public_point(),
            signature,
            outbox: 1,
            // This length makes the frames as long as the floor's.
            name: Some(format!("{seed:020}").into()),
            word: None,
            room: None,
            password: None,
            language: None,
        };
        keyed.send(&[ClientFrame::Prove(Box::new(prove))]);
        keyed.wait_for("welcome");
        keyed
    }

    /// Joins and follows the lobby, live.
    pub(crate) fn follower(seed: u32, hub: SocketAddr) -> Keyed {
        let mut keyed = Keyed::join(seed, hub);
        let follow = ClientFrame::Follow {
            room: RoomName::lobby(),
            after: None,
            last: Some(0),
            deletion: Default::default(),
        };
        keyed.send(&[follow]);
        keyed.wait_for("live");
        keyed
    }

    pub(crate) fn send(&mut self, frames: &[ClientFrame]) {
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes));
        self.member.write(bytes);
    }

    /// Sends these texts to the lobby.
    pub(crate) fn say<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) {
        let mut bytes = Vec::new();
        for text in texts {
            self.number += 1;
            let number = self.number;
            let after = if std::mem::replace(&mut self.has_said, true) { number - 1 } else { 0 };
            let (room, text) = (RoomName::lobby(), text.as_bytes().into());
            ClientFrame::Say(Say { number, after, room, text }).write(&mut bytes);
        }
        self.member.write(bytes);
    }

    /// Complete lines that were received and not taken yet.
    pub(crate) fn lines(&mut self) -> Vec<u8> {
        let Some(last) = self.member.unread.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.member.unread.split_off(last + 1);
        std::mem::replace(&mut self.member.unread, rest)
    }

    /// Waits for a frame of a type. Drops the frames before it.
    pub(crate) fn wait_for(&mut self, kind: &str) -> HubFrame {
        let (start, begins) = (Instant::now(), format!("{{\"type\":\"{kind}\""));
        loop {
            self.member.turn();
            let lines = self.lines();
            let mut lines = lines.split(|byte| *byte == b'\n');
            if let Some(line) = lines.find(|line| line.starts_with(begins.as_bytes())) {
                return HubFrame::parse(line).expect("a frame");
            }
            assert!(start.elapsed() < SOON, "no frame: {kind}");
        }
    }
}

/// Followers of the lobby. The first also sends the messages.
pub(crate) struct Followers(Vec<Keyed>);

impl Followers {
    pub(crate) fn join(hub: SocketAddr, count: usize) -> Followers {
        Followers((0..count as u32).map(|seed| Keyed::follower(seed, hub)).collect())
    }

    /// The length of a message's frame: what the first member reads of a message of this text.
    pub(crate) fn frame_length(&mut self, text: &str) -> usize {
        self.0[0].say([text]);
        let HubFrame::Message(message) = self.0[0].wait_for("message") else {
            panic!("no message")
        };
        let mut bytes = Vec::new();
        HubFrame::Message(message).write(&mut bytes);
        bytes.len()
    }
}

impl Members for Followers {
    fn count(&self) -> usize {
        self.0.len()
    }

    /// The members have joined already; this reads what was sent meanwhile.
    fn join(&mut self) {
        for keyed in &mut self.0 {
            while keyed.member.turn() {}
            keyed.member.unread.clear();
        }
    }

    fn publish(&mut self, burst: &Burst) {
        self.0[0].say(burst.texts.iter().map(String::as_str));
    }

    fn collect(&mut self, burst: &Burst, patience: Duration) -> Collected {
        let (mark, due) = (burst.mark.as_bytes(), burst.texts.len());
        let copies = collect_in_turn(&mut self.0, due, patience, |keyed| {
            keyed.member.turn();
            keyed.member.frames(mark)
        });
        Collected { copies, last: None }
    }

    fn kernel_drops(&mut self) -> u64 {
        self.0.iter_mut().map(|keyed| keyed.member.kernel_drops()).sum()
    }
}
