//! Reads Rust as far as the rules need it: which paths (`a::b::c`) a file names, and where. Must
//! not see into comments and strings.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

use super::tree::Source;

/// One path as written; `use a::{b, c::d}` gives `a::b` and `a::c::d`.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    pub segments: Vec<String>,
    /// The module that the path stands in: `store::rows::posts`.
    module: Vec<String>,
}

impl Named {
    /// Segments from the crate's root, when the path begins with `crate`, `self` or `super`.
    pub fn target(&self) -> Option<Vec<&str>> {
        let mut at: Vec<&str> = match self.segments.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.module.iter().map(String::as_str).collect(),
            _ => return None,
        };
        for segment in &self.segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => drop(at.pop()),
                name => at.push(name),
            }
        }
        Some(at)
    }

    /// Whether `needle` (`redb`, `std::env`) is in it. One segment must be the first one: a crate.
    pub fn names(&self, needle: &str) -> bool {
        let needle: Vec<&str> = needle.split("::").collect();
        match needle.as_slice() {
            [krate] => self.segments.first().is_some_and(|first| first == krate),
            many => self.segments.windows(many.len()).any(|part| part == many),
        }
    }
}

/// The module a file is: `src/store/rows/mod.rs` is `store::rows`; `lib.rs` and `main.rs` are
/// the root.
pub fn module_of(path: &str) -> Vec<String> {
    let stem = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut segments: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(stem, "lib" | "main") || segments.last().is_some_and(|last| last == "mod") {
        segments.pop();
    }
    segments
}

/// Every path in a file of `src`, in order.
pub fn in_file(source: &Source) -> Vec<Named> {
    let mut reader = Reader { module: module_of(&source.path), found: Vec::new() };
    reader.tokens(&tokens(source));
    reader.found
}

/// Every name in a file, apart from those that `mod` declares.
pub fn idents(source: &Source) -> Vec<String> {
    fn collect(tokens: Vec<TokenTree>, to: &mut Vec<String>) {
        let mut declared = false;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if !declared {
                        to.push(name.to_string());
                    }
                    declared = name == "mod";
                }
                TokenTree::Group(group) => collect(list(group.stream()), to),
                _ => {}
            }
        }
    }
    let mut names = Vec::new();
    collect(tokens(source), &mut names);
    names
}

fn tokens(source: &Source) -> Vec<TokenTree> {
    match source.text.parse::<TokenStream>() {
        Ok(stream) => list(stream),
        Err(e) => panic!("{}: not Rust: {e}", source.path),
    }
}

fn list(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

struct Reader {
    module: Vec<String>,
    found: Vec<Named>,
}

impl Reader {
    fn tokens(&mut self, tokens: &[TokenTree]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let before = tokens.get(..at).unwrap_or_default();
            match token {
                TokenTree::Group(group) if follows(before, &["use"]) || is_global(before) => {
                    self.tree(&[], &list(group.stream()));
                    at += 1;
                }
                TokenTree::Group(group) => {
                    self.block(before, group);
                    at += 1;
                }
                TokenTree::Ident(name) if begins_path(before) && !is_keyword(name) => {
                    let alone = follows(before, &["use"]) || follows(before, &["extern", "crate"]);
                    at += self.path(&[], tokens.get(at..).unwrap_or_default(), alone);
                }
                _ => at += 1,
            }
        }
    }

    /// What is in braces or parentheses; the braces of `mod name` are a module of their own.
    fn block(&mut self, before: &[TokenTree], group: &Group) {
        let inner = list(group.stream());
        match before {
            [.., TokenTree::Ident(word), TokenTree::Ident(name)] if word == "mod" => {
                self.module.push(name.to_string());
                self.tokens(&inner);
                self.module.pop();
            }
            _ => self.tokens(&inner),
        }
    }

    /// Reads one path, which begins with a name; gives how many tokens it took. A name `alone` is
    /// a path only where paths are expected.
    fn path(&mut self, prefix: &[String], tokens: &[TokenTree], alone: bool) -> usize {
        let mut segments = prefix.to_vec();
        let mut at = 0;
        let line = tokens.first().map_or(0, |t| t.span().start().line);
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(name)) => segments.push(plain(&name.to_string())),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.tree(&segments, &list(group.stream()));
                    return at + 1;
                }
                _ => break,
            }
            at += 1;
            if !is_separator(tokens, at) {
                break;
            }
            at += 2;
        }
        if alone || segments.len() > 1 {
            let module = self.module.clone();
            self.found.push(Named { line, segments, module });
        }
        at.max(1)
    }

    /// The inside of `use a::{ ... }`.
    fn tree(&mut self, prefix: &[String], tokens: &[TokenTree]) {
        let elements = tokens.split(|t| is_punct(Some(t), ','));
        for element in elements.filter(|element| !element.is_empty()) {
            let global = usize::from(is_separator(element, 0)) * 2;
            self.path(prefix, element.get(global..).unwrap_or_default(), true);
        }
    }
}

