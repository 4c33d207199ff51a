//! Entries: the sender's names and features in the EXTRA of BR_ENTRY, ANSENTRY and BR_ABSENCE.
//!
//! ```text
//!   NICK NUL GROUP                                    every program
//!   NICK NUL GROUP NUL ICON NUL utf-8 NUL             iptux
//!   NICK NUL GROUP NUL \nUN:user\nHN:host\nNN:nick\nGN:group\nVS:hex   IP Messenger 4 and later
//! ```

use pigeon_text::Encoding;

use crate::command::{Command, option};
use crate::packet::Packet;
use crate::text::{decode, decode_utf8};

/// The longest nickname or group kept, in characters: both come from outside.
const MAX_CHARS: usize = 64;

/// A packet's information about its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) nick: String,
    pub(crate) group: String,
    pub(crate) user: String,
    pub(crate) host: String,
    /// The encoding for texts to this sender.
    pub(crate) writes: Writes,
    pub(crate) program: Program,
    pub(crate) is_absent: bool,
}

/// The encoding of texts for a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writes {
    /// The encoding.
    pub encoding: Encoding,
    /// Whether texts carry the UTF-8 option.
    pub is_labelled: bool,
}

impl Writes {
    /// UTF-8 without the option bit that marks it, as iptux expects.
    const PLAIN_UTF8: Writes = Writes { encoding: Encoding::UTF_8, is_labelled: false };
    /// UTF-8 with the option bit that marks it, as newer versions of IP Messenger expect.
    const LABELLED_UTF8: Writes = Writes { encoding: Encoding::UTF_8, is_labelled: true };

    /// An encoding without the UTF-8 option bit.
    pub(crate) fn plain(encoding: Encoding) -> Writes {
        Writes { encoding, is_labelled: false }
    }
}

/// The program at the other end, which determines retransmission times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// iptux, for Linux.
    Iptux,
    /// FeiQ, for Windows.
    FeiQ,
    /// IP Messenger 4 and later, and any other that reads labelled UTF-8.
    IpMessenger,
    /// pigeon itself, as a client.
    Pigeon,
    /// Any other.
    Other,
}

impl Program {
    fn of(version: &[u8], command: Command) -> Program {
        match version {
            [b'1', b'_', rest @ ..] if rest.starts_with(b"iptux") => Program::Iptux,
            [b'1', b'_', rest @ ..] if rest.starts_with(b"lbt") => Program::FeiQ,
            [b'1', b'_', rest @ ..] if rest.starts_with(b"pigeon") => Program::Pigeon,
            _ if command.has(option::CAN_UTF8) => Program::IpMessenger,
            _ => Program::Other,
        }
    }
}

/// The information in the header of a packet without an entry.
pub(crate) fn of_header(packet: &Packet<'_>, legacy: Encoding) -> Entry {
    let text = |bytes: &[u8]| short(&decode(bytes, legacy));
    let program = Program::of(packet.version, packet.command);
    Entry {
        nick: text(packet.user),
        group: String::new(),
        user: text(packet.user),
        host: text(packet.host),
        writes: match program {
            Program::Iptux | Program::Pigeon => Writes::PLAIN_UTF8,
            _ if packet.command.has(option::UTF8) => Writes::LABELLED_UTF8,
            _ => Writes::plain(legacy),
        },
        program,
        is_absent: false,
    }
}

/// Parses an entry.
pub(crate) fn read(packet: &Packet<'_>, legacy: Encoding) -> Entry {
    let text = |bytes: &[u8]| match packet.command.has(option::UTF8) {
        true => short(&decode_utf8(bytes)),
        false => short(&decode(bytes, legacy)),
    };
    let mut fields = packet.extra.split(|&byte| byte == 0);
    let [nick, group, third, fourth] = [(); 4].map(|()| fields.next().unwrap_or_default());
    let program = Program::of(packet.version, packet.command);
    let mut entry = Entry {
        nick: text(nick),
        group: text(group),
        user: text(packet.user),
        host: text(packet.host),
        writes: match program {
            _ if packet.command.has(option::CAN_UTF8) => Writes::LABELLED_UTF8,
            Program::Iptux | Program::Pigeon => Writes::PLAIN_UTF8,
            _ if fourth.eq_ignore_ascii_case(b"utf-8") => Writes::PLAIN_UTF8,
            _ => Writes::plain(legacy),
        },
        program,
        is_absent: packet.command.has(option::ABSENT),
    };
    if packet.command.has(option::CAN_UTF8) && third.starts_with(b"\n") {
        entry.take_utf8(third);
    }
    if entry.nick.is_empty() {
        entry.nick.clone_from(&entry.user);
    }
    entry
}

impl Entry {
    /// Reads the UTF-8 copies of fields that are also given in the code page.
    fn take_utf8(&mut self, lines: &[u8]) {
        for line in lines.split(|&byte| byte == b'\n') {
            let Some((name, value)) = line.split_at_checked(3) else { continue };
            let field = match name {
                b"UN:" => &mut self.user,
                b"HN:" => &mut self.host,
                b"NN:" => &mut self.nick,
                b"GN:" => &mut self.group,
                _ => continue,
            };
            *field = short(&decode_utf8(value));
        }
    }
}

/// A text from outside, cut to the length kept.
fn short(text: &str) -> String {
    text.trim().chars().take(MAX_CHARS).collect()
}

