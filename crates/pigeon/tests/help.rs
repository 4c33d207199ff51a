//! Snapshots of the help texts at 100 columns. Review a change and accept it with
//! `INSTA_UPDATE=always cargo test -p pigeon --test help`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

fn help(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pigeon"))
        .args(words)
        .env("COLUMNS", "100")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Every command listed in the help.
fn commands() -> Vec<String> {
    let all = help(&["--help"]);
    let list = all.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_string).collect()
}

#[test]
fn help_reads_as_it_was_accepted() {
    insta::assert_snapshot!("pigeon", help(&["--help"]));
    for command in commands().iter().filter(|command| *command != "help") {
        insta::assert_snapshot!(command.as_str(), help(&[command, "--help"]));
    }
}

#[test]
fn every_command_shows_an_example() {
    for command in commands().iter().filter(|command| *command != "help") {
        let text = help(&[command, "--help"]);
        assert!(text.contains("Example") && text.contains(&format!("pigeon {command}")), "{text}");
    }
}

#[test]
fn completions_and_man_pages_know_every_command() {
    let script = help(&["completions", "bash"]);
    assert!(script.contains("complete ") && script.contains("PIGEON_COMPLETE"), "{script}");
    // The completion request of the script after `pigeon `.
    let completed = Command::new(env!("CARGO_BIN_EXE_pigeon"))
        .args(["--", "", "pigeon", ""])
        .env("PIGEON_COMPLETE", "bash")
        .output()
        .unwrap();
    let completed = String::from_utf8(completed.stdout).unwrap();
    let directory = std::env::temp_dir().join(format!("pigeon-man-{}", std::process::id()));
    help(&["man", directory.to_str().unwrap()]);
    for command in commands().iter().filter(|command| *command != "help") {
        assert!(completed.lines().any(|line| line.trim() == command), "{command}: {completed}");
        let page = std::fs::read_to_string(directory.join(format!("pigeon-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{command}");
    }
    // References between pages resolve.
    let mut references = 0;
    for page in std::fs::read_dir(&directory).unwrap() {
        let page = std::fs::read_to_string(page.unwrap().path()).unwrap().replace("\\-", "-");
        for name in page.lines().filter_map(|line| line.strip_suffix("(1)")) {
            assert!(directory.join(format!("{name}.1")).is_file(), "{name}");
            references += 1;
        }
    }
    assert!(references > commands().len(), "{references}");
    std::fs::remove_dir_all(directory).unwrap();
}
