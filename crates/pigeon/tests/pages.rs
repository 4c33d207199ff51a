//! Checks the README and the pages in `docs`, in English and Chinese.
//!
//! Both languages must have the same headings, tables, links and blocks. Links must have a target.
//! The program must accept commands within sentences; `interop/examples.rs` runs those in blocks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The suffix of a Chinese page.
const CHINESE: &str = ".zh-CN.md";

struct Page {
    path: String,
    text: String,
}

impl Page {
    fn read(path: &str) -> Page {
        let text = std::fs::read_to_string(root().join(path));
        let text = text.map_err(|error| format!("{path}: {error}")).unwrap();
        Page { path: path.to_owned(), text }
    }

    /// Lines outside of blocks.
    fn prose(&self) -> Vec<&str> {
        self.split().0
    }

    fn blocks(&self) -> Vec<Vec<&str>> {
        self.split().1
    }

    fn split(&self) -> (Vec<&str>, Vec<Vec<&str>>) {
        let (mut prose, mut blocks) = (Vec::new(), Vec::new());
        let mut block: Option<Vec<&str>> = None;
        for line in self.text.lines() {
            match (&mut block, line.starts_with("```")) {
                (None, true) => block = Some(vec![line]),
                (None, false) => prose.push(line),
                (Some(inside), false) => inside.push(line),
                (Some(_), true) => blocks.extend(block.take()),
            }
        }
        assert!(block.is_none(), "{}: a block without end", self.path);
        (prose, blocks)
    }

    fn headings(&self) -> Vec<&str> {
        self.prose().into_iter().filter(|line| line.starts_with('#')).collect()
    }

    /// Per table row: the cells with only code, and the number of others.
    fn tables(&self) -> Vec<(Vec<&str>, usize)> {
        let rows = self.prose().into_iter().filter(|line| line.starts_with('|'));
        rows.map(|row| {
            let cells: Vec<&str> =
                row.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
            let code = |cell: &&str| {
                cell.matches('`').count() == 2 && cell.starts_with('`') && cell.ends_with('`')
            };
            (cells.iter().copied().filter(code).collect(), cells.len())
        })
        .collect()
    }

    fn links(&self) -> Vec<String> {
        let text = self.prose().join("\n");
        let parts = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        parts.map(str::to_owned).collect()
    }

    /// Text between backticks in sentences.
    fn code(&self) -> Vec<String> {
        let text = self.prose().join("\n");
        text.split('`').skip(1).step_by(2).map(|code| code.replace('\n', " ")).collect()
    }

    /// GitHub's anchors of the headings.
    fn anchors(&self) -> BTreeSet<String> {
        let name = |heading: &str| -> String {
            let kept = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        self.headings().into_iter().map(name).collect()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pages in English, each with its translation.
fn pairs() -> Vec<[Page; 2]> {
    let mut names = vec!["README.md".to_owned()];
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && !name.ends_with(CHINESE) {
            names.push(format!("docs/{name}"));
        }
    }
    assert!(names.len() >= 7, "{names:?}");
    let chinese = |name: &str| name.replace(".md", CHINESE);
    names.iter().map(|name| [Page::read(name), Page::read(&chinese(name))]).collect()
}

#[test]
fn both_languages_say_the_same_as_far_as_a_program_can_tell() {
    for [english, chinese] in pairs() {
        let depths = |page: &Page| -> Vec<usize> {
            page.headings().iter().map(|line| line.find(' ').unwrap()).collect()
        };
        assert_eq!(depths(&english), depths(&chinese), "headings of {}", chinese.path);
        assert_eq!(english.tables(), chinese.tables(), "tables of {}", chinese.path);
        let links = |page: &Page| -> Vec<String> {
            // Pages and pictures exist in both languages: drops the language and the section from
            // links.
            let own = |link: &String| link.split('#').next().unwrap().replace(".zh-CN.", ".");
            let mut links: Vec<String> = page.links().iter().map(own).collect();
            links.sort();
            links
        };
        assert_eq!(links(&english), links(&chinese), "links of {}", chinese.path);
        let [ours, theirs] = [&english, &chinese].map(Page::blocks);
        assert_eq!(ours.len(), theirs.len(), "blocks of {}", chinese.path);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            // Diagrams, screens and sessions contain words to translate.
            let drawn = ours.iter().any(|line| line.contains('│'));
            match ours[0] {
                "```text" | "```console" if drawn => {
                    assert_eq!(ours.len(), theirs.len(), "{}: {}", chinese.path, theirs[1]);
                }
                "```console" => {
                    assert_eq!(ours.len(), theirs.len(), "{}: {}", chinese.path, theirs[1]);
                    assert_eq!(typed(ours), typed(theirs), "{}", chinese.path);
                }
                _ => assert_eq!(without_comments(ours), without_comments(theirs)),
            }
        }
    }
}

/// The commands of a session, and what was typed into them.
fn typed<'a>(block: &[&'a str]) -> Vec<&'a str> {
    let is_typed = |line: &&&str| ["$ ", "# ", "> "].iter().any(|start| line.starts_with(start));
    block.iter().filter(is_typed).copied().collect()
}

