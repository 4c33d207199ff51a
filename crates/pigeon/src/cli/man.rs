//! `pigeon man`: man pages, generated from the definitions that parse the command line, so that
//! both always agree.
//!
//! clap_mangen is not used: it puts the text below the options unformatted into one section
//! `EXTRA`, and has no sections for files, exit statuses or related pages.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Arg, ArgAction, Command};

use super::help::epilogue::{Block, blocks};
use crate::base::status::{Status, UsageError};
use crate::words::say;

/// Write the man pages into a directory
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  pigeon man /usr/local/share/man/man1 && man pigeon-hub")]
pub(crate) struct Args {
    /// Directory to write into; it is created if it is missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Writes one page for pigeon, one per command, and one per subcommand.
pub(crate) fn run(args: Args, command: Command) -> anyhow::Result<Status> {
    let directory = &args.directory;
    let shown = || pigeon_text::escape(&directory.to_string_lossy().into_owned()).to_string();
    std::fs::create_dir_all(directory)
        .with_context(|| UsageError(say!("errors-cannot-make", file = shown())))?;
    for (name, page) in pages(command) {
        std::fs::write(directory.join(format!("{name}.1")), page)
            .with_context(|| UsageError(say!("errors-cannot-write", file = shown())))?;
    }
    Ok(Status::Done)
}

/// Every page with its file name, such as `pigeon-contacts-add`.
fn pages(command: Command) -> Vec<(String, String)> {
    fn collect(
        command: &Command,
        name: &str,
        above: Option<&str>,
        pages: &mut Vec<(String, String)>,
    ) {
        pages.push((name.to_string(), page(command, name, above)));
        for sub in command.get_subcommands() {
            collect(sub, &format!("{name}-{}", sub.get_name()), Some(name), pages);
        }
    }
    // No page for `help`: every page describes `--help`.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, command.get_name(), None, &mut pages);
    pages
}

/// The date of the last change of the texts.
const DATE: &str = "2026-11-28";

/// Exit statuses of every command.
const STATUSES: [(&str, &str); 4] = [
    ("0", "success"),
    ("1", "the network or this host refused: no reply, refused, port in use"),
    ("2", "wrong usage: the command line, or a file it names"),
    ("130", "interrupted by Ctrl-C (commands that end by themselves)"),
];

/// Variables that every command reads.
const VARIABLES: [(&str, &str); 2] = [
    ("LC_ALL, LC_MESSAGES, LANG", "the language of messages and help, unless --language is given"),
    ("NO_COLOR", "if not empty, no colour unless --color always is given"),
];

/// Pages of similar programs.
const RELATED: [(&str, &[&str]); 12] = [
    ("pigeon", &["nc(1)", "socat(1)", "ss(8)", "iperf3(1)"]),
    ("pigeon-hub", &["pigeon-join(1)", "pigeon-history(1)", "systemd.service(5)"]),
    ("pigeon-join", &["pigeon-hub(1)", "pigeon-discover(1)", "pigeon-chat(1)"]),
    ("pigeon-history", &["pigeon-hub(1)"]),
    ("pigeon-chat", &["pigeon-contacts(1)", "pigeon-join(1)", "nc(1)"]),
    ("pigeon-send", &["pigeon-ask(1)", "pigeon-listen(1)", "nc(1)", "socat(1)"]),
    ("pigeon-listen", &["pigeon-send(1)", "pigeon-serve(1)", "nc(1)", "tcpdump(8)"]),
    ("pigeon-ask", &["pigeon-send(1)", "pigeon-discover(1)"]),
    ("pigeon-serve", &["pigeon-time(1)", "pigeon-ask(1)"]),
    ("pigeon-sockets", &["ss(8)", "netstat(8)", "udp(7)"]),
    ("pigeon-relay", &["pigeon-replay(1)", "tc-netem(8)"]),
    ("pigeon-bench", &["pigeon-sockets(1)", "iperf3(1)", "ping(8)"]),
];

fn page(command: &Command, name: &str, above: Option<&str>) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let epilogue = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut parts = Parts::of(&epilogue);
    let mut page = Page(String::new());
    let version = concat!("pigeon ", env!("CARGO_PKG_VERSION"));
    let title = name.to_uppercase();
    // Flags and variables are not hyphenated, so that they can be copied.
    let _ = writeln!(page.0, ".TH {title} 1 {DATE} \"{version}\" \"User Commands\"\n.nh\n.ad l");
    page.section("NAME");
    page.text(&format!("{name} - {about}"));
    page.section("SYNOPSIS");
    for usage in usages(command) {
        page.usage(&usage, command.get_bin_name().unwrap_or(name));
    }
    page.section("DESCRIPTION");
    page.text(&format!("{about}."));
    for paragraph in parts.paragraphs {
        page.paragraph(&paragraph);
    }
    if command.has_subcommands() {
        page.section("COMMANDS");
        for sub in command.get_subcommands() {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            page.term(&bold(&format!("{name}-{}", sub.get_name())), "(1)", &[about]);
        }
    }
    options(&mut page, command);
    for (title, items) in parts.lists {
        page.section(&title.to_uppercase());
        page.terms(&items);
    }
    page.section("EXAMPLES");
    for (command, comment) in parts.examples {
        page.example(&command, &comment);
    }
    let own: Vec<String> = parts.statuses.iter().map(|(status, _)| status.clone()).collect();
    let others = STATUSES.iter().filter(|(status, _)| !own.iter().any(|own| own == status));
    parts.statuses.extend(others.map(|(status, text)| (status.to_string(), text.to_string())));
    page.section("EXIT STATUS");
    page.terms(&parts.statuses);
    page.section("ENVIRONMENT");
    for arg in command.get_arguments() {
        if let (Some(variable), Some(long)) = (arg.get_env(), arg.get_long()) {
            let text = format!("sets --{long}, unless the flag is given");
            page.term(&bold(&variable.to_string_lossy()), "", &[text]);
        }
    }
    let contacts = takes_contact(command).then(|| {
        let text = "another file for the contacts instead of ~/.config/pigeon/contacts.toml";
        ("PIGEON_CONTACTS".to_string(), text.to_string())
    });
    let variables = VARIABLES.map(|(name, text)| (name.to_string(), text.to_string()));
    let known = |name: &str| parts.variables.iter().any(|(known, _)| known == name);
    let contacts: Vec<_> = contacts.into_iter().filter(|(name, _)| !known(name)).collect();
    page.terms(&[parts.variables.clone(), contacts, variables.into()].concat());
    let is_contacts = |(path, _): &(String, String)| path.contains("contacts.toml");
    if takes_contact(command) && !parts.files.iter().any(is_contacts) {
        let text = "contacts: names that may stand for endpoints";
        parts.files.push(("~/.config/pigeon/contacts.toml".into(), text.into()));
    }
    if !parts.files.is_empty() {
        page.section("FILES");
        page.terms(&parts.files);
    }
    page.section("SEE ALSO");
    page.references(&references(command, name, above));
    page.0
}

