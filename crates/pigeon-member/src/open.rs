//! Opens a member: its key, its hub, and the socket.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pigeon_client::reliable::{Config, Key, Session, Store};
use pigeon_datagram::Instant;
use pigeon_net::{Clock, DriveError, Driver, Host, Io, OpenError, Socket, SocketOptions};
use pigeon_quic::{
    BadKey, Client, ClientConfig, ClientKey, ConfigError, ConnectError, Endpoint, Event,
    Fingerprint, Limits, Pin, Why,
};
use rand_pcg::Pcg64;
use thiserror::Error;

use crate::hubs::{Hubs, Target};
use crate::{Folder, FolderError, Member};

/// How a member finds its hub, and its identity.
#[derive(Clone, Debug)]
pub struct Options {
    /// The hub's address for members with a key.
    pub hub: SocketAddr,
    /// The names of the hub: what the user typed, and addresses. The hub's key is stored for each.
    pub known_as: Vec<String>,
    /// The hub's key from an invitation. `None`: the one stored for these names, or any at first
    /// contact.
    pub fingerprint: Option<Fingerprint>,
    /// The folder of the member's key and outbox. See [`Folder`].
    pub folder: PathBuf,
    /// Another person of the same user, with a key and an outbox of its own: a word for file names.
    pub person: Option<String>,
    /// The client's name, room and password, and its limits.
    pub session: Config,
    /// Time limit for the hub's first answer.
    pub patience: Duration,
}

impl Options {
    /// A member of the hub at this address, with the identity in this folder.
    pub fn new(hub: SocketAddr, folder: impl Into<PathBuf>) -> Options {
        Options {
            hub,
            known_as: vec![hub.to_string()],
            fingerprint: None,
            folder: folder.into(),
            person: None,
            session: Config::default(),
            patience: Duration::from_secs(5),
        }
    }
}

