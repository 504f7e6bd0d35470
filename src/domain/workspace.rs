//! Workspaces: the tenants. Must not grow fields that belong to members, plans or channels.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::Actor;
use crate::base::{Problem, Timestamp, WorkspaceId, Wrong, limits};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    pub id: WorkspaceId,
    /// Lower-case name for the command line and addresses; unique.
    pub slug: String,
    pub name: String,
    pub created_at: Timestamp,
    pub paused: bool,
    /// How late a post may still go out; `None`: the installation's setting.
    pub grace: Option<Duration>,
}

/// A workspace that an owner deleted: nobody gets in and nothing goes out, and until its end it can be
/// had back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    pub at: Timestamp,
    pub by: Actor,
    pub erased_at: Timestamp,
}

/// What is on record of a workspace that was erased, or is being: numbers and times, nothing of anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    pub deleted_at: Timestamp,
    /// `None` as long as something is left.
    pub erased_at: Option<Timestamp>,
    /// How many rows went, by table.
    pub rows: BTreeMap<String, u64>,
    /// The last event before the one that says that it is erased, with its hash.
    pub events: Option<(u64, [u8; 32])>,
    /// The installation's signature of the certificate; empty until it is made.
    pub signature: Vec<u8>,
}

/// How long a workspace that was deleted can be had back.
pub const ERASED_AFTER: Duration = Duration::from_hours(24);

/// The trimmed name of a thing that people read, or why it cannot be one.
pub fn check_name(field: &str, name: &str) -> Result<String, Problem> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Problem::field(field, Wrong::Empty));
    }
    let (max, actual) = (limits::NAME_CHARS, name.chars().count());
    if actual > max {
        return Err(Problem::field(field, Wrong::TooLong { max, actual, unit: "characters" }));
    }
    if name.chars().any(char::is_control) {
        let expected = "text without control characters".to_owned();
        return Err(Problem::field(field, Wrong::BadFormat { expected }));
    }
    Ok(name.to_owned())
}

/// `Acme & Co` becomes `acme-co`; a name without a single letter or digit becomes `workspace`.
pub fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= limits::SLUG_CHARS {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "workspace".to_owned() } else { slug.to_owned() }
}

/// The slug for the `n`th workspace of the same name; no longer than a slug may be.
pub fn numbered(slug: &str, n: u32) -> String {
    let tail = format!("-{n}");
    let kept: String = slug.chars().take(limits::SLUG_CHARS - tail.len()).collect();
    format!("{}{tail}", kept.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain() {
        for (name, slug) in
            [("Acme & Co", "acme-co"), ("  Öl  ", "l"), ("日本", "workspace"), ("a--b", "a-b")]
        {
            assert_eq!(slug_of(name), slug);
        }
        assert_eq!(slug_of(&"x".repeat(500)).len(), limits::SLUG_CHARS);
    }
}
