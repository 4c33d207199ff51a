//! Errors for people: the system's errors in the process's language, and any error with its causes
//! on one line.
//!
//! The C library's translations exist only if the locale is installed, which containers and small
//! systems lack.

use std::error::Error;
use std::io;
use std::iter::successors;

use pigeon_proto::Language;

use super::library_error::{self, Said};
use crate::words::{self, say_in};

/// A system error: `Connection refused (os error 111)`.
pub(crate) fn said(error: &io::Error) -> String {
    said_in(words::language(), error)
}

/// The same in a given language. Rare errors keep the system's text.
pub(crate) fn said_in(language: Language, error: &io::Error) -> String {
    match (language, error.raw_os_error()) {
        (Language::Chinese, Some(code)) => match key_of(code) {
            Some(key) => format!("{}（错误码 {code}）", say_in!(language, key)),
            None => error.to_string(),
        },
        // An error of `getaddrinfo`, with a text from the standard library.
        (Language::Chinese, None) if is_lookup(error) => say_in!(language, "errors-lookup"),
        _ => error.to_string(),
    }
}

/// An error and its causes on one line, like `{:#}`, in the process's language.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    in_a_line(words::language(), error.as_ref())
}

/// The same for an error of a library.
pub(crate) fn whole(error: &(dyn Error + 'static)) -> String {
    in_a_line(words::language(), error)
}

fn in_a_line(language: Language, error: &(dyn Error + 'static)) -> String {
    let mut parts = Vec::new();
    for cause in successors(Some(error), |error| (*error).source()) {
        if let Some(error) = cause.downcast_ref() {
            parts.push(said_in(language, error));
            continue;
        }
        match library_error::said_in(language, cause) {
            Some(Said::Whole(said)) => {
                parts.push(said);
                break;
            }
            Some(Said::Beginning(said)) => parts.push(said),
            None => parts.push(cause.to_string()),
        }
    }
    parts.join(words::before_reason(language))
}

fn is_lookup(error: &io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address information")
}

#[cfg(unix)]
fn key_of(code: i32) -> Option<&'static str> {
    use nix::errno::Errno;

    use crate::words::key;

    Some(match Errno::from_raw(code) {
        Errno::EPERM => key!("errors-os-eperm"),
        Errno::ENOENT => key!("errors-os-enoent"),
        Errno::EACCES => key!("errors-os-eacces"),
        Errno::EEXIST => key!("errors-os-eexist"),
        Errno::ENOTDIR => key!("errors-os-enotdir"),
        Errno::EISDIR => key!("errors-os-eisdir"),
        Errno::EINVAL => key!("errors-os-einval"),
        Errno::EMFILE => key!("errors-os-emfile"),
        Errno::ENOSPC => key!("errors-os-enospc"),
        Errno::EROFS => key!("errors-os-erofs"),
        Errno::EPIPE => key!("errors-os-epipe"),
        Errno::EMSGSIZE => key!("errors-os-emsgsize"),
        Errno::EAFNOSUPPORT => key!("errors-os-eafnosupport"),
        Errno::EADDRINUSE => key!("errors-os-eaddrinuse"),
        Errno::EADDRNOTAVAIL => key!("errors-os-eaddrnotavail"),
        Errno::ENETDOWN => key!("errors-os-enetdown"),
        Errno::ENETUNREACH => key!("errors-os-enetunreach"),
        Errno::ENOBUFS => key!("errors-os-enobufs"),
        Errno::ECONNREFUSED => key!("errors-os-econnrefused"),
        Errno::EHOSTUNREACH => key!("errors-os-ehostunreach"),
        Errno::EHOSTDOWN => key!("errors-os-ehostdown"),
        Errno::ENOPROTOOPT => key!("errors-os-enoprotoopt"),
        Errno::EOPNOTSUPP => key!("errors-os-eopnotsupp"),
        _ => return None,
    })
}

#[cfg(not(unix))]
fn key_of(_: i32) -> Option<&'static str> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_english_words_are_the_systems_own() {
        for code in (1..134).filter(|&code| key_of(code).is_some()) {
            let system = io::Error::from_raw_os_error(code).to_string();
            let english = say_in!(Language::English, key_of(code).unwrap());
            assert_eq!(system, format!("{english} (os error {code})"));
            assert_ne!(said_in(Language::Chinese, &io::Error::from_raw_os_error(code)), system);
        }
    }

    #[test]
    fn a_chain_is_one_line() {
        let error = anyhow::Error::from(io::Error::from_raw_os_error(2)).context("cannot read x");
        assert_eq!(chain(&error), format!("{error:#}"));
    }
}
