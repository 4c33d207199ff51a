//! Writes the tables of `lookalike.rs`, from those of `unicode_security`.

#![allow(clippy::unwrap_used, reason = "a build script fails by panicking")]

use std::fmt::Write as _;
use std::path::PathBuf;

use unicode_normalization::UnicodeNormalization;
use unicode_security::skeleton;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let (mut confusables, mut places, mut prototypes) = (Vec::new(), vec![0], String::new());
    let mut ignorable: Vec<(char, char)> = Vec::new();
    for c in '\0'..=char::MAX {
        let mut itself = [0; 4];
        let itself = &*c.encode_utf8(&mut itself);
        if skeleton(itself).eq([c]) {
            continue;
        }
        let skeleton: String = skeleton(itself).collect();
        if skeleton.is_empty() {
            match ignorable.last_mut() {
                Some((_, last)) if u32::from(*last) + 1 == u32::from(c) => *last = c,
                _ => ignorable.push((c, c)),
            }
        // A skeleton begins with a decomposition, so other characters do not reach the table.
        } else if itself.nfd().eq([c]) {
            confusables.push(c);
            prototypes.push_str(&skeleton);
            places.push(u16::try_from(prototypes.len()).unwrap());
        }
    }
    let mut code = String::new();
    writeln!(
        code,
        "/// Characters with another prototype, ascending.\n\
         static CONFUSABLES: [char; {}] = {confusables:?};\n\
         /// Where the prototype of each begins in `PROTOTYPES`, and the end.\n\
         static PLACES: [u16; {}] = {places:?};\n\
         static PROTOTYPES: &str = {prototypes:?};\n\
         /// Ranges of characters that a skeleton omits.\n\
         static IGNORABLE: [(char, char); {}] = {ignorable:?};",
        confusables.len(),
        places.len(),
        ignorable.len(),
    )
    .unwrap();
    let out = PathBuf::from(std::env::var("OUT_DIR").unwrap());
    std::fs::write(out.join("prototypes.rs"), code).unwrap();
}
