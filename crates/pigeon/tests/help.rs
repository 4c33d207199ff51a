//! The help, the man pages and the completions of the program itself. The help texts one by one are
//! tested beside the code, in `src/cli/help`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

fn pigeon(words: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
    command.args(words).env("COLUMNS", "100").env_remove("LC_MESSAGES").env("LC_ALL", "C");
    command.envs(environment.iter().copied()).output().unwrap()
}

fn help(words: &[&str]) -> String {
    let output = pigeon(words, &[]);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every command listed in the help.
fn commands() -> Vec<String> {
    let all = help(&["--help"]);
    let lists = all.split("\n\nOptions:").next().unwrap().to_string();
    let names = lists.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).map(str::to_string);
    names.filter(|name| name != "help").collect()
}

#[test]
fn the_language_is_the_flags_else_the_locales() {
    let usage = |words: &[&str], environment: &[(&str, &str)]| {
        let output = pigeon(words, environment);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().nth(2).unwrap().chars().take(2).collect::<String>()
    };
    let (chinese, english) = ("用法", "Us");
    assert_eq!(usage(&["send", "--help"], &[]), english);
    assert_eq!(usage(&["send", "--help"], &[("LC_ALL", "zh_CN.UTF-8")]), chinese);
    assert_eq!(usage(&["send", "-h"], &[("LC_ALL", ""), ("LANG", "zh_TW")]), chinese);
    assert_eq!(usage(&["help", "send"], &[("LC_ALL", "zh_CN")]), chinese);
    assert_eq!(usage(&["--language", "en", "send", "-h"], &[("LC_ALL", "zh_CN")]), english);
    for command in ["hub", "join", "send"] {
        assert_eq!(usage(&[command, "--language", "zh", "-h"], &[]), chinese, "{command}");
        assert_eq!(usage(&["--language=zh", command, "-h"], &[]), chinese, "{command}");
    }
}

#[test]
fn a_mistake_is_explained_in_the_persons_language() {
    let told = |words: &[&str]| {
        let output = pigeon(words, &[("LC_ALL", "zh_CN.UTF-8")]);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let text = told(&["hub", "--port", "9"]);
    assert!(text.contains("'--port'") && text.contains("提示：是不是 '--listen'？"), "{text}");
    let text = told(&["netstat"]);
    assert!(text.contains("没有 'netstat' 这个命令") && text.contains("'sockets'"), "{text}");
    let text = told(&["send", "h:9", "--x\x1b[31m"]);
    assert!(text.contains("\\x1b[31m") && !text.contains('\x1b'), "{text}");
}

#[test]
fn no_command_has_an_unnamed_page_or_completion() {
    let script = help(&["completions", "bash"]);
    assert!(script.contains("complete ") && script.contains("PIGEON_COMPLETE"), "{script}");
    // The completion request of the script after `pigeon `.
    let asked = |shell: &str, language: &str| {
        let words: &[&str] = match shell {
            "bash" => &["--", "", "pigeon", ""],
            _ => &["--", "pigeon", ""],
        };
        let output = pigeon(words, &[("PIGEON_COMPLETE", shell), ("LC_ALL", language)]);
        String::from_utf8(output.stdout).unwrap()
    };
    let completed = asked("bash", "C");
    let pages = Pages::written();
    for command in commands() {
        assert!(completed.lines().any(|line| line.trim() == command), "{command}: {completed}");
        assert!(pages.folder.path().join(format!("pigeon-{command}.1")).is_file(), "{command}");
    }
    assert!(asked("fish", "zh_CN.UTF-8").contains("\t列出本机的 UDP 套接字"));
}

/// All man pages, in a folder.
struct Pages {
    folder: tempfile::TempDir,
}

impl Pages {
    fn written() -> Pages {
        let folder = tempfile::tempdir().unwrap();
        help(&["man", folder.path().to_str().unwrap()]);
        Pages { folder }
    }

    fn paths(&self) -> Vec<std::path::PathBuf> {
        let pages = std::fs::read_dir(self.folder.path()).unwrap();
        pages.map(|page| page.unwrap().path()).collect()
    }
}

#[test]
fn every_man_page_has_its_sections_and_what_it_refers_to_is_there() {
    let pages = Pages::written();
    let (mut references, mut hub) = (0, 0);
    for path in pages.paths() {
        let page = std::fs::read_to_string(&path).unwrap();
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "\"EXIT STATUS\"",
            "ENVIRONMENT",
            "\"SEE ALSO\"",
        ] {
            let section = section.trim_matches('"');
            assert!(page.contains(&format!("\n.SH {section}\n")), "{}: {section}", path.display());
        }
        let plain = page.replace("\\-", "-");
        let related = plain.lines().filter_map(|line| line.strip_prefix(".BR pigeon"));
        for name in related.filter_map(|line| line.split(' ').next()) {
            assert!(path.with_file_name(format!("pigeon{name}.1")).is_file(), "{name}");
            references += 1;
        }
        hub += plain.matches("PIGEON_HUB_").count();
    }
    assert!(references > commands().len() && hub > 30, "{references} {hub}");
    let hub = std::fs::read_to_string(pages.folder.path().join("pigeon-hub.1")).unwrap();
    assert!(hub.contains("\n.SH FILES\n"));
}

/// A checker of man pages with arguments that come before the page; it must print nothing.
fn check(program: &str, words: &[&str], pages: &[&Path]) {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|it| it.join(program).is_file()));
    if !found {
        let required = std::env::var_os("PIGEON_REQUIRE_PEERS").is_some();
        assert!(!required, "{program} is not installed, and PIGEON_REQUIRE_PEERS is set");
        eprintln!("SKIPPED: {program} is not installed");
        return;
    }
    let output = Command::new(program).args(words).args(pages).env("LC_ALL", "C.UTF-8").output();
    let output = output.unwrap();
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success() && told.concat().is_empty(), "{program}: {told:?}");
}

#[test]
fn the_man_pages_pass_mandoc() {
    let pages = Pages::written();
    let paths = pages.paths();
    let paths: Vec<&Path> = paths.iter().map(|path| path.as_path()).collect();
    check("mandoc", &["-T", "lint", "-W", "warning"], &paths);
}

#[test]
fn the_man_pages_pass_groff() {
    let pages = Pages::written();
    let paths = pages.paths();
    let paths: Vec<&Path> = paths.iter().map(|path| path.as_path()).collect();
    // What `man --warnings` runs; `-z` prints nothing but warnings.
    check("groff", &["-man", "-Tutf8", "-Kutf8", "-ww", "-z"], &paths);
}
