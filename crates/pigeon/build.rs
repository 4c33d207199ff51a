//! Compresses the tables of words, for the binary.

#![allow(clippy::unwrap_used, reason = "a build script fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() {
    println!("cargo::rerun-if-changed=words");
    let words = PathBuf::from(env("CARGO_MANIFEST_DIR")).join("words");
    let out = PathBuf::from(env("OUT_DIR"));
    for language in ["en", "zh"] {
        fs::create_dir_all(out.join(language)).unwrap();
        for table in fs::read_dir(words.join(language)).unwrap() {
            let table = table.unwrap().path();
            let name = table.file_name().unwrap().to_str().unwrap();
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&fs::read(&table).unwrap()).unwrap();
            let gzip = encoder.finish().unwrap();
            fs::write(out.join(language).join(format!("{name}.gz")), gzip).unwrap();
        }
    }
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap()
}
