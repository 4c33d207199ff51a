//! The examples of the pages in `docs` and of the READMEs, and bash scripts made from them.
//!
//! Invisible HTML comments mark the blocks: `<!-- run: NAME -->` if a test of that name runs them
//! unchanged, `<!-- not run: WHY -->` if none can. A mark applies until the next mark or heading.
//! In an example, `sh` blocks are commands, `text` blocks are their output, and a `python` block is
//! a file, named in its first line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The start of every script.
const PRELUDE: &str = r#"set -eu
export PATH="$PATH:/usr/sbin"
holds_udp() { ss -Hunap | grep -q "pid=$1,"; }
started() {
  for _ in $(seq 200); do
    if holds_udp "$1"; then return; fi
    kill -0 "$1" 2>/dev/null || { echo "process $1 ended before it held a UDP socket" >&2; exit 1; }
    sleep 0.05
  done
  echo "process $1 holds no UDP socket" >&2; exit 1
}
"#;

/// Commands that run until they are stopped. A page need not write `&` after them.
const SERVERS: [&str; 4] =
    ["pigeon hub ", "pigeon serve ", "pigeon relay ", "pigeon bench server "];

/// The commands of a page.
pub(crate) struct Page {
    pub(crate) examples: Vec<Example>,
    /// Why blocks are not run, one line per block.
    pub(crate) not_run: Vec<String>,
}

/// The blocks of one example.
#[derive(Default)]
pub(crate) struct Example {
    pub(crate) name: String,
    pub(crate) commands: String,
    /// Programs in the example, by the name in their first line.
    pub(crate) files: Vec<(String, String)>,
    pub(crate) prints: Vec<String>,
    /// Terminal sessions.
    pub(crate) sessions: Vec<Vec<String>>,
    /// Number of blocks.
    pub(crate) blocks: usize,
}

enum Mark {
    Run,
    NotRun(String),
}

/// Reads a page by its path in the repository. Panics if a block of commands has no mark.
pub(crate) fn page(path: &str) -> Page {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let mut page = Page { examples: Vec::new(), not_run: Vec::new() };
    let mut mark = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let comment = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        if line.starts_with('#') {
            mark = None;
        } else if let Some(name) = comment.and_then(|text| text.strip_prefix("run: ")) {
            page.examples.push(Example { name: name.to_owned(), ..Example::default() });
            mark = Some(Mark::Run);
        } else if let Some(why) = comment.and_then(|text| text.strip_prefix("not run: ")) {
            mark = Some(Mark::NotRun(why.to_owned()));
        }
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<String> =
            lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        match (&mark, kind) {
            (Some(Mark::Run), _) => page.examples.last_mut().unwrap().add(kind, block),
            (_, "text") => {}
            (Some(Mark::NotRun(why)), _) => page.not_run.push(why.clone()),
            (None, _) => panic!("{path}: {:?} is neither run nor marked as not run", block[0]),
        }
    }
    page
}

impl Page {
    pub(crate) fn example(self, name: &str) -> Example {
        let found = self.examples.into_iter().find(|example| example.name == name);
        found.unwrap_or_else(|| panic!("no example is called {name}"))
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

impl Example {
    fn add(&mut self, kind: &str, block: Vec<String>) {
        self.blocks += 1;
        match kind {
            "sh" => self.commands.push_str(&(block.join("\n") + "\n")),
            "text" => self.prints.extend(block),
            "console" => self.sessions.push(block),
            "python" => {
                let name = block[0].trim_start_matches("# ").to_owned();
                self.files.push((name, block.join("\n") + "\n"));
            }
            kind => panic!("{}: a block of {kind:?}", self.name),
        }
    }

    /// Writes the example's files into a folder.
    pub(crate) fn write_files(&self, folder: &Path) {
        for (name, text) in &self.files {
            fs::write(folder.join(name), text).unwrap();
        }
    }
}

/// A line of code without its comment.
fn command_of(line: &str) -> &str {
    let line = line.split(" # ").next().unwrap_or(line).trim_end();
    if line.starts_with("# ") { "" } else { line }
}

/// The commands, with a wait after each background program until it has a UDP socket.
pub(crate) fn with_starts(commands: &str) -> String {
    let mut all = String::new();
    for line in commands.lines() {
        let command = command_of(line);
        let serves = SERVERS.iter().any(|server| format!("{command} ").starts_with(server))
            && !command.contains("--check");
        let goes_on = command.ends_with(" &");
        all.push_str(command);
        all.push_str(match (serves || goes_on, goes_on) {
            (true, true) => "\nstarted $!\n",
            (true, false) => " &\nstarted $!\n",
            (false, _) => "\n",
        });
    }
    all
}

/// Writes a script for bash.
pub(crate) fn write_script(folder: &Path, name: &str, script: &str) {
    fs::write(folder.join(name), format!("{PRELUDE}{script}")).unwrap();
}

/// The environment of such a script: `pigeon` is ours.
pub(crate) fn set_environment(command: &mut Command, folder: &Path) {
    let pigeon = Path::new(env!("CARGO_BIN_EXE_pigeon"));
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .current_dir(folder)
        .env("PIGEON", pigeon)
        .env("PATH", format!("{}:{path}", pigeon.parent().unwrap().display()))
        .env("PROGRAMS", root().join("crates/pigeon/tests/programs"))
        .env("REPOSITORY", root())
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1");
}

/// Whether a line matches, where `…` stands for any text.
pub(crate) fn is_like(line: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

/// A line without its figures, times and units, which differ from run to run.
pub(crate) fn without_figures(line: &str) -> String {
    let number = |word: &str| {
        let digits = word.replace(',', "");
        digits.trim_end_matches(['s', '/', 'k', 'M']).parse::<f64>().is_ok()
    };
    let words = line.split_whitespace().map(|word| match word {
        time if time.starts_with("20") && time.contains('T') && time.contains(':') => "…",
        "ns" | "µs" | "ms" | "s" => "…",
        word if number(word) => "…",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn figures_are_passed_over() {
    let line = "lost 1,234 in 5.12M/s, p50 3.2 ms, heard 127.0.0.1:9";
    assert_eq!(without_figures(line), "lost … in … p50 … ms, heard 127.0.0.1:9");
    assert_eq!(without_figures("2026-11-28T12:46:18+00:00  INFO  9 ms"), "… INFO … …");
}

#[test]
fn an_ellipsis_stands_for_anything() {
    assert!(is_like("12:00 ab 7", "… ab 7") && is_like("ab 7 c", "ab…") && is_like("ab", "ab"));
    assert!(is_like("x: a1b", "…a…b") && !is_like("x: a1", "…a…b") && !is_like("ab 7", "ab"));
}

/// A temporary folder of an example.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("pigeon-{name}-{}", std::process::id()));
        for part in ["here", "device"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
