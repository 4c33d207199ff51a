//! `pigeon man`: manual pages, made from the definitions the command line is parsed by, so that they
//! can never say something else.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;

use crate::base::status::{Status, UsageError};

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

/// Writes a page for pigeon, one for each command, and one for each of a command's own.
pub(crate) fn run(args: Args, command: Command) -> anyhow::Result<Status> {
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
