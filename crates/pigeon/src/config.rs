//! Configuration files: TOML with the names of the flags.
//!
//! A value in the file becomes the default of the flag with that name. So every setting has one
//! definition, parser, help and error. Flags override the environment, the environment overrides
//! the file, and the file overrides the default.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, anyhow};
use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use pigeon_text::escape;
use toml::{Spanned, Value};

use crate::base::nearest::setting_meant;
use crate::base::place::place;
use crate::base::text_file;
use crate::words::{self, say};

/// The largest file accepted.
const MAX_BYTES: u64 = 1 << 20;

/// Makes the settings in the file at `path` the defaults of a subcommand.
pub(crate) fn apply(command: Command, subcommand: &str, path: &Path) -> anyhow::Result<Command> {
    let shown = escape(&path.to_string_lossy().into_owned()).to_string();
    let text = text_file::read(path, MAX_BYTES)
        .with_context(|| say!("errors-cannot-read", file = &shown))?;
    apply_text(command, subcommand, &text).with_context(|| shown)
}

/// Like `apply`, with the text of a file.
pub(crate) fn apply_text(
    command: Command,
    subcommand: &str,
    text: &str,
) -> anyhow::Result<Command> {
    let settings: BTreeMap<Spanned<String>, Spanned<Value>> =
        toml::from_str(text).map_err(|error| {
            let place = place(text, error.span().map_or(0, |span| span.start));
            let reason = escape(&error.message().replace('\n', ", ")).to_string();
            anyhow!(words::because(place, reason))
        })?;
    let known = command.find_subcommand(subcommand).cloned().unwrap_or_default();
    let mut command = command;
    for (name, value) in settings {
        check_name(&known, name.get_ref()).with_context(|| place(text, name.span().start))?;
        let default = flag_value(value.get_ref());
        check_value(&known, name.get_ref(), &default)
            .with_context(|| place(text, value.span().start))?;
        let default = clap::builder::OsStr::from(OsString::from(default));
        command = command.mut_subcommand(subcommand, |sub| {
            sub.mut_arg(id(name.get_ref()), |arg| arg.default_value(default))
        });
    }
    Ok(command)
}

fn check_name(known: &Command, name: &str) -> anyhow::Result<()> {
    // A flag without a value is an action, not a setting.
    let settings = || known.get_arguments().filter(|arg| arg.get_action().takes_values());
    let names = || settings().filter_map(|arg| arg.get_long()).filter(|name| *name != "config");
    if names().any(|known| known == name) {
        return Ok(());
    }
    let shown = escape(name);
    Err(match setting_meant(name, names()) {
        Some(meant) => anyhow!(say!("errors-setting-meant", name = &shown, meant = meant)),
        None => {
            let command = known.get_name();
            anyhow!(say!("errors-setting-unknown", name = &shown, command = command))
        }
    })
}

/// Rejects a value as its flag would, with the same error.
fn check_value(known: &Command, name: &str, value: &str) -> anyhow::Result<()> {
    let flag = format!("--{name}={value}");
    let outcome = known.clone().no_binary_name(true).try_get_matches_from([flag]);
    outcome.map(|_| ()).map_err(|error| {
        let shown = escape(value);
        if let (ErrorKind::ValueValidation, Some(reason)) = (error.kind(), error.source()) {
            let reason = escape(&reason.to_string()).to_string();
            return anyhow!(say!(
                "errors-setting-value",
                name = name,
                value = &shown,
                reason = reason,
            ));
        }
        if let Some(ContextValue::Strings(choices)) = error.get(ContextKind::ValidValue) {
            let choices = choices.join(", ");
            return anyhow!(say!(
                "errors-setting-choice",
                name = name,
                value = &shown,
                choices = choices,
            ));
        }
        let text = error.to_string();
        // The text after the first paragraph is about flags.
        let reason: Vec<_> =
            text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        anyhow!("{}", reason.join(" ").trim_start_matches("error: "))
    })
}

/// The value in the syntax of the flag.
pub(crate) fn flag_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flag_value).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// clap's id of a flag.
fn id(flag: &str) -> String {
    flag.replace('-', "_")
}
