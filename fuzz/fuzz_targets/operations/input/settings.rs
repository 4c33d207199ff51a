//! How a hub is set up. Its bounds are small in some worlds, so that few operations reach them.

use arbitrary::Arbitrary;
use pigeon_fuzz::addresses;
use pigeon_hub::{Config, Format, PerOrigin, Rate, SourceRules};

/// What a hub with a password wants to hear.
pub const PASSWORD: &str = "secret";

#[derive(Arbitrary, Debug)]
pub struct Settings {
    format: FormatChoice,
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

impl Settings {
    pub fn config(&self) -> Config {
        let mut config = Config {
            format: match self.format {
                FormatChoice::Chat => Format::Chat,
                FormatChoice::Classic => Format::Classic,
                FormatChoice::Raw => Format::Raw,
            },
            password: self.password.then(|| PASSWORD.into()),
            max_members: if self.few_members { 4 } else { 100 },
            max_per_address: self.few_per_address.then_some(2),
            loopback_counts: self.few_per_address,
            max_per_room: self.few_per_room.then_some(3),
            notices_up_to: if self.no_notices { 2 } else { 100 },
            discoverable: self.discoverable,
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
            config.rate = PerOrigin { loopback: slow, open: slow, beyond: slow };
        }
        config
    }
}
