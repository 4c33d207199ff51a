//! `pigeon history`: what was said in a hub's rooms, read beside it or without it.

mod progress;
mod show;
mod transfer;
mod when;

use std::path::{Path, PathBuf};

use clap::{ArgGroup, ValueHint};
use pigeon_log::{OpenError, Query, Reader};
use pigeon_proto::RoomName;

use self::when::When;
use crate::base::data;
use crate::base::endpoint::ListenAddress;
use crate::base::status::{Status, UsageError};
use crate::words::{self, say};

/// Show, search, copy and bring back what was said in a hub's rooms
#[derive(clap::Args)]
#[command(group = ArgGroup::new("copy").args(["export", "import", "backup"]))]
#[command(after_help = "\
Examples:
  pigeon history                                 everything this machine's hub has kept
  pigeon history lobby --since 2h                the last two hours of a room
  pigeon history --since 2026-11-20 --until 2026-11-21 --from 狗哥
  pigeon history --search '温度 sensor'          messages that contain both
  pigeon history --json | jq -r .text
  pigeon history --export log.jsonl              everything, to be imported elsewhere
  pigeon history --import log.jsonl --data DIR   needs the folder for itself: stop its hub first
  pigeon history --backup log.sqlite             a copy that a hub can start from

All but --import runs beside the hub and never makes it wait. A date alone is the whole day:
--until 2026-11-21 includes it.

JSON, one object a line: time (RFC 3339 with six digits of a second), kind, position, room; of a
message from, link (key, plain, page, ipmsg, import) and text, or base64 where it is not UTF-8; of a
gap missing, the number of messages that were relayed and could not be stored.
An export has a format of its own, which --import reads.")]
pub(crate) struct Args {
    /// Only this room
    #[arg(value_name = "ROOM", value_parser = room, conflicts_with_all = ["import", "backup"])]
    room: Option<RoomName>,

    /// The folder with the hub's data, as the hub's own --data says
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data: Option<PathBuf>,

    /// The hub whose folder it is: its first --listen
    #[arg(long, value_name = "[ADDR:]PORT", conflicts_with = "data")]
    listen: Option<ListenAddress>,

    /// Nothing before: 2026-11-20, '2026-11-20 21:04', or so long ago: 3d, 2h
    #[arg(long, value_name = "WHEN", conflicts_with = "copy")]
    since: Option<When>,

    /// Nothing after
    #[arg(long, value_name = "WHEN", conflicts_with = "copy")]
    until: Option<When>,

    /// Only what was said under this name, whatever its capitals
    #[arg(long, value_name = "NAME", conflicts_with = "copy")]
    from: Option<String>,

    /// Only messages that contain each of these words: any part of a word, whatever its capitals
    #[arg(long, value_name = "WORDS", value_parser = query, conflicts_with = "copy")]
    search: Option<Query>,

    /// Print one JSON object a line
    #[arg(long, conflicts_with_all = ["copy", "text"])]
    json: bool,

    /// Print lines for people; this is the default
    #[arg(long, conflicts_with = "copy")]
    text: bool,

    /// Write everything, or one room, as JSON lines to a new file, or to stdout (-)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    export: Option<PathBuf>,

    /// Read JSON lines of an export, or of stdin (-); what is there already stays as it is
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    import: Option<PathBuf>,

    /// Copy the whole log to a new file, or to a pipe (-)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    backup: Option<PathBuf>,
}

fn room(text: &str) -> Result<RoomName, String> {
    RoomName::parse(text.as_bytes())
        .map_err(|error| pigeon_proto::sentence::name_error(error, words::language()))
}

fn query(text: &str) -> Result<Query, String> {
    Query::parse(text).ok_or_else(|| say!("history-no-word"))
}

/// Reads or writes, and ends.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let listen = args.listen.map(ListenAddress::or_this_machine);
    let folder = data::find(args.data.as_deref(), listen.map(|it| it.to_string()).as_deref())?;
    if let Some(file) = &args.import {
        return transfer::import(&folder, file);
    }
    let reader = open(&folder)?;
    if let Some(room) = &args.room {
        check_room(&reader, room)?;
    }
    if let Some(file) = &args.export {
        return transfer::export(&reader, args.room.as_ref(), file);
    }
    if let Some(file) = &args.backup {
        return transfer::backup(&reader, file);
    }
    let wanted = show::Wanted {
        room: args.room,
        since: args.since.map(|when| when.start),
        until: args.until.map(|when| when.end),
        from: args.from.map(|name| pigeon_proto::fold(&name)),
        search: args.search,
    };
    show::show(&reader, &wanted, args.json)
}

fn open(folder: &Path) -> anyhow::Result<Reader> {
    Reader::open(folder).map_err(explained)
}

/// An error of opening with its exit status: another folder or file is needed, or only another time.
fn explained(error: OpenError) -> anyhow::Error {
    match error {
        OpenError::InUse { .. } | OpenError::Sqlite { .. } => {
            anyhow::anyhow!(data::why_closed(&error))
        }
        error => UsageError(data::why_closed(&error)).into(),
    }
}

fn check_room(reader: &Reader, room: &RoomName) -> anyhow::Result<()> {
    let rooms = reader.rooms()?;
    if rooms.iter().any(|known| known.folded() == room.folded()) {
        return Ok(());
    }
    /// More would not be read.
    const SHOWN: usize = 20;
    let names: Vec<&str> = rooms.iter().take(SHOWN).map(RoomName::as_str).collect();
    let more = if rooms.len() > SHOWN { ", …" } else { "" };
    let error = match names.as_slice() {
        [] => say!("history-no-room-at-all", room = room),
        names => say!("history-no-room", room = room, rooms = names.join(", ") + more),
    };
    Err(UsageError(error).into())
}