fn plain(name: &str) -> String {
    name.trim_start_matches("r#").to_owned()
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == wanted)
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

fn follows(before: &[TokenTree], words: &[&str]) -> bool {
    let tail = before.len().checked_sub(words.len());
    let tail = tail.and_then(|from| before.get(from..));
    tail.is_some_and(|tail| {
        tail.iter().zip(words).all(|(t, word)| matches!(t, TokenTree::Ident(i) if i == word))
    })
}

/// After `use ::`, where a path begins anew.
fn is_global(before: &[TokenTree]) -> bool {
    before.len() >= 3
        && is_separator(before, before.len() - 2)
        && follows(before.get(..before.len() - 2).unwrap_or_default(), &["use"])
}

/// Words that may stand before a path with a leading `::` and are no part of it.
fn is_keyword(name: &Ident) -> bool {
    const KEYWORDS: &[&str] = &[
        "as", "break", "const", "dyn", "else", "for", "if", "impl", "in", "let", "match", "mut",
        "return", "use", "where", "while",
    ];
    KEYWORDS.iter().any(|word| name == word)
}

/// Not a field or method (`x.age`), and not the middle of `<T>::name`; a range (`0..max::N`), an
/// arrow and a leading `::` go before one.
fn begins_path(before: &[TokenTree]) -> bool {
    let back = |n: usize| before.len().checked_sub(n).and_then(|at| before.get(at));
    let field = is_punct(back(1), '.') && !is_punct(back(2), '.');
    let arrow = is_punct(back(4), '-') || is_punct(back(4), '=');
    let after_type = is_punct(back(3), '>') && !arrow;
    let middle = is_punct(back(1), ':') && is_punct(back(2), ':') && after_type;
    !field && !middle
}

#[cfg(test)]
mod tests {
    use super::super::tree::source;
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let found = in_file(&source("src/engine/wheel/model.rs", text));
        found.iter().map(|named| named.segments.join("::")).collect()
    }

    fn roots(text: &str) -> Vec<String> {
        let found = in_file(&source("src/engine/wheel/model.rs", text));
        let root = |named: &Named| named.target().map(|segments| segments.join("::"));
        found.iter().filter_map(root).collect()
    }

    #[test]
    fn trees_are_spread_out() {
        assert_eq!(
            read("use a::{self, b::{c, d as e}, f::*}; use redb; extern crate age; use {x::y, z};"),
            ["a::self", "a::b::c", "a::b::d", "a::f", "redb", "age", "x::y", "z"]
        );
        assert_eq!(
            read("use ::{redb, age::x,}; fn f() -> ::redb::X { ::redb::open() }"),
            ["redb", "age::x", "redb::X", "redb::open"]
        );
    }

    #[test]
    fn expressions_types_macros_and_attributes_are_read() {
        let text = "#[derive(clap::Parser)] fn f(x: &r#age::X<redb::T>) { m!(0..axum::N); \
                    Vec::<http::M>::new(); x.age::<u8>(); $crate::a::b() }";
        let all = ["clap::Parser", "age::X", "redb::T", "axum::N", "http::M", "crate::a::b"];
        for wanted in all {
            assert!(read(text).iter().any(|path| path == wanted), "{wanted}: {:?}", read(text));
        }
        assert!(!read(text).iter().any(|path| path == "age"));
    }

    #[test]
    fn comments_and_strings_are_not() {
        let text = "//! [`crate::a::b`]\n/// [x](crate::c::d)\n// use crate::e::f;\n\
                    /* crate::g::h */ fn f() { r#\"crate::i::j\"#; 'x'; \"crate::k::l\"; }";
        assert_eq!(read(text), [""; 0]);
    }

    #[test]
    fn relative_paths_are_resolved_from_where_they_stand() {
        assert_eq!(
            roots("use crate::a::b; use super::{Wheel, super::super::store::x}; use self::y;"),
            ["a::b", "engine::wheel::Wheel", "store::x", "engine::wheel::model::y"]
        );
        assert_eq!(roots("mod tests { use super::super::x; }"), ["engine::wheel::x"]);
        assert_eq!(module_of("src/store/rows/mod.rs").join("::"), "store::rows");
        assert!(module_of("src/lib.rs").is_empty());
    }

    #[test]
    fn lines_are_counted_and_declared_names_left_out() {
        let file = source("src/x.rs", "\nuse a::{\n    b,\n    c::d,\n};");
        let lines: Vec<usize> = in_file(&file).iter().map(|named| named.line).collect();
        assert_eq!(lines, [3, 4]);
        let file = source("src/x.rs", "mod a; pub mod b; const ALL: &[T] = &[b::T];");
        let names = idents(&file);
        assert!(names.contains(&"b".to_owned()) && !names.contains(&"a".to_owned()));
    }
}
