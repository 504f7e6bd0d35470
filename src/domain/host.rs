//! Hosts: products that show Carillon inside their own pages to people of their own. Must not lead
//! to anything that the host did not make.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{
    Check, HostId, Problem, SessionId, Timestamp, UserId, WorkspaceId, Wrong, limits,
};

/// How long a bearer for a page lasts; the host's backend asks for another before that.
pub const EMBED_LIFE: Duration = Duration::from_mins(15);

/// A product, without its key: that was shown once and only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub id: HostId,
    pub name: String,
    /// Where its pages are, as browsers send it in `Origin`.
    pub origins: BTreeSet<String>,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

impl Host {
    pub fn is_live(&self) -> bool {
        self.revoked_at.is_none()
    }
}

/// A person in a page of a host: one workspace, from one origin, for a short time. What they may do
/// is a member's and read anew with each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedSession {
    pub id: SessionId,
    pub host: HostId,
    pub user: UserId,
    pub workspace: WorkspaceId,
    pub origin: String,
    pub theme: Theme,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// SHA-256 of the bearer.
    pub token: [u8; 32],
}

impl EmbedSession {
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// How a page is to look, by the names of [`THEME`]; values are such that they can stand in a style.
pub type Theme = BTreeMap<String, String>;

/// What of the look a host can choose.
pub const THEME: [&str; 4] = ["accent", "radius", "font", "color_scheme"];
const THEME_CHARS: usize = 100;

/// Notes what of a theme could not stand in a style.
pub fn check_theme(theme: &Theme, check: &mut Check) {
    for (name, value) in theme {
        let field = format!("theme.{name}");
        check.that(THEME.contains(&name.as_str()), &field, Wrong::Unknown);
        let plain = |c: char| c.is_ascii_alphanumeric() || " #%(),.-/".contains(c);
        let fits = !value.is_empty() && value.len() <= THEME_CHARS && value.chars().all(plain);
        let expected = "a CSS value without quotes and semicolons, of at most 100 characters";
        check.that(fits, &field, Wrong::BadFormat { expected: expected.to_owned() });
    }
}

/// The name by which a host knows something of its own.
pub fn external_id(field: &str, id: &str) -> Result<String, Problem> {
    let (max, actual) = (limits::EXTERNAL_ID_CHARS, id.chars().count());
    if id.is_empty() {
        return Err(Problem::field(field, Wrong::Empty));
    }
    if actual > max {
        return Err(Problem::field(field, Wrong::TooLong { max, actual, unit: "characters" }));
    }
    if id.chars().any(char::is_control) {
        let expected = "text without control characters".to_owned();
        return Err(Problem::field(field, Wrong::BadFormat { expected }));
    }
    Ok(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_can_stand_in_a_style_and_leave_nothing_else_there() {
        let wrong = |name: &str, value: &str| {
            let mut check = Check::default();
            check_theme(&Theme::from([(name.to_owned(), value.to_owned())]), &mut check);
            !check.is_clean()
        };
        for (name, value) in [
            ("accent", "#c2185b"),
            ("radius", "6px"),
            ("font", "Inter, sans-serif"),
            ("color_scheme", "light dark"),
            ("accent", "rgb(1 2 3 / 50%)"),
        ] {
            assert!(!wrong(name, value), "{name} {value}");
        }
        for (name, value) in [
            ("accent", ""),
            ("accent", "red; background: url(x)"),
            ("accent", "</style>"),
            ("accent", "\"x\""),
            ("accent", "\u{202e}"),
            ("accent", &"x".repeat(101)),
            ("surprise", "red"),
        ] {
            assert!(wrong(name, value), "{name} {value}");
        }
    }

    #[test]
    fn names_of_a_host_are_any_text_of_a_bounded_length() {
        for good in ["1", "crm-4711", "a/b?c", "\u{e4}\u{1f600}", &"x".repeat(200)] {
            assert_eq!(external_id("id", good).as_deref(), Ok(good));
        }
        for bad in ["", "a\nb", "\0", &"x".repeat(201)] {
            assert!(external_id("id", bad).is_err(), "{bad:?}");
        }
    }
}
