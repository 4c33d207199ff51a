//! Help texts, from the definitions of the command line, in the user's language.
//!
//! - [`epilogue`]: the text below the options. [`layout`]: rows and columns.
//! - [`groups`]: the groups of `pigeon --help`.
//!
//! clap's own help is not used: it cannot wrap Chinese, and cannot translate words such as `Usage`
//! and `default`. The English is in the definitions, which also make the man pages; the Chinese is
//! in `words/zh/help.ftl` under [keys](Keys) made of the command's and the argument's name.

pub(super) mod epilogue;
mod groups;
mod layout;
#[cfg(test)]
mod tests;

use std::io::IsTerminal;

use clap::builder::{PossibleValue, Styles};
use clap::{Arg, ArgAction, Command};
use pigeon_proto::Language;

use self::epilogue::blocks;
use self::groups::GROUPS;
use self::layout::{Entry, Page};
use crate::words::{self, say_in};

/// Maximum width of a help text: longer rows are hard to read.
const MAX_COLUMNS: usize = 120;

/// Minimum width. A narrower terminal breaks the rows itself.
const MIN_COLUMNS: usize = 40;

/// The command and its subcommands with the help texts that clap prints.
pub(super) fn with_help(mut command: Command, language: Language) -> Command {
    command.build();
    let columns = columns();
    fn walk(command: Command, keys: &Keys, columns: usize) -> Command {
        let text = text(&command, keys, columns);
        let command = command.override_help(text);
        command.mut_subcommands(|sub| {
            let keys = keys.below(sub.get_name());
            if sub.get_name() == "help" { sub } else { walk(sub, &keys, columns) }
        })
    }
    walk(command, &Keys::of(language), columns)
}

/// The command with translated descriptions, for shell completion.
pub(super) fn translated(command: Command, language: Language) -> Command {
    fn walk(command: Command, keys: &Keys) -> Command {
        let about = keys.about(&command);
        command
            .about(about)
            .mut_args(|arg| {
                let help = keys.arg(&arg);
                arg.help(help)
            })
            .mut_subcommands(|sub| {
                let keys = keys.below(sub.get_name());
                walk(sub, &keys)
            })
    }
    match language {
        Language::English => command,
        Language::Chinese => walk(command, &Keys::of(language)),
    }
}

/// The width of the terminal, else `COLUMNS`, else 80.
fn columns() -> usize {
    let terminal = std::io::stdout().is_terminal().then(crate::base::terminal::size);
    let terminal = terminal.and_then(Result::ok).map(|(columns, _)| usize::from(columns));
    let named = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(named).unwrap_or(80).clamp(MIN_COLUMNS, MAX_COLUMNS)
}

/// The keys of a command's texts: `help-contacts-add` for its description, `help-contacts-add-more`
/// for the text below its options, `help-contacts-add--port` for an argument,
/// `help-hub--format-chat` for a value. Texts shared by several commands have keys such as
/// `help-all--port`.
struct Keys {
    language: Language,
    /// The command's name with its parents' names.
    command: String,
}

impl Keys {
    fn of(language: Language) -> Keys {
        Keys { language, command: "help-pigeon".into() }
    }

    fn below(&self, name: &str) -> Keys {
        let command = match self.command.as_str() {
            "help-pigeon" => format!("help-{name}"),
            above => format!("{above}-{name}"),
        };
        Keys { language: self.language, command }
    }

    /// The first translated text, else the English definition.
    fn text(&self, keys: &[String], english: &str) -> String {
        let key = keys.iter().find(|key| words::has(self.language, key));
        match (self.language, key) {
            (Language::Chinese, Some(key)) => words::message(self.language, key, &[]),
            _ => english.to_string(),
        }
    }

    fn about(&self, command: &Command) -> String {
        let english = command.get_about().map(ToString::to_string).unwrap_or_default();
        self.text(std::slice::from_ref(&self.command), &english)
    }

    fn epilogue(&self, command: &Command) -> String {
        let english = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        self.text(&[format!("{}-more", self.command)], &english)
    }

    /// The keys of an argument, its own first.
    fn of_arg(&self, arg: &Arg) -> [String; 2] {
        let name = match arg.get_long() {
            Some(long) => long.to_string(),
            None => arg.get_id().as_str().replace('_', "-"),
        };
        [self.command.as_str(), "help-all"].map(|above| format!("{above}--{name}"))
    }

    fn arg(&self, arg: &Arg) -> String {
        match arg.get_action() {
            ArgAction::Help => return say_in!(self.language, "help-label-help"),
            ArgAction::Version => return say_in!(self.language, "help-label-version"),
            _ => {}
        }
        let english = arg.get_help().map(ToString::to_string).unwrap_or_default();
        self.text(&self.of_arg(arg), &english)
    }

    fn value(&self, arg: &Arg, value: &PossibleValue) -> Option<String> {
        let english = value.get_help()?.to_string();
        let [key, _] = self.of_arg(arg);
        Some(self.text(&[format!("{key}-{}", value.get_name())], &english))
    }

