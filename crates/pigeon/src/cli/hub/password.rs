//! The hub's password: its sources, and warnings if others can read it.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use clap::parser::ValueSource;
use pigeon_text::escape;

use crate::base::status::UsageError;
use crate::base::text_file;
use crate::words::{self, key, say};

/// Maximum length: the longest that fits a command after `/pass `.
const MAX_BYTES: usize = 1_000;

/// A valid password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(Box<str>);

impl Password {
    /// Parses a password. Rejects an empty one.
    pub(super) fn parse(text: &str) -> Result<Password, String> {
        let reason = match text {
            text if text.trim().is_empty() => {
                key!("hub-password-empty")
            }
            text if text.trim_ascii() != text => {
                key!("hub-password-blank")
            }
            text if text.contains(['\r', '\n']) => key!("hub-password-line"),
            text if text.len() > MAX_BYTES => key!("hub-password-long"),
            text => return Ok(Password(text.into())),
        };
        Err(say!(reason))
    }

    /// Reads the only line of a file.
    fn read(path: &Path) -> anyhow::Result<Password> {
        let shown = shown(path);
        let cannot = || UsageError(say!("hub-password-unreadable", file = &shown));
        let text = text_file::read_secret(path, MAX_BYTES as u64 + 3).with_context(cannot)?;
        let text = String::from_utf8(text).with_context(cannot)?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        Ok(Password::parse(line).map_err(|reason| UsageError(words::because(&shown, reason)))?)
    }

    pub(super) fn into_inner(self) -> Box<str> {
        self.0
    }
}

impl fmt::Debug for Password {
    /// Hides the password from logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// The password settings, and the source of each value.
pub(super) struct Given<'a> {
    pub(super) password: Option<&'a Password>,
    pub(super) file: Option<&'a Path>,
    pub(super) origins: [Option<ValueSource>; 2],
    /// The configuration file.
    pub(super) config: Option<&'a Path>,
}

impl Given<'_> {
    /// The password, and warnings for the operator. A flag takes precedence over the environment,
    /// and the environment over the configuration file. Fails if a file is unreadable or has no
    /// password, or if two settings contradict each other.
    pub(super) fn choose(&self) -> anyhow::Result<(Option<Password>, Vec<String>)> {
        let [password, file] = self.origins;
        match (self.password, self.file) {
            (None, None) => Ok((None, vec![])),
            (Some(_), Some(_)) if password == file => {
                let both = match password {
                    Some(ValueSource::EnvVariable) => {
                        say!("hub-password-both-set")
                    }
                    _ => say!("hub-password-both-given"),
                };
                Err(UsageError(both).into())
            }
            (Some(chosen), other) if other.is_none() || password > file => {
                Ok((Some(chosen.clone()), self.warning().into_iter().collect()))
            }
            (_, Some(path)) => {
                Ok((Some(Password::read(path)?), readable_by_all(path).into_iter().collect()))
            }
            (Some(chosen), None) => Ok((Some(chosen.clone()), vec![])),
        }
    }

    /// A warning if others can read the password.
    fn warning(&self) -> Option<String> {
        match self.origins[0] {
            Some(ValueSource::CommandLine) => Some(say!("hub-password-on-command-line")),
            // The configuration file sets the flag's default.
            Some(ValueSource::DefaultValue) => self.config.and_then(readable_by_all),
            _ => None,
        }
    }
}

/// A warning if everyone on this machine can read a file with a password.
#[cfg(unix)]
fn readable_by_all(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;

    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| say!("hub-password-readable", file = shown(path)))
}

#[cfg(not(unix))]
fn readable_by_all(_: &Path) -> Option<String> {
    None
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy().into_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_what_a_member_can_give() {
        assert_eq!(Password::parse("open sesame").unwrap().into_inner(), "open sesame".into());
        assert_eq!(Password::parse("芝麻开门").unwrap().into_inner(), "芝麻开门".into());
        assert!(Password::parse(&"x".repeat(1_000)).is_ok());
        for (text, reason) in [
            ("", "an empty password"),
            (" \t", "an empty password"),
            ("\u{3000}", "an empty password"),
            (" x", "begin or end"),
            ("x\n", "begin or end"),
            ("a\nb", "single line"),
            (&"x".repeat(1_001), "at most"),
        ] {
            let error = Password::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
        assert_eq!(format!("{:?}", Password::parse("secret").unwrap()), "Password");
    }

    #[test]
    fn the_higher_setting_stands_and_two_of_one_rank_are_refused() {
        let path = std::env::temp_dir().join(format!("pigeon-password-{}", std::process::id()));
        std::fs::write(&path, "in the file\n").unwrap();
        let password = Password::parse("said").unwrap();
        let chosen = |password_from: Option<ValueSource>, file_from: Option<ValueSource>| {
            let given = Given {
                password: password_from.map(|_| &password),
                file: file_from.map(|_| path.as_path()),
                origins: [password_from, file_from],
                config: None,
            };
            let chosen = given.choose().map_err(|error| error.to_string())?.0;
            Ok::<_, String>(chosen.map(|password| password.into_inner().to_string()))
        };
        let [flag, environment, file] =
            [ValueSource::CommandLine, ValueSource::EnvVariable, ValueSource::DefaultValue];
        let said = Ok(Some("said".to_string()));
        let in_file = Ok(Some("in the file".to_string()));
        assert_eq!(chosen(None, None), Ok(None));
        assert_eq!(chosen(Some(environment), None), said);
        assert_eq!(chosen(None, Some(file)), in_file);
        assert_eq!(chosen(Some(flag), Some(environment)), said);
        assert_eq!(chosen(Some(file), Some(environment)), in_file);
        assert!(chosen(Some(flag), Some(flag)).unwrap_err().contains("both given"));
        std::fs::remove_file(&path).unwrap();
        assert!(chosen(None, Some(flag)).unwrap_err().contains("cannot read the password"));
    }
}
