//! The text below the options of a help text: paragraphs and lists, independent of the terminal's
//! width.
//!
//! ```text
//! Examples:
//!   pigeon send 127.0.0.1:9999 hello  # a comment
//!
//! Exit status:
//!   0  a reply came
//!
//! A paragraph. Its lines
//! are joined.
//! ```
//!
//! Empty lines separate blocks. List items are indented by two spaces; two spaces separate a term
//! from its description. A list of commands has comments that begin with `#`, or none, instead of
//! descriptions.

use pigeon_text::width;

/// A block of an epilogue.
#[derive(Debug, PartialEq)]
pub(in crate::cli) enum Block {
    Paragraph(String),
    /// Commands to copy, each with a comment that may be empty.
    Commands {
        title: String,
        items: Vec<(String, String)>,
    },
    /// Terms and their descriptions.
    Terms {
        title: String,
        items: Vec<(String, String)>,
    },
}

/// Parses an epilogue.
pub(in crate::cli) fn blocks(text: &str) -> Vec<Block> {
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(block).collect()
}

fn block(text: &str) -> Block {
    let is_item = |line: &&str| line.starts_with("  ");
    let title = joined(text.lines().take_while(|line| !is_item(line)));
    let items: Vec<(String, String)> =
        text.lines().filter(is_item).map(|line| item(line.trim())).collect();
    let is_command = |(_, text): &(String, String)| text.is_empty() || text.starts_with('#');
    match items {
        items if items.is_empty() => Block::Paragraph(title),
        items if items.iter().all(is_command) => {
            let bare = |(command, comment): (String, String)| {
                (command, comment.trim_start_matches(['#', ' ']).to_string())
            };
            Block::Commands { title, items: items.into_iter().map(bare).collect() }
        }
        items => Block::Terms { title, items },
    }
}

fn item(line: &str) -> (String, String) {
    let (term, text) = line.split_once("  ").unwrap_or((line, ""));
    (term.to_string(), text.trim().to_string())
}

/// Joins lines. Chinese has no spaces between words, so none is inserted between two ideographs.
fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.fold(String::new(), |text, line| {
        let is_wide = |c: Option<char>| c.is_some_and(|c| width(c.encode_utf8(&mut [0; 4])) > 1);
        let line = line.trim();
        let is_seam = is_wide(text.chars().last()) && is_wide(line.chars().next());
        let blank = !text.is_empty() && !is_seam;
        text + if blank { " " } else { "" } + line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epilogue_is_paragraphs_and_lists() {
        let text = "Examples:\n  pigeon hub  # here\n  pigeon join\n\nExit status:\n  1  no reply\n\n\
                    Two\nlines，\n两行";
        let item = |term: &str, text: &str| (term.to_string(), text.to_string());
        assert_eq!(
            blocks(text),
            [
                Block::Commands {
                    title: "Examples:".into(),
                    items: vec![item("pigeon hub", "here"), item("pigeon join", "")]
                },
                Block::Terms { title: "Exit status:".into(), items: vec![item("1", "no reply")] },
                Block::Paragraph("Two lines，两行".into()),
            ]
        );
    }
}
