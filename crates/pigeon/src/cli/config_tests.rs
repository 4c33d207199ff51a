//! Checks that configuration files match the command line.

use clap::CommandFactory;

use super::Cli;
use crate::base::system_error;
use crate::config::{apply_text, flag_value};

const SAMPLE: &str = include_str!("../../../../docs/hub.toml");

fn error(text: &str) -> String {
    system_error::chain(&apply_text(Cli::command(), "hub", text).unwrap_err())
}

#[test]
fn the_sample_holds_every_setting_at_its_default() {
    let hub = Cli::command().find_subcommand("hub").unwrap().clone();
    let sample: toml::Table = SAMPLE.parse().unwrap();
    for arg in hub.get_arguments().filter(|arg| arg.get_action().takes_values()) {
        let Some(name) = arg.get_long().filter(|name| *name != "config") else { continue };
        let default = arg.get_default_values().first().map(|value| value.to_string_lossy());
        match (default, sample.get(name)) {
            (Some(default), Some(value)) => assert_eq!(flag_value(value), default, "{name}"),
            (Some(_), None) => panic!("{name} is missing"),
            // A setting without a single default: the sample shows it in a comment.
            (None, None) => assert!(SAMPLE.contains(&format!("# {name} = ")), "{name}"),
            (None, Some(_)) => panic!("{name} has no default"),
        }
    }
    assert!(apply_text(Cli::command(), "hub", SAMPLE).is_ok());
}

#[test]
fn what_the_sample_shows_in_comments_is_accepted_too() {
    let settings: String = SAMPLE
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.contains(" = "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(apply_text(Cli::command(), "hub", &settings).is_ok());
}

#[test]
fn a_flag_stands_over_the_file_and_the_file_over_the_default() {
    let parse = |flags: &[&str]| {
        let command = apply_text(Cli::command(), "hub", "timeout = \"45s\"\nmax-members = 7");
        let words = [&["pigeon", "hub"], flags].concat();
        let matches = command.unwrap().try_get_matches_from(words).unwrap();
        let hub = matches.subcommand_matches("hub").unwrap();
        (
            hub.get_one::<std::time::Duration>("timeout").unwrap().as_secs(),
            *hub.get_one::<u32>("max_members").unwrap(),
            *hub.get_one::<usize>("notices_up_to").unwrap(),
        )
    };
    assert_eq!(parse(&[]), (45, 7, 100));
    assert_eq!(parse(&["--timeout", "9s"]), (9, 7, 100));
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    assert!(error("timeout = \"30s\"\nformat = chat").starts_with("line 2, column 10: "));
    for (text, expected) in [
        (
            "# a slip\ntimeuot = \"3s\"",
            "line 2, column 1: there is no setting timeuot; did you mean timeout?",
        ),
        (
            "max_members = 3",
            "line 1, column 1: there is no setting max_members; did you mean max-members?",
        ),
        ("port = 9999", "line 1, column 1: there is no setting port; did you mean listen?"),
        (
            "memory = 3",
            "line 1, column 1: there is no setting memory; `pigeon hub --help` lists them",
        ),
        (
            "config = \"x\"",
            "line 1, column 1: there is no setting config; `pigeon hub --help` lists them",
        ),
    ] {
        assert_eq!(error(text), expected);
    }
    for empty in ["password = \"\"", "password = \"  \"", "password = []"] {
        assert!(
            error(empty).contains("an empty password would let everyone in"),
            "{}",
            error(empty)
        );
    }
    assert!(error("max-text = 0").ends_with("must be greater than 0"));
    assert_eq!(
        error("timeout = 30"),
        "line 1, column 11: invalid value '30' for timeout: write a number with its unit, e.g. 250ms, \
         3s, 2m"
    );
    assert!(error("format = \"x\"").ends_with("choose one of chat, classic, raw"));
    assert!(error("open = [\"10.0.0.0/8\", \"nonsense\"]").contains("nonsense"));
}
