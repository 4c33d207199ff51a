//! Where the brokers are, and what the stream must be like.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use pigeon_cluster::RECORD;

use crate::credentials;

/// The brokers and the stream of a cluster of hubs.
#[derive(Clone)]
pub struct Settings {
    /// `nats://HOST[:PORT]` or `tls://HOST[:PORT]`.
    pub servers: Vec<String>,
    /// The cluster's name: letters, digits, `-` and `_`.
    pub name: String,
    /// How this hub proves itself to the brokers.
    pub credentials: Credentials,
    /// Certificates of the brokers' authority, as a PEM file.
    pub authority: Option<PathBuf>,
    /// Age limit of the stream.
    pub keep: Option<Duration>,
    /// Size limit of the stream, in bytes.
    pub keep_size: Option<u64>,
}

/// How a hub proves itself.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// The contents of a `.creds` file.
    Creds(String),
}

impl Credentials {
    /// The contents of a `.creds` file. `None` if they lack a token or a key.
    pub fn from_file(text: String) -> Option<Credentials> {
        credentials::add(ConnectOptions::new(), &text).is_ok().then_some(Credentials::Creds(text))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::None => "none",
            Credentials::Password { .. } => "a password",
            Credentials::Creds(_) => "a credentials file",
        })
    }
}

impl Settings {
    /// Whether a cluster may have this name: it is a part of subjects.
    pub fn is_name(name: &str) -> bool {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=32).contains(&name.len()) && name.bytes().all(is_allowed)
    }

    pub(crate) fn stream(&self) -> String {
        format!("pigeon-{}", self.name)
    }

    pub(crate) fn log(&self) -> String {
        format!("pigeon.{}.log", self.name)
    }

    pub(crate) fn epoch(&self) -> String {
        format!("pigeon.{}.epoch", self.name)
    }

    pub(crate) fn lease(&self) -> String {
        format!("pigeon.{}.lease", self.name)
    }

    pub(crate) fn tell(&self) -> String {
        format!("pigeon.{}.tell", self.name)
    }

    /// The stream's configuration, with as many replicas as there are servers, at most three.
    pub(crate) fn config(&self, servers: usize) -> Config {
        Config {
            name: self.stream(),
            subjects: vec![self.log(), self.epoch()],
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            max_age: self.keep.unwrap_or_default(),
            max_bytes: self.keep_size.and_then(|size| i64::try_from(size).ok()).unwrap_or(-1),
            max_messages: -1,
            max_messages_per_subject: -1,
            max_message_size: i32::try_from(RECORD).unwrap_or(i32::MAX),
            num_replicas: if servers >= 3 { 3 } else { 1 },
            ..Config::default()
        }
    }
}

/// How an existing stream differs from what it should be, as `field: is X, expected Y`.
pub(crate) fn differences(found: &Config, wanted: &Config) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |field: &str, found: &dyn fmt::Debug, wanted: &dyn fmt::Debug| {
        let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
        if found != wanted {
            differences.push(format!("{field}: is {found}, expected {wanted}"));
        }
    };
    compare("retention", &found.retention, &wanted.retention);
    compare("discard", &found.discard, &wanted.discard);
    compare("storage", &found.storage, &wanted.storage);
    compare("max_age", &found.max_age, &wanted.max_age);
    compare("max_bytes", &found.max_bytes, &wanted.max_bytes);
    compare("max_msgs", &found.max_messages, &wanted.max_messages);
    compare(
        "max_msgs_per_subject",
        &found.max_messages_per_subject,
        &wanted.max_messages_per_subject,
    );
    // More are welcome: a hub may not have heard of all servers yet.
    if found.num_replicas < wanted.num_replicas {
        compare("num_replicas", &found.num_replicas, &wanted.num_replicas);
    }
    let mut subjects = found.subjects.clone();
    subjects.sort();
    let mut expected = wanted.subjects.clone();
    expected.sort();
    compare("subjects", &subjects, &expected);
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_part_of_a_subject() {
        assert!(Settings::is_name("east-1"));
        for name in ["", "a.b", "a b", "a*", "名", &"a".repeat(33)] {
            assert!(!Settings::is_name(name), "{name}");
        }
    }

    #[test]
    fn what_differs_is_named() {
        let settings = Settings {
            servers: Vec::new(),
            name: "x".into(),
            credentials: Credentials::None,
            authority: None,
            keep: Some(Duration::from_secs(60)),
            keep_size: None,
        };
        let wanted = settings.config(3);
        assert!(differences(&wanted, &wanted).is_empty());
        let found = Config { storage: StorageType::Memory, ..settings.config(1) };
        assert_eq!(
            differences(&found, &wanted),
            ["storage: is Memory, expected File", "num_replicas: is 1, expected 3"]
        );
        // A hub that has heard of one server only.
        assert!(differences(&wanted, &settings.config(1)).is_empty());
    }
}