/// Why a member could not be opened. Nothing was sent to the hub.
#[derive(Debug, Error)]
pub enum OpenMemberError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The folder's key is invalid.
    #[error("the key in {} cannot be used; restore it, or move it away to be another member", folder.display())]
    Key {
        /// The folder.
        folder: PathBuf,
        /// The error of the key.
        source: BadKey,
    },
    /// The socket cannot be opened.
    #[error("cannot open a socket to {hub}")]
    Socket {
        /// The hub's address.
        hub: SocketAddr,
        /// The system's error.
        source: OpenError,
    },
    /// The loop failed.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// QUIC cannot be configured.
    #[error(transparent)]
    Quic(#[from] ConfigError),
    /// The address is not a valid destination.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No hub answered at first contact.
    #[error("no hub that takes members with a key answers at {hub}: {why}")]
    NoHub {
        /// The address.
        hub: SocketAddr,
        /// The reason.
        why: NoHub,
    },
    /// The invitation is for another hub than the one known by these names.
    #[error("{name} was met with the key {known}, and the invitation names {invited}")]
    Another {
        /// The name.
        name: String,
        /// The stored key.
        known: String,
        /// The key of the invitation.
        invited: Fingerprint,
    },
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread {
        /// The system's error.
        source: std::io::Error,
    },
    /// The system provides no randomness.
    #[error("the system gives no randomness")]
    Random(#[source] getrandom::Error),
}

/// Why there is no hub, in words.
#[derive(Debug, Error)]
#[error("{}", self.words())]
pub struct NoHub(Why);

impl NoHub {
    /// What ended the handshake.
    pub fn why(&self) -> &Why {
        &self.0
    }

    fn words(&self) -> String {
        match &self.0 {
            Why::TimedOut => "it is silent".into(),
            Why::Unreachable => "nobody listens there".into(),
            Why::Refused => "it is full".into(),
            why => format!("{why:?}"),
        }
    }
}

/// A member with the parts of its loop.
#[derive(Debug)]
pub struct Opened {
    /// The member.
    pub member: Member,
    /// The member's socket.
    pub socket: Socket,
    /// The clock of the member's times.
    pub clock: Clock,
    /// The hub's key.
    pub fingerprint: Fingerprint,
    /// Whether this is the first contact: the user may compare the key with the one that the hub
    /// displays.
    pub is_first: bool,
}

struct SigningKey(ClientKey);

impl Key for SigningKey {
    fn point(&self) -> [u8; 65] {
        *self.0.public_point()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        // Without randomness there is no signature; the hub refuses this one.
        self.0.sign(message).unwrap_or([0; 64])
    }
}

/// Opens a member. The first time it creates the member's key and learns the hub's.
pub fn open(options: Options) -> Result<Opened, OpenMemberError> {
    open_with(options, Clock::start())
}

/// Like [`open()`], for a loop that already has a clock.
pub fn open_with(options: Options, clock: Clock) -> Result<Opened, OpenMemberError> {
    let folder = Folder::open(&options.folder)?;
    let own = match &options.person {
        Some(person) => folder.person(person)?,
        None => folder.clone(),
    };
    let pkcs8 =
        own.key(|| ClientKey::generate().map(|key| key.to_pkcs8().to_vec()).unwrap_or_default())?;
    let key = ClientKey::from_pkcs8(&pkcs8)
        .map_err(|source| OpenMemberError::Key { folder: options.folder.clone(), source })?;
    let known = known(&folder, &options)?;
    let is_first = known.is_none();
    let fingerprint = match known {
        Some(fingerprint) => fingerprint,
        None => meet(options.hub, options.patience)?,
    };
    let text = fingerprint.to_string();
    folder.meet(options.known_as.iter().map(String::as_str), &text)?;
    let (file, bytes) = own.session(&text)?;
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let random = Box::new(Pcg64::new(u128::from_le_bytes(random()?), 0));
    let (client, socket) = client(options.hub, clock, Limits::client())?;
    let store = Store::load(&bytes, wall);
    let key = Box::new(SigningKey(key));
    let session = Session::new(clock.now(), wall, options.session, key, store, random);
    let target = Target { address: options.hub, pin: Pin::Key(fingerprint) };
    let hubs = Hubs::new(target, Some(own.others(&text)));
    let member = Member::new(clock.now(), session, client, file, hubs);
    Ok(Opened { member, socket, clock, fingerprint, is_first })
}

/// The stored key of the hub.
fn known(folder: &Folder, options: &Options) -> Result<Option<Fingerprint>, OpenMemberError> {
    for name in &options.known_as {
        let Some(known) = folder.fingerprint(name)? else { continue };
        return match (options.fingerprint, known.parse()) {
            (Some(invited), found) if found != Ok(invited) => {
                Err(OpenMemberError::Another { name: name.clone(), known, invited })
            }
            (_, Ok(found)) => Ok(Some(found)),
            (invited, Err(_)) => Ok(invited),
        };
    }
    Ok(options.fingerprint)
}

/// Learns a hub's key by a handshake. Fails if no hub answers in time.
pub fn meet(hub: SocketAddr, patience: Duration) -> Result<Fingerprint, OpenMemberError> {
    let clock = Clock::start();
    let limits = Limits { handshake_time: patience, ..Limits::default() };
    let (mut client, socket) = client(hub, clock, limits)?;
    client.connect(clock.now(), hub, Pin::FirstUse)?;
    let driver = Driver::new(client, socket).map_err(|source| DriveError::Wait { source })?;
    let mut first = First(Err(Why::TimedOut));
    driver.with_clock(clock).run(&mut first)?;
    first.0.map_err(|why| OpenMemberError::NoHub { hub, why: NoHub(why) })
}

/// Waits for the hub's key, then disconnects.
struct First(Result<Fingerprint, Why>);

impl Host<Client> for First {
    fn event(&mut self, client: &mut Client, io: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        self.0 = match event {
            Event::Closed { why, .. } => Err(why),
            Event::Opened { conn, .. } => {
                let found = client.fingerprint(conn);
                client.close(io.now, conn, 0, &b"met"[..]);
                found.ok_or(Why::TimedOut)
            }
            _ => return ControlFlow::Continue(()),
        };
        ControlFlow::Break(())
    }
}

fn client(
    hub: SocketAddr,
    clock: Clock,
    limits: Limits,
) -> Result<(Client, Socket), OpenMemberError> {
    let now = std::time::Instant::now();
    let base = now.checked_sub(clock.now() - Instant::ORIGIN).unwrap_or(now);
    let client = Client::new(ClientConfig { seed: random()?, base, limits })?;
    Ok((client, connect(hub)?))
}

/// A socket to a hub.
pub fn connect(hub: SocketAddr) -> Result<Socket, OpenMemberError> {
    let options = SocketOptions { refusals: true, timestamps: false, ..SocketOptions::default() };
    Socket::connect(hub, None, &options).map_err(|source| OpenMemberError::Socket { hub, source })
}

fn random<const N: usize>() -> Result<[u8; N], OpenMemberError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(OpenMemberError::Random)?;
    Ok(bytes)
}
