//! The command line: from arguments to a command and its exit status. One file a command, each
//! exporting `Args` and `run`.

mod bind;
mod endpoint;
mod exit;
mod hub;
mod join;
mod listen;
mod port_holder;
mod quantity;
mod send;
mod signals;

use clap::{Parser, Subcommand};

use crate::output::Color;

/// UDP messaging for people, programs and devices on a network.
#[derive(Parser)]
#[command(name = "pigeon", version, arg_required_else_help = true)]
#[command(after_help = "\
Try it: start a hub, join it from two terminals, and write.
  pigeon hub
  pigeon join --nick 狗哥
  nc -u 127.0.0.1 9999")]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Colour: on a terminal, always, or never (NO_COLOR in the environment means never)
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
}

#[derive(Subcommand)]
enum Command {
    Hub(hub::Args),
    Join(join::Args),
    Send(send::Args),
    Listen(listen::Args),
}

/// Runs the command line and returns the exit status.
pub(crate) fn main() -> i32 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; printing can fail only if nobody reads.
            let _ = error.print();
            return error.exit_code();
        }
    };
    let outcome = match cli.command {
        Command::Hub(args) => hub::run(args, cli.color),
        Command::Join(args) => join::run(args, cli.color),
        Command::Send(args) => send::run(args),
        Command::Listen(args) => listen::run(args),
    };
    match outcome {
        Ok(status) => status as i32,
        Err(error) => {
            // `{:#}` puts the causes behind the error, on one line.
            eprintln!("pigeon: {error:#}");
            exit::Status::of(&error) as i32
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
