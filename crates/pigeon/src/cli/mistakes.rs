//! What is wrong with the arguments, as it is shown: with the flag that was meant, and with nothing in it
//! that a terminal obeys.
//!
//! clap suggests what is spelt alike: for `hub --port` it is `--format`.

use std::io::{self, Write};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use pigeon_text::escape;

use crate::base::nearest::{nearest, setting_meant};

/// Programs, and words for the same, and the command that does it.
const COMMANDS: [(&str, &str); 22] = [
    ("capture", "listen"),
    ("client", "join"),
    ("connect", "join"),
    ("contact", "contacts"),
    ("date", "time"),
    ("dump", "listen"),
    ("echo", "serve"),
    ("find", "discover"),
    ("iperf", "bench"),
    ("iperf3", "bench"),
    ("log", "history"),
    ("nc", "send"),
    ("netcat", "send"),
    ("netem", "relay"),
    ("netstat", "sockets"),
    ("ntp", "time"),
    ("ping", "bench"),
    ("proxy", "relay"),
    ("request", "ask"),
    ("room", "hub"),
    ("server", "hub"),
    ("ss", "sockets"),
];

/// Puts what was probably meant in the place of what clap suggests.
pub(super) fn suggest(mut error: Error, command: &Command) -> Error {
    let (what, suggestion) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, ContextKind::SuggestedArg),
        ErrorKind::InvalidSubcommand => {
            (ContextKind::InvalidSubcommand, ContextKind::SuggestedSubcommand)
        }
        _ => return error,
    };
    let Some(ContextValue::String(wrong)) = error.get(what) else { return error };
    let words = std::env::args().skip(1);
    let command = words.fold(command, |at, word| at.find_subcommand(word).unwrap_or(at));
    let (meant, suggested) = match wrong.strip_prefix("--") {
        Some(flag) => {
            let meant = flag_meant(flag, command).map(|flag| format!("--{flag}"));
            (meant.clone(), meant.map(ContextValue::String))
        }
        // A short flag, or a word too many.
        None if what == ContextKind::InvalidArg => return error,
        None => {
            let meant = command_meant(wrong, command).map(str::to_string);
            (meant.clone(), meant.map(|meant| ContextValue::Strings(vec![meant])))
        }
    };
    error.remove(suggestion);
    // `send H:P --x` may be a text; elsewhere a flag that does not exist is not a value.
    let takes_text = command.get_positionals().any(|arg| arg.get_id() == "text");
    if meant.is_some() || !takes_text {
        error.remove(ContextKind::Suggested);
    }
    if let Some(suggested) = suggested {
        error.insert(suggestion, suggested);
    }
    error
}

/// The flag that the command has for this one.
fn flag_meant<'a>(flag: &str, command: &'a Command) -> Option<&'a str> {
    setting_meant(flag, command.get_arguments().filter_map(clap::Arg::get_long))
}

/// The command that does what this word says.
fn command_meant<'a>(word: &str, command: &'a Command) -> Option<&'a str> {
    let names = || command.get_subcommands().map(Command::get_name);
    let word = word.to_lowercase();
    let same = COMMANDS.iter().find(|(other, _)| *other == word);
    same.and_then(|(_, meant)| names().find(|name| name == meant))
        .or_else(|| nearest(&word, names()))
}

/// Prints an error, or help, which holds values from the environment. `plain` is the same without
/// styles: what a terminal would obey in it comes from outside, and is escaped.
pub(super) fn print(error: &Error, plain: Option<Error>) {
    let text = plain.map_or_else(|| error.to_string(), |plain| plain.render().ansi().to_string());
    let shown = escape_lines(&text);
    // Printing can fail only if nobody reads.
    let _ = match (shown == text, error.use_stderr()) {
        (true, _) => error.print(),
        (false, true) => io::stderr().write_all(shown.as_bytes()),
        (false, false) => io::stdout().write_all(shown.as_bytes()),
    };
}

/// A text of several lines, each escaped.
pub(super) fn escape_lines(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => format!("{}\n", escape(line)),
            None => escape(line).to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_flag_of_another_program_is_understood() {
        let cli = Cli::command();
        let meant = |command, flag| flag_meant(flag, cli.find_subcommand(command).unwrap());
        for (command, flag, expected) in [
            ("hub", "port", Some("listen")),
            ("join", "name", Some("nick")),
            ("join", "nickname", Some("nick")),
            ("hub", "nick", None),
            ("listen", "timeout", Some("for")),
            ("listen", "output", Some("write")),
            ("listen", "port", None),
            ("send", "timeout", Some("wait")),
            ("send", "encodign", Some("encoding")),
            ("bench", "time", Some("for")),
            ("relay", "latency", Some("delay")),
            ("relay", "los", Some("loss")),
            ("join", "passwd", Some("password-file")),
            ("hub", "nonsense", None),
        ] {
            assert_eq!(meant(command, flag), expected, "{command} --{flag}");
        }
    }

    #[test]
    fn a_word_of_another_program_is_understood() {
        let cli = Cli::command();
        for (word, expected) in [
            ("server", Some("hub")),
            ("client", Some("join")),
            ("serv", Some("serve")),
            ("NETSTAT", Some("sockets")),
            ("lisen", Some("listen")),
            ("xyzzy", None),
        ] {
            assert_eq!(command_meant(word, &cli), expected, "{word}");
        }
        for (_, command) in COMMANDS {
            assert!(cli.find_subcommand(command).is_some(), "{command}");
        }
    }

    #[test]
    fn lines_stay_and_what_is_in_them_is_escaped() {
        assert_eq!(escape_lines("a\x1b[31m\nb\n\nc"), "a\\x1b[31m\nb\n\nc");
    }
}
