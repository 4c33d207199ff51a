//! Settings from the environment: errors that name the variable, and mistyped variables.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use pigeon_text::escape;

use crate::base::nearest::setting_meant;
use crate::words::say;

/// Names the environment variable in an error about its value. clap names the flag, which the user
/// did not type.
pub(super) fn blame(mut error: Error, command: &Command) -> Error {
    if error.kind() == ErrorKind::InvalidUtf8 {
        return not_utf8().unwrap_or(error);
    }
    if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
        return error;
    }
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    // clap shows `--timeout <DURATION>`.
    let flag = shown.split([' ', '=']).next().unwrap_or(shown).to_string();
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.clone(),
        _ => return error,
    };
    let arguments = command.get_subcommands().flat_map(Command::get_arguments);
    let variable = arguments
        .filter(|arg| arg.get_long().is_some() && arg.get_long() == flag.strip_prefix("--"))
        .filter_map(|arg| arg.get_env())
        .find(|variable| std::env::var_os(variable).is_some_and(|set| holds(&set, &value)));
    if let Some(variable) = variable
        && !is_given(&flag)
    {
        let variable = variable.to_string_lossy().into_owned();
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}

/// An error for a variable or argument that is not UTF-8. clap's does not name it.
fn not_utf8() -> Option<Error> {
    let no_text = |text: &std::ffi::OsStr| text.to_str().is_none();
    let variable = std::env::vars_os()
        .find(|(name, value)| name.to_string_lossy().starts_with("PIGEON_") && no_text(value))
        .map(|(name, _)| say!("errors-variable-not-utf8", name = &name.to_string_lossy()));
    let argument = std::env::args_os()
        .find(|word| no_text(word))
        .map(|word| say!("errors-argument-not-utf8", word = &escape(word.as_encoded_bytes())));
    let what = argument.or(variable)?;
    Some(Error::raw(ErrorKind::InvalidUtf8, format!("{what}\n")))
}

/// Whether a variable contains a value, possibly in a list.
fn holds(variable: &std::ffi::OsStr, value: &str) -> bool {
    let text = variable.to_string_lossy();
    text == value || text.split(',').any(|one| one == value)
}

/// Whether a flag is on the command line.
fn is_given(flag: &str) -> bool {
    std::env::args_os().any(|word| {
        let word = word.to_string_lossy();
        word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    })
}

/// A warning for each variable with the command's prefix that is not one of its settings.
pub(super) fn unknown(command: &Command, prefix: &str) -> Vec<String> {
    let known = || command.get_arguments().filter_map(|arg| arg.get_env()?.to_str());
    let mut lines: Vec<String> = std::env::vars_os()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with(prefix) && !known().any(|known| known == name))
        .map(|name| {
            let shown = escape(&name).to_string();
            let rest = name.strip_prefix(prefix).unwrap_or_default();
            match setting_meant(rest, known().filter_map(|known| known.strip_prefix(prefix))) {
                Some(meant) => {
                    let meant = format!("{prefix}{meant}");
                    say!("errors-variable-meant", name = &shown, meant = meant)
                }
                None => {
                    let command = command.get_name();
                    say!("errors-variable-unknown", name = &shown, command = command)
                }
            }
        })
        .collect();
    lines.sort();
    lines
}
