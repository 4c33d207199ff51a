//! A hub's settings. Some limits are small, so that few operations reach them.

use arbitrary::Arbitrary;
use pigeon_fuzz::addresses;
use pigeon_hub::{Config, Discovery, Door, PerOrigin, Rate, SourceRules};
use pigeon_proto::{Format, RoomName};

/// The password of hubs that have one.
pub const PASSWORD: &str = "secret";

#[derive(Arbitrary, Debug)]
pub struct Settings {
    format: FormatChoice,
    /// A second listening socket, used by some members.
    second: Option<FormatChoice>,
    password: bool,
    closed: bool,
    few_members: bool,
    few_per_address: bool,
    few_per_room: bool,
    slow: bool,
    no_notices: bool,
    discoverable: bool,
    report_messages: bool,
    text: TextLimit,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum FormatChoice {
    Chat,
    Classic,
    Raw,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum TextLimit {
    Usual,
    Tiny,
    Datagram,
}

impl FormatChoice {
    fn format(self) -> Format {
        match self {
            FormatChoice::Chat => Format::Chat,
            FormatChoice::Classic => Format::Classic,
            FormatChoice::Raw => Format::Raw,
        }
    }
}

impl Settings {
    /// The listening sockets. Both lead to the lobby if their members can read each other's
    /// messages.
    fn doors(&self) -> Vec<Door> {
        let first = Door::of(self.format.format());
        let second = self.second.map(|second| {
            let is_raw = |format: Format| format == Format::Raw;
            let (format, lobby) = (second.format(), RoomName::lobby());
            let room = if is_raw(format) == is_raw(first.format) { lobby } else { ops() };
            Door { format, room }
        });
        [first].into_iter().chain(second).collect()
    }

    pub fn config(&self) -> Config {
        let mut config = Config {
            doors: self.doors(),
            password: self.password.then(|| PASSWORD.into()),
            max_members: if self.few_members { 4 } else { 100 },
            max_per_address: self.few_per_address.then_some(2),
            loopback_counts: self.few_per_address,
            max_per_room: self.few_per_room.then_some(3),
            notices_up_to: if self.no_notices { 2 } else { 100 },
            discovery: self.discoverable.then_some(Discovery {
                id: 7,
                port: 9_999,
                ..Default::default()
            }),
            report_messages: self.report_messages,
            max_text: match self.text {
                TextLimit::Usual => None,
                TextLimit::Tiny => Some(20),
                TextLimit::Datagram => Some(65_507),
            },
            sources: SourceRules {
                own: vec![addresses::parse(addresses::HUB)],
                ..SourceRules::default()
            },
            ..Config::default()
        };
        if self.closed {
            config.sources.open.clear();
        }
        if self.slow {
            let slow = Rate { messages: Some(3), bytes: Some(1_000) };
            config.rate = PerOrigin { loopback: slow, open: slow, untrusted: slow };
        }
        config
    }
}

/// A room that members also join with `/join`.
fn ops() -> RoomName {
    RoomName::parse(b"ops").expect("a room's name")
}
