//! Log lines.

use std::path::PathBuf;

use super::rule::{any, between, levels, named_file};
use super::section::section;
use super::value::{Value, quoted};

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

    fn show(&self) -> String {
        quoted(match self {
            Self::Json => "json",
            Self::Text => "text",
        })
    }
}

/// When a log file is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotate {
    Daily,
    Hourly,
    Never,
}

impl Value for Rotate {
    const FORM: &'static str = "`daily`, `hourly` or `never`";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "daily" => Some(Self::Daily),
            "hourly" => Some(Self::Hourly),
            "never" => Some(Self::Never),
            _ => None,
        }
    }

    fn show(&self) -> String {
        quoted(match self {
            Self::Daily => "daily",
            Self::Hourly => "hourly",
            Self::Never => "never",
        })
    }
}

section! {
    /// `[log]`
    Log in "log" {
        /// `json` for machines, `text` for people; files hold JSON in any case.
        format: LogFormat = LogFormat::Json, any(), Restart;
        /// The least level, or a list such as `info,carillon::engine=debug`.
        level: String = "info".to_owned(), levels(), Reload;
        /// Log lines also go to files beside this one, with the day in their name:
        /// `carillon.2026-12-01.jsonl` for `carillon.jsonl`. Without it, to standard output only.
        file: Option<PathBuf> = None, named_file(), Restart;
        /// When a new file is begun, by UTC.
        rotate: Rotate = Rotate::Daily, any(), Restart;
        /// Files that are kept; older ones are deleted.
        keep: usize = 14, between(2, 3650), Restart;
    }
}
