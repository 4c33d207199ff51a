//! Errors in the arguments, with the flag that was meant, and without terminal escapes.
//!
//! clap suggests similar spellings: `--format` for `hub --port`.

use std::error::Error as _;
use std::io::{self, Write};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use pigeon_proto::Language;
use pigeon_text::escape;

use super::help;
use crate::base::nearest::{nearest, setting_meant};
use crate::output::Color;
use crate::words::{before_reason, language, say_in};

/// Other programs and synonyms, and the command that does the same.
const COMMANDS: [(&str, &str); 25] = [
    ("capture", "listen"),
    ("client", "join"),
    ("connect", "join"),
    ("contact", "contacts"),
    ("date", "time"),
    ("dump", "listen"),
    ("echo", "serve"),
    ("find", "discover"),
    ("invitation", "invite"),
    ("iperf", "bench"),
    ("iperf3", "bench"),
    ("log", "history"),
    ("nc", "send"),
    ("netcat", "send"),
    ("netem", "relay"),
    ("netstat", "sockets"),
    ("ntp", "time"),
    ("page", "invite"),
    ("ping", "bench"),
    ("proxy", "relay"),
    ("qr", "invite"),
    ("request", "ask"),
    ("room", "hub"),
    ("server", "hub"),
    ("ss", "sockets"),
];

/// Replaces clap's suggestion by the probable meaning.
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
        // A short flag, or an extra word.
        None if what == ContextKind::InvalidArg => (None, None),
        None => {
            let meant = command_meant(wrong, command).map(str::to_string);
            (meant.clone(), meant.map(|meant| ContextValue::Strings(vec![meant])))
        }
    };
    if wrong.starts_with("--") || what == ContextKind::InvalidSubcommand {
        error.remove(suggestion);
    }
    // `send H:P --x` may be a text; elsewhere an unknown flag is not a value.
    let takes_text = command.get_positionals().any(|arg| arg.get_id() == "text");
    if meant.is_some() || !takes_text {
        error.remove(ContextKind::Suggested);
    }
    if let Some(suggested) = suggested {
        error.insert(suggestion, suggested);
    }
    error
}

/// The command's flag that corresponds to this one.
fn flag_meant<'a>(flag: &str, command: &'a Command) -> Option<&'a str> {
    setting_meant(flag, command.get_arguments().filter_map(clap::Arg::get_long))
}

/// The command for this word.
fn command_meant<'a>(word: &str, command: &'a Command) -> Option<&'a str> {
    let names = || command.get_subcommands().map(Command::get_name);
    let word = word.to_lowercase();
    let same = COMMANDS.iter().find(|(other, _)| *other == word);
    same.and_then(|(_, meant)| names().find(|name| name == meant))
        .or_else(|| nearest(&word, names()))
}

/// Prints an error in the user's language, or help.
pub(super) fn print(error: &Error) {
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    // Fails only if the output is closed.
    let _ = match error.use_stderr() && !is_help {
        false => error.print(),
        true => {
            let language = language();
            let head = say_in!(language, "help-error-head");
            let styles = clap::builder::Styles::styled();
            let style = match Color::Auto.enabled(&io::stderr()) {
                true => *styles.get_error(),
                false => Default::default(),
            };
            let text = escape_lines(&explained(error, &head, language));
            let rest = text.strip_prefix(&head).unwrap_or(&text);
            write!(io::stderr(), "{style}{head}{style:#}{rest}")
        }
    };
}

/// The error, a suggestion, and the usage. clap's texts are English only.
fn explained(error: &Error, head: &str, language: Language) -> String {
    let Some(sentence) = sentence(error, language) else {
        // A rare kind, or one with our own text.
        return error.to_string().replacen("error:", head, 1);
    };
    let blank = if head.is_ascii() { " " } else { "" };
    let mut text = format!("{head}{blank}{sentence}\n");
    let suggested =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let mut tips: Vec<String> = suggested
        .iter()
        .filter_map(|kind| words_of(error, *kind))
        .map(|meant| say_in!(language, "help-error-meant", meant = &meant.join("', '")))
        .collect();
    if error.get(ContextKind::Suggested).is_some()
        && let Some(word) = word_of(error, ContextKind::InvalidArg)
    {
        tips.push(say_in!(language, "help-error-as-value", arg = &word));
    }
    if !tips.is_empty() {
        text += "\n";
        tips.iter().for_each(|tip| text += &format!("  {tip}\n"));
    }
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        text += &format!("\n{}", help::usage_row(&usage.to_string(), language));
    }
    text + &format!("\n{}\n", say_in!(language, "help-error-more"))
}

