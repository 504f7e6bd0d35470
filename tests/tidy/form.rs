//! Length and first line of files, what lies at the top level, and words that must not be found.

use std::collections::BTreeSet;

use super::Breach;
use super::tree::Source;

const LINES: usize = 600;

const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "assets",
    "fuzz",
    "packaging",
    "src",
    "tests",
];

pub fn file_breaches(files: &[Source]) -> Vec<Breach> {
    let mut found = Vec::new();
    for file in files {
        let mut breach = |line, rule: String, remedy: &str| {
            found.push(Breach { path: file.path.clone(), line, rule, remedy: remedy.to_owned() });
        };
        let lines = file.text.lines().count();
        if lines > LINES {
            let remedy = "cut it along what it does; a second concept gets its own file";
            breach(lines, format!("{lines} lines; a file has at most {LINES}"), remedy);
        }
        if !file.text.starts_with("//! ") {
            let remedy = "say in one or two sentences what the file is and what it must not do";
            breach(1, "does not begin with `//!`".to_owned(), remedy);
        }
    }
    found
}

pub fn top_level_breaches(names: &[String]) -> Vec<Breach> {
    let tops: BTreeSet<&str> = names.iter().filter_map(|name| name.split('/').next()).collect();
    tops.into_iter()
        .filter(|top| !top.starts_with('.') && !TOP_LEVEL.contains(top))
        .map(|top| Breach {
            path: top.to_owned(),
            line: 0,
            rule: "does not belong at the top level".to_owned(),
            remedy: "put it into src, assets, packaging or tests".to_owned(),
        })
        .collect()
}

/// What a word may touch and still be the word.
#[derive(Clone, Copy)]
enum Edge {
    /// A whole word.
    Word,
    /// The beginning of a path.
    Path,
    Anything,
}

struct Needle {
    /// Written in two halves, so that this file is not found itself.
    halves: (&'static str, &'static str),
    edge: Edge,
    remedy: &'static str,
}

const UNFINISHED: &str = "do it, or describe it in an issue";
const MACHINE: &str = "name no folder of a machine; ask for it or derive it";
const REGISTRY: &str = "leave the choice of registry to the machine";

const fn needle(halves: (&'static str, &'static str), edge: Edge, remedy: &'static str) -> Needle {
    Needle { halves, edge, remedy }
}

const NEEDLES: &[Needle] = &[
    needle(("TO", "DO"), Edge::Word, UNFINISHED),
    needle(("FIX", "ME"), Edge::Word, UNFINISHED),
    needle(("XX", "X"), Edge::Word, UNFINISHED),
    needle(("/wo", "rk/"), Edge::Path, MACHINE),
    needle(("/ro", "ot/"), Edge::Path, MACHINE),
    needle(("/ho", "me/"), Edge::Path, MACHINE),
    needle(("/Us", "ers/"), Edge::Path, MACHINE),
    needle(("index.cra", "tes.io"), Edge::Anything, REGISTRY),
    needle(("static.cra", "tes.io"), Edge::Anything, REGISTRY),
    needle(("pypi", ".org"), Edge::Anything, REGISTRY),
    needle(("pythonho", "sted.org"), Edge::Anything, REGISTRY),
    needle(("registry.np", "mjs.org"), Edge::Anything, REGISTRY),
];

/// Other people's files, kept as they came.
const VENDORED: &[&str] = &["LICENSE", "assets/vendor/"];

pub fn word_breaches(files: &[Source]) -> Vec<Breach> {
    let mut found = Vec::new();
    let own = |file: &&Source| !VENDORED.iter().any(|vendored| file.path.starts_with(vendored));
    for file in files.iter().filter(own) {
        for (n, line) in file.text.lines().enumerate() {
            for needle in NEEDLES {
                let word = [needle.halves.0, needle.halves.1].concat();
                if holds(line, &word, needle.edge) {
                    found.push(Breach {
                        path: file.path.clone(),
                        line: n + 1,
                        rule: format!("names `{word}`"),
                        remedy: needle.remedy.to_owned(),
                    });
                }
            }
        }
    }
    found
}

fn holds(line: &str, word: &str, edge: Edge) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, rest) = line.split_at(at);
        let before = before.chars().next_back();
        let after = rest.chars().nth(word.chars().count());
        match edge {
            Edge::Anything => true,
            Edge::Path => !before.is_some_and(|c| in_word(c) || ".-}/".contains(c)),
            Edge::Word => !before.is_some_and(in_word) && !after.is_some_and(in_word),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::source;
    use super::*;

    #[test]
    fn long_and_nameless_files_are_reported() {
        let of = |lines: usize| format!("//! x\n{}", "\n".repeat(lines - 1));
        assert_eq!(file_breaches(&[source("src/x.rs", &of(LINES))]).len(), 0);
        assert_eq!(file_breaches(&[source("src/x.rs", &of(LINES + 1))]).len(), 1);
        for text in ["", "use a::b;\n", "// x\n", "\n//! x\n"] {
            assert_eq!(file_breaches(&[source("src/x.rs", text)]).len(), 1, "{text}");
        }
    }

    #[test]
    fn strangers_at_the_top_level_are_reported() {
        let names = ["Cargo.toml", ".ci/run", "src/lib.rs", "docs/a.md", "docs/b.md", "notes.txt"];
        let found = top_level_breaches(&names.map(str::to_owned));
        let tops: Vec<&str> = found.iter().map(|breach| breach.path.as_str()).collect();
        assert_eq!(tops, ["docs", "notes.txt"]);
    }

    #[test]
    fn every_word_is_found_and_its_neighbours_are_not() {
        for needle in NEEDLES {
            let word = [needle.halves.0, needle.halves.1].concat();
            let count = |text: &str| word_breaches(&[source(".ci/run", text)]).len();
            for text in [format!("\nx = \"{word}y\""), format!("{word} y"), format!("# {word}:")] {
                let whole = matches!(needle.edge, Edge::Word) && text.contains(&format!("{word}y"));
                assert_eq!(count(&text), usize::from(!whole), "{text}");
            }
            let inside = count(&format!("a{word}"));
            assert_eq!(inside, usize::from(matches!(needle.edge, Edge::Anything)), "{word}");
            let vendored = source("assets/vendor/lit.js", &word);
            assert_eq!(word_breaches(&[vendored]).len(), 0);
        }
    }
}
