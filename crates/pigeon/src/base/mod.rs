//! Shared by all commands. Independent of commands, screens, contacts and configuration files.
//!
//! - [`status`]: exit statuses, and wrong usage as an error.
//! - Arguments: [`endpoint`] and [`networks`] of hosts, [`multicast`] groups and interfaces,
//!   [`quantity`] for numbers with units, [`switch`] for `on|off`, [`payload`] for encodings, and
//!   the [`length`] of what they make.
//! - [`bind`]: opening a socket; [`port_holder`]: the process that holds a port; [`groups`]:
//!   receiving multicast and broadcasts. [`cause`]: why a datagram did not arrive.
//!   [`system_error`] and [`library_error`]: the errors of the system and of pigeon's libraries in
//!   the user's language. [`asking`]: a request and its result.
//! - [`data`]: folders for persistent data. [`text_file`]: text from a file or stdin.
//!   [`private_file`]: a file that only its owner can read. [`qr`]: a text as a QR code.
//! - [`services`]: the settings of small services, and warnings about their senders.
//! - [`hub_target`]: the hub a tool joins as a member; [`member`]: members with a key; [`password`]:
//!   the hub's password.
//! - [`invitation`]: how to join a running hub; a [`choice`] among several.
//! - [`host_name`]: this host's name; [`ipmsg`]: exchanging messages with users of IP Messenger.
//! - The process: [`signals`], its [`open_files`], the [`terminal`]'s modes, a [`thread`], [`random`] numbers.
//! - [`lookup`]: resolves a name again, in a separate thread.
//! - Text: a [`place`] in a file, the [`locale`]'s language, the
//!   [`nearest`] word to a mistyped one.

pub(crate) mod asking;
pub(crate) mod bind;
pub(crate) mod cause;
pub(crate) mod choice;
pub(crate) mod data;
pub(crate) mod endpoint;
pub(crate) mod groups;
pub(crate) mod host_name;
pub(crate) mod hub_target;
pub(crate) mod invitation;
#[cfg(feature = "ipmsg")]
pub(crate) mod ipmsg;
#[cfg(not(feature = "ipmsg"))]
#[path = "ipmsg_absent.rs"]
pub(crate) mod ipmsg;
pub(crate) mod length;
pub(crate) mod library_error;
pub(crate) mod locale;
pub(crate) mod lookup;
#[cfg(feature = "quic")]
pub(crate) mod member;
#[cfg(not(feature = "quic"))]
#[path = "member_absent.rs"]
pub(crate) mod member;
pub(crate) mod multicast;
pub(crate) mod nearest;
pub(crate) mod networks;
pub(crate) mod open_files;
pub(crate) mod password;
pub(crate) mod payload;
pub(crate) mod place;
pub(crate) mod port_holder;
pub(crate) mod private_file;
pub(crate) mod qr;
pub(crate) mod quantity;
pub(crate) mod random;
pub(crate) mod services;
pub(crate) mod signals;
pub(crate) mod status;
pub(crate) mod switch;
pub(crate) mod system_error;
pub(crate) mod terminal;
pub(crate) mod text_file;
pub(crate) mod thread;
