//! Tests that the tables, the code and the languages agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fluent_syntax::ast::{
    Comment, Entry, Expression, InlineExpression, Message, Pattern, PatternElement, VariantKey,
};
use pigeon_text::width;
use proc_macro2::{TokenStream, TokenTree};

use super::*;

/// Tables with computed keys. Another test, beside that code, finds unused ones.
const PUT_TOGETHER: [&str; 1] = ["help"];

type Parsed = Message<&'static str>;

fn messages(language: Language) -> Vec<(&'static str, Parsed)> {
    let mut all = Vec::new();
    for (place, (subject, _)) in SUBJECTS.iter().enumerate() {
        let text: &str = tables::text(language, place).leak();
        let resource = fluent_syntax::parser::parse(text)
            .unwrap_or_else(|(_, errors)| panic!("{}/{subject}.ftl: {errors:?}", language.word()));
        all.extend(resource.body.into_iter().filter_map(|entry| match entry {
            Entry::Message(message) => Some((*subject, message)),
            _ => None,
        }));
    }
    all
}

fn by_key(language: Language) -> BTreeMap<&'static str, Parsed> {
    messages(language).into_iter().map(|(_, message)| (message.id.name, message)).collect()
}

/// The parts of a pattern.
#[derive(Default)]
struct Parts {
    placeholders: BTreeSet<&'static str>,
    /// Placeholders that select, each with its variants.
    selects: Vec<(&'static str, Vec<&'static str>)>,
    texts: Vec<&'static str>,
}

impl Parts {
    fn of(message: &Parsed) -> Parts {
        let mut parts = Parts::default();
        parts.pattern(message.value.as_ref().expect(message.id.name));
        parts
    }

    fn pattern(&mut self, pattern: &Pattern<&'static str>) {
        for element in &pattern.elements {
            match element {
                PatternElement::TextElement { value } => self.texts.push(value),
                PatternElement::Placeable { expression } => self.expression(expression),
            }
        }
    }

    fn expression(&mut self, expression: &Expression<&'static str>) {
        match expression {
            Expression::Inline(inline) => {
                self.inline(inline);
            }
            Expression::Select { selector, variants } => {
                let name = self.inline(selector).expect("a selector is a placeholder");
                let choices = variants.iter().map(|variant| match variant.key {
                    VariantKey::Identifier { name } => name,
                    VariantKey::NumberLiteral { value } => value,
                });
                self.selects.push((name, choices.collect()));
                variants.iter().for_each(|variant| self.pattern(&variant.value));
            }
        }
    }

    fn inline(&mut self, inline: &InlineExpression<&'static str>) -> Option<&'static str> {
        match inline {
            InlineExpression::VariableReference { id } => {
                self.placeholders.insert(id.name);
                Some(id.name)
            }
            InlineExpression::Placeable { expression } => {
                self.expression(expression);
                None
            }
            _ => None,
        }
    }
}

/// The maximum width of a line of a pattern's own text, without placeholders.
fn widest(pattern: &Pattern<&'static str>) -> usize {
    let mut text = String::new();
    let mut choices = 0;
    for element in &pattern.elements {
        match element {
            PatternElement::TextElement { value } => text.push_str(value),
            PatternElement::Placeable { expression: Expression::Select { variants, .. } } => {
                choices += variants.iter().map(|v| widest(&v.value)).max().unwrap_or(0);
            }
            PatternElement::Placeable { .. } => {}
        }
    }
    choices + text.lines().map(width).max().unwrap_or(0)
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|extension| extension.to_str()) {
            None if path.is_dir() => sources(&path, files),
            Some("rs") => files.push(path),
            _ => {}
        }
    }
}

/// The keys in the code.
#[derive(Default)]
struct Code {
    /// The keys in `say!`, `say_in!` and `key!`, with their placeholders if the macro has them.
    said: Vec<(String, Option<BTreeSet<String>>, String)>,
    literals: BTreeSet<String>,
}

impl Code {
    fn read() -> Code {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let mut code = Code::default();
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/words/tests.rs");
        for file in files.iter().filter(|file| **file != tests) {
            let text = std::fs::read_to_string(file).unwrap();
            code.tokens(text.parse().unwrap(), &file.display().to_string());
        }
        code
    }

    fn tokens(&mut self, tokens: TokenStream, file: &str) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for window in tokens.windows(3) {
            if let [TokenTree::Ident(name), TokenTree::Punct(mark), TokenTree::Group(inside)] =
                window
                && mark.as_char() == '!'
            {
                let arguments = split(inside.stream());
                let (name, key) = match name.to_string().as_str() {
                    "say" => ("say", 0),
                    "say_in" => ("say_in", 1),
                    "key" => ("key", 0),
                    _ => continue,
                };
                let key = arguments.get(key).and_then(|key| match key.as_slice() {
                    [TokenTree::Literal(key)] => text_of(&key.to_string()),
                    _ => None,
                });
                let given = || arguments.iter().filter_map(|argument| given(argument)).collect();
                if let Some(key) = key {
                    let given = (name != "key").then(given);
                    self.said.push((key, given, file.to_string()));
                }
            }
        }
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream(), file),
                TokenTree::Literal(literal) => self.literals.extend(text_of(&literal.to_string())),
                _ => {}
            }
        }
    }
}

fn split(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    for token in tokens {
        match &token {
            TokenTree::Punct(mark) if mark.as_char() == ',' => parts.push(Vec::new()),
            _ => parts.last_mut().unwrap().push(token),
        }
    }
    parts
}

fn text_of(literal: &str) -> Option<String> {
    Some(literal.strip_prefix('"')?.strip_suffix('"')?.to_string())
}

