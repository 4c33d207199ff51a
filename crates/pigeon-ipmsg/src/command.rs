//! A packet's command: a mode in the low eight bits, and options in the others.
//!
//! ```text
//!   a newcomer ── ENTRY, to everybody ─▶ ◀── ANSWER ── who is there       (never answered)
//!   a sender   ── TEXT|CHECK, number N ─▶ ◀── RECEIVED, "N" ── its reader (never answered)
//!   who leaves ── EXIT, to everybody ─▶
//! ```

use std::fmt;

/// Supported modes. Names follow the protocol's text: `IPMSG_BR_ENTRY` and so on.
pub mod mode {
    /// NOOPERATION: no effect.
    pub const NO_OPERATION: u8 = 0x00;
    /// BR_ENTRY: announces the sender and requests answers.
    pub const ENTRY: u8 = 0x01;
    /// BR_EXIT: the sender leaves.
    pub const EXIT: u8 = 0x02;
    /// ANSENTRY: answers an entry.
    pub const ANSWER: u8 = 0x03;
    /// BR_ABSENCE: the sender's nickname or state changed.
    pub const ABSENCE: u8 = 0x04;
    /// SENDMSG: a message.
    pub const TEXT: u8 = 0x20;
    /// RECVMSG: acknowledges the message with this number.
    pub const RECEIVED: u8 = 0x21;
    /// GETINFO: requests the program's version.
    pub const GET_INFO: u8 = 0x40;
    /// SENDINFO: answers GETINFO.
    pub const INFO: u8 = 0x41;
    /// GETABSENCEINFO: requests the absence message.
    pub const GET_ABSENCE: u8 = 0x50;
    /// SENDABSENCEINFO: answers GETABSENCEINFO.
    pub const ABSENCE_INFO: u8 = 0x51;
    /// iptux: a message to a group, a segment or everybody.
    pub const IPTUX_GROUP: u8 = 0xfb;

    /// Every mode that any program of the family has a name for, supported here or not.
    pub(super) const NAMED: [u8; 38] = [
        NO_OPERATION,
        ENTRY,
        EXIT,
        ANSWER,
        ABSENCE,
        0x10,
        0x11,
        0x12,
        0x13,
        TEXT,
        RECEIVED,
        // FeiQ's group message, and READMSG, DELMSG, ANSREADMSG.
        0x23,
        0x30,
        0x31,
        0x32,
        GET_INFO,
        INFO,
        GET_ABSENCE,
        ABSENCE_INFO,
        // Files and keys.
        0x60,
        0x61,
        0x62,
        0x72,
        0x73,
        // FeiQ's: greetings, typing, an image, a shake.
        0x77,
        0x78,
        0x79,
        0x7a,
        0xc0,
        0xd1,
        // iptux's: a signature, a picture, an icon, shared files.
        IPTUX_GROUP,
        0xfc,
        0xfd,
        0xfe,
        0xff,
        // "Member master" of IP Messenger 4 and later.
        0xb0,
        0xb1,
        0xb2,
    ];
}

/// Options.
pub mod option {
    /// In an entry: absent.
    pub const ABSENT: u32 = 0x0100;
    /// In an entry: on a dial-up line, which broadcasts do not reach. iptux sets it in every
    /// unicast entry.
    pub const DIAL_UP: u32 = 0x0001_0000;
    /// Files are offered, or can be received.
    pub const FILES: u32 = 0x0020_0000;
    /// The text is encrypted, or encryption is supported.
    pub const ENCRYPT: u32 = 0x0040_0000;
    /// The texts are UTF-8.
    pub const UTF8: u32 = 0x0080_0000;
    /// In an entry: UTF-8 is supported.
    pub const CAN_UTF8: u32 = 0x0100_0000;

    /// In a text: an acknowledgement is requested.
    pub const CHECK: u32 = 0x0100;
    /// In a text: sent to everybody, must not be acknowledged.
    pub const BROADCAST: u32 = 0x0400;
    /// In a text: sent to several recipients, must not be acknowledged.
    pub const MULTICAST: u32 = 0x0800;
    /// In a text: an automatic answer, because the user is absent.
    pub const AUTOMATIC: u32 = 0x2000;
    /// In a text: a retransmission.
    pub const RETRY: u32 = 0x4000;
}

/// A mode with options.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Command(u32);

impl Command {
    /// The command with these bits.
    pub const fn new(bits: u32) -> Command {
        Command(bits)
    }

    /// A mode with these options.
    pub const fn of(mode: u8, options: u32) -> Command {
        Command(mode as u32 | options & !0xff)
    }

    /// The bits sent in a packet.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The mode.
    pub const fn mode(self) -> u8 {
        self.0 as u8
    }

    /// Whether any of these options is set.
    pub const fn has(self, options: u32) -> bool {
        self.0 & options & !0xff != 0
    }

    /// Whether any program of the family has a name for the mode.
    pub fn is_named(self) -> bool {
        mode::NAMED.contains(&self.mode())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}|{:#x}", self.mode(), self.0 & !0xff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_real_programs_are_taken_apart() {
        let [iptux, ack, feiq, leave] = [257, 289, 6_291_457, 65_538].map(Command::new);
        assert_eq!((iptux.mode(), iptux.has(option::ABSENT)), (mode::ENTRY, true));
        assert_eq!((ack.mode(), ack.has(option::CHECK)), (mode::RECEIVED, true));
        assert_eq!((feiq.mode(), feiq.has(option::FILES)), (mode::ENTRY, true));
        assert!(feiq.has(option::ENCRYPT) && !feiq.has(option::CAN_UTF8));
        assert_eq!((leave.mode(), leave.has(option::DIAL_UP)), (mode::EXIT, true));
        assert_eq!(Command::of(mode::TEXT, option::CHECK).bits(), 288);
        assert!(iptux.is_named() && !Command::new(0x99).is_named());
    }
}
