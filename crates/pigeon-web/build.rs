//! Compresses the page's files, for the binary.

#![allow(clippy::unwrap_used, reason = "a build script fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Folders and files of `page` that are not part of the page.
const LEFT_OUT: [&str; 5] = ["tests", "README.md", "node_modules", "package.json", "scripts"];

fn main() {
    println!("cargo::rerun-if-changed=page");
    let root = PathBuf::from(env("CARGO_MANIFEST_DIR")).join("page");
    let out = PathBuf::from(env("OUT_DIR"));
    let mut files = Vec::new();
    gather(&root, &mut files);
    files.sort();
    let mut code = String::from("[\n");
    for (number, file) in files.iter().enumerate() {
        let name = name(&root, file);
        let compressed = out.join(format!("{number}.gz"));
        fs::write(&compressed, gzip(&fs::read(file).unwrap())).unwrap();
        writeln!(code, "({name:?}, include_bytes!({compressed:?})),").unwrap();
    }
    code.push_str("]\n");
    fs::write(out.join("assets.rs"), code).unwrap();
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap()
}

fn name(root: &Path, file: &Path) -> String {
    let parts = file.strip_prefix(root).unwrap().components();
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_str().unwrap()).collect();
    parts.join("/")
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if LEFT_OUT.contains(&name) || name.starts_with('.') {
            continue;
        }
        match path.is_dir() {
            true => gather(&path, files),
            false => files.push(path),
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
