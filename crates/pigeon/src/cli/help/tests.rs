//! Tests every help text at three widths in both languages, and the translations against the
//! definitions. Accept changes with `INSTA_UPDATE=always cargo test -p pigeon help`.

use std::collections::BTreeSet;

use clap::CommandFactory;
use clap::builder::Styles;
use pigeon_text::width;

use super::epilogue::Block;
use super::layout::ORPHAN;
use super::*;
use crate::cli::Cli;

const WIDTHS: [usize; 3] = [60, 80, 120];

fn cli() -> Command {
    let mut command = Cli::command().styles(Styles::plain());
    command.build();
    command
}

fn each(language: Language, mut act: impl FnMut(&Command, &Keys)) {
    fn walk(command: &Command, keys: Keys, act: &mut impl FnMut(&Command, &Keys)) {
        act(command, &keys);
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            walk(sub, keys.below(sub.get_name()), act);
        }
    }
    walk(&cli(), Keys::of(language), &mut act);
}

/// All help texts of a language at a width, each with its command.
fn texts(language: Language, columns: usize) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    each(language, |command, keys| {
        texts.push((keys.command.clone(), text(command, keys, columns)));
    });
    texts
}

fn is_english(word: &str) -> bool {
    word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// An English text by its key, and the keys of possible translations.
fn english() -> Vec<(Vec<String>, String)> {
    let mut all = Vec::new();
    each(Language::English, |command, keys| {
        all.push((vec![keys.command.clone()], keys.about(command)));
        all.push((vec![format!("{}-more", keys.command)], keys.epilogue(command)));
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            if matches!(arg.get_action(), ArgAction::Help | ArgAction::Version) {
                continue;
            }
            all.push((keys.of_arg(arg).into(), keys.arg(arg)));
            for value in arg.get_possible_values() {
                if let Some(text) = keys.value(arg, &value) {
                    let key = format!("{}-{}", keys.of_arg(arg)[0], value.get_name());
                    all.push((vec![key], text));
                }
            }
        }
    });
    all
}

#[test]
fn help_reads_as_it_was_accepted() {
    for language in Language::ALL {
        for columns in WIDTHS {
            let ruler = "─".repeat(columns);
            let all = texts(language, columns).into_iter();
            let all: String = all.map(|(_, text)| format!("{ruler}\n{text}")).collect();
            insta::assert_snapshot!(format!("{}_{columns}", language.word()), all);
        }
    }
}

#[test]
fn no_row_is_wider_than_the_terminal() {
    for language in Language::ALL {
        for columns in WIDTHS {
            for (command, text) in texts(language, columns) {
                for row in text.lines() {
                    assert!(width(row) <= columns, "{command} at {columns}: {row}");
                }
            }
        }
    }
}

/// Whether a text begins in this column, after spaces.
fn begins_at(row: &str, column: usize) -> bool {
    let mut at = 0;
    let before: String = row
        .chars()
        .take_while(|c| {
            at += width(c.encode_utf8(&mut [0; 4]));
            at <= column
        })
        .collect();
    let rest = row.get(before.len()..).unwrap_or_default();
    width(&before) == column
        && (before.is_empty() || before.ends_with("  ") || before.ends_with("# "))
        && !rest.is_empty()
        && !rest.starts_with(' ')
}

