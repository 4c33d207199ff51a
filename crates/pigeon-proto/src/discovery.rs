//! Proofs of address and hub discovery: `/prove`, `/discover`, `/here`.

use crate::format::Format;
use crate::name::Name;
use crate::words::Words;

/// `/prove TOKEN`: a hub asks its peer to prove that it receives at its address, and the peer
/// returns the same datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prove<'a> {
    /// 80 bits in 16 letters and digits.
    pub token: &'a [u8; Prove::TOKEN],
}

impl<'a> Prove<'a> {
    /// The length of a token in bytes.
    pub const TOKEN: usize = 16;

    /// The length of the datagram in bytes.
    pub const LENGTH: usize = b"/prove ".len() + Prove::TOKEN;

    /// Parses a datagram that has been trimmed.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let token: &[u8; Prove::TOKEN] = text.strip_prefix(b"/prove ")?.try_into().ok()?;
        token.iter().all(u8::is_ascii_alphanumeric).then_some(Prove { token })
    }

    /// Writes the datagram.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"/prove ");
        out.extend_from_slice(self.token);
    }
}

/// Matches an answer to its request: 1 to 32 ASCII letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce<'a>(&'a str);

impl<'a> Nonce<'a> {
    /// `None` if the text is empty, too long or contains other characters.
    pub fn new(text: &'a [u8]) -> Option<Self> {
        let fits = (1..=32).contains(&text.len()) && text.iter().all(u8::is_ascii_alphanumeric);
        let text = std::str::from_utf8(text).ok()?;
        fits.then_some(Nonce(text))
    }

    /// The nonce as text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// `/discover NONCE`, padded: a request to every hub in reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discover<'a> {
    /// Repeated in each answer.
    pub nonce: Nonce<'a>,
}

impl<'a> Discover<'a> {
    /// The least length of a request in bytes. The padding distinguishes a request from a line of
    /// data that looks like one.
    pub const ANSWERED_FROM: usize = 64;

    /// The length of padded requests from `pigeon discover`: any answer fits.
    pub const PADDED_TO: usize = 256;

    /// Parses the whole datagram.
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let text = payload.trim_ascii().strip_prefix(b"/discover ")?;
        let padded = payload.len() >= Discover::ANSWERED_FROM;
        Nonce::new(text).filter(|_| padded).map(|nonce| Discover { nonce })
    }

    /// The datagram, padded.
    pub fn to_bytes(self) -> Vec<u8> {
        let length = Discover::PADDED_TO;
        format!("{:length$}", format!("/discover {}", self.nonce.0)).into_bytes()
    }
}

/// `/here NONCE NAME MEMBERS SECUREPORT ID PORT FORMAT`: a hub's answer.
///
/// Older hubs omit the last three words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here<'a> {
    /// The request's nonce.
    pub nonce: Nonce<'a>,
    /// The hub's name.
    pub name: Name,
    /// The hub's number of members.
    pub members: u64,
    /// The port of encrypted links; `None` if the hub has none.
    pub secure_port: Option<u16>,
    /// The hub's id and its first listening address.
    pub door: Option<Door>,
}

/// The last three words of [`Here`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// A random number drawn at the hub's start: the same at each address of one hub.
    pub id: u64,
    /// The port of the first listening address.
    pub port: u16,
    /// The message format at that address.
    pub format: Format,
}

impl<'a> Here<'a> {
    /// Parses an answer.
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?.trim_ascii_end();
        let mut words = Words::of(text.strip_prefix("/here ")?);
        let nonce = Nonce::new(words.word()?.as_bytes())?;
        let name = Name::parse(words.word()?.as_bytes()).ok()?;
        let (members, port) = (words.number()?, words.number::<u16>()?);
        let secure_port = (port != 0).then_some(port);
        Some(Here { nonce, name, members, secure_port, door: Door::parse(&mut words) })
    }

    /// Appends the answer to a request of `most` bytes. Omits the last three words if they do not
    /// fit, and writes nothing if even the first four do not.
    pub fn write(&self, most: usize, out: &mut Vec<u8>) {
        let Here { nonce, name, members, .. } = self;
        let port = self.secure_port.unwrap_or(0);
        let short = format!("/here {} {name} {members} {port}", nonce.0);
        let long =
            self.door.map(|door| format!("{short} {:016x} {} {}", door.id, door.port, door.format));
        let fits = |answer: &String| answer.len() <= most;
        let answer = long.filter(fits).or(Some(short).filter(fits));
        out.extend_from_slice(answer.unwrap_or_default().as_bytes());
    }
}

impl Door {
    fn parse(words: &mut Words<'_>) -> Option<Door> {
        let id = words.word().filter(|id| id.len() == 16 && !id.starts_with('+'))?;
        Some(Door {
            id: u64::from_str_radix(id, 16).ok()?,
            port: words.number()?,
            format: Format::parse(words.word()?)?,
        })
    }
}