    fn heading(&self, english: &str) -> String {
        let title = self.text(&[Keys::heading_key(english)], english);
        title + &say_in!(self.language, "help-label-colon")
    }

    /// `help-heading-members-and-rooms` for `Members and rooms`.
    fn heading_key(english: &str) -> String {
        let words = english.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        format!("help-heading-{}", words.join("-").to_lowercase())
    }
}

/// The help text of a built command.
fn text(command: &Command, keys: &Keys, columns: usize) -> String {
    let language = keys.language;
    let mut page = Page { columns, styles: command.get_styles(), text: String::new() };
    page.paragraph(&keys.about(command));
    page.text.push('\n');
    let usage = command.clone().render_usage().to_string();
    write_usage(&mut page, &usage, language);
    if command.has_subcommands() {
        subcommands(&mut page, command, keys);
    }
    let shown: Vec<&Arg> = {
        let mut shown: Vec<_> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
        shown.sort_by_key(|arg| arg.get_display_order());
        shown
    };
    let section = |title: String, args: Vec<&Arg>, page: &mut Page<'_>| {
        if !args.is_empty() {
            page.text.push('\n');
            page.heading(&title);
            let any_short = args.iter().any(|arg| arg.get_short().is_some());
            let entries: Vec<_> = args.iter().map(|arg| entry(arg, keys, any_short)).collect();
            page.entries(&entries);
        }
    };
    let positional = command.get_positionals().filter(|arg| !arg.is_hide_set()).collect();
    section(say_in!(language, "help-label-arguments"), positional, &mut page);
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in shown.iter().filter(|arg| !arg.is_positional()) {
        let heading = arg.get_help_heading();
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        let args = shown.iter().copied().filter(|arg| !arg.is_positional());
        let args = args.filter(|arg| arg.get_help_heading() == heading).collect();
        let title = match heading {
            None => say_in!(language, "help-label-options"),
            Some(heading) => keys.heading(heading),
        };
        section(title, args, &mut page);
    }
    page.epilogue(&blocks(&keys.epilogue(command)));
    page.text
}

/// clap's usage in a language, unwrapped.
pub(super) fn usage_row(usage: &str, language: Language) -> String {
    let mut page = Page { columns: usize::MAX, styles: &Styles::plain(), text: String::new() };
    write_usage(&mut page, usage, language);
    page.text
}

fn write_usage(page: &mut Page<'_>, usage: &str, language: Language) {
    let mut head = say_in!(language, "help-label-usage");
    for line in usage.trim_start_matches("Usage:").trim().lines() {
        let line = line
            .trim()
            .replace("[OPTIONS]", &say_in!(language, "help-label-some-options"))
            .replace("COMMAND", &say_in!(language, "help-label-a-command"));
        page.behind(&head, &line);
        head = " ".repeat(pigeon_text::width(&head) - usize::from(!head.is_ascii()));
    }
}

fn subcommands(page: &mut Page<'_>, command: &Command, keys: &Keys) {
    let entry = |command: &Command| {
        let name = command.get_name();
        let about = match name {
            "help" => say_in!(keys.language, "help-label-help-command"),
            name => keys.below(name).about(command),
        };
        Entry { term: name.to_string(), literal: name.len(), description: vec![about] }
    };
    let list = |title: String, entries: Vec<Entry>, page: &mut Page<'_>| {
        page.text.push('\n');
        page.heading(&title);
        page.entries(&entries);
    };
    let title = say_in!(keys.language, "help-label-commands");
    match command.get_name() {
        "pigeon" => {
            for (title, names) in GROUPS {
                let found = names.iter().filter_map(|name| command.find_subcommand(name));
                let title = keys.heading(title);
                list(title, found.map(entry).collect(), page);
            }
        }
        _ => list(title, command.get_subcommands().map(entry).collect(), page),
    }
}

/// An argument with its description, default, and values that need a description.
fn entry(arg: &Arg, keys: &Keys, beside_short: bool) -> Entry {
    let names = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, Some(long)) if beside_short => format!("    --{long}"),
        (None, Some(long)) => format!("--{long}"),
        (None, None) => String::new(),
    };
    let shown = arg.to_string();
    let value = match arg.get_long() {
        Some(long) => shown.strip_prefix(&format!("--{long}")).unwrap_or_default(),
        None => shown.strip_prefix(names.as_str()).unwrap_or_default(),
    };
    let mut help = keys.arg(arg);
    let defaults = arg.get_default_values();
    let has_default = arg.get_action().takes_values() && !arg.is_hide_default_value_set();
    if has_default && !defaults.is_empty() {
        let defaults: Vec<_> = defaults.iter().map(|value| value.to_string_lossy()).collect();
        help += " ";
        help += &say_in!(keys.language, "help-label-default", value = &defaults.join(","));
    }
    let values = arg.get_possible_values();
    let described = values
        .iter()
        .filter_map(|value| Some(format!("{}: {}", value.get_name(), keys.value(arg, value)?)));
    Entry {
        literal: names.len(),
        term: names + value,
        description: [help].into_iter().chain(described).collect(),
    }
}
