//! One peer of a chat: who it is, how it is read and written, and how things stand with it.

use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::Instant;
use pigeon_text::{Charset, PeerCharset};

/// What is known of a peer beside its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The contact's name.
    pub name: Option<Box<str>>,
    /// Its encoding; the chat's own where there is none.
    pub charset: Option<Charset>,
}

/// What was said between this side and one peer, without the words.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Its number in the list. Numbers are not given twice, so what a person reads in a list still
    /// means the same a minute later.
    pub number: u32,
    /// Who is at the other end.
    pub peer: SocketAddr,
    /// The contact's name, if it is one.
    pub name: Option<Box<str>>,
    /// Whether the network has refused the last message: nobody listens there. It ends when the
    /// peer is heard again.
    pub refused: bool,
    /// When the peer was last heard.
    pub heard: Option<Instant>,
    /// Messages received.
    pub received: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages received while another conversation was chosen, and not seen since.
    pub unread: u64,
    pub(super) charset: PeerCharset,
    /// Which of our addresses the peer wrote to: the answer leaves from there, or a peer with a
    /// connected socket would not see it.
    pub(super) local: Option<IpAddr>,
    /// Opened or answered by the person: never forgotten for want of room.
    pub(super) kept: bool,
    /// When something last happened in it, in events of the chat; the least is forgotten first.
    pub(super) last: u64,
    /// A message was sent, and no refusal has been reported since.
    pub(super) unrefused: bool,
}

impl Conversation {
    pub(super) fn new(number: u32, peer: SocketAddr, known: Known, charset: Charset) -> Self {
        Conversation {
            number,
            peer,
            name: known.name,
            refused: false,
            heard: None,
            received: 0,
            sent: 0,
            unread: 0,
            charset: known.charset.unwrap_or(charset).into(),
            local: None,
            kept: false,
            last: 0,
            unrefused: false,
        }
    }

    /// How the peer is read and written.
    pub fn charset(&self) -> Charset {
        self.charset.charset()
    }

    /// The payload as text, if all of it is text in the conversation's encoding.
    pub fn whole_text(&self, payload: &[u8]) -> Option<String> {
        self.charset.decode_whole(payload)
    }

    /// Whether the conversation is with the contact of this name; capitals do not matter.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.as_deref().is_some_and(|own| same_name(own, name))
    }
}

pub(super) fn same_name(one: &str, other: &str) -> bool {
    let fold = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    fold(one) == fold(other)
}
