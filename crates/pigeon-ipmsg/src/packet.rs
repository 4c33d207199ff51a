//! One packet: `VERSION:NUMBER:USER:HOST:COMMAND:EXTRA`, ended by a NUL.
//!
//! The first five colons separate the fields and there is no escape, so a colon in USER or HOST is
//! written as `;`. EXTRA may hold colons and NULs.

use crate::command::Command;

/// IP Messenger's port, at both ends.
pub const PORT: u16 = 2425;

/// A packet with its texts as bytes: their encoding depends on the command and the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The program: `1`, then its own name, such as `1_iptux 0.8.3`.
    pub version: &'a [u8],
    /// The packet's number, which acknowledgements repeat.
    pub number: u64,
    /// The sender's login name.
    pub user: &'a [u8],
    /// The sender's host name.
    pub host: &'a [u8],
    /// The command with its options.
    pub command: Command,
    /// The rest, without the last NUL.
    pub extra: &'a [u8],
}

/// Why a datagram is not a valid packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Malformed {
    /// There are fewer than five colons.
    Fields,
    /// The version is not 1. FeiQ and IP Messenger drop such a packet too.
    Version,
    /// The packet number is not a decimal 64-bit integer.
    Number,
    /// The command is not a decimal 32-bit integer.
    Command,
}

impl<'a> Packet<'a> {
    /// Parses a datagram. Fails for an invalid packet.
    pub fn parse(datagram: &'a [u8]) -> Result<Packet<'a>, Malformed> {
        let mut fields = datagram.splitn(6, |&byte| byte == b':');
        let mut field = || fields.next().ok_or(Malformed::Fields);
        let (version, number, user) = (field()?, field()?, field()?);
        let (host, command, extra) = (field()?, field()?, field()?);
        if !is_version_1(version) {
            return Err(Malformed::Version);
        }
        let number = decimal(number).ok_or(Malformed::Number)?;
        let command = decimal(command).and_then(|number| u32::try_from(number).ok());
        let command = Command::new(command.ok_or(Malformed::Command)?);
        let extra = extra.strip_suffix(&[0]).unwrap_or(extra);
        Ok(Packet { version, number, user, host, command, extra })
    }

    /// Appends the datagram. A colon, a NUL or a line end in a field before EXTRA becomes `;`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let field = |bytes: &[u8], out: &mut Vec<u8>| {
            let replace = |&byte: &u8| if matches!(byte, b':' | 0 | b'\n') { b';' } else { byte };
            out.extend(bytes.iter().map(replace));
            out.push(b':');
        };
        field(self.version, out);
        field(self.number.to_string().as_bytes(), out);
        field(self.user, out);
        field(self.host, out);
        field(self.command.bits().to_string().as_bytes(), out);
        out.extend_from_slice(self.extra);
        out.push(0);
    }

    /// The datagram.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    /// EXTRA split at its first NUL.
    pub fn split_extra(&self) -> (&'a [u8], &'a [u8]) {
        let end = self.extra.iter().position(|&byte| byte == 0).unwrap_or(self.extra.len());
        (&self.extra[..end], self.extra.get(end + 1..).unwrap_or_default())
    }
}

/// Whether a version begins with the number 1, as C's `atoi` would parse it.
fn is_version_1(version: &[u8]) -> bool {
    matches!(version, [b'1', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_digit))
}

/// Parses a decimal number up to the first NUL.
pub(crate) fn decimal(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_packet_reads_as_it_was_written(
            version in "1(_[^:\0\n]{0,20})?",
            number: u64,
            user in "[^:\0\n]{0,20}",
            host in "[^:\0\n]{0,20}",
            command: u32,
            extra in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let packet = Packet {
                version: version.as_bytes(),
                number,
                user: user.as_bytes(),
                host: host.as_bytes(),
                command: Command::new(command),
                extra: &extra,
            };
            let bytes = packet.to_bytes();
            prop_assert_eq!(Packet::parse(&bytes), Ok(packet));
        }

        #[test]
        fn a_field_cannot_break_out_of_its_place(
            user in prop::collection::vec(any::<u8>(), 0..20),
            host in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let command = Command::new(32);
            let packet =
                Packet { version: b"1", number: 7, user: &user, host: &host, command, extra: b"x" };
            let bytes = packet.to_bytes();
            let read = Packet::parse(&bytes).unwrap();
            prop_assert_eq!((read.command, read.extra), (command, &b"x"[..]));
            prop_assert_eq!((read.user.len(), read.host.len()), (user.len(), host.len()));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Packet::parse(&bytes);
        }
    }

    #[test]
    fn versions_of_all_programs_are_read_and_others_refused() {
        let parse = |version: &str| Packet::parse(format!("{version}:1:u:h:1:").as_bytes()).err();
        for version in ["1", "1_iptux 0.8.3", "1_lbt6_0#128#5CE50C0A3B2F#0#0#0#4001#9"] {
            assert_eq!(parse(version), None, "{version}");
        }
        for version in ["", "0", "2", "10", "11_x", " 1", "x1"] {
            assert_eq!(parse(version), Some(Malformed::Version), "{version}");
        }
    }

    #[test]
    fn numbers_are_decimal_and_fit() {
        let parse = |line: &str| Packet::parse(line.as_bytes()).map(|packet| packet.number);
        assert_eq!(parse("1:18446744073709551615:u:h:1:"), Ok(u64::MAX));
        assert_eq!(parse("1:18446744073709551616:u:h:1:"), Err(Malformed::Number));
        assert_eq!(parse("1:+7:u:h:1:"), Err(Malformed::Number));
        assert_eq!(parse("1::u:h:1:"), Err(Malformed::Number));
        assert_eq!(parse("1:7:u:h:4294967296:"), Err(Malformed::Command));
        assert_eq!(parse("1:7:u:h:"), Err(Malformed::Command).or(Err(Malformed::Fields)));
        assert_eq!(parse("1:7:u:h"), Err(Malformed::Fields));
    }

    #[test]
    fn extra_may_hold_colons_and_nuls() {
        let packet = Packet::parse(b"1:7:u:h:32:a:b\0c:d\0\0").unwrap();
        assert_eq!(packet.extra, b"a:b\0c:d\0");
        assert_eq!(packet.split_extra(), (&b"a:b"[..], &b"c:d\0"[..]));
    }
}
