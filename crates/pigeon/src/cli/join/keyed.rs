//! Opens a member with a key for a session, and stores the hubs and names that had a key before.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::LeftOff;
use pigeon_member::{Folder, OpenMemberError, Opened, Options, open_with};
use pigeon_net::Clock;
use pigeon_proto::{Language, Name};

use crate::base::hub_target::member_folder;

/// Time limit for a hub to answer on its port for members with a key.
const PATIENCE: Duration = Duration::from_secs(2);

/// The settings of a member with a key.
pub(super) struct Keyed {
    /// The hub's plain address, as typed and as an IP address.
    names: Vec<String>,
    password: Option<Box<str>>,
    language: Language,
}

impl Keyed {
    /// The settings for a hub, as typed and with this address. `None` if no key can be stored.
    pub(super) fn new(
        typed: Option<&str>,
        hub: SocketAddr,
        password: Option<&[u8]>,
        language: Language,
    ) -> Option<Keyed> {
        member_folder().ok()?;
        let host = typed.filter(|typed| !typed.contains([':', '[']));
        let mut names = vec![hub.to_string()];
        names.extend(host.map(|host| format!("{host}:{}", hub.port())));
        let password = password.map(|password| String::from_utf8_lossy(password).into());
        Some(Keyed { names, password, language })
    }

    /// The hub's port for members with a key, if it had a key before. Such a hub is never joined
    /// plainly.
    pub(super) fn known_port(&self) -> Option<u16> {
        let folder = Folder::open(&member_folder().ok()?).ok()?;
        let port = |name: &String| folder.find(&format!("{name}/")).ok()??.parse().ok();
        self.names.iter().find_map(port)
    }

    /// Replaces the password.
    pub(super) fn set_password(&mut self, password: &str) {
        self.password = Some(password.into());
    }

    /// Whether a password is known.
    pub(super) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Opens a member of the hub at this address. If it fails, nothing was sent to the hub.
    pub(super) fn open(
        &self,
        hub: SocketAddr,
        clock: Clock,
        left_off: Option<&LeftOff>,
        nick: Option<&Name>,
    ) -> Result<Opened, OpenMemberError> {
        let folder = member_folder().unwrap_or_default();
        let mut options = Options::new(hub, folder);
        options.known_as.extend(self.names.iter().map(|name| format!("{name}/{}", hub.port())));
        options.patience = PATIENCE;
        options.session.password = self.password.clone();
        options.session.language = Some(self.language);
        // The session would request a name later; here it is sent when joining.
        let name = nick.or(left_off.map(|left_off| &left_off.name));
        options.session.name = name.map(|name| name.as_str().into());
        options.session.word = left_off.map(|left_off| left_off.word.clone());
        options.session.room = left_off.and_then(|left_off| left_off.room.clone());
        open_with(options, clock)
    }
}
