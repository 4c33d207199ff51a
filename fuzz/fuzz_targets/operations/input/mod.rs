//! The decoded input: a hub's settings, and a sequence of operations.
//!
//! There are few words and addresses, so that operations interact: a member takes a name in use, or
//! a banned address returns. Fields and variants are decoded in their order; adding or moving one
//! changes the meaning of the committed corpus.

mod settings;
mod words;

use arbitrary::Arbitrary;

pub use self::settings::{PASSWORD, Settings};
pub use self::words::{Label, Net, Piece, Word};

/// The life of a hub.
#[derive(Arbitrary, Debug)]
pub struct Input {
    pub settings: Settings,
    pub operations: Vec<Operation>,
}

/// An operation on a hub. Senders and kicked members are from [`pigeon_fuzz::addresses`].
#[derive(Arbitrary, Debug)]
pub enum Operation {
    Datagram {
        from: u8,
        what: Payload,
    },
    Wait(Wait),
    /// Calls the timer early.
    Timer,
    Drain,
    Say(Text),
    Kick(u8),
    KickName(Word),
    Ban(Net),
    BanName(Word),
    Unban(Net),
    Stop,
}

/// How far time advances.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Wait {
    Millis(u16),
    /// Wait until the next deadline, like a driver.
    Deadline,
    /// Wait until all members are gone.
    Minute,
    TenMinutes,
}

/// The content of a datagram.
#[derive(Arbitrary, Debug)]
pub enum Payload {
    Heartbeat,
    Padded(u8),
    /// A message with a unique number.
    Message(Text),
    /// A private message with a unique number.
    Whisper {
        to: Word,
        text: Text,
    },
    WhisperTo(u8),
    Quit,
    Nick(Word),
    Join(Word),
    Leave,
    Lobby,
    Who,
    Rooms,
    Help,
    Encoding(Label),
    Quiet(bool),
    Pass(bool),
    /// The hub's last datagram to this address, with or without a prefix.
    Echo {
        before: bool,
    },
    /// The last token that this address was asked to return.
    Prove,
    /// Any resume token of the hub.
    Resume(u8),
    Discover(u8),
    Pieces(Vec<Piece>),
    Bytes(Vec<u8>),
    Grown {
        piece: Piece,
        times: u16,
    },
}

/// The text before the number of a message.
#[derive(Arbitrary, Debug)]
pub enum Text {
    Short,
    Filled(u8),
    Long { piece: Piece, times: u16 },
}
