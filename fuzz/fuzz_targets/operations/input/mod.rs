//! What bytes are decoded into: the settings of a hub, and what happens to it in which order.
//!
//! Words and addresses are few, so that operations meet: somebody takes a name that is taken, an
//! address that is banned comes back. Fields and variants are decoded in the order they stand in;
//! to add one or to move one gives the committed corpus another meaning.

mod settings;
mod words;

use arbitrary::Arbitrary;

pub use self::settings::{PASSWORD, Settings};
pub use self::words::{Label, Net, Piece, Word};

/// One life of a hub.
#[derive(Arbitrary, Debug)]
pub struct Input {
    pub settings: Settings,
    pub operations: Vec<Operation>,
}

/// Something that happens to a hub. Who sends or is kicked is one of [`pigeon_fuzz::addresses`].
#[derive(Arbitrary, Debug)]
pub enum Operation {
    Datagram {
        from: u8,
        what: Payload,
    },
    Wait(Wait),
    /// A timer called early.
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

/// How far time goes on.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Wait {
    Millis(u16),
    /// To the next deadline, as a driver does.
    Deadline,
    /// Until all are gone.
    Minute,
    TenMinutes,
}

/// What a datagram says.
#[derive(Arbitrary, Debug)]
pub enum Payload {
    Heartbeat,
    Padded(u8),
    /// A message with a number of its own.
    Message(Text),
    /// The same for one.
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
    /// What the hub last sent to this address comes back, with something before it or not.
    Echo {
        before: bool,
    },
    /// The word this address was last asked to send back.
    Prove,
    /// A word that the hub once gave to anybody.
    Resume(u8),
    Discover(u8),
    Pieces(Vec<Piece>),
    Bytes(Vec<u8>),
    Grown {
        piece: Piece,
        times: u16,
    },
}

/// What stands before the number of a message.
#[derive(Arbitrary, Debug)]
pub enum Text {
    Short,
    Filled(u8),
    Long { piece: Piece, times: u16 },
}
