//! Opening a member: its key, the hub it means, and the socket.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pigeon_client::reliable::{Config, Key, Session, Store};
use pigeon_net::{Clock, DriveError, Driver, Host, Io, OpenError, Socket, SocketOptions};
use pigeon_quic::{
    BadKey, Client, ClientConfig, ClientKey, ConfigError, ConnectError, Endpoint, Event,
    Fingerprint, Limits, Pin, Why,
};
use rand_pcg::Pcg64;
use thiserror::Error;

use crate::{Folder, FolderError, Member};

/// How a member finds its hub, and who it is.
#[derive(Clone, Debug)]
pub struct Options {
    /// The hub's address for members with a key.
    pub hub: SocketAddr,
    /// The names under which the hub is known: what the person typed, and addresses. The hub's key is
    /// kept under each.
    pub known_as: Vec<String>,
    /// The hub's key, from an invitation. `None`: the one met before under these names, or whichever
    /// hub answers the first time.
    pub fingerprint: Option<Fingerprint>,
    /// Where the member's key and outbox are kept. See [`Folder`].
    pub folder: PathBuf,
    /// Its name, room and password, and its bounds.
    pub session: Config,
    /// How long the hub may take to answer the first time.
    pub patience: Duration,
}

impl Options {
    /// A member of the hub at this address, with its key and outbox in this folder, as whoever it was
    /// before.
    pub fn new(hub: SocketAddr, folder: impl Into<PathBuf>) -> Options {
        Options {
            hub,
            known_as: vec![hub.to_string()],
            fingerprint: None,
            folder: folder.into(),
            session: Config::default(),
            patience: Duration::from_secs(5),
        }
    }
}

/// Why a member could not be opened. Nothing was said to the hub.
#[derive(Debug, Error)]
pub enum OpenMemberError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The key that the folder holds is none.
    #[error("the key in {} cannot be used; restore it, or move it away to be another member", folder.display())]
    Key {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        source: BadKey,
    },
    /// The socket cannot be opened.
    #[error("cannot open a socket to {hub}")]
    Socket {
        /// The hub's address.
        hub: SocketAddr,
        /// What the system said.
        source: OpenError,
    },
    /// The loop failed.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// QUIC cannot be begun.
    #[error(transparent)]
    Quic(#[from] ConfigError),
    /// Nobody can be reached at the address.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No hub has answered the first time.
    #[error("no hub that takes members with a key answers at {hub}: {why}")]
    NoHub {
        /// The address.
        hub: SocketAddr,
        /// Why.
        why: NoHub,
    },
    /// The invitation is for another hub than the one met before under these names.
    #[error("{name} was met with the key {known}, and the invitation names {invited}")]
    Another {
        /// The name.
        name: String,
        /// The key met before.
        known: String,
        /// The key invited to.
        invited: Fingerprint,
    },
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread {
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Random(#[source] getrandom::Error),
}

/// Why there is no hub, in words.
#[derive(Debug, Error)]
#[error("{}", self.words())]
pub struct NoHub(Why);

impl NoHub {
    fn words(&self) -> String {
        match &self.0 {
            Why::TimedOut => "it is silent".into(),
            Why::Unreachable => "nobody listens there".into(),
            Why::Refused => "it is full".into(),
            why => format!("{why:?}"),
        }
    }
}

/// A member and what its loop needs.
#[derive(Debug)]
pub struct Opened {
    /// The member.
    pub member: Member,
    /// Its socket.
    pub socket: Socket,
    /// The clock that it was made with.
    pub clock: Clock,
    /// The hub's key.
    pub fingerprint: Fingerprint,
    /// Whether the hub was met for the first time: the person may compare the key with the one that
    /// the hub shows.
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

/// Opens a member: the first time, its key is made and the hub's is learned.
///
/// # Errors
/// Why not. Nothing was said to the hub.
pub fn open(options: Options) -> Result<Opened, OpenMemberError> {
    let folder = Folder::open(&options.folder)?;
    let pkcs8 = folder
        .key(|| ClientKey::generate().map(|key| key.to_pkcs8().to_vec()).unwrap_or_default())?;
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
    let (file, bytes) = folder.session(&text)?;
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let random = Box::new(Pcg64::new(u128::from_le_bytes(random()?), 0));
    let (client, socket, clock) = client(options.hub)?;
    let store = Store::load(&bytes, wall);
    let key = Box::new(SigningKey(key));
    let session = Session::new(clock.now(), wall, options.session, key, store, random);
    let member = Member::new(session, client, file, options.hub, Pin::Key(fingerprint));
    Ok(Opened { member, socket, clock, fingerprint, is_first })
}

/// The key under which the hub is known already.
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

/// Learns a hub's key: a handshake and nothing more.
///
/// # Errors
/// When no hub answers in time.
pub fn meet(hub: SocketAddr, patience: Duration) -> Result<Fingerprint, OpenMemberError> {
    let (mut client, socket, clock) = client_within(hub, patience)?;
    client.connect(clock.now(), hub, Pin::FirstUse)?;
    let driver = Driver::new(client, socket).map_err(|source| DriveError::Wait { source })?;
    let mut first = First(Err(Why::TimedOut));
    driver.with_clock(clock).run(&mut first)?;
    first.0.map_err(|why| OpenMemberError::NoHub { hub, why: NoHub(why) })
}

/// Waits for the hub's key, and hangs up.
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

fn client(hub: SocketAddr) -> Result<(Client, Socket, Clock), OpenMemberError> {
    client_within(hub, Limits::default().handshake_time)
}

fn client_within(
    hub: SocketAddr,
    patience: Duration,
) -> Result<(Client, Socket, Clock), OpenMemberError> {
    let base = std::time::Instant::now();
    let clock = Clock::start();
    let limits = Limits { handshake_time: patience, ..Limits::default() };
    let client = Client::new(ClientConfig { seed: random()?, base, limits })?;
    let socket = connect(hub)?;
    Ok((client, socket, clock))
}

/// A socket to a hub.
///
/// # Errors
/// When the system gives none.
pub fn connect(hub: SocketAddr) -> Result<Socket, OpenMemberError> {
    let options = SocketOptions { refusals: true, timestamps: false, ..SocketOptions::default() };
    Socket::connect(hub, None, &options).map_err(|source| OpenMemberError::Socket { hub, source })
}

fn random<const N: usize>() -> Result<[u8; N], OpenMemberError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(OpenMemberError::Random)?;
    Ok(bytes)
}
