//! The types of settings, from a file's value or from the text of a variable or flag.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use toml::de::{DeTable, DeValue};
use url::Url;

/// A type that a setting can have.
pub(super) trait Value: Sized {
    /// Completes "must be ...".
    const FORM: &'static str;

    fn from_text(text: &str) -> Option<Self>;

    /// As it stands in a file.
    fn show(&self) -> String;

    /// Text in a file means the same as text in a variable.
    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        Self::from_text(value.as_str()?)
    }
}

/// Characters of a line of text that people read.
pub(super) const WIDTH: usize = 90;

/// A TOML string.
pub(super) fn quoted(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

pub(super) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) const fn mins(n: u64) -> Duration {
    Duration::from_mins(n)
}

pub(super) const fn hours(n: u64) -> Duration {
    Duration::from_hours(n)
}

/// The form that [`Value::from_text`] reads: `1h 30m`, `1500ms`.
pub(super) fn show(d: Duration) -> String {
    SignedDuration::try_from(d).map_or_else(|_| format!("{d:?}"), |d| format!("{d:#}"))
}

impl Value for Duration {
    const FORM: &'static str = "a duration such as \"30s\", \"1500ms\", \"10m\" or \"2h\"";

    fn from_text(text: &str) -> Option<Self> {
        text.parse::<SignedDuration>().ok()?.try_into().ok()
    }

    fn show(&self) -> String {
        quoted(&show(*self))
    }
}

const WHOLE: &str = "a whole number, not negative";

impl Value for usize {
    const FORM: &'static str = WHOLE;

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        let number = value.as_integer()?;
        Self::from_str_radix(number.as_str(), number.radix()).ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for u32 {
    const FORM: &'static str = WHOLE;

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        let number = value.as_integer()?;
        Self::from_str_radix(number.as_str(), number.radix()).ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for bool {
    const FORM: &'static str = "true or false";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        value.as_bool()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    const FORM: &'static str = "text";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn show(&self) -> String {
        quoted(self)
    }
}

impl Value for PathBuf {
    const FORM: &'static str = "a path";

    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }

    fn show(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Value for SocketAddr {
    const FORM: &'static str = "an address and port such as \"127.0.0.1:8080\" or \"[::]:80\"";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Value for Url {
    const FORM: &'static str = "an address such as \"https://social.example.org\"";

    fn from_text(text: &str) -> Option<Self> {
        let url = Self::parse(text).ok()?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        plain.then_some(url)
    }

    fn show(&self) -> String {
        quoted(self.as_str())
    }
}

/// Empty text is no value, so that a variable can take back what the file says.
impl<T: Value> Value for Option<T> {
    const FORM: &'static str = T::FORM;

    fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::from_text(text).map(Some) }
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        if value.as_str() == Some("") { Some(None) } else { T::from_toml(value).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| quoted(""), T::show)
    }
}

/// Entries are separated by commas in a variable or flag, and stand in an array in a file.
impl Value for Vec<String> {
    const FORM: &'static str = "a list of texts";

    fn from_text(text: &str) -> Option<Self> {
        // Also as a file has it, and as `config show` prints it; an IPv6 address has brackets, too.
        let list = text.trim_start();
        let first = list.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let is_address = first.is_some_and(|(ip, _)| ip.parse::<std::net::Ipv6Addr>().is_ok());
        if list.starts_with('[') && !is_address {
            let line = format!("list = {text}");
            let table = DeTable::parse(&line).ok()?;
            let mut entries = table.get_ref().iter();
            let (Some((_, list)), None) = (entries.next(), entries.next()) else { return None };
            return Self::from_toml(list.get_ref());
        }
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Some(entries.map(str::to_owned).collect())
    }

    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        let entries = value.as_array()?.iter();
        entries.map(|entry| entry.get_ref().as_str().map(str::to_owned)).collect()
    }

    fn show(&self) -> String {
        format!("[{}]", self.iter().map(|entry| quoted(entry)).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_people_and_as_files_write_them() {
        let list = |of: &[&str]| Some(of.iter().map(|text| (*text).to_owned()).collect());
        for (text, read) in [
            ("", list(&[])),
            ("a, b:1,", list(&["a", "b:1"])),
            (r#"["a:1", "b"]"#, list(&["a:1", "b"])),
            ("[]", list(&[])),
            (" ['a']", list(&["a"])),
            ("[::1]:9, b", list(&["[::1]:9", "b"])),
            (r#"["a""#, None),
            ("[a, b]", None),
            ("[1]", None),
            ("[\"a\"]\nother = 1", None),
        ] {
            assert_eq!(Vec::<String>::from_text(text), read, "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, d) in [
            ("30s", secs(30)),
            ("1500ms", Duration::from_millis(1500)),
            ("10m", mins(10)),
            ("2h", hours(2)),
            ("1h 30m", mins(90)),
            ("1.5s", Duration::from_millis(1500)),
            ("0s", secs(0)),
        ] {
            assert_eq!(Duration::from_text(text), Some(d), "{text}");
        }
        let far = "9999999999999999999999h";
        for text in ["", "30", "s", "-30s", "30s ago", "30 parsecs", "1d", "1month", "30s,", far] {
            assert_eq!(Duration::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn a_shown_duration_can_be_read() {
        for d in [secs(0), secs(30), mins(10), hours(168), Duration::from_millis(1500)] {
            assert_eq!(Duration::from_text(&show(d)), Some(d), "{}", show(d));
        }
    }

    #[test]
    fn numbers_addresses_and_lists() {
        assert_eq!(u32::from_text("20"), Some(20));
        for text in ["", "-1", "1.0", " 1", "1 ", "0x1", "4294967296"] {
            assert_eq!(u32::from_text(text), None, "{text}");
        }
        assert!(Option::<Url>::from_text("https://x.example/sub").is_some_and(|u| u.is_some()));
        assert_eq!(Option::<Url>::from_text(""), Some(None));
        for text in ["x.example", "ftp://x.example", "https://a:b@x.example", "https://x/?a", "/"] {
            assert_eq!(Url::from_text(text), None, "{text}");
        }
        assert_eq!(Vec::from_text("a, b:1,"), Some(vec!["a".to_owned(), "b:1".to_owned()]));
        assert_eq!(Vec::from_text(""), Some(Vec::new()));
    }
}
