//! Log lines.

use std::path::PathBuf;

use super::rule::{any, between, levels};
use super::section::section;
use super::value::Value;

/// How log lines look on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text,
}

impl Value for LogFormat {
    const FORM: &'static str = "`json` or `text`";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            _ => None,
        }
    }
}

section! {
    /// `[log]`
    Log in "log" {
        /// `json` for machines, `text` for people; files hold JSON in any case.
        format: LogFormat = LogFormat::Json, any;
        /// The least level, or a list such as `info,carillon::engine=debug`.
        level: String = "info".to_owned(), |list| levels(list);
        /// Where daily files are kept; none without it.
        folder: Option<PathBuf> = None, any;
        /// Files that are kept; older ones are deleted.
        max_files: usize = 14, between(2, 3650);
    }
}