/// Our own identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The program: `1_` and its name.
    pub version: String,
    /// The nickname.
    pub nick: String,
    /// The group.
    pub group: String,
    /// The login name.
    pub user: String,
    /// The host name.
    pub host: String,
}

impl Identity {
    /// The EXTRA of an entry for unknown programs: names in the code page for old ones, in UTF-8
    /// for new ones, and a label that makes iptux use UTF-8.
    ///
    /// Only BR_ENTRY may carry both: in ANSENTRY and BR_ABSENCE iptux takes the label for the
    /// packet's encoding.
    pub(crate) fn for_everybody(&self, legacy: Encoding) -> Vec<u8> {
        let mut extra = Vec::new();
        for field in [&self.nick, &self.group] {
            legacy.encode_lossy(&one_line(field), &mut extra);
            extra.push(0);
        }
        let fields =
            [("UN", &self.user), ("HN", &self.host), ("NN", &self.nick), ("GN", &self.group)];
        for (name, value) in fields {
            extra.extend_from_slice(format!("\n{name}:{}", one_line(value)).as_bytes());
        }
        extra.extend_from_slice(b"\n\0utf-8\0");
        extra
    }

    /// The EXTRA of an entry for one contact, in its encoding.
    pub(crate) fn for_contact(&self, writes: Writes) -> Vec<u8> {
        let mut extra = Vec::new();
        for field in [&self.nick, &self.group] {
            writes.encoding.encode_lossy(&one_line(field), &mut extra);
            extra.push(0);
        }
        if writes == Writes::PLAIN_UTF8 {
            extra.extend_from_slice(b"\0utf-8\0");
        }
        extra
    }
}

/// A field of an entry, without line ends and NULs, which would end it.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\0'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Entry {
        read(&Packet::parse(bytes).unwrap(), Encoding::GB18030)
    }

    #[test]
    fn an_entry_of_iptux_is_read() {
        let bytes = "1_iptux 0.8.3:1:root:hosta:257:阿爱\0一组\0icon-tux.png\0utf-8\0";
        let entry = read_bytes(bytes.as_bytes());
        assert_eq!((entry.nick.as_str(), entry.group.as_str()), ("阿爱", "一组"));
        assert_eq!((entry.user.as_str(), entry.host.as_str()), ("root", "hosta"));
        assert_eq!((entry.program, entry.writes), (Program::Iptux, Writes::PLAIN_UTF8));
        assert!(entry.is_absent);
        // iptux's label is constant, right or wrong.
        let gbk = b"1_iptux 0.8.3:1:root:hosta:257:\xb0\xa2\xb0\xae\0\0icon-tux.png\0utf-8\0";
        assert_eq!(read_bytes(gbk).nick, "阿爱");
    }

    #[test]
    fn an_entry_of_ip_messenger_is_read_from_its_utf8_part() {
        let mut bytes = b"1:100:wang:PC7:20971521:\xc0\xcf\xcd\xf5\0G\0".to_vec();
        bytes.extend_from_slice("\nUN:wang\nHN:PC7\nNN:老王😀\nGN:二组\nVS:00010004\0".as_bytes());
        let entry = read_bytes(&bytes);
        assert_eq!((entry.nick.as_str(), entry.group.as_str()), ("老王😀", "二组"));
        assert_eq!((entry.program, entry.writes), (Program::IpMessenger, Writes::LABELLED_UTF8));
    }

    #[test]
    fn an_entry_of_feiq_is_read() {
        let bytes = b"1_lbt6_0#128#5CE50C0A3B2F#0#0#0#4001#9:1700000000:Admin:PC:6291457:\xd0\xa1\xc0\xee\0\xd2\xbb\xd7\xe9\0";
        let entry = read_bytes(bytes);
        assert_eq!((entry.nick.as_str(), entry.group.as_str()), ("小李", "一组"));
        assert_eq!(entry.program, Program::FeiQ);
        assert_eq!(entry.writes, Writes::plain(Encoding::GB18030));
    }

    #[test]
    fn an_entry_without_a_nick_has_the_login_name_and_long_ones_are_cut() {
        assert_eq!(read_bytes(b"1:1:dog:pc:1:").nick, "dog");
        assert_eq!(read_bytes(b"1:1:dog:pc:1:\0").nick, "dog");
        let long = format!("1:1:dog:pc:1:{}\0", "长".repeat(1_000));
        assert_eq!(read_bytes(long.as_bytes()).nick.chars().count(), MAX_CHARS);
    }

    #[test]
    fn what_we_write_is_read_as_we_are_called() {
        let us = Identity {
            version: "1_pigeon".into(),
            nick: "大厅😀".into(),
            group: "鸽\n子".into(),
            user: "pigeon".into(),
            host: "box".into(),
        };
        let packet = |command, extra: &[u8]| {
            let packet = Packet {
                version: b"1",
                number: 1,
                user: us.user.as_bytes(),
                host: us.host.as_bytes(),
                command,
                extra,
            };
            read_bytes(&packet.to_bytes())
        };
        let all = us.for_everybody(Encoding::GB18030);
        for options in [0, option::CAN_UTF8] {
            let entry = packet(Command::of(1, options), &all);
            assert_eq!((entry.nick.as_str(), entry.group.as_str()), ("大厅😀", "鸽 子"));
        }
        for writes in [Writes::plain(Encoding::GB18030), Writes::PLAIN_UTF8] {
            let entry = packet(Command::of(3, 0), &us.for_contact(writes));
            assert_eq!(entry.nick, "大厅😀");
            assert_eq!(entry.writes, writes);
        }
    }
}
