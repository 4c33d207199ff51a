//! The `pigeon` binary: where state machines meet sockets, screens and files.
//!
//! - [`base`]: shared by all commands.
//! - [`cli`]: the command line, one file a command.
//! - [`config`]: configuration files. [`contacts`]: names for peers.
//! - [`output`]: output to stdout, stderr and files.
//! - [`ui`]: the terminal's user interface.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "help texts are doc comments; [ADDR:]PORT is no link"
)]

mod base;
mod cli;
mod config;
mod contacts;
mod output;
mod ui;

fn main() -> ! {
    std::process::exit(cli::main())
}
