//! Completion in real shells: commands, flags, values, contacts' names and files. Inserted names
//! reach the program unchanged, and nothing in them is executed.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::book::Book;
use crate::peers::installed;
use crate::process::{Process, SOON, wait_until};
use crate::pty::Terminal;

/// The input after `pigeon`, and its completions.
const COMPLETED: [(&str, &[&str]); 9] = [
    ("li", &["listen"]),
    ("send --multi", &["--multicast-interface"]),
    ("hub --format c", &["chat", "classic"]),
    ("chat --encoding gb", &["gb2312", "gbk", "gb18030"]),
    ("send 狗", &["狗哥", "狗弟"]),
    ("ask sen", &["sensor"]),
    ("ask 127.0.0.1:7 text --atte", &["--attempts"]),
    ("chat sensor 狗弟 狗", &["狗哥", "狗弟"]),
    ("contacts remove 狗", &["狗哥", "狗弟"]),
];

/// The input after `pigeon` before and after Tab, and the resulting arguments.
const INSERTED: [(&str, &str, &[&str]); 27] = [
    ("replay ev", " T", &["replay", "ev$(touch pwned).pcap", "T"]),
    ("replay bq", " T", &["replay", "bq`touch pwned`.pcap", "T"]),
    ("replay my", " T", &["replay", "my run.pcapng", "T"]),
    ("replay qu", " T", &["replay", "qu'o\"te.pcap", "T"]),
    ("replay ex", " T", &["replay", "ex!clam.pcap", "T"]),
    ("replay gl", " T", &["replay", "gl*b.pcap", "T"]),
    ("replay nl", " T", &["replay", "nl\nx.pcap", "T"]),
    ("replay -- -d", " T", &["replay", "--", "-dash.pcap", "T"]),
    ("replay ./-d", " T", &["replay", "./-dash.pcap", "T"]),
    ("replay ~/my", " T", &["replay", "HOME/my run.pcapng", "T"]),
    ("replay $HOME/my", " T", &["replay", "HOME/my run.pcapng", "T"]),
    ("replay 'my", " T", &["replay", "my run.pcapng", "T"]),
    ("replay \"my", " T", &["replay", "my run.pcapng", "T"]),
    ("relay 5 h:1 --record=my", "", &["relay", "5", "h:1", "--record=my run.pcapng"]),
    ("relay 5 h:1 --record my", "", &["relay", "5", "h:1", "--record", "my run.pcapng"]),
    ("man su", "", &["man", "sub dir"]),
    ("chat --encoding=gb2", "", &["chat", "--encoding=gb2312"]),
    (
        "hub --listen=127.0.0.1:9 --format=cl",
        "",
        &["hub", "--listen=127.0.0.1:9", "--format=classic"],
    ),
    ("send \\$", " T", &["send", "$(touch_pwned)", "T"]),
    ("send '$", " T", &["send", "$(touch_pwned)", "T"]),
    ("send \\`", " T", &["send", "`id`", "T"]),
    ("send it", " T", &["send", "it's", "T"]),
    ("send 'it", " T", &["send", "it's", "T"]),
    ("send \"it", " T", &["send", "it's", "T"]),
    ("send wow", " T", &["send", "wow!", "T"]),
    ("send \"wow", " T", &["send", "wow!", "T"]),
    ("send pi", " T", &["send", "pi|pe", "T"]),
];

const FILES: [&str; 9] = [
    "ev$(touch pwned).pcap",
    "bq`touch pwned`.pcap",
    "my run.pcapng",
    "qu'o\"te.pcap",
    "ex!clam.pcap",
    "gl*b.pcap",
    "nl\nx.pcap",
    "-dash.pcap",
    "contacts.toml",
];

/// A home with contacts and files with malicious names, and pigeon in a folder with a space.
fn home() -> Book {
    let book = Book::saying(
        "\"狗哥\" = \"h:1\"\n\"狗弟\" = \"h:2\"\nsensor = \"h:3\"\n\"$(touch_pwned)\" = \"h:4\"\n\
         \"`id`\" = \"h:5\"\n\"it's\" = \"h:6\"\n\"wow!\" = \"h:7\"\n\"pi|pe\" = \"h:8\"\n",
    );
    for file in FILES.iter().filter(|file| !book.directory().join(file).exists()) {
        fs::write(book.directory().join(file), "").unwrap();
    }
    fs::create_dir(book.directory().join("sub dir")).unwrap();
    fs::create_dir(book.directory().join("in blank")).unwrap();
    symlink(env!("CARGO_BIN_EXE_pigeon"), book.directory().join("in blank/pigeon")).unwrap();
    book
}

