//! `pigeon invite`: how others join a hub that runs on this machine.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::ValueHint;
use pigeon_net::local_addresses;
use pigeon_text::escape;

use super::hub::invitation::way_in;
use crate::base::choice;
use crate::base::data;
use crate::base::endpoint::ListenAddress;
use crate::base::invitation::Invitation;
use crate::base::qr;
use crate::base::status::{Status, UsageError};
use crate::output::Color;
use crate::words::{self, say};

/// Show how others join this machine's hub: its addresses, its page as a QR code
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon invite  # the hub that runs here; asks if there are several
  pigeon invite --listen '*:9999'  # the one with this --listen
  sudo pigeon invite --data /var/lib/pigeon  # a service's

Prints what a hub prints at its start, with the addresses that this machine has now: the commands that
join, the page's address as a QR code, and an invitation link that carries the hub's key. The address of
the operator's view is not shown.

Exit status:
  0  shown
  1  no hub of yours runs here
  2  several run here, and there is nobody to ask

Files:
  ~/.local/state/pigeon/  the data of this user's hubs, one folder each, unless --data names one

Environment:
  PIGEON_STATE  the state directory instead of ~/.local/state/pigeon")]
pub(crate) struct Args {
    /// Folder of the hub's data, as in the hub's own --data
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data: Option<PathBuf>,

    /// Which hub: its first --listen
    #[arg(long, value_name = "[ADDR:]PORT", conflicts_with = "data")]
    listen: Option<ListenAddress>,
}

/// A running hub.
struct Found {
    folder: PathBuf,
    invitation: Invitation,
}

pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let listen = args.listen.map(|it| it.or_this_machine().to_string());
    let folders = data::all(args.data.as_deref(), listen.as_deref())?;
    let found = |folder: &PathBuf| {
        Some(Found { folder: folder.clone(), invitation: Invitation::of(folder)? })
    };
    let hubs: Vec<Found> = folders.iter().filter_map(found).collect();
    let hub = match (&hubs[..], &args.data, listen) {
        ([only], ..) => only,
        ([], Some(folder), _) => {
            return Err(anyhow!(say!("hub-invite-none-on", folder = shown(folder))));
        }
        ([], None, Some(listen)) => {
            return Err(anyhow!(say!("hub-invite-none-at", listen = &listen)));
        }
        ([], None, None) => return Err(anyhow!(say!("hub-invite-none"))),
        (several, ..) => pick(several)?,
    };
    let lines = lines(&hub.invitation, color.enabled(&io::stdout()))?;
    match io::stdout().write_all((lines.join("\n") + "\n").as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).with_context(|| say!("errors-stdout"))
        }
        _ => Ok(Status::Done),
    }
}

/// The hub that the user picks.
fn pick(hubs: &[Found]) -> anyhow::Result<&Found> {
    choice::list(hubs.iter().map(|Found { folder, invitation }| {
        let listen: Vec<String> = invitation.listen.iter().map(ToString::to_string).collect();
        let name = escape(&invitation.hub);
        format!("{name}  {}  {}", listen.join(words::between_items()), shown(folder))
    }));
    if !choice::is_at_terminal() {
        return Err(UsageError(say!("hub-invite-several")).into());
    }
    let names: Vec<&str> = hubs.iter().map(|hub| hub.invitation.hub.as_str()).collect();
    match choice::ask(&say!("hub-invite-which", hubs = hubs.len()), &names)? {
        Some(place) => Ok(&hubs[place]),
        None => Err(UsageError(say!("hub-invite-none-chosen")).into()),
    }
}

fn lines(invitation: &Invitation, is_colored: bool) -> anyhow::Result<Vec<String>> {
    let interfaces = local_addresses().with_context(|| say!("errors-interfaces-unlisted"))?;
    let language = words::language();
    let doors = invitation.listen.iter().map(|bound| way_in(language, *bound, &interfaces));
    let mut lines: Vec<String> = doors.collect();
    if let Some(keyed) = &invitation.keyed {
        lines.push(say!("hub-invite-keyed", link = &escape(&keyed.link())));
    }
    match &invitation.page {
        Some(page) => {
            let url = page.url();
            lines.push(say!("hub-page-open", url = &escape(&url)));
            lines.extend(qr::lines(&url, is_colored));
        }
        None => lines.push(say!("hub-page-off")),
    }
    Ok(lines)
}

fn shown(folder: &Path) -> String {
    escape(&*folder.to_string_lossy()).to_string()
}
