//! `pigeon completions`: scripts with which bash, fish and zsh complete its command line.
//!
//! A script asks pigeon itself at each Tab: contacts come and go, and no script written once could
//! know them. The answer is lines:
//!
//! ```text
//!   words      candidates follow, a line each: for bash quoted, for fish and zsh with their help
//!   files      a path belongs here, and the shell completes it
//!   dirs       a folder belongs here, likewise
//! ```
//!
//! **Paths are the shell's.** A file `$(reboot).pcap` must be inserted quoted, `~/` and `$HOME/` must
//! stay as they are typed, and every shell does both for its own completion of files. clap's completion
//! of paths does neither: the shells take its candidates as they are.

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

/// A shell with tested completion. elvish and PowerShell are left out: no test would show
/// that they quote what is inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Fish,
    Zsh,
}

/// Set by the shell's script, to the shell's name, when it asks what a word may become.
const ASKED: &str = "PIGEON_COMPLETE";

/// Stands for the candidates of a path. No argument can hold a NUL.
const FILES: &str = "\0files";
const DIRS: &str = "\0dirs";

/// Prints the script.
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

/// What the script calls: `pigeon` from the PATH if that is how it was called now, else this file.
fn own_path() -> String {
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let path = match called.components().count() {
        0 | 1 => PathBuf::from("pigeon"),
        _ => std::path::absolute(&called).unwrap_or(called),
    };
    path.to_string_lossy().into_owned()
}

/// Answers a script that asks for completions. `None` if no script asks: then pigeon runs as usual.
pub(crate) fn answer(command: fn() -> Command) -> Option<Status> {
    let shell = std::env::var_os(ASKED).filter(|shell| !shell.is_empty())?;
    // A shell that is not known gets no answer. Going on would run a command in its place.
    let shell = shell.to_str().and_then(|shell| Shell::from_str(shell, false).ok());
    let words: Vec<OsString> =
        std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    let answer = shell.and_then(|shell| {
        let text = lines(shell, with_shell_paths(command()), words)?;
        io::stdout().write_all(text.as_bytes()).ok()
    });
    Some(if answer.is_some() { Status::Done } else { Status::Failed })
}

/// The answer to a shell.
fn lines(shell: Shell, mut command: Command, words: Vec<OsString>) -> Option<String> {
    let mut words: Vec<String> =
        words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    // What bash replaces: the current word, or its part behind a `:`, a `=` or a quote.
    let replaced = (shell == Shell::Bash && !words.is_empty()).then(|| words.remove(0));
    let current = words.pop()?;
    let read = |word: &str| match shell {
        Shell::Bash => read_bash(word).0,
        Shell::Fish | Shell::Zsh => word.to_string(),
    };
    let mut asked: Vec<OsString> = words.iter().map(|word| read(word).into()).collect();
    asked.push(match shell {
        // fish passes the words before it without their quotes; zsh's script strips all of them.
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

/// Candidates as bash inserts them in place of `replaced`, the end of the current word.
fn for_bash(found: &[CompletionCandidate], current: &str, replaced: &str) -> Option<Vec<String>> {
    let (kept, quoting) = read_bash(current.strip_suffix(replaced)?);
    let values = found.iter().map(|one| one.get_value().to_string_lossy().into_owned());
    let rest: Vec<String> =
        values.filter_map(|value| value.strip_prefix(&kept).map(str::to_string)).collect();
    Some(quote_bash(&rest, quoting))
}

/// A candidate as fish or zsh reads it.
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

/// The command with all its paths left to the shell.
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
