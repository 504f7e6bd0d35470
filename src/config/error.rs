//! What is wrong with the settings, all of it at once, printed the way compilers do: what, where,
//! and what would be right.

use std::fmt;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("error[unreadable]: the file cannot be read\n  --> {}\n   = {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}", paragraphs(.0))]
    Problems(Vec<Problem>),
}

/// One thing to put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// `line` and `column` (in characters) count from 1; `text` is the line without control
    /// characters, `width` how much of it is meant.
    File { path: PathBuf, line: usize, column: usize, text: String, width: usize },
    /// The name of an environment variable.
    Variable(String),
    /// A flag, as `section.key`.
    Flag(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The file is not TOML.
    Syntax {
        why: String,
    },
    UnknownSection {
        section: String,
        hint: Hint,
    },
    UnknownKey {
        key: String,
        hint: Hint,
    },
    /// `must` completes "must be ...".
    Value {
        key: String,
        given: String,
        must: String,
    },
}

/// What may have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// This, written as it would stand there.
    Near(String),
    /// One of these.
    Known(Vec<&'static str>),
    Nothing,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, .. } => write!(f, "file {}:{line}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => write!(f, "flag for {name}"),
        }
    }
}

impl Wrong {
    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "syntax",
            Self::UnknownSection { .. } => "unknown_section",
            Self::UnknownKey { .. } => "unknown_key",
            Self::Value { .. } => "invalid_value",
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Syntax { .. } => "this is not TOML".to_owned(),
            Self::UnknownSection { section, .. } => format!("unknown section `{section}`"),
            Self::UnknownKey { key, .. } => format!("unknown key `{key}`"),
            Self::Value { key, given, .. } => format!("`{key}` cannot be `{}`", masked(given)),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Syntax { why } => why.clone(),
            Self::UnknownSection { hint, .. } | Self::UnknownKey { hint, .. } => hint.to_string(),
            Self::Value { must, .. } => format!("must be {must}"),
        }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Near(meant) => write!(f, "did you mean `{meant}`?"),
            Self::Known(words) => write!(f, "known here: {}", words.join(", ")),
            Self::Nothing => f.write_str("no setting has this name"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = self.wrong.remedy();
        writeln!(f, "error[{}]: {}", self.wrong.code(), self.wrong.title())?;
        match &self.place {
            Place::File { path, line, column, text, width } => {
                let before = column.saturating_sub(1).min(text.chars().count());
                let (gap, mark) = (" ".repeat(before), "^".repeat(*width));
                writeln!(f, "  --> {}:{line}:{column}", path.display())?;
                write!(f, "   | {}\n   | {gap}{mark} {remedy}", masked(text))
            }
            Place::Variable(name) => write!(f, "  --> variable {name}\n   = {remedy}"),
            Place::Flag(name) => write!(f, "  --> flag for {name}\n   = {remedy}"),
        }
    }
}

/// Without the password of an address: what is wrong with a line is told to whoever reads the log.
fn masked(text: &str) -> String {
    let Some((before, rest)) = text.split_once("://") else { return text.to_owned() };
    let (address, after) = rest.split_at(rest.rfind('@').unwrap_or(0));
    let Some((name, password)) = address.split_once(':') else { return text.to_owned() };
    let stars = "*".repeat(password.chars().count());
    format!("{before}://{name}:{stars}{after}")
}

fn paragraphs(problems: &[Problem]) -> String {
    let printed: Vec<String> = problems.iter().map(ToString::to_string).collect();
    printed.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        for (text, shown) in [
            ("server = \"smtp://c:p@ss@mail.example\"", "server = \"smtp://c:****@mail.example\""),
            ("smtp://c@mail.example:25", "smtp://c@mail.example:25"),
            ("https://mail.example:25", "https://mail.example:25"),
            ("listen = 5", "listen = 5"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