/// Comments may be translated.
fn without_comments<'a>(block: &[&'a str]) -> Vec<&'a str> {
    if block[0] != "```sh" && block[0] != "```python" {
        return block.to_vec();
    }
    block.iter().map(|line| line.split(" # ").next().unwrap_or(line).trim_end()).collect()
}

#[test]
fn each_page_links_to_itself_in_the_other_language() {
    for [english, chinese] in pairs() {
        for [page, other] in [[&english, &chinese], [&chinese, &english]] {
            let name = Path::new(&other.path).file_name().unwrap().to_str().unwrap();
            assert!(page.links().iter().any(|link| link == name), "{}", page.path);
        }
    }
}

#[test]
fn links_lead_somewhere_and_chinese_pages_to_chinese_ones() {
    let mut pages: Vec<Page> = pairs().into_iter().flatten().collect();
    pages.extend(["SECURITY.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(Page::read));
    for page in &pages {
        let folder = root().join(&page.path).parent().unwrap().to_owned();
        for link in page.links() {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let file = if file.is_empty() { root().join(&page.path) } else { folder.join(file) };
            assert!(file.exists(), "{}: {link} leads nowhere", page.path);
            if !anchor.is_empty() {
                let path = file.to_str().unwrap();
                let target =
                    Page { path: path.into(), text: std::fs::read_to_string(path).unwrap() };
                assert!(target.anchors().contains(anchor), "{}: {link}", page.path);
            }
            let translated = file.to_str().unwrap().replace(".md", CHINESE);
            let chinese = page.path.ends_with(CHINESE) && !link.ends_with(CHINESE);
            let own = link
                == Path::new(&page.path.replace(CHINESE, ".md"))
                    .file_name()
                    .unwrap()
                    .to_str()
                    .unwrap();
            if chinese
                && !own
                && file.extension().is_some_and(|it| it == "md")
                && !link.starts_with('#')
            {
                assert!(
                    !Path::new(&translated).exists(),
                    "{}: {link} is there in Chinese",
                    page.path
                );
            }
        }
    }
}

#[test]
fn chinese_is_set_as_chinese() {
    for [_, page] in pairs() {
        for line in page.prose().iter().filter(|line| !line.starts_with("<!--")) {
            let shown = shown(line);
            let letters: Vec<char> = shown.chars().collect();
            for pair in letters.windows(2) {
                let [a, b] = [pair[0], pair[1]];
                let mixed =
                    (han(a) && b.is_ascii_alphanumeric()) || (a.is_ascii_alphanumeric() && han(b));
                assert!(!mixed, "{}: a blank between {a}{b} in {shown}", page.path);
                let narrow = |c: char| ",;:!?()".contains(c);
                let half = (han(a) && narrow(b)) || (narrow(a) && han(b));
                assert!(!half, "{}: full-width punctuation at {a}{b} in {shown}", page.path);
            }
        }
        let prose: Vec<&str> = page.prose().into_iter().filter(|line| line.len() > 60).collect();
        let chinese = prose.iter().filter(|line| line.chars().any(han)).count();
        assert!(chinese * 10 >= prose.len() * 9, "{} is in Chinese", page.path);
    }
}

fn han(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

/// A line as displayed: code becomes one letter, links become their text.
fn shown(line: &str) -> String {
    let code: Vec<&str> = line.split('`').collect();
    let text: String = code
        .iter()
        .enumerate()
        .map(|(at, part)| if at % 2 == 0 { part } else { &"x" })
        .copied()
        .collect();
    let mut shown = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("](") {
        shown.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    (shown + rest).replace(['*', '[', ']'], "")
}

#[test]
fn commands_in_sentences_are_understood() {
    let mut seen = BTreeMap::new();
    for page in pairs().into_iter().flatten() {
        seen.extend(page.code().into_iter().map(|code| (code, page.path.clone())));
    }
    let mut tried = 0;
    for (code, page) in seen {
        if let Some(bench) = code.strip_prefix("cargo bench -p pigeon --bench ") {
            let name = bench.split(' ').next().unwrap();
            let folder = root().join("crates/pigeon/benches").join(name);
            assert!(folder.exists(), "{page}: {code}");
        }
        let Some(words) = code.strip_prefix("pigeon ") else { continue };
        // A template, such as `pigeon send ENDPOINT [TEXT…]`.
        let form =
            |word: &str| word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_uppercase());
        if words.contains(['[', '|', '…']) || words.split(' ').any(form) {
            continue;
        }
        // Flags and values are parsed before `--help`, which has no effects.
        let line = format!("exec '{}' {words} --help", env!("CARGO_BIN_EXE_pigeon"));
        let output =
            Command::new("bash").args(["-c", &line]).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{page}: {code}: {said}");
        tried += 1;
    }
    assert!(tried > 15, "{tried} commands");
}
