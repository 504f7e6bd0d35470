//! Holds the order of the house (the design's part 1) over the repository as it is. Each rule is a
//! function over files as data, so that its own tests can show it a breach. When a rule makes the
//! house uglier, change the rule's data and say why there.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot read the repository must fail"
)]

mod form;
mod paths;
mod registries;
mod rooms;
mod tree;
mod walls;

use std::fmt;

/// Where a rule is broken, which one, and what to do about it.
#[derive(PartialEq, Eq)]
pub struct Breach {
    pub path: String,
    /// From 1; 0 when the file as a whole, or its name, is meant.
    pub line: usize,
    pub rule: String,
    pub remedy: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, remedy } = self;
        match line {
            0 => write!(f, "{path}: {rule}\n    {remedy}"),
            _ => write!(f, "{path}:{line}: {rule}\n    {remedy}"),
        }
    }
}

#[track_caller]
fn none(breaches: &[Breach]) {
    let text: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    assert!(text.is_empty(), "breaches:\n{}", text.join("\n"));
}

#[test]
fn rooms_import_downward() {
    none(&rooms::breaches(&tree::rust_under("src/")));
}

#[test]
fn walls_stand() {
    none(&walls::breaches(&tree::rust_under("src/")));
}

#[test]
fn registry_lines_are_there() {
    none(&registries::breaches(&tree::rust_under("src/")));
}

#[test]
fn files_are_short_and_introduce_themselves() {
    let mut files = tree::rust_under("src/");
    files.extend(tree::rust_under("tests/"));
    files.extend(tree::rust_under("fuzz/src/"));
    none(&form::file_breaches(&files));
}

#[test]
fn the_top_level_is_closed() {
    none(&form::top_level_breaches(&tree::tracked_names()));
}

#[test]
fn no_file_names_this_machine_or_unfinished_work() {
    none(&form::word_breaches(&tree::tracked_texts()));
}