/// The error as a sentence. `None` for rare kinds and those with our own text.
fn sentence(error: &Error, language: Language) -> Option<String> {
    let arg = word_of(error, ContextKind::InvalidArg);
    let value = word_of(error, ContextKind::InvalidValue);
    Some(match error.kind() {
        ErrorKind::UnknownArgument => say_in!(language, "help-error-unknown-argument", arg = &arg?),
        ErrorKind::InvalidSubcommand => {
            let command = word_of(error, ContextKind::InvalidSubcommand)?;
            say_in!(language, "help-error-unknown-command", command = &command)
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = words_of(error, ContextKind::InvalidArg)?;
            say_in!(language, "help-error-missing") + "\n  " + &missing.join("\n  ")
        }
        ErrorKind::InvalidValue if value.as_deref() == Some("") => {
            say_in!(language, "help-error-no-value", arg = &arg?)
        }
        ErrorKind::InvalidValue => {
            let wrong = say_in!(language, "help-error-invalid", value = &value?, arg = &arg?);
            let choices = words_of(error, ContextKind::ValidValue).unwrap_or_default();
            match choices.join(", ").as_str() {
                "" => wrong,
                choices => {
                    wrong + "\n  " + &say_in!(language, "help-error-choices", choices = choices)
                }
            }
        }
        ErrorKind::ValueValidation => {
            let wrong = say_in!(language, "help-error-invalid", value = &value?, arg = &arg?);
            let why =
                error.source().map(|why| before_reason(language).to_string() + &why.to_string());
            wrong + &why.unwrap_or_default()
        }
        ErrorKind::ArgumentConflict => {
            let arg = arg?;
            match words_of(error, ContextKind::PriorArg)?.join("', '") {
                other if other == arg => say_in!(language, "help-error-twice", arg = &arg),
                other => say_in!(language, "help-error-conflict", arg = &arg, other = &other),
            }
        }
        _ => return None,
    })
}

fn word_of(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(word) => Some(word.clone()),
        _ => None,
    }
}

fn words_of(error: &Error, kind: ContextKind) -> Option<Vec<String>> {
    match error.get(kind)? {
        ContextValue::String(word) => Some(vec![word.clone()]),
        ContextValue::Strings(words) => Some(words.clone()),
        _ => None,
    }
}

/// Escapes each line of a text.
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
    fn a_mistake_is_explained_in_both_languages() {
        let told = |line: &str, language| {
            let error = Cli::command().try_get_matches_from(line.split(' ')).unwrap_err();
            let text = explained(&error, "", language);
            let first = text.split("\n\n").next().unwrap().replace("\n  ", " ");
            first.trim().to_string()
        };
        for (line, english, chinese) in [
            ("hub --nonsense", "unexpected argument '--nonsense'", "无法识别的参数 '--nonsense'"),
            ("dance", "unknown command 'dance'", "没有 'dance' 这个命令"),
            ("send", "required arguments are missing: <ENDPOINT>", "缺少以下参数： <ENDPOINT>"),
            (
                "hub --timeout",
                "'--timeout <DURATION>' needs a value",
                "'--timeout <DURATION>' 需要一个值",
            ),
            (
                "hub --log x",
                "invalid value 'x' for '--log <FORMAT>' [possible values: text, json]",
                "'--log <FORMAT>' 的值 'x' 无效 [可选值：text, json]",
            ),
            (
                "send x --hex --base64",
                "'--hex' cannot be used with '--base64'",
                "'--hex' 不能与 '--base64' 同时使用",
            ),
            (
                "hub --timeout 3s --timeout 4s",
                "'--timeout <DURATION>' cannot be used more than once",
                "'--timeout <DURATION>' 只能使用一次",
            ),
        ] {
            let line = format!("pigeon {line}");
            assert_eq!(told(&line, Language::English), english);
            assert_eq!(told(&line, Language::Chinese), chinese);
        }
        let error = Cli::command().try_get_matches_from(["pigeon", "hub", "--log", "x"]);
        let text = explained(&error.unwrap_err(), "错误：", Language::Chinese);
        assert!(
            text.starts_with("错误：'") && text.ends_with("\n详情请用 '--help' 查看。\n"),
            "{text}"
        );
    }

    #[test]
    fn lines_stay_and_what_is_in_them_is_escaped() {
        assert_eq!(escape_lines("a\x1b[31m\nb\n\nc"), "a\\x1b[31m\nb\n\nc");
    }
}
