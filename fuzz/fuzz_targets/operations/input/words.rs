//! A small vocabulary: with free spelling, a fuzzer would hardly ever use the same word twice.

use arbitrary::Arbitrary;

/// Names of members and rooms; some are two spellings of one name, some are invalid.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Word {
    Dog,
    DogInCapitals,
    Chinese,
    Lobby,
    Ops,
    Hub,
    Dotted,
    Sharp,
    Emoji,
    Long,
    Bad,
    Spaced,
    Address,
    Sigma,
    SmallSigma,
}

impl Word {
    pub fn spelled(self) -> &'static str {
        match self {
            Word::Dog => "dog",
            Word::DogInCapitals => "DOG",
            Word::Chinese => "狗哥",
            Word::Lobby => "Lobby",
            Word::Ops => "ops",
            Word::Hub => "HUB",
            Word::Dotted => "İ",
            Word::Sharp => "ẞß",
            Word::Emoji => "👩\u{200d}🚀",
            Word::Long => "12345678901234567890123456789012",
            Word::Bad => "a:b",
            Word::Spaced => "the shed",
            Word::Address => "127.0.0.1:5001",
            Word::Sigma => "ΑΣ",
            Word::SmallSigma => "ασ",
        }
    }
}

/// Labels of encodings, one of them invalid.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Label {
    Utf8,
    Gbk,
    Gb2312,
    Latin1,
    Big5,
    ShiftJis,
    Utf16,
    None,
}

impl Label {
    pub fn spelled(self) -> &'static str {
        match self {
            Label::Utf8 => "utf-8",
            Label::Gbk => "gbk",
            Label::Gb2312 => "GB2312",
            Label::Latin1 => "latin1",
            Label::Big5 => "big5",
            Label::ShiftJis => "sjis",
            Label::Utf16 => "utf-16le",
            Label::None => "klingon\x1b",
        }
    }
}

/// Networks for bans, which contain addresses of [`pigeon_fuzz::addresses`]; one is invalid.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Net {
    All,
    AllV6,
    Loopback,
    Open,
    OneOpen,
    Beyond,
    BeyondV6,
    Bad,
}

impl Net {
    pub fn spelled(self) -> &'static str {
        match self {
            Net::All => "0.0.0.0/0",
            Net::AllV6 => "::/0",
            Net::Loopback => "127.0.0.1",
            Net::Open => "10.0.0.0/8",
            Net::OneOpen => "10.0.2.1",
            Net::Beyond => "203.0.113.0/24",
            Net::BeyondV6 => "2001:db8::/32",
            Net::Bad => "10.0.0.0/99",
        }
    }
}

/// Fragments of payloads: words with a meaning to a hub, and bytes that must be escaped.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Piece {
    Letter,
    Space,
    Newline,
    Slash,
    Heartbeat,
    Quit,
    Here,
    Star,
    Colon,
    Nick,
    Msg,
    Chinese,
    Accent,
    Astral,
    Joiner,
    Mark,
    Bidi,
    Separator,
    Escape,
    C1,
    Null,
    NoText,
    Number,
    Backslash,
}

impl Piece {
    pub fn spelled(self) -> &'static [u8] {
        match self {
            Piece::Letter => b"x",
            Piece::Space => b" ",
            Piece::Newline => b"\r\n",
            Piece::Slash => b"/",
            Piece::Heartbeat => b"^hb^",
            Piece::Quit => b"quit",
            Piece::Here => b"/here ",
            Piece::Star => b"* ",
            Piece::Colon => b": ",
            Piece::Nick => b"/nick ",
            Piece::Msg => b"/msg ",
            Piece::Chinese => "你".as_bytes(),
            Piece::Accent => "é".as_bytes(),
            Piece::Astral => "😀".as_bytes(),
            Piece::Joiner => "\u{200d}".as_bytes(),
            Piece::Mark => "\u{301}".as_bytes(),
            Piece::Bidi => "\u{202e}".as_bytes(),
            Piece::Separator => "\u{2028}".as_bytes(),
            Piece::Escape => b"\x1b[31m",
            Piece::C1 => "\u{9b}".as_bytes(),
            Piece::Null => b"\0",
            Piece::NoText => b"\xff",
            Piece::Number => b"#1#",
            Piece::Backslash => b"\\",
        }
    }
}
