//! `hub:HOST[:PORT]` and `pigeon://HOST:PORT/#FINGERPRINT`: a hub that `send` and `listen` join as
//! reliable members.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use pigeon_proto::{Name, RoomName, sentence};

use super::endpoint::{Endpoint, Family};
use super::member::{Fingerprint, Options};
use super::status::UsageError;
use super::{data, password};
use crate::words::{self, say};

/// The default port of a hub.
const HUB_PORT: u16 = 9_999;

const PREFIX: &str = "hub:";
const SCHEME: &str = "pigeon://";

/// Time limit for a hub's first answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The help heading of options that need a hub.
pub(crate) const WITH_HUB: &str = "With hub:HOST";

/// A hub on the command line.
#[derive(Clone, Debug)]
pub(crate) struct HubTarget {
    /// The target as typed.
    pub(crate) text: String,
    endpoint: Endpoint,
    /// The port for members with a key. `None`: the one after the hub's own.
    secure_port: Option<u16>,
    fingerprint: Option<Fingerprint>,
}

/// The options of a reliable member besides the hub.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct MemberArgs {
    /// Room to be in [default: lobby]
    #[arg(long, value_name = "ROOM", help_heading = WITH_HUB)]
    pub(crate) room: Option<String>,

    /// Name to speak under
    #[arg(long, value_name = "NAME", help_heading = WITH_HUB)]
    pub(crate) nick: Option<String>,

    /// File that holds the hub's password
    #[arg(long, value_name = "FILE", help_heading = WITH_HUB)]
    pub(crate) password_file: Option<PathBuf>,
}

impl MemberArgs {
    /// Whether any option is set.
    pub(crate) fn are_given(&self) -> bool {
        self.room.is_some() || self.nick.is_some() || self.password_file.is_some()
    }

    /// The room; the lobby by default.
    pub(crate) fn room(&self) -> Result<RoomName, UsageError> {
        match &self.room {
            None => Ok(RoomName::lobby()),
            Some(room) => RoomName::parse(room.as_bytes()).map_err(|_| {
                UsageError(say!("errors-bad-room", room = &pigeon_text::escape(room)))
            }),
        }
    }
}

impl HubTarget {
    /// The address and key of an invitation. `None` for `hub:HOST`, which names neither.
    ///
    /// Fails if the host cannot be resolved.
    pub(crate) fn invitation(
        &self,
        family: Family,
    ) -> anyhow::Result<Option<(SocketAddr, Option<Fingerprint>)>> {
        let is_invitation = self.secure_port.is_some();
        let found = || Ok((self.endpoint.resolve_in(family)?, self.fingerprint));
        is_invitation.then(found).transpose()
    }

    /// Parses a hub. `None` for anything else, such as an endpoint. Fails if it begins like a hub
    /// but is invalid.
    pub(crate) fn parse(text: &str) -> Result<Option<HubTarget>, String> {
        let text = text.to_string();
        if let Some(rest) = text.strip_prefix(SCHEME) {
            let (place, fingerprint) = match rest.split_once('#') {
                Some((place, hex)) => (place, Some(hex)),
                None => (rest, None),
            };
            let endpoint = Endpoint::parse(place.trim_end_matches('/'), None)?;
            let fingerprint = fingerprint.map(str::parse).transpose();
            let fingerprint = fingerprint.map_err(|_| say!("errors-bad-fingerprint"))?;
            let secure_port = Some(endpoint.port);
            return Ok(Some(HubTarget { text, endpoint, secure_port, fingerprint }));
        }
        let Some(rest) = text.strip_prefix(PREFIX) else { return Ok(None) };
        let endpoint = Endpoint::parse(rest, Some(HUB_PORT))?;
        Ok(Some(HubTarget { text, endpoint, secure_port: None, fingerprint: None }))
    }

    /// The options for a member of this hub. Fails if the host is not found, or if there is no
    /// folder for the member's key and outbox.
    pub(crate) fn options(&self, family: Family, args: &MemberArgs) -> anyhow::Result<Options> {
        let name = args.nick.as_deref().map(|nick| Name::parse(nick.as_bytes())).transpose();
        let name = name.map_err(|error| {
            let why = sentence::name_error(error, words::language());
            UsageError(say!("join-bad-nick", why = why))
        })?;
        let address = self.endpoint.resolve_in(family)?;
        let port = self.secure_port.or_else(|| address.port().checked_add(1));
        let port = port.ok_or_else(|| UsageError(say!("errors-no-secure-port")))?;
        let hub = SocketAddr::new(address.ip(), port);
        let mut options = Options::new(hub, member_folder()?);
        let known = (self.endpoint.host.to_lowercase(), port);
        // First: the typed name stays the same hub's when the address changes.
        options.known_as.insert(0, format!("{}:{}", known.0, known.1));
        options.fingerprint = self.fingerprint;
        options.patience = PATIENCE;
        options.session.room = args.room.is_some().then(|| args.room()).transpose()?;
        options.session.name = name.map(|name| name.as_str().into());
        options.session.password = password::read(args.password_file.as_deref())?
            .map(|password| String::from_utf8_lossy(&password).into());
        options.session.language = Some(words::language());
        Ok(options)
    }
}

/// The folder of this user's keys, pins and outboxes. Fails if the user has no home, or storing is
/// disabled.
pub(crate) fn member_folder() -> anyhow::Result<PathBuf> {
    let state = data::state().ok_or_else(|| UsageError(say!("errors-no-state")))?;
    Ok(state.join("member"))
}
