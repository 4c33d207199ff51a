//! `pigeon completions`: scripts with which bash, fish and zsh complete its command line.
//!
//! The script calls pigeon at each Tab, because contacts change. Pigeon answers in lines:
//!
//! ```text
//!   words      candidates follow, a line each: for bash quoted, for fish and zsh with their help
//!   files      the shell completes a path
//!   dirs       the shell completes a folder
//! ```
//!
//! **The shell completes paths.** It quotes a file `$(reboot).pcap` and keeps `~/` and `$HOME/` as
//! typed. clap's path completion does neither: the shells insert its candidates unchanged.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::{Arg, Command, ValueEnum, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete as candidates};
use pigeon_text::escape;
use pigeon_text::shell::{quote_bash, quote_fish, read_bash, read_fish, single_quoted};

use crate::base::status::Status;
use crate::words::say;

/// Print the completion script for a shell
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  source <(pigeon completions bash)
  pigeon completions fish > ~/.config/fish/completions/pigeon.fish
  pigeon completions zsh > ~/.zfunc/_pigeon  # fpath+=~/.zfunc before compinit")]
pub(crate) struct Args {
    /// Shell to complete in
    #[arg(value_enum, value_name = "bash|fish|zsh")]
    shell: Shell,
}

/// A shell with tested completion. elvish and PowerShell are missing, because no test shows that
/// they quote what they insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Fish,
    Zsh,
}

/// Set to the shell's name when the completion script calls pigeon.
const ASKED: &str = "PIGEON_COMPLETE";

/// Stands for path candidates. No argument can contain a NUL.
const FILES: &str = "\0files";
const DIRS: &str = "\0dirs";

pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let path = own_path();
    let (script, path) = match args.shell {
        Shell::Bash => (include_str!("pigeon.bash"), single_quoted(&path)),
        Shell::Fish => (include_str!("pigeon.fish"), quote_fish(&path)),
        Shell::Zsh => (include_str!("pigeon.zsh"), single_quoted(&path)),
    };
    match io::stdout().write_all(script.replace("@PIGEON@", &path).as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow!(error)).context(say!("errors-stdout"))
        }
        _ => Ok(Status::Done),
    }
}

/// The command in the script: `pigeon` if it was found in the PATH, else this file's path.
fn own_path() -> String {
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let path = match called.components().count() {
        0 | 1 => PathBuf::from("pigeon"),
        _ => std::path::absolute(&called).unwrap_or(called),
    };
    path.to_string_lossy().into_owned()
}

/// Answers a completion script. `None` if none calls: then pigeon runs normally.
pub(crate) fn answer(command: fn() -> Command) -> Option<Status> {
    let shell = std::env::var_os(ASKED).filter(|shell| !shell.is_empty())?;
    // An unknown shell gets no answer. Running the command instead would be wrong.
    let shell = shell.to_str().and_then(|shell| Shell::from_str(shell, false).ok());
    let words: Vec<OsString> =
        std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let answer = shell.and_then(|shell| {
        let text = lines(shell, with_shell_paths(command()), words)?;
        io::stdout().write_all(text.as_bytes()).ok()
    });
    Some(if answer.is_some() { Status::Done } else { Status::Failed })
}

fn lines(shell: Shell, mut command: Command, words: Vec<OsString>) -> Option<String> {
    let mut words: Vec<String> =
        words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    // The text bash replaces: the current word, or its part after a `:`, a `=` or a quote.
    let replaced = (shell == Shell::Bash && !words.is_empty()).then(|| words.remove(0));
    let current = words.pop()?;
    let read = |word: &str| match shell {
        Shell::Bash => read_bash(word).0,
        Shell::Fish | Shell::Zsh => word.to_string(),
    };
    let mut asked: Vec<OsString> = words.iter().map(|word| read(word).into()).collect();
    asked.push(match shell {
        // fish passes the previous words without quotes; zsh's script removes all quotes.
        Shell::Fish => read_fish(&current).into(),
        Shell::Bash | Shell::Zsh => read(&current).into(),
    });
    let at = asked.len() - 1;
    let found = candidates(&mut command, asked, at, None).ok()?;
    let is = |kind: &str| found.iter().any(|one| one.get_value().to_string_lossy().ends_with(kind));
    if is(FILES) {
        return Some("files\n".into());
    }
    if is(DIRS) {
        return Some("dirs\n".into());
    }
    let lines = match replaced {
        Some(replaced) => for_bash(&found, &current, &replaced)?,
        None => found.iter().map(|one| with_help(shell, one)).collect(),
    };
    Some(lines.into_iter().fold("words\n".into(), |text, line| text + &line + "\n"))
}

/// Candidates as bash inserts them instead of `replaced`, the end of the current word.
fn for_bash(found: &[CompletionCandidate], current: &str, replaced: &str) -> Option<Vec<String>> {
    let (kept, quoting) = read_bash(current.strip_suffix(replaced)?);
    let values = found.iter().map(|one| one.get_value().to_string_lossy().into_owned());
    let rest: Vec<String> =
        values.filter_map(|value| value.strip_prefix(&kept).map(str::to_string)).collect();
    Some(quote_bash(&rest, quoting))
}

/// Formats a candidate for fish or zsh.
fn with_help(shell: Shell, candidate: &CompletionCandidate) -> String {
    let value = candidate.get_value().to_string_lossy();
    let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    let help = escape(help.lines().next().unwrap_or_default()).to_string();
    let (value, separator, help) = match shell {
        Shell::Zsh => {
            let value = value.replace('\\', r"\\").replace(':', r"\:");
            (value, ":", help.replace('\\', r"\\"))
        }
        _ => (value.into_owned(), "\t", help),
    };
    if help.is_empty() { value } else { format!("{value}{separator}{help}") }
}

/// The command with path completion left to the shell.
fn with_shell_paths(command: Command) -> Command {
    let left = |kind: &'static str| {
        ArgValueCompleter::new(move |_: &OsStr| vec![CompletionCandidate::new(kind)])
    };
    let path = |arg: Arg| match arg.get_value_hint() {
        _ if arg.get_value_names().is_some_and(|names| names == ["DIR"]) => arg.add(left(DIRS)),
        ValueHint::DirPath => arg.add(left(DIRS)),
        ValueHint::AnyPath | ValueHint::FilePath => arg.add(left(FILES)),
        _ => arg,
    };
    command.mut_args(path).mut_subcommands(with_shell_paths)
}
