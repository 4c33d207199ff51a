//! `pigeon history`: reads the messages of a hub's rooms, whether the hub is running or not.

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
use crate::base::system_error;
use crate::words::{self, say};

/// Show, search, export, import or back up what was said in a hub's rooms
#[derive(clap::Args)]
#[command(group = ArgGroup::new("copy").args(["export", "import", "backup"]))]
#[command(after_help = "\
Examples:
  pigeon history  # everything this machine's hub has kept
  pigeon history lobby --since 2h  # the last two hours of a room
  pigeon history --since 2026-11-20 --until 2026-11-21 --from 狗哥
  pigeon history --search '温度 sensor'  # messages that contain both
  pigeon history --json | jq -r .text
  pigeon history --export log.jsonl  # everything, to import elsewhere
  pigeon history --import log.jsonl --data DIR  # stop the hub of DIR first
  pigeon history --backup log.sqlite  # a copy a hub can start from

All options but --import work while the hub runs, and never make it wait. A date alone is the whole day:
--until 2026-11-21 includes it.

JSON fields:
  time  RFC 3339, in microseconds
  kind  message or gap
  position, room  position in the log, and room
  from, link, text  of a message: author, how it came (key, plain, page, ipmsg or import), and text; base64 replaces text that is not UTF-8
  missing  of a gap: how many messages were relayed but could not be stored

An export has a format of its own, which --import reads.

Files:
  ~/.local/state/pigeon/  the data of this user's hubs, one folder each, unless --data names one

Environment:
  PIGEON_STATE  the state directory instead of ~/.local/state/pigeon")]
pub(crate) struct Args {
    /// Show only this room
    #[arg(value_name = "ROOM", value_parser = room, conflicts_with_all = ["import", "backup"])]
    room: Option<RoomName>,

    /// Folder of the hub's data, as in the hub's own --data
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data: Option<PathBuf>,

    /// Hub whose data to read: its first --listen
    #[arg(long, value_name = "[ADDR:]PORT", conflicts_with = "data")]
    listen: Option<ListenAddress>,

    /// Show nothing before: 2026-11-20, '2026-11-20 21:04', or an age: 3d, 2h
    #[arg(long, value_name = "WHEN", conflicts_with = "copy")]
    since: Option<When>,

    /// Show nothing after, likewise
    #[arg(long, value_name = "WHEN", conflicts_with = "copy")]
    until: Option<When>,

    /// Show only what was said under this name, ignoring case
    #[arg(long, value_name = "NAME", conflicts_with = "copy")]
    from: Option<String>,

    /// Show only messages that contain each of these words or parts of words, ignoring case
    #[arg(long, value_name = "WORDS", value_parser = query, conflicts_with = "copy")]
    search: Option<Query>,

    /// Print one JSON object per line
    #[arg(long, conflicts_with_all = ["copy", "text"])]
    json: bool,

    /// Print lines for people (the default)
    #[arg(long, conflicts_with = "copy")]
    text: bool,

    /// Write everything, or one room, as JSON lines to a new file, or to stdout (-)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    export: Option<PathBuf>,

    /// Read the JSON lines of an export from a file, or from stdin (-); existing messages stay
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    import: Option<PathBuf>,

    /// Copy the whole log to a new file, or to stdout (-)
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

/// An open error with its exit status: wrong usage if the path is wrong, failure if a retry may
/// help.
fn explained(error: OpenError) -> anyhow::Error {
    match error {
        OpenError::InUse { .. } | OpenError::Sqlite { .. } => error.into(),
        error => UsageError(system_error::whole(&error)).into(),
    }
}

fn check_room(reader: &Reader, room: &RoomName) -> anyhow::Result<()> {
    let rooms = reader.rooms()?;
    if rooms.iter().any(|known| known.folded() == room.folded()) {
        return Ok(());
    }
    /// Maximum number of bad lines reported.
    const SHOWN: usize = 20;
    let names: Vec<&str> = rooms.iter().take(SHOWN).map(RoomName::as_str).collect();
    let more = if rooms.len() > SHOWN { ", …" } else { "" };
    let error = match names.as_slice() {
        [] => say!("history-no-room-at-all", room = room),
        names => say!("history-no-room", room = room, rooms = names.join(", ") + more),
    };
    Err(UsageError(error).into())
}
