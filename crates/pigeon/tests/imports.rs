//! Imports between files must not form a cycle: in a cycle no file can be read or tested without
//! the others.
//!
//! An import is a path that begins with `crate`, `super`, `self` or a child module's name, in a
//! `use` or in code. It refers to the file of the longest module path that it contains, so
//! importing an item re-exported by a `mod.rs` or `lib.rs` counts as an import of that file. `mod
//! x;` does not count, and tests are exempt.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// A module's path in the crate; empty for the root.
type Module = Vec<String>;

/// A crate's files by module, with their text excluding tests.
type Sources = BTreeMap<Module, (PathBuf, String)>;

/// The imports of each file.
type Imports = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

fn check(crate_name: &str, directory: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate_name).join("src");
    let mut sources = Sources::new();
    collect(&root, &Module::new(), &mut sources);
    let imports = imports(&sources);
    let circles = circles(&imports, &root.join(directory));
    let name = |file: &PathBuf| file.strip_prefix(&root).unwrap().display().to_string();
    let line = |circle: &Vec<PathBuf>| circle.iter().map(name).collect::<Vec<_>>().join(" → ");
    let lines: Vec<String> = circles.iter().map(line).collect();
    assert!(lines.is_empty(), "{crate_name} imports in circles:\n{}", lines.join("\n"));
}

#[test]
fn the_hub_imports_in_one_direction() {
    check("pigeon-hub", "");
}

#[test]
fn the_loop_imports_in_one_direction() {
    check("pigeon-net", "");
}

#[test]
fn the_client_imports_in_one_direction() {
    check("pigeon-client", "");
}

#[test]
fn chat_imports_in_one_direction() {
    check("pigeon", "cli/chat");
}

/// Reads the files of a module and its children.
fn collect(directory: &Path, module: &Module, sources: &mut Sources) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let child: Module = module.iter().cloned().chain([name.clone()]).collect();
        if path.is_dir() {
            collect(&path, &child, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_own = ["lib", "main", "mod"].contains(&name.as_str());
            let text = without_tests(&without_comments(&fs::read_to_string(&path).unwrap()));
            sources.insert(if is_own { module.clone() } else { child }, (path, text));
        }
    }
}

/// Removes `//` comments. This also cuts strings that contain `//`, which are not paths.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Removes test-only items. By rustfmt's layout, each ends at a closing line with the same
/// indentation.
fn without_tests(text: &str) -> String {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let is_for_tests = |line: &str| {
        ["#[cfg(test)]", "#[cfg(all(test"].iter().any(|start| line.trim_start().starts_with(start))
    };
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if is_for_tests(line) {
            let ends = |text: &str| text.ends_with([';', ',']) || text.starts_with('}');
            lines.by_ref().find(|next| depth(next) == depth(line) && ends(next.trim()));
        } else {
            kept = kept + line + "\n";
        }
    }
    kept
}

fn imports(sources: &Sources) -> Imports {
    let of = |(module, (file, text)): (&Module, &(PathBuf, String))| {
        let paths = paths(text).into_iter().filter_map(|path| resolve(sources, module, &path));
        (file.clone(), paths.filter(|target| target != file).collect())
    };
    sources.iter().map(of).collect()
}

/// Every path in a text, with braces expanded: `a::{b, c::d}` becomes `a::b` and `a::c::d`.
fn paths(text: &str) -> Vec<Vec<&str>> {
    let mut paths = Vec::new();
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if is_word(c) && !is_word(before) && before != ':' && before != '.' {
            let mut prefix = Vec::new();
            rest = tree(rest, &mut prefix, &mut paths);
            before = 'x';
        } else {
            before = c;
            rest = &rest[c.len_utf8()..];
        }
    }
    paths
}

/// Parses a path or a tree of paths at the start of `text`; returns the rest.
fn tree<'a>(text: &'a str, prefix: &mut Vec<&'a str>, paths: &mut Vec<Vec<&'a str>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        while !rest.trim_start().starts_with('}') && !rest.is_empty() {
            rest = tree(rest, &mut prefix.clone(), paths);
            // Skips `as NAME` and the comma.
            let end = rest.find([',', '}']).unwrap_or(rest.len());
            rest = rest[end..].strip_prefix(',').unwrap_or(&rest[end..]);
        }
        return rest.trim_start().strip_prefix('}').unwrap_or_default();
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    prefix.push(&text[..end]);
    match text[end..].strip_prefix("::") {
        Some(rest) => tree(rest, prefix, paths),
        None => {
            paths.push(prefix.clone());
            &text[end..]
        }
    }
}

/// The file that a path refers to from a module, if it is in the crate.
fn resolve(sources: &Sources, from: &Module, path: &[&str]) -> Option<PathBuf> {
    let child: Module =
        from.iter().map(String::as_str).chain(path.first().copied()).map(String::from).collect();
    let mut at = match *path.first().filter(|_| path.len() > 1)? {
        "crate" => Module::new(),
        "self" => from.clone(),
        "super" => from[..from.len().checked_sub(1)?].to_vec(),
        _ if sources.contains_key(&child) => child,
        _ => return None,
    };
    for &segment in &path[1..] {
        if segment == "super" {
            at.pop();
            continue;
        }
        at.push(segment.to_string());
        if !sources.contains_key(&at) {
            at.pop();
            break;
        }
    }
    sources.get(&at).map(|(file, _)| file.clone())
}

/// The shortest cycle through each file below `directory`, without duplicates.
fn circles(imports: &Imports, directory: &Path) -> Vec<Vec<PathBuf>> {
    let mut seen = BTreeSet::new();
    let files = imports.keys().filter(|file| file.starts_with(directory));
    let circles = files.filter_map(|file| circle(imports, directory, file));
    circles.filter(|circle| seen.insert(circle.iter().cloned().collect::<BTreeSet<_>>())).collect()
}

/// The shortest cycle through a file.
fn circle(imports: &Imports, directory: &Path, start: &PathBuf) -> Option<Vec<PathBuf>> {
    let mut ways = VecDeque::from([vec![start.clone()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in imports.get(way.last()?).into_iter().flatten() {
            let longer: Vec<PathBuf> = way.iter().chain([next]).cloned().collect();
            if next == start {
                return Some(longer);
            }
            if next.starts_with(directory) && seen.insert(next.clone()) {
                ways.push_back(longer);
            }
        }
    }
    None
}

#[test]
fn paths_are_read_and_tests_left_out() {
    let text = "use crate::a::{self, b::{C, D as E}, *};\nlet x = super::f::<T>(self.y, b::c);";
    let of_crate = |path: &Vec<&str>| ["crate", "super"].contains(&path[0]);
    let paths: Vec<String> =
        paths(text).iter().filter(|path| of_crate(path)).map(|path| path.join("::")).collect();
    let expected =
        ["crate::a::self", "crate::a::b::C", "crate::a::b::D", "crate::a::", "super::f::"];
    assert_eq!(paths, expected);
    let text = "use a;\n#[cfg(test)]\nmod tests {\n    use b;\n}\nuse c;\n    #[cfg(test)]\n    d();\nuse e;";
    assert_eq!(without_tests(text), "use a;\nuse c;\nuse e;\n");
}

#[test]
fn a_circle_is_found_and_named_once() {
    let file = |name: &str| PathBuf::from(name);
    let edges = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("c", "e")];
    let mut imports = Imports::new();
    for (from, to) in edges {
        imports.entry(file(from)).or_default().insert(file(to));
    }
    let circle = ["a", "b", "c", "a"].map(file).to_vec();
    assert_eq!(circles(&imports, Path::new("")), [circle]);
}
