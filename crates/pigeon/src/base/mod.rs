//! What commands share. Nothing here knows a command, a screen, a contact or a configuration file.
//!
//! - [`status`]: exit statuses, and wrong usage as an error.
//! - Arguments: [`endpoint`] and [`networks`] of hosts, [`multicast`] groups and interfaces,
//!   [`quantity`] for numbers with units, [`switch`] for `on|off`, [`payload`] for encodings,
//!   and the [`length`] of what they make.
//! - [`bind`]: opening a socket; [`port_holder`]: who holds its port; [`groups`]: hearing multicast
//!   and broadcasts at it. [`cause`]: why a datagram did not get through, in the system's words.
//!   [`system_error`]: the system's words for a person.
//!   [`asking`]: a request, until it is answered or not.
//! - [`data`]: the folders in which things are kept. [`text_file`]: text read from a file or stdin.
//! - [`services`]: the settings of small services, and warnings about their senders.
//! - [`host_name`]: what this host is called; [`ipmsg`]: speaking to users of IP Messenger.
//! - The process: [`signals`], the [`terminal`]'s modes, a [`thread`], [`random`] numbers.
//! - [`lookup`]: a name that is looked up again, beside the loop.
//! - Text: [`count`] with its plural, a [`place`] in a file, the [`locale`]'s language, the [`nearest`]
//!   word to a mistyped one.

pub(crate) mod asking;
pub(crate) mod bind;
pub(crate) mod cause;
pub(crate) mod count;
pub(crate) mod data;
pub(crate) mod endpoint;
pub(crate) mod groups;
pub(crate) mod host_name;
pub(crate) mod ipmsg;
pub(crate) mod length;
pub(crate) mod locale;
pub(crate) mod lookup;
pub(crate) mod multicast;
pub(crate) mod nearest;
pub(crate) mod networks;
pub(crate) mod payload;
pub(crate) mod place;
pub(crate) mod port_holder;
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
