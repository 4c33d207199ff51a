//! Opening a member with a key for a session: which hubs were met with one before, and under which
//! names.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::LeftOff;
use pigeon_member::{Folder, OpenMemberError, Opened, Options, open_with};
use pigeon_net::Clock;
use pigeon_proto::{Language, Name};

use crate::base::hub_target::member_folder;

/// How long a hub that announces a port for members with a key may take to answer there.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a member with a key is opened with.
pub(super) struct Keyed {
    /// Where the hub is reached plainly, as it was typed and as an address.
    names: Vec<String>,
    password: Option<Box<str>>,
    language: Language,
}

impl Keyed {
    /// For a hub that was typed like this, and has this address. `None` where no key can be kept.
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

    /// The hub's port for members with a key, where it was met with one before. Such a hub is never
    /// joined plainly.
    pub(super) fn known_port(&self) -> Option<u16> {
        let folder = Folder::open(&member_folder().ok()?).ok()?;
        let port = |name: &String| folder.find(&format!("{name}/")).ok()??.parse().ok();
        self.names.iter().find_map(port)
    }

    /// Takes another password.
    pub(super) fn set_password(&mut self, password: &str) {
        self.password = Some(password.into());
    }

    /// Whether a password is known.
    pub(super) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Opens a member of the hub at this address.
    ///
    /// # Errors
    /// Why not; nothing was said to the hub.
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
        // The session's own rules ask for a name too; here it comes with the first words.
        let name = nick.or(left_off.map(|left_off| &left_off.name));
        options.session.name = name.map(|name| name.as_str().into());
        options.session.word = left_off.map(|left_off| left_off.word.clone());
        options.session.room = left_off.and_then(|left_off| left_off.room.clone());
        open_with(options, clock)
    }
}