/// The text below the options, sorted into sections.
#[derive(Default)]
struct Parts {
    paragraphs: Vec<String>,
    examples: Vec<(String, String)>,
    statuses: Vec<(String, String)>,
    files: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    lists: Vec<(String, Vec<(String, String)>)>,
}

impl Parts {
    fn of(epilogue: &str) -> Parts {
        let mut parts = Parts::default();
        for block in blocks(epilogue) {
            match block {
                Block::Paragraph(text) => parts.paragraphs.push(text),
                Block::Commands { items, .. } => parts.examples.extend(items),
                Block::Terms { title, items } => match title.trim_end_matches(':') {
                    "Exit status" => parts.statuses = items,
                    "Files" => parts.files = items,
                    "Environment" => parts.variables = items,
                    title => parts.lists.push((short(title).to_string(), items)),
                },
            }
        }
        parts
    }
}

/// A title without its explanation in parentheses.
fn short(title: &str) -> &str {
    title.split(" (").next().unwrap_or(title)
}

fn usages(command: &Command) -> Vec<String> {
    let usage = command.clone().render_usage().to_string();
    usage.trim_start_matches("Usage:").lines().map(|line| line.trim().to_string()).collect()
}

/// Whether an argument may be a contact's name.
fn takes_contact(command: &Command) -> bool {
    let names = command.get_positionals().filter_map(|arg| arg.get_value_names()?.first());
    names
        .into_iter()
        .any(|name| ["ENDPOINT", "TARGET", "NAME|ENDPOINT", "HOST[:PORT]"].contains(&name.as_str()))
}

fn references(command: &Command, name: &str, above: Option<&str>) -> Vec<String> {
    let below = command.get_subcommands().map(|sub| format!("{name}-{}(1)", sub.get_name()));
    let above = above.map(|above| format!("{above}(1)"));
    let related = RELATED.iter().find(|(of, _)| *of == name).map(|(_, pages)| *pages);
    let related = related.unwrap_or_default().iter().map(ToString::to_string);
    above.into_iter().chain(below).chain(related).collect()
}

