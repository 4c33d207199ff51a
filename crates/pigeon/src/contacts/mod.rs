//! Contacts: names for endpoints, each with its own encoding.
//!
//! - [`ContactName`]: a valid name.
//! - [`Contacts`]: a parsed file; errors have a position.
//! - [`ContactsFile`]: the file itself, safe for concurrent changes.
//! - [`peer`]: an argument that is a contact's name or an endpoint.
//!
//! The file is made to be read and edited by hand:
//!
//! ```toml
//! # The lab
//! "狗哥" = { endpoint = "192.168.1.103:8080", encoding = "gb2312" }
//! sensor = { endpoint = "sensor.local:5000" }
//! ```

mod edit;
mod file;
mod list;
mod name;
pub(crate) mod peer;

pub(crate) use file::{load, user_file};
pub(crate) use list::{Contact, Contacts};
pub(crate) use name::ContactName;
