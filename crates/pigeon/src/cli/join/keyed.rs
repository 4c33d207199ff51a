//! Opens a member with a key for a session, and stores the hubs and names that had a key before.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::LeftOff;
use pigeon_member::{Folder, FolderError, OpenMemberError, Opened, Options, open_with};
use pigeon_net::Clock;
use pigeon_proto::{Language, Name};

use super::memory::file_word;
use crate::base::hub_target::member_folder;
use crate::base::member::Fingerprint;

/// Time limit for a hub to answer on its port for members with a key.
const PATIENCE: Duration = Duration::from_secs(2);

/// The settings of a member with a key.
pub(super) struct Keyed {
    /// The hub's host, as typed and as an IP address.
    hosts: Vec<String>,
    /// The hub's port for plain datagrams.
    port: u16,
    password: Option<Box<str>>,
    language: Language,
    /// The port and key of an invitation.
    invited: Option<(u16, Option<Fingerprint>)>,
    /// Another person of this user, with a key of its own.
    person: Option<String>,
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
        let address = hub.ip().to_string();
        let hosts = typed.and_then(host_of).map(str::to_lowercase).filter(|host| *host != address);
        // The typed host name comes first, because it still names the same hub after a change of
        // address.
        let hosts = hosts.into_iter().chain([SocketAddr::new(hub.ip(), 0).to_string()]);
        let hosts = hosts.map(|host| host.trim_end_matches(":0").to_string()).collect();
        let password = password.map(|password| String::from_utf8_lossy(password).into());
        Some(Keyed { hosts, port: hub.port(), password, language, invited: None, person: None })
    }

    /// With an invitation to the hub.
    pub(super) fn invited(self, invited: Option<(u16, Option<Fingerprint>)>) -> Keyed {
        Keyed { invited, ..self }
    }

    /// As another person of this user, with a key of its own.
    pub(super) fn of_person(self, person: Option<&Name>) -> Keyed {
        Keyed { person: person.map(file_word), ..self }
    }

    /// Whether another person of this user has a key. `None`: it has none, and cannot get one.
    pub(super) fn has_person(person: &Name) -> Option<bool> {
        let folder = Folder::open(&member_folder().ok()?).ok()?;
        folder.has_person(&file_word(person))
    }

    /// The hub's port for members with a key, if it had a key before. Such a hub is never joined
    /// plainly. Fails if the hubs that had one cannot be read.
    pub(super) fn known_port(&self) -> Result<Option<u16>, FolderError> {
        if let Some((port, _)) = self.invited {
            return Ok(Some(port));
        }
        // Without a folder no hub was met.
        let Ok(folder) = Folder::open(&member_folder().unwrap_or_default()) else {
            return Ok(None);
        };
        for host in &self.hosts {
            let found = folder.find(&format!("{host}:{}/", self.port))?;
            if let Some(port) = found.and_then(|port| port.parse().ok()) {
                return Ok(Some(port));
            }
            // `send hub:HOST` meets it at the next port, without the plain one.
            if let Some(next) = self.port.checked_add(1)
                && folder.fingerprint(&format!("{host}:{next}"))?.is_some()
            {
                return Ok(Some(next));
            }
        }
        Ok(None)
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
        let (plain, secure) = (self.port, hub.port());
        let known_as = |host| [format!("{host}:{secure}"), format!("{host}:{plain}/{secure}")];
        options.known_as = self.hosts.iter().flat_map(known_as).collect();
        options.fingerprint = self.invited.and_then(|(_, fingerprint)| fingerprint);
        options.patience = PATIENCE;
        options.person.clone_from(&self.person);
        options.session.password = self.password.clone();
        options.session.language = Some(self.language);
        // The session would request a name later; here it is sent when joining.
        let name = nick.or(left_off.map(|left_off| &left_off.name));
        options.session.name = name.map(|name| name.as_str().into());
        // The word is that of the former name.
        let is_same = |left: &&LeftOff| nick.is_none_or(|nick| nick.folded() == left.name.folded());
        options.session.word = left_off.filter(is_same).map(|left_off| left_off.word.clone());
        options.session.room = left_off.and_then(|left_off| left_off.room.clone());
        open_with(options, clock)
    }
}

/// The host in what was typed: `HOST`, `HOST:PORT`, an IP address or a contact.
fn host_of(typed: &str) -> Option<&str> {
    match typed.split(':').count() {
        1 => Some(typed),
        2 => typed.split(':').next(),
        // An IPv6 address.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_is_known_by_the_host_that_was_typed() {
        assert_eq!(host_of("hub.example"), Some("hub.example"));
        assert_eq!(host_of("hub.example:9998"), Some("hub.example"));
        assert_eq!(host_of("图书馆"), Some("图书馆"));
        assert_eq!(host_of("[::1]:9999"), None);
        assert_eq!(host_of("::1"), None);
    }

    #[test]
    fn a_typed_name_counts_before_the_address_it_stands_for() {
        let hosts = |typed, hub: &str| {
            let hub = hub.parse().unwrap();
            Keyed::new(typed, hub, None, Language::English).map(|keyed| keyed.hosts)
        };
        // Without a home nothing can be stored.
        let Some(named) = hosts(Some("Hub.example:9998"), "10.0.0.1:9998") else { return };
        assert_eq!(named, ["hub.example", "10.0.0.1"]);
        assert_eq!(hosts(Some("10.0.0.1"), "10.0.0.1:9999").unwrap(), ["10.0.0.1"]);
        assert_eq!(hosts(None, "[::1]:9999").unwrap(), ["[::1]"]);
    }
}
