//! The words after `cargo bench … --`, which choose the parts of a benchmark.

/// The words, without the flag that Cargo adds.
pub fn words() -> Vec<String> {
    std::env::args().skip(1).filter(|word| word != "--bench").collect()
}

/// The parts to run: one by its name; all of them for `all` or no word. Other words print the usage
/// and end the program with exit status 2.
pub fn chosen<P: Copy>(words: &[String], parts: &[(&str, P)]) -> Vec<P> {
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

/// Ends the program with exit status 2 if there are words: for a benchmark without parts.
pub fn none() {
    if !words().is_empty() {
        eprintln!("this benchmark takes no words");
        std::process::exit(2);
    }
}
