//! The `pigeon` binary: where state machines meet sockets, screens and files.
//!
//! - [`base`]: shared by all commands.
//! - [`cli`]: the command line, one file a command.
//! - [`config`]: configuration files. [`contacts`]: names for those one talks to.
//! - [`output`]: what goes to stdout and stderr, and how.
//! - [`ui`]: the person at the terminal. [`words`]: what people read, in English and Chinese.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "help texts are doc comments; [ADDR:]PORT is no link"
)]
#![cfg_attr(
    not(all(
        feature = "cluster",
        feature = "ipmsg",
        feature = "page",
        feature = "quic",
        feature = "tui"
    )),
    allow(
        dead_code,
        unused_imports,
        reason = "a smaller program leaves parts of shared modules unused"
    )
)]

mod base;
mod cli;
mod config;
mod contacts;
mod output;
mod ui;
mod words;

fn main() -> ! {
    std::process::exit(cli::main())
}
