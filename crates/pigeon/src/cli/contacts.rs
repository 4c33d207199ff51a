//! `pigeon contacts`: names for endpoints.

use std::io::{self, Write};

use anyhow::{Context, anyhow};
use clap::Subcommand;
use clap_complete::ArgValueCandidates;
use pigeon_text::{Charset, escape, pad, width};

use crate::base::endpoint::{Endpoint, peer_port};
use crate::base::payload::{charset, charsets};
use crate::base::status::{Status, UsageError};
use crate::contacts::peer;
use crate::contacts::{self, Contact, ContactName, Contacts};
use crate::output::{json, remark};
use crate::words::say;

/// Keep names for endpoints, to use wherever an endpoint is expected
#[derive(clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  pigeon contacts add 狗哥 192.168.1.103:8080 --encoding gb2312
  pigeon contacts add 老王 192.168.1.7 --ipmsg  # a user of IP Messenger, FeiQ or iptux
  pigeon contacts list
  pigeon contacts rename 狗哥 dog
  pigeon send 狗哥 你好  # in GB2312, as 狗哥 reads it

You may edit the file yourself: comments and order are kept.

Files:
  ~/.config/pigeon/contacts.toml  the contacts ($XDG_CONFIG_HOME replaces ~/.config)

Environment:
  PIGEON_CONTACTS  another file for the contacts"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add a contact, or change the encoding of one at the same endpoint
    #[command(after_help = "\
Example:
  pigeon contacts add 狗哥 192.168.1.103:8080 --encoding gb2312")]
    Add {
        /// Name: one word in any script, up to 32 characters; case does not matter
        name: String,

        /// Where it is: HOST:PORT, [V6]:PORT, or HOST PORT as two words
        endpoint: String,

        /// Port, if given as a word of its own
        #[arg(value_name = "PORT", value_parser = peer_port)]
        port: Option<u16>,

        /// Encoding it reads and writes, or auto [default: the command's --encoding, else utf-8]
        #[arg(long, value_name = "LABEL", value_parser = charset, add = ArgValueCandidates::new(charsets))]
        encoding: Option<Charset>,

        /// Mark it as a user of IP Messenger, FeiQ or iptux: chat and send speak that protocol to it,
        /// on port 2425 unless one is given
        #[arg(long)]
        ipmsg: bool,
    },
    /// List the contacts
    #[command(after_help = "\
Example:
  pigeon contacts list --json")]
    List {
        /// Print one JSON object per contact: name, endpoint, encoding, ipmsg
        #[arg(long)]
        json: bool,
    },
    /// Remove a contact
    #[command(after_help = "\
Example:
  pigeon contacts remove 狗哥")]
    Remove {
        /// Name of the contact
        #[arg(add = ArgValueCandidates::new(peer::candidates))]
        name: String,
    },
    /// Rename a contact
    #[command(after_help = "\
Example:
  pigeon contacts rename 狗哥 dog")]
    Rename {
        /// Name of the contact
        #[arg(add = ArgValueCandidates::new(peer::candidates))]
        old: String,
        /// Its new name
        new: String,
    },
}

pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let file = contacts::user_file()?;
    match args.action {
        Action::Add { name, endpoint, port, encoding, ipmsg } => {
            let written =
                port.map_or_else(|| endpoint.clone(), |port| peer::with_port(&endpoint, port));
            let endpoint = Endpoint::parse(&written, ipmsg.then_some(crate::base::ipmsg::PORT))
                .map_err(|why| {
                    UsageError(say!(
                        "errors-bad-endpoint",
                        word = &escape(&written),
                        why = &escape(&why)
                    ))
                })?;
            let name = ContactName::parse(&name).map_err(UsageError)?;
            match file.add(&name, &endpoint, encoding, ipmsg)? {
                true => remark(say!("tools-contact-is", name = &name, endpoint = &endpoint)),
                false => {
                    remark(say!("tools-contact-is-already", name = &name, endpoint = &endpoint))
                }
            }
        }
        Action::List { json } => list(&file.read()?, json)?,
        // Existing names are safe to display.
        Action::Remove { name } => {
            file.remove(&name)?;
            remark(say!("tools-contact-removed", name = &name));
        }
        Action::Rename { old, new } => {
            let new = ContactName::parse(&new).map_err(UsageError)?;
            file.rename(&old, &new)?;
            remark(say!("tools-contact-renamed", old = &old, new = &new));
        }
    }
    Ok(Status::Done)
}

fn list(contacts: &Contacts, json: bool) -> anyhow::Result<()> {
    let text = if json { objects(contacts) } else { table(contacts) };
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(anyhow!(error)).context(say!("errors-stdout"));
        }
        _ => {}
    }
    if text.is_empty() {
        remark(say!("tools-contacts-none"));
    }
    Ok(())
}

fn table(contacts: &Contacts) -> String {
    let rows: Vec<[String; 3]> = contacts
        .iter()
        .map(|Contact { name, endpoint, charset, is_ipmsg }| {
            let ipmsg = is_ipmsg.then(|| "ipmsg".to_string());
            let more = charset.map(|charset| charset.to_string()).into_iter().chain(ipmsg);
            [name.to_string(), endpoint.to_string(), more.collect::<Vec<_>>().join("  ")]
        })
        .collect();
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
    let columns = [widest(0), widest(1)];
    let line = |[name, endpoint, charset]: &[String; 3]| {
        let (name, endpoint) = (pad(name, columns[0]), pad(endpoint, columns[1]));
        format!("{}\n", format!("{name}  {endpoint}  {charset}").trim_end())
    };
    rows.iter().map(line).collect()
}

/// | field | |
/// | --- | --- |
/// | `name` | its name |
/// | `endpoint` | `HOST:PORT` |
/// | `encoding` | its encoding, or `auto`; null if not set |
/// | `ipmsg` | whether it uses IP Messenger, FeiQ or iptux |
fn objects(contacts: &Contacts) -> String {
    let line = |contact: &Contact| {
        let fields = [
            ("name", contact.name.to_string().into()),
            ("endpoint", contact.endpoint.to_string().into()),
            ("encoding", contact.charset.map(|charset| charset.to_string()).into()),
            ("ipmsg", contact.is_ipmsg.into()),
        ];
        format!("{}\n", json::counts(&fields))
    };
    contacts.iter().map(line).collect()
}
