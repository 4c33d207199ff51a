//! The words behind `cargo bench … --`: which parts of a benchmark are asked for.

/// The words, without the one that Cargo adds.
pub(crate) fn words() -> Vec<String> {
    std::env::args().skip(1).filter(|word| word != "--bench").collect()
}

/// The parts that were asked for: one by its name, or `all`, as without a word. Anything else is
/// wrong usage and ends the program.
pub(crate) fn chosen<P: Copy>(words: &[String], parts: &[(&str, P)]) -> Vec<P> {
    let all = || parts.iter().map(|(_, part)| *part).collect();
    match words {
        [] => return all(),
        [word] if word == "all" => return all(),
        [word] => {
            if let Some((_, part)) = parts.iter().find(|(name, _)| name == word) {
                return vec![*part];
            }
        }
        _ => {}
    }
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    eprintln!("one word of: {}, all", names.join(", "));
    std::process::exit(2);
}

/// For a benchmark that is all one part.
pub(crate) fn none() {
    if !words().is_empty() {
        eprintln!("this benchmark takes no words");
        std::process::exit(2);
    }
}
