//! Configuration files: TOML with the names of the flags.
//!
//! What a file says becomes the default of the flag of that name. So there is one definition of
//! every setting, its parser, its help and its error; and a flag stands over the environment, the
//! environment over the file, and the file over the default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, anyhow};
use clap::Command;
use pigeon_text::escape;
use toml::{Spanned, Value};

/// The largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Makes the settings of the file at `path` the defaults of a subcommand.
pub(crate) fn apply(command: Command, subcommand: &str, path: &Path) -> anyhow::Result<Command> {
    let shown = escape(&path.to_string_lossy().into_owned()).to_string();
    let length = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
    if length > MAX_BYTES {
        return Err(anyhow!("{shown} is no configuration: it has {length} bytes"));
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    apply_text(command, subcommand, &text).with_context(|| shown)
}

fn apply_text(command: Command, subcommand: &str, text: &str) -> anyhow::Result<Command> {
    let settings: BTreeMap<Spanned<String>, Spanned<Value>> =
        toml::from_str(text).map_err(|error| {
            let place = place(text, error.span().map_or(0, |span| span.start));
            anyhow!("{place}: {}", error.message().replace('\n', ", "))
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
    let names =
        || known.get_arguments().filter_map(|arg| arg.get_long()).filter(|n| *n != "config");
    if !names().any(|known| known == name) {
        let names: Vec<_> = names().collect();
        return Err(anyhow!(
            "there is no setting {}; there are {}",
            escape(name),
            names.join(", ")
        ));
    }
    Ok(())
}

/// Refuses what the flag of that name would refuse, with the flag's own reason.
fn check_value(known: &Command, name: &str, value: &str) -> anyhow::Result<()> {
    let flag = format!("--{name}={value}");
    let outcome = known.clone().no_binary_name(true).try_get_matches_from([flag]);
    outcome.map(|_| ()).map_err(|error| {
        let text = error.to_string();
        // Behind the first paragraph it is about flags.
        let reason: Vec<_> =
            text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        anyhow!("{}", reason.join(" ").trim_start_matches("error: "))
    })
}

/// The value as one would type it behind the flag.
fn flag_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flag_value).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// What clap calls the argument of a flag.
fn id(flag: &str) -> String {
    flag.replace('-', "_")
}

/// Where a byte of a text is: `line 3, column 8`.
pub(crate) fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    const SAMPLE: &str = include_str!("../../../docs/hub.toml");

    fn error(text: &str) -> String {
        format!("{:#}", apply_text(Cli::command(), "hub", text).unwrap_err())
    }

    #[test]
    fn the_sample_holds_every_setting_at_its_default() {
        let hub = Cli::command().find_subcommand("hub").unwrap().clone();
        let sample: toml::Table = SAMPLE.parse().unwrap();
        for arg in hub.get_arguments() {
            let Some(name) = arg.get_long().filter(|name| *name != "config") else { continue };
            let default = arg.get_default_values().first().map(|value| value.to_string_lossy());
            match (default, sample.get(name)) {
                (Some(default), Some(value)) => assert_eq!(flag_value(value), default, "{name}"),
                (Some(_), None) => panic!("{name} is missing"),
                // No single default: the sample shows it in a comment.
                (None, None) => assert!(SAMPLE.contains(&format!("# {name} = ")), "{name}"),
                (None, Some(_)) => panic!("{name} has no default"),
            }
        }
        assert!(apply_text(Cli::command(), "hub", SAMPLE).is_ok());
    }

    #[test]
    fn what_the_sample_shows_in_comments_is_accepted_too() {
        let settings: String = SAMPLE
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.contains(" = "))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(apply_text(Cli::command(), "hub", &settings).is_ok());
    }

    #[test]
    fn a_flag_stands_over_the_file_and_the_file_over_the_default() {
        let parse = |flags: &[&str]| {
            let command = apply_text(Cli::command(), "hub", "timeout = \"45s\"\nmax-members = 7");
            let words = [&["pigeon", "hub"], flags].concat();
            let matches = command.unwrap().try_get_matches_from(words).unwrap();
            let hub = matches.subcommand_matches("hub").unwrap();
            (
                hub.get_one::<std::time::Duration>("timeout").unwrap().as_secs(),
                *hub.get_one::<u32>("max_members").unwrap(),
                *hub.get_one::<usize>("notices_up_to").unwrap(),
            )
        };
        assert_eq!(parse(&[]), (45, 7, 100));
        assert_eq!(parse(&["--timeout", "9s"]), (9, 7, 100));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_place() {
        assert!(error("timeout = \"30s\"\nformat = chat").starts_with("line 2, column 10: "));
        assert!(
            error("# a slip\ntimeuot = \"3s\"")
                .starts_with("line 2, column 1: there is no setting timeuot; there are listen,")
        );
        assert_eq!(
            error("timeout = 30"),
            "line 1, column 11: invalid value '30' for '--timeout <DURATION>': a duration is a number \
             with its unit, e.g. 250ms, 3s, 2m"
        );
        assert!(error("format = \"x\"").ends_with("[possible values: chat, classic, raw]"));
        assert!(error("open = [\"10.0.0.0/8\", \"nonsense\"]").contains("nonsense"));
    }
}