fn options(page: &mut Page, command: &Command) {
    let mut args: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    args.sort_by_key(|arg| (!arg.is_positional(), arg.get_display_order()));
    let mut headings: Vec<Option<&str>> = vec![None];
    for heading in args.iter().map(|arg| arg.get_help_heading()) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    page.section("OPTIONS");
    for heading in headings {
        if let Some(heading) = heading {
            let _ = writeln!(page.0, ".SS {}", escape(heading));
        }
        for arg in args.iter().filter(|arg| arg.get_help_heading() == heading) {
            option(page, arg);
        }
    }
}

fn option(page: &mut Page, arg: &Arg) {
    let short = arg.get_short().map(|short| bold(&format!("-{short}")));
    let long = arg.get_long().map(|long| bold(&format!("--{long}")));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let shown = arg.to_string();
    let value = match arg.get_long() {
        Some(long) => shown.strip_prefix(&format!("--{long}")).unwrap_or_default(),
        None if names.is_empty() => shown.as_str(),
        None => "",
    };
    let mut help = match arg.get_action() {
        ArgAction::Help => "Print help".to_string(),
        _ => arg.get_help().map(ToString::to_string).unwrap_or_default(),
    };
    let defaults = arg.get_default_values();
    if arg.get_action().takes_values() && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        let defaults: Vec<_> = defaults.iter().map(|value| value.to_string_lossy()).collect();
        let _ = write!(help, " [default: {}]", defaults.join(","));
    }
    let values = arg.get_possible_values();
    let values = values.iter().filter_map(|value| Some((value.get_name(), value.get_help()?)));
    let values = values.map(|(name, help)| format!("{name}: {help}"));
    page.term(&names.join(", "), value, &std::iter::once(help).chain(values).collect::<Vec<_>>());
}

/// A page in man(7) macros.
struct Page(String);

impl Page {
    fn section(&mut self, title: &str) {
        let _ = writeln!(self.0, ".SH {}", escape(title));
    }

    /// Adds a text; quoted words become bold, as usual in man pages.
    fn text(&mut self, text: &str) {
        let parts = text.split('`').enumerate();
        let parts = parts.map(|(at, part)| if at % 2 == 1 { bold(part) } else { escape(part) });
        self.0 += &line(&parts.collect::<String>());
    }

    fn paragraph(&mut self, text: &str) {
        self.0 += ".PP\n";
        self.text(text);
    }

    /// Adds a usage: the name in bold, values in italics.
    fn usage(&mut self, usage: &str, name: &str) {
        let rest = usage.strip_prefix(name).unwrap_or(usage).trim();
        let is_value = |c: char| c.is_ascii_uppercase();
        let mut text = String::new();
        let mut rest = rest;
        while let Some(at) = rest.find(is_value) {
            let end = rest[at..].find(|c| !is_value(c)).map_or(rest.len(), |end| at + end);
            text += &escape(&rest[..at]);
            let _ = write!(text, "\\fI{}\\fR", &rest[at..end]);
            rest = &rest[end..];
        }
        text += &escape(rest);
        // A synopsis of two rows.
        if !self.0.ends_with("SYNOPSIS\n") {
            self.0 += ".br\n";
        }
        self.0 += &line(&format!("{} {text}", bold(name)));
    }

    fn terms(&mut self, items: &[(String, String)]) {
        for (term, text) in items {
            self.term(&bold(term), "", std::slice::from_ref(text));
        }
    }

    /// Adds an escaped term with its value and paragraphs.
    fn term(&mut self, term: &str, value: &str, texts: &[String]) {
        self.0 += ".TP\n";
        self.0 += &line(&format!("{term}{}", escape(value)));
        for (at, text) in texts.iter().filter(|text| !text.is_empty()).enumerate() {
            if at > 0 {
                self.0 += ".br\n";
            }
            self.text(text);
        }
    }

    fn example(&mut self, command: &str, comment: &str) {
        self.0 += ".TP\n";
        self.0 += &line(&bold(command));
        // A term without a text would take the next term as its text.
        match comment {
            "" => self.0 += "\\&\n",
            comment => self.text(comment),
        }
    }

    fn references(&mut self, pages: &[String]) {
        for (at, page) in pages.iter().enumerate() {
            let (name, section) = page.split_once('(').unwrap_or((page, ""));
            let comma = if at + 1 < pages.len() { "," } else { "" };
            let _ = writeln!(self.0, ".BR {} ({section}{comma}", escape(name));
        }
    }
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escape(text))
}

/// Escapes text for roff.
fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// A line of text; a leading `.` or `'` would make it a macro.
fn line(text: &str) -> String {
    let guard = if text.starts_with(['.', '\'']) { "\\&" } else { "" };
    format!("{guard}{text}\n")
}
