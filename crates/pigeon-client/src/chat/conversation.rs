//! One peer of a chat: its address, encoding, counters and state.

use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::Instant;
use pigeon_text::{Charset, PeerCharset};

/// A peer's known properties besides its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The contact's name.
    pub name: Option<Box<str>>,
    /// The peer's encoding; `None` means the chat's default.
    pub charset: Option<Charset>,
}

/// A conversation with one peer, without its messages.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The conversation's number in the list. Numbers are never reused, so a number on the screen
    /// stays valid.
    pub number: u32,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The contact's name, if the peer is a contact.
    pub name: Option<Box<str>>,
    /// Whether the last message was refused: the peer's port is closed. Cleared when the peer is
    /// heard again.
    pub refused: bool,
    /// When the peer was last heard.
    pub heard: Option<Instant>,
    /// Messages received.
    pub received: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages received while another conversation was selected, and not yet seen.
    pub unread: u64,
    pub(super) charset: PeerCharset,
    /// The local address that the peer sends to. Answers must come from it, or a peer with a
    /// connected socket would drop them.
    pub(super) local: Option<IpAddr>,
    /// Whether the user has opened or answered it: then it is never dropped.
    pub(super) kept: bool,
    /// The chat's event count at its last activity; the smallest is dropped first.
    pub(super) last: u64,
    /// Whether a message was sent without a refusal reported since.
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

    /// The peer's encoding.
    pub fn charset(&self) -> Charset {
        self.charset.charset()
    }

    /// The payload as text, if all of it is valid in the conversation's encoding.
    pub fn whole_text(&self, payload: &[u8]) -> Option<String> {
        self.charset.decode_whole(payload)
    }

    /// Whether the peer is the contact of this name, ignoring case.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name.as_deref().is_some_and(|own| same_name(own, name))
    }
}

pub(super) fn same_name(one: &str, other: &str) -> bool {
    let fold = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    fold(one) == fold(other)
}
