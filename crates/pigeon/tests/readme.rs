//! Compares the English and the Chinese README: the headings' order and levels, the code blocks
//! character by character, the table's commands, the links, and the links to each other.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";

fn read(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(name)).unwrap()
}

/// The lines outside blocks, and the blocks.
fn split(text: &str) -> (Vec<&str>, Vec<String>) {
    let (mut lines, mut blocks) = (Vec::new(), Vec::new());
    let mut block: Option<String> = None;
    for line in text.lines() {
        match (&mut block, line.starts_with("```")) {
            (None, true) => block = Some(format!("{line}\n")),
            (None, false) => lines.push(line),
            (Some(inside), false) => *inside += &format!("{line}\n"),
            (Some(_), true) => blocks.extend(block.take()),
        }
    }
    assert!(block.is_none(), "a block without end");
    (lines, blocks)
}

fn depths(lines: &[&str]) -> Vec<usize> {
    let headings = lines.iter().filter(|line| line.starts_with('#'));
    headings.map(|line| line.bytes().take_while(|byte| *byte == b'#').count()).collect()
}

/// The code at the start of each table row.
fn rows(lines: &[&str]) -> Vec<String> {
    let rows = lines.iter().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_string).collect()
}

/// The targets of links, except those between the two.
fn targets(lines: &[&str]) -> Vec<String> {
    let text = lines.join("\n");
    let parts = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let mut targets: Vec<String> = parts.map(str::to_string).collect();
    targets.retain(|target| target != ENGLISH && target != CHINESE);
    targets.sort();
    targets
}

#[test]
fn both_readmes_say_the_same_as_far_as_a_program_can_tell() {
    let (english, chinese) = (read(ENGLISH), read(CHINESE));
    let ((english_lines, english_blocks), (chinese_lines, chinese_blocks)) =
        (split(&english), split(&chinese));
    assert_eq!(depths(&english_lines), depths(&chinese_lines), "headings");
    assert_eq!(rows(&english_lines), rows(&chinese_lines), "commands in the table");
    assert_eq!(targets(&english_lines), targets(&chinese_lines), "links");
    assert_eq!(english_blocks.len(), chinese_blocks.len(), "blocks of commands");
    for (one, other) in english_blocks.iter().zip(&chinese_blocks) {
        assert_eq!(one, other);
    }
}

#[test]
fn each_readme_links_to_the_other() {
    assert!(read(ENGLISH).contains(&format!("]({CHINESE})")));
    assert!(read(CHINESE).contains(&format!("]({ENGLISH})")));
}

#[test]
fn the_chinese_one_is_in_chinese() {
    let text = read(CHINESE);
    let (lines, _) = split(&text);
    let han = |line: &&&str| line.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let prose: Vec<&&str> = lines.iter().filter(|line| line.len() > 60).collect();
    assert!(prose.iter().filter(|line| han(line)).count() * 10 >= prose.len() * 9);
}
