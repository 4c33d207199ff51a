//! `pigeon completions` and `pigeon man`: made from the definitions the command line is parsed by, so
//! that they can never say something else.
//!
//! A shell's script asks pigeon itself at each completion: contacts come and go, and no script
//! written once could know them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Command;
use clap_complete::Shell;
use clap_complete::env::{CompleteEnv, Shells};
use clap_mangen::Man;

use crate::base::status::{Status, UsageError};

/// Print completions for a shell
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  source <(pigeon completions bash)
  pigeon completions fish > ~/.config/fish/completions/pigeon.fish
  pigeon completions zsh > ~/.zfunc/_pigeon    with `fpath+=~/.zfunc` before compinit")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write man pages into a directory
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  pigeon man /usr/local/share/man/man1 && man pigeon-hub")]
pub(crate) struct ManArgs {
    /// The directory; it is made if it is missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Set by the shell's script when it asks what a word may become.
const ASKED: &str = "PIGEON_COMPLETE";

/// A file in zsh's fpath is read at the first tab: then clap's script only says who completes, and that
/// tab would be answered by nobody.
const ZSH_FIRST_TAB: &[u8] = br#"
if [[ ${funcstack[1]} == _pigeon ]]; then
    _clap_dynamic_completer_pigeon "$@"
fi
"#;

/// Answers a shell that asks for completions, and ends the process; does nothing otherwise.
pub(crate) fn complete(command: fn() -> Command) {
    CompleteEnv::with_factory(command).var(ASKED).complete();
}

/// Prints completions.
pub(crate) fn completions(args: CompletionsArgs) -> anyhow::Result<Status> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let shell =
        shells.completer(&args.shell.to_string()).context("no completions for this shell")?;
    let asked = own_path();
    shell
        .write_registration(ASKED, "pigeon", "pigeon", &asked, &mut script)
        .context("cannot write completions")?;
    if args.shell == Shell::Zsh {
        script.extend_from_slice(ZSH_FIRST_TAB);
    }
    match io::stdout().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow!(error)).context("cannot write to stdout")
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

/// Writes a page for pigeon, one for each command, and one for each of a command's own.
pub(crate) fn man(args: ManArgs, command: Command) -> anyhow::Result<Status> {
    let directory = &args.directory;
    let shown = || pigeon_text::escape(&directory.to_string_lossy().into_owned()).to_string();
    std::fs::create_dir_all(directory)
        .with_context(|| UsageError(format!("cannot make {}", shown())))?;
    // It has no page: `--help` is in all of them.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(command, &mut pages);
    for page in pages {
        write(directory, page)
            .with_context(|| UsageError(format!("cannot write into {}", shown())))?;
    }
    Ok(Status::Done)
}

/// The command and all below it, each named with what stands above it: `pigeon-contacts-add`.
fn collect(command: Command, pages: &mut Vec<Command>) {
    let above = command.get_name().to_string();
    pages.push(command.clone());
    for sub in command.get_subcommands() {
        let name = format!("{above}-{}", sub.get_name());
        collect(sub.clone().display_name(&name).name(name), pages);
    }
}

fn write(directory: &Path, command: Command) -> io::Result<()> {
    let path = directory.join(format!("{}.1", command.get_name()));
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    std::fs::write(path, page)
}