/// The name in `name = value`.
fn given(argument: &[TokenTree]) -> Option<String> {
    match argument {
        [TokenTree::Ident(name), TokenTree::Punct(mark), ..] if mark.as_char() == '=' => {
            Some(name.to_string())
        }
        _ => None,
    }
}

#[test]
fn every_file_is_a_table_and_every_key_begins_with_its_name() {
    for language in Language::ALL {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("words").join(language.word());
        let files = std::fs::read_dir(folder).unwrap();
        let files: BTreeSet<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap().replace(".ftl", ""))
            .collect();
        assert_eq!(files, SUBJECTS.iter().map(|(subject, _)| subject.to_string()).collect());
        let mut seen = BTreeSet::new();
        for (subject, message) in messages(language) {
            let key = message.id.name;
            assert!(key.starts_with(&format!("{subject}-")), "{key} is in {subject}.ftl");
            assert!(seen.insert(key), "{key} is there twice in {}", language.word());
            assert!(message.attributes.is_empty(), "{key} has an attribute");
        }
    }
}

#[test]
fn the_languages_have_the_same_keys_and_placeholders() {
    let (english, chinese) = (by_key(Language::English), by_key(Language::Chinese));
    let keys = |table: &BTreeMap<&'static str, Parsed>| table.keys().copied().collect();
    let (ours, theirs): (BTreeSet<_>, BTreeSet<_>) = (keys(&english), keys(&chinese));
    let differing = ours.symmetric_difference(&theirs);
    // The English of these tables is in the code, and is tested there.
    let is_table = |key: &&&str| !PUT_TOGETHER.iter().any(|it| key.starts_with(it));
    let differing: Vec<_> = differing.filter(is_table).collect();
    assert!(differing.is_empty(), "in one language only: {differing:?}");
    for (key, message) in &english {
        let (ours, theirs) = (Parts::of(message), Parts::of(&chinese[key]));
        assert_eq!(ours.placeholders, theirs.placeholders, "the placeholders of {key}");
    }
}

#[test]
fn the_code_and_the_tables_name_the_same_keys_and_placeholders() {
    let code = Code::read();
    let table = by_key(Language::English);
    for (key, given, file) in &code.said {
        let message = table.get(key.as_str()).unwrap_or_else(|| panic!("{file}: no key {key}"));
        if let Some(given) = given {
            let wanted = Parts::of(message).placeholders;
            let wanted: BTreeSet<String> = wanted.into_iter().map(str::to_string).collect();
            assert_eq!(given, &wanted, "{file}: the placeholders of {key}");
        }
    }
    let is_unused = |(subject, message): &(&str, Parsed)| {
        !PUT_TOGETHER.contains(subject) && !code.literals.contains(message.id.name)
    };
    let unused = messages(Language::English).into_iter().filter(is_unused);
    let unused: Vec<_> = unused.map(|(_, message)| message.id.name).collect();
    assert!(unused.is_empty(), "in no code: {unused:?}");
}

#[test]
fn plurals_are_those_of_the_language() {
    for language in Language::ALL {
        let plurals: &[&str] = match language {
            Language::English => &["one", "other"],
            Language::Chinese => &["other"],
        };
        for (key, message) in by_key(language) {
            for (name, choices) in Parts::of(&message).selects {
                let is_plural =
                    choices.iter().any(|c| ["zero", "one", "two", "few", "many"].contains(c));
                let is_known =
                    |choice: &&str| plurals.contains(choice) || choice.parse::<u64>().is_ok();
                assert!(!is_plural || choices.iter().all(is_known), "{key}: {name} {choices:?}");
            }
        }
    }
}

#[test]
fn texts_fit_and_end_without_blanks() {
    let fits = |comment: &Comment<&'static str>| {
        comment.content.iter().find_map(|line| line.strip_prefix("fits ")?.trim().parse().ok())
    };
    let english = by_key(Language::English);
    for language in Language::ALL {
        for (place, (subject, _)) in SUBJECTS.iter().enumerate() {
            for line in tables::text(language, place).lines() {
                let at = format!("{}/{subject}.ftl: {line:?}", language.word());
                assert!(line.trim_end() == line && !line.contains('\t'), "{at}");
            }
        }
        for (key, message) in by_key(language) {
            let most: Option<usize> =
                english.get(key).and_then(|it| it.comment.as_ref()).and_then(fits);
            if let (Some(most), Some(pattern)) = (most, &message.value) {
                let wide = widest(pattern);
                assert!(
                    wide <= most,
                    "{key} takes {wide} columns of {most} in {}",
                    language.word()
                );
            }
        }
    }
}

#[test]
fn a_message_is_said_in_each_language_and_a_mistake_is_shown() {
    assert_eq!(say_in!(Language::English, "hub-members", count = 1), "1 member");
    assert_eq!(say_in!(Language::English, "hub-members", count = 2), "2 members");
    assert_eq!(say_in!(Language::Chinese, "hub-members", count = 2), "2 个成员");
    assert_eq!(say!("hub-members", count = 0), "0 members");
    assert_eq!(message(Language::Chinese, "hub-dance", &[]), "hub-dance");
    assert_eq!(message(Language::Chinese, "nonsense", &[]), "nonsense");
    assert!(message(Language::English, "hub-members", &[]).contains("$count"));
}

#[test]
fn a_table_with_mistakes_gives_what_can_be_read() {
    let table = parsed(Language::English, "a = b\n!!\nc = { $d\n".into());
    assert!(table.has_message("a") && !table.has_message("c"));
}