/// Paragraphs, descriptions and comments must not end in an orphan: a row narrower than five
/// ideographs. A row continues a text if it begins in the column of the text above, and the row
/// above has no room for its first word. It is the last row if the row below begins elsewhere.
#[test]
fn no_text_ends_in_an_orphan() {
    for language in Language::ALL {
        for columns in WIDTHS {
            for (command, text) in texts(language, columns) {
                let rows: Vec<&str> = text.lines().collect();
                for three in rows.windows(3) {
                    let [above, row, below] = three else { continue };
                    let own = row.trim_start_matches([' ', '#']);
                    let column = row.len() - own.len();
                    let word = own.split(' ').next().unwrap_or_default();
                    let is_last = !own.is_empty()
                        && begins_at(above, column)
                        && !begins_at(below, column)
                        && width(above) + 1 + width(word) > columns;
                    assert!(
                        !is_last || width(own) >= ORPHAN,
                        "{command} at {columns}:\n{above}\n{row}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_text_has_its_chinese_and_every_chinese_its_text() {
    let mut used = BTreeSet::new();
    for (keys, text) in english() {
        let found = keys.iter().find(|key| words::has(Language::Chinese, key));
        assert!(!text.is_empty(), "{keys:?} has no English");
        used.insert(found.unwrap_or_else(|| panic!("no Chinese for {}: {text}", keys[0])).clone());
    }
    each(Language::Chinese, |command, _| {
        let headings = command.get_arguments().filter_map(Arg::get_help_heading);
        for heading in headings.chain(GROUPS.map(|(title, _)| title)) {
            let key = Keys::heading_key(heading);
            assert!(words::has(Language::Chinese, &key), "no Chinese for {key}");
            used.insert(key);
        }
    });
    let table = include_str!("../../../words/zh/help.ftl");
    let keys = table.lines().filter(|line| line.starts_with("help-"));
    let keys = keys.filter_map(|line| line.split(' ').next()).filter(|key| !is_label(key));
    let unused: Vec<&str> = keys.filter(|key| !used.contains(*key)).collect();
    assert!(unused.is_empty(), "of no command or option: {unused:?}");
}

/// Labels are translated with `say!` and tested elsewhere.
fn is_label(key: &str) -> bool {
    key.starts_with("help-label-") || key.starts_with("help-error-")
}

/// The translation must have the same flags, capital placeholders and quoted words, and a default
/// if the English has one.
#[test]
fn chinese_names_what_the_english_names() {
    let named = |text: &str| -> BTreeSet<String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let words = text.split(|c| !is_part(c)).map(|word| word.trim_end_matches('-'));
        let is_flag = |word: &&str| word.starts_with("--") && word.len() > 2;
        let is_value = |word: &&str| {
            word.len() > 2 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        };
        let is_number = |word: &&str| {
            word.len() > 1 && word.bytes().any(|b| b.is_ascii_digit()) && !word.ends_with('s')
        };
        let words = words.filter(|it| is_flag(it) || is_value(it) || is_number(it));
        let quoted = text.split('`').skip(1).step_by(2);
        words.chain(quoted).map(str::to_string).collect()
    };
    for (keys, english) in english() {
        let key = keys.iter().find(|key| words::has(Language::Chinese, key)).unwrap();
        let chinese = words::message(Language::Chinese, key, &[]);
        let lost: Vec<_> = named(&english).difference(&named(&chinese)).cloned().collect();
        assert!(lost.is_empty(), "{key} lost {lost:?}");
        let new: Vec<_> = named(&chinese).difference(&named(&english)).cloned().collect();
        assert!(new.is_empty(), "{key} invented {new:?}");
        assert_eq!(english.contains("[default: "), chinese.contains("[默认："), "{key}");
        assert!(!chinese.contains("  ") || key.ends_with("-more"), "{key}");
        // Three English words in a row are an untranslated sentence.
        let outside: String = chinese.split('`').step_by(2).collect();
        for line in outside.lines().map(|line| line.rsplit("  #").next().unwrap_or(line)) {
            let words: Vec<&str> = line.split(' ').collect();
            let is_sentence = |words: &[&str]| words.iter().all(|word| is_english(word));
            let is_command = line.contains("pigeon ") || line.contains(" | ");
            assert!(is_command || !words.windows(3).any(is_sentence), "{key}: {line}");
        }
    }
}

#[test]
fn the_parts_of_an_epilogue_and_its_commands_are_the_same_in_both_languages() {
    let shape = |text: &str| -> Vec<(bool, Vec<String>)> {
        let of = |block: Block| match block {
            Block::Paragraph(_) => (false, Vec::new()),
            Block::Commands { items, .. } => {
                let commands = items.into_iter().map(|(command, comment)| {
                    format!("{command} {}", if comment.is_empty() { "" } else { "#" })
                });
                (true, commands.collect())
            }
            Block::Terms { items, .. } => (true, items.into_iter().map(|(term, _)| term).collect()),
        };
        blocks(text).into_iter().map(of).collect()
    };
    for (keys, english) in english().iter().filter(|(keys, _)| keys[0].ends_with("-more")) {
        let chinese = words::message(Language::Chinese, &keys[0], &[]);
        assert_eq!(shape(english), shape(&chinese), "{}", keys[0]);
    }
}

#[test]
fn every_command_stands_in_one_group_and_shows_an_example() {
    let command = cli();
    let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
    let mut names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    grouped.sort_unstable();
    names.sort_unstable();
    assert_eq!(grouped, names);
    each(Language::English, |command, keys| {
        let own = keys.command.trim_start_matches("help-").replace('-', " ");
        let wanted = if own == "pigeon" { own } else { format!("pigeon {own}") };
        assert!(keys.epilogue(command).contains(&wanted), "{wanted}");
    });
}
