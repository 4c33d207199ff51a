//! The command line: from arguments to a command and its exit status. One file per command, each
//! exporting `Args` and `run`.

mod ask;
mod bench;
mod chat;
mod completions;
mod contacts;
mod discover;
mod environment;
mod help;
mod history;
mod hub;
mod invite;
mod join;
mod listen;
mod man;
mod mistakes;
mod relay;
mod replay;
mod send;
mod serve;
mod sockets;
mod time;

#[cfg(test)]
mod config_tests;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::ArgValueCandidates;
use pigeon_proto::Language;

use crate::base::locale;
use crate::base::status::{Status, UsageError};
use crate::base::system_error;
use crate::config;
use crate::output::{self, Color};
use crate::words;

/// UDP messaging for people, programs and devices on a network.
#[derive(Parser)]
#[command(name = "pigeon", version, arg_required_else_help = true)]
#[command(after_help = "\
Try it, each line in a terminal of its own:
  pigeon hub
  pigeon join --nick 狗哥
  nc -u 127.0.0.1 9999

`pigeon COMMAND --help` explains a command and shows examples.")]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Use colour: auto (on a terminal, unless NO_COLOR is set), always, or never
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN", display_order = 1_000)]
    color: Color,

    /// Print data and errors only, no remarks on stderr
    #[arg(short, long, global = true, display_order = 1_001)]
    quiet: bool,

    /// Language of messages and help [default: from LC_ALL, LC_MESSAGES or LANG]
    #[arg(
        long,
        global = true,
        value_name = "en|zh",
        value_parser = locale::parse,
        add = ArgValueCandidates::new(locale::candidates),
        display_order = 1_002
    )]
    language: Option<Language>,
}

#[derive(Subcommand)]
enum Command {
    Hub(Box<hub::Args>),
    Join(join::Args),
    Invite(invite::Args),
    History(history::Args),
    Send(send::Args),
    Ask(ask::Args),
    Serve(serve::Args),
    Relay(Box<relay::Args>),
    Replay(replay::Args),
    Time(time::Args),
    Chat(chat::Args),
    Contacts(contacts::Args),
    Completions(completions::Args),
    Man(man::Args),
    Listen(listen::Args),
    Discover(discover::Args),
    Sockets(sockets::Args),
    Bench(Box<bench::Args>),
}

pub(crate) fn main() -> i32 {
    crate::base::signals::survive_file_size_limit();
    words::set_language(locale::asked());
    if let Some(status) =
        completions::answer(|| help::translated(Cli::command(), words::language()))
    {
        return status as i32;
    }
    let outcome = parse().and_then(run);
    // Restores the terminal before the error is printed.
    crate::base::terminal::restore();
    match outcome {
        Ok(status) => status as i32,
        Err(error) => match error.downcast_ref::<clap::Error>() {
            // Includes help and version.
            Some(error) => {
                mistakes::print(error);
                error.exit_code()
            }
            None => {
                // `eprintln` would panic if stderr is closed.
                let text = mistakes::escape_lines(&system_error::chain(&error));
                let _ = writeln!(io::stderr(), "pigeon: {text}");
                Status::of(&error) as i32
            }
        },
    }
}

/// Parses the arguments; the error may be a request for help.
fn matches(command: clap::Command) -> Result<ArgMatches, clap::Error> {
    command.clone().try_get_matches().or_else(|error| match error.kind() {
        // Built only when it is shown.
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            help::with_help(command, words::language()).try_get_matches()
        }
        _ => Err(mistakes::suggest(environment::blame(error, &command), &command)),
    })
}

/// Parses the arguments; if they name a configuration file, again with its settings.
fn parse() -> anyhow::Result<Cli> {
    let found = matches(Cli::command())?;
    let found = match found.subcommand() {
        Some((name, arguments)) => match config_file(arguments) {
            Some(path) => {
                let command = config::apply(Cli::command(), name, &path)
                    .map_err(|error| UsageError(system_error::chain(&error)))?;
                matches(command)?
            }
            None => found,
        },
        None => found,
    };
    let mut cli = Cli::from_arg_matches(&found)?;
    if let (Command::Hub(args), Some(matches)) = (&mut cli.command, found.subcommand_matches("hub"))
    {
        args.note_origins(matches);
    }
    Ok(cli)
}

/// Reads the hub's settings again, because its file may have changed.
fn reread_hub() -> anyhow::Result<hub::Args> {
    match parse()?.command {
        Command::Hub(args) => Ok(*args),
        _ => Err(anyhow::anyhow!("these are the arguments of another command")),
    }
}

/// The file of `--config`, if the command has that flag.
fn config_file(arguments: &ArgMatches) -> Option<PathBuf> {
    arguments.try_get_one::<PathBuf>("config").ok().flatten().cloned()
}

fn run(cli: Cli) -> anyhow::Result<Status> {
    if cli.quiet {
        output::be_quiet();
    }
    match cli.command {
        Command::Hub(args) => {
            args.set_language();
            let hub = Cli::command();
            let unknown = hub
                .find_subcommand("hub")
                .map(|hub| environment::unknown(hub, "PIGEON_HUB_"))
                .unwrap_or_default();
            hub::run(*args, cli.color, &unknown, reread_hub)
        }
        Command::Join(args) => join::run(args, cli.color),
        Command::Invite(args) => invite::run(args, cli.color),
        Command::History(args) => history::run(args),
        Command::Send(args) => send::run(args),
        Command::Ask(args) => ask::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Relay(args) => relay::run(*args),
        Command::Replay(args) => replay::run(args),
        Command::Time(args) => time::run(args),
        Command::Chat(args) => chat::run(args, cli.color),
        Command::Contacts(args) => contacts::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args, Cli::command()),
        Command::Listen(args) => listen::run(args),
        Command::Discover(args) => discover::run(args),
        Command::Sockets(args) => sockets::run(args, cli.color),
        Command::Bench(args) => bench::run(*args, cli.color),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