/// The output of a shell in this home, without configuration files.
fn printed(book: &Book, shell: &str, args: &[&str]) -> String {
    let mut command = Command::new(shell);
    command.args(args).env("PIGEON_CONTACTS", book.path());
    command.env("HOME", book.directory()).env("LC_ALL", "C.UTF-8");
    let mut process = Process::spawn(shell, &mut command);
    process.expect_end(SOON);
    process.output()
}

/// Starts a shell in the book's home, after running `prepare`.
fn shell(book: &Book, name: &str, args: &[&str], prepare: &str) -> Terminal {
    let shell = Terminal::start_shell(book, name, args);
    shell.press(&format!("{prepare}\r"));
    shell.expect("the prompt", |screen| screen.trim_end().ends_with("\nready>"));
    shell
}

fn bash(book: &Book) -> Terminal {
    let prepare = "cd; source <(~/'in blank/pigeon' completions bash); PS1='ready> '; clear";
    shell(book, "bash", &["--norc", "--noprofile", "-i"], &format!("{prepare}; echo"))
}

/// As in the help, the script is in a file that zsh loads at the first Tab, and that Tab works too.
fn zsh(book: &Book) -> Terminal {
    let pigeon = book.directory().join("in blank/pigeon");
    let script = printed(book, pigeon.to_str().unwrap(), &["completions", "zsh"]);
    fs::write(book.directory().join("_pigeon"), script).unwrap();
    let prepare = "cd; PS1='ready> '; fpath=(~ $fpath); autoload -Uz compinit; compinit -u -D";
    shell(book, "zsh", &["-f", "-i"], prepare)
}

/// Types input with a Tab, and reads the arguments passed to a function `pigeon`.
#[track_caller]
fn assert_inserted(book: &Book, shell: &Terminal) {
    let called = book.directory().join("called");
    let home = book.directory().to_str().unwrap();
    for (before, behind, expected) in INSERTED {
        let _ = fs::remove_file(&called);
        // Ctrl-U: clears the line.
        shell.press(&format!("\x15pigeon {before}\t{behind}\r"));
        let words = wait_until(before, || {
            let text = fs::read_to_string(&called).ok().filter(|text| text.ends_with('\0'))?;
            Some(text.split_terminator('\0').map(str::to_string).collect::<Vec<_>>())
        });
        // Shells differ in keeping a folder's final slash.
        let words: Vec<&str> = words.iter().map(|word| word.trim_end_matches('/')).collect();
        let expected: Vec<String> =
            expected.iter().map(|word| word.replace("HOME", home)).collect();
        assert_eq!(words, expected, "{before}");
    }
    assert!(!book.directory().join("pwned").exists());
}

/// Types words, and checks the completions, which the shell lists after `tabs`.
#[track_caller]
fn assert_completed(shell: &Terminal, tabs: &str) {
    for (words, expected) in COMPLETED {
        // Ctrl-U and Ctrl-L: clear the line and the screen.
        shell.press("\x15\x0c");
        shell.expect("an empty line", |screen| screen.trim() == "ready>");
        let tabs = if expected.len() == 1 { "\t" } else { tabs };
        shell.press(&format!("pigeon {words}{tabs}"));
        shell.expect(words, |screen| {
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

#[test]
fn bash_completes() {
    let book = home();
    // bash lists at the second Tab.
    assert_completed(&bash(&book), "\t\t");
}

#[test]
fn bash_inserts_names_as_they_are() {
    let book = home();
    let bash = bash(&book);
    bash.press("pigeon() { printf '%s\\0' \"$@\" > ~/called; }\r");
    assert_inserted(&book, &bash);
}

#[test]
fn zsh_completes() {
    if installed("zsh") {
        assert_completed(&zsh(&home()), "\t");
    }
}

#[test]
fn zsh_inserts_names_as_they_are() {
    if installed("zsh") {
        let book = home();
        let zsh = zsh(&book);
        zsh.press("pigeon() { printf '%s\\0' \"$@\" > ~/called }\r");
        assert_inserted(&book, &zsh);
    }
}

#[test]
fn fish_completes() {
    if !installed("fish") {
        return;
    }
    let book = home();
    for (words, expected) in COMPLETED {
        let script =
            format!("~/'in blank/pigeon' completions fish | source; complete -C 'pigeon {words}'");
        let completed = printed(&book, "fish", &["--no-config", "-c", &script]);
        // A description follows a tab.
        let completed: Vec<_> =
            completed.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(completed, expected, "{words}");
    }
}

#[test]
fn fish_inserts_names_as_they_are() {
    if !installed("fish") {
        return;
    }
    let book = home();
    let prepare = "cd; ~/'in blank/pigeon' completions fish | source; \
                   function fish_prompt; echo 'ready> '; end; \
                   function pigeon; printf '%s\\0' $argv > ~/called; end";
    let fish = shell(&book, "fish", &["--no-config", "-i"], prepare);
    assert_inserted(&book, &fish);
}
