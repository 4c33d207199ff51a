//! Completions in the shells themselves: commands, flags, their values and contacts' names.

use std::fs;
use std::process::Command;

use crate::book::Book;
use crate::peers::installed;
use crate::process::{Process, SOON};
use crate::pty::Terminal;

/// What is typed behind `pigeon`, and what it may become.
const COMPLETED: [(&str, &[&str]); 8] = [
    ("li", &["listen"]),
    ("send --multi", &["--multicast-interface"]),
    ("hub --format c", &["chat", "classic"]),
    ("chat --encoding gb", &["gb2312", "gbk", "gb18030"]),
    ("send 狗", &["狗哥", "狗弟"]),
    ("ask sen", &["sensor"]),
    ("chat sensor 狗弟 狗", &["狗哥", "狗弟"]),
    ("contacts remove 狗", &["狗哥", "狗弟"]),
];

fn book() -> Book {
    Book::saying("\"狗哥\" = \"h:1\"\n\"狗弟\" = \"h:2\"\nsensor = \"h:3\"\n")
}

/// What a shell with these contacts, and no configuration of its own, prints.
fn printed(book: &Book, shell: &str, args: &[&str]) -> String {
    let mut command = Command::new(shell);
    command.args(args).env("PIGEON_CONTACTS", book.path());
    command.env("HOME", book.directory()).env("LC_ALL", "C.UTF-8");
    let mut process = Process::spawn(shell, &mut command);
    process.expect_end(SOON);
    process.output()
}

#[test]
fn bash_completes() {
    let book = book();
    for (words, expected) in COMPLETED {
        let count = words.split(' ').count();
        let last = words.split(' ').next_back().unwrap();
        // What bash itself does at a tab.
        let script = format!(
            "source <('{0}' completions bash); COMP_WORDS=('{0}' {words}); COMP_CWORD={count}; \
             _clap_complete_pigeon pigeon {last} x; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            env!("CARGO_BIN_EXE_pigeon")
        );
        let completed = printed(&book, "bash", &["-c", &script]);
        assert_eq!(completed.split_whitespace().collect::<Vec<_>>(), expected, "{words}");
    }
}

#[test]
fn fish_completes() {
    if !installed("fish") {
        return;
    }
    let book = book();
    for (words, expected) in COMPLETED {
        let pigeon = env!("CARGO_BIN_EXE_pigeon");
        let script = format!("'{pigeon}' completions fish | source; complete -C 'pigeon {words}'");
        let completed = printed(&book, "fish", &["--no-config", "-c", &script]);
        // Behind a tab stands what it is.
        let completed: Vec<_> =
            completed.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(completed, expected, "{words}");
    }
}

/// zsh completes only where somebody types. The script stands in a file that zsh reads at the first
/// tab, as the help has it, and that tab is answered too.
#[test]
fn zsh_completes() {
    if !installed("zsh") {
        return;
    }
    let book = book();
    let script = printed(&book, env!("CARGO_BIN_EXE_pigeon"), &["completions", "zsh"]);
    fs::write(book.directory().join("_pigeon"), script).unwrap();
    let zsh = Terminal::start_shell(&book, "zsh", &["-f", "-i"]);
    zsh.press("PS1='ready> '; fpath=(~ $fpath); autoload -Uz compinit; compinit -u -D\r");
    zsh.expect("the prompt", |screen| screen.trim_end().ends_with("\nready>"));
    for (words, expected) in COMPLETED {
        // Ctrl-U and Ctrl-L: nothing typed, nothing shown.
        zsh.press("\x15\x0c");
        zsh.expect("an empty line", |screen| screen.trim() == "ready>");
        zsh.press(&format!("pigeon {words}\t"));
        zsh.expect(words, |screen| {
            let (typed, listed) = screen.split_once('\n').unwrap_or((screen, ""));
            match expected {
                [only] => typed.trim_end().ends_with(only),
                several => {
                    let mut listed = listed.split_whitespace();
                    several.iter().all(|word| listed.any(|listed| listed == *word))
                }
            }
        });
    }
}
