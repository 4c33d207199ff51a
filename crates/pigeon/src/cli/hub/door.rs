//! A listening socket of the hub on the command line: `[FORMAT@][ADDR:]PORT[=ROOM]`.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use pigeon_hub::Door;
use pigeon_proto::{Format, RoomName, sentence};

use crate::base::endpoint::{ListenAddress, ListenHost};
use crate::base::status::UsageError;
use crate::words::{self, say};

/// The address, format and room of a listening socket for plain members.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DoorArg {
    pub(super) listen: ListenAddress,
    /// `None`: the format of `--format`.
    format: Option<Format>,
    /// `None`: the lobby.
    room: Option<RoomName>,
}

impl DoorArg {
    /// The socket's settings, with `format` as the default.
    pub(super) fn door(&self, format: Format) -> Door {
        let format = self.format.unwrap_or(format);
        Door { format, room: self.room.clone().unwrap_or_else(RoomName::lobby) }
    }
}

impl FromStr for DoorArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, rest) = match text.split_once('@') {
            Some((word, rest)) => {
                let format =
                    Format::parse(word).ok_or_else(|| say!("hub-door-format", word = word))?;
                (Some(format), rest)
            }
            None => (None, text),
        };
        let (listen, room) = match rest.split_once('=') {
            Some((listen, room)) => {
                let room = RoomName::parse(room.as_bytes()).map_err(|error| {
                    let why = sentence::name_error(error, words::language());
                    say!("hub-not-a-room", room = room, why = why)
                })?;
                (listen, Some(room))
            }
            None => (rest, None),
        };
        let listen = listen.parse::<ListenAddress>()?;
        // A port alone means this machine.
        let listen = listen.or(ListenHost::Ip(Ipv4Addr::LOCALHOST.into()));
        Ok(DoorArg { listen, format, room })
    }
}

impl fmt::Display for DoorArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(format) = self.format {
            write!(f, "{format}@")?;
        }
        write!(f, "{}", self.listen)?;
        match &self.room {
            Some(room) => write!(f, "={room}"),
            None => Ok(()),
        }
    }
}

/// Rejects conflicting sockets: two on one port, or a room that is raw on one and has lines on
/// another.
pub(super) fn check(doors: &[DoorArg], format: Format) -> Result<(), UsageError> {
    for (at, second) in doors.iter().enumerate() {
        for first in &doors[..at] {
            if first.listen.overlaps(second.listen) {
                let error = say!("errors-same-port", first = first, second = second);
                return Err(UsageError(error));
            }
            let (a, b) = (first.door(format), second.door(format));
            let is_raw = |door: &Door| door.format == Format::Raw;
            if a.room.folded() == b.room.folded() && is_raw(&a) != is_raw(&b) {
                let raw = if is_raw(&a) { first } else { second };
                return Err(UsageError(say!("hub-door-raw", raw = raw, room = &a.room)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_read_as_they_are_shown() {
        for text in ["127.0.0.1:9999", "*:9999", "raw@*:9998=video", "classic@[::1]:7=班级"] {
            assert_eq!(text.parse::<DoorArg>().unwrap().to_string(), text);
        }
        assert_eq!("9998".parse::<DoorArg>().unwrap().to_string(), "127.0.0.1:9998");
        let door = "raw@9998=video".parse::<DoorArg>().unwrap().door(Format::Chat);
        assert_eq!((door.format, door.room.as_str()), (Format::Raw, "video"));
        let door = "9998".parse::<DoorArg>().unwrap().door(Format::Classic);
        assert_eq!(door, Door::of(Format::Classic));
        for wrong in ["tree@9999", "9999=a b", "raw@", "=x", "raw@9999=", "9999@raw"] {
            assert!(wrong.parse::<DoorArg>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn doors_that_cannot_stand_side_by_side_are_refused() {
        let check = |doors: &[&str]| {
            let doors: Vec<DoorArg> = doors.iter().map(|door| door.parse().unwrap()).collect();
            check(&doors, Format::Chat).map_err(|error| error.to_string())
        };
        assert_eq!(check(&["*:9999", "raw@*:9998=video", "classic@*:9997"]), Ok(()));
        assert_eq!(check(&["raw@1=a", "raw@2=a", "raw@3"]), Ok(()));
        assert!(check(&["9999", "*:9999"]).unwrap_err().contains("the same port"));
        let error = check(&["9999", "raw@9998"]).unwrap_err();
        assert!(error.contains("raw@127.0.0.1:9998=video"), "{error}");
        assert!(check(&["9999=Video", "raw@9998=video"]).is_err());
    }
}
