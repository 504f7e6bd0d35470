//! The repository as data: paths from its root, and texts. Must not judge.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A file: its path from the repository's root with forward slashes, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// Every Rust file under a folder, in order of path, as it is on disk.
pub fn rust_under(folder: &str) -> Vec<Source> {
    let mut names = Vec::new();
    walk(&support::repo_root(), Path::new(folder), &mut names);
    names.retain(|name| name.to_ascii_lowercase().ends_with(".rs"));
    let sources = texts(names);
    assert!(!sources.is_empty(), "no Rust file under {folder}");
    sources
}

/// The names that git tracks; without git, everything but build output.
pub fn tracked_names() -> Vec<String> {
    let root = support::repo_root();
    let git = Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output();
    let listed = match git {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        _ => String::new(),
    };
    let mut names: Vec<String> = listed.split_terminator('\0').map(str::to_owned).collect();
    if names.is_empty() {
        walk(&root, Path::new(""), &mut names);
    }
    names
}

/// The tracked files that are text and still there.
pub fn tracked_texts() -> Vec<Source> {
    texts(tracked_names())
}

fn texts(names: Vec<String>) -> Vec<Source> {
    let root = support::repo_root();
    let read = |path: String| {
        let text = fs::read_to_string(root.join(&path)).ok()?;
        Some(Source { path, text })
    };
    names.into_iter().filter_map(read).collect()
}

fn walk(root: &Path, folder: &Path, names: &mut Vec<String>) {
    let mut entries: Vec<_> =
        fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        let name = path.to_str().unwrap().to_owned();
        if entry.file_type().unwrap().is_dir() {
            if name != "target" && name != ".git" {
                walk(root, &path, names);
            }
        } else {
            names.push(name);
        }
    }
}

/// A file of a planted breach.
pub fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}
