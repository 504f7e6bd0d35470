//! What a value must be beyond its type. A rule's text completes "must be ...".

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use super::value::show;
use crate::base::{Net, is_private_way};

/// A test, and what it asks for; nothing when the type says it all.
pub(super) struct Rule<T> {
    must: Option<String>,
    holds: Box<dyn Fn(&T) -> bool>,
}

impl<T> Rule<T> {
    fn new(must: String, holds: impl Fn(&T) -> bool + 'static) -> Self {
        Self { must: Some(must), holds: Box::new(holds) }
    }

    /// What it asks for.
    pub(super) fn must(self) -> Option<String> {
        self.must
    }

    pub(super) fn check(&self, value: &T) -> Result<(), String> {
        let must = || self.must.clone().unwrap_or_default();
        if (self.holds)(value) { Ok(()) } else { Err(must()) }
    }
}

pub(super) fn any<T>() -> Rule<T> {
    Rule { must: None, holds: Box::new(|_| true) }
}

pub(super) fn between<T: PartialOrd + Display + 'static>(low: T, high: T) -> Rule<T> {
    Rule::new(format!("from {low} to {high}"), move |value| *value >= low && *value <= high)
}

pub(super) fn up_to(most: Duration) -> Rule<Duration> {
    let must = format!("more than 0s and at most {}", show(most));
    Rule::new(must, move |value: &Duration| !value.is_zero() && *value <= most)
}

/// So long at least, and at most.
pub(super) fn lasts(least: Duration, most: Duration) -> Rule<Duration> {
    let must = format!("from {} to {}", show(least), show(most));
    Rule::new(must, move |value: &Duration| (least..=most).contains(value))
}

/// The same as [`up_to`], if it is set.
pub(super) fn up_to_if(most: Duration) -> Rule<Option<Duration>> {
    let must = format!("more than 0s and at most {}", show(most));
    Rule::new(must, move |value: &Option<Duration>| {
        value.is_none_or(|value| !value.is_zero() && value <= most)
    })
}

/// One of a few words.
pub(super) fn one_of(words: &'static [&'static str]) -> Rule<String> {
    let must = format!("one of {}", words.join(", "));
    Rule::new(must, move |word: &String| words.contains(&word.as_str()))
}

/// The vault that reads them is strict; this catches an identity, which must never be there, and half
/// a key.
pub(super) fn recipients() -> Rule<Vec<String>> {
    let must = "public keys of age, each of 62 characters and beginning with age1";
    let whole = |key: &String| {
        let plain = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase();
        key.starts_with("age1") && key.len() == 62 && key.bytes().all(plain)
    };
    Rule::new(must.to_owned(), move |keys: &Vec<String>| keys.iter().all(whole))
}

/// Each is a level, or `target=level`; a lone word that is no level would silence everything.
pub(super) fn levels() -> Rule<String> {
    let must = "off, error, warn, info, debug or trace, or a list such as `info,target=debug`";
    Rule::new(must.to_owned(), |list: &String| {
        let known = ["off", "error", "warn", "info", "debug", "trace"];
        list.split(',').all(|entry| {
            let level = entry.rsplit_once('=').map_or(entry, |(_, level)| level);
            known.contains(&level.trim().to_ascii_lowercase().as_str())
        })
    })
}

/// Whether `list` may be a log level; else what it must be.
pub fn check_levels(list: &str) -> Result<(), String> {
    levels().check(&list.to_owned())
}

/// The guard that reads the entries is strict; this catches what people write by habit.
pub(super) fn hosts() -> Rule<Vec<String>> {
    let must = "hosts, as `host` or `host:port`, without a scheme";
    Rule::new(must.to_owned(), |entries: &Vec<String>| {
        let odd = |c: char| c.is_whitespace() || "/*@?#\"'".contains(c);
        entries.iter().all(|entry| !entry.is_empty() && !entry.contains(odd))
    })
}

/// A server of mail. Its name and password are settings of their own: an address is shown.
pub(super) fn mail_server() -> Rule<Option<String>> {
    let must = "smtps:// or smtp://, a host, and a port if it is not the usual one; the name and the password are in a setting and a file of their own";
    Rule::new(must.to_owned(), |server: &Option<String>| {
        let plain = |url: url::Url| {
            matches!(url.scheme(), "smtp" | "smtps")
                && url.host_str().is_some_and(|host| !host.is_empty())
                && url.username().is_empty()
                && url.password().is_none()
                && matches!((url.path(), url.query(), url.fragment()), ("" | "/", None, None))
        };
        server.as_ref().is_none_or(|text| url::Url::parse(text).is_ok_and(plain))
    })
}

/// What mail can come from; this catches what people write by habit, such as a name before it.
pub(super) fn mail_address() -> Rule<Option<String>> {
    let must = "an e-mail address such as carillon@example.com, without a name";
    Rule::new(must.to_owned(), |address: &Option<String>| {
        let odd = |c: char| c.is_whitespace() || c.is_control() || "<>\"(),;:".contains(c);
        address.as_ref().is_none_or(|text| {
            text.split_once('@').is_some_and(|(local, domain)| {
                !local.is_empty() && !domain.is_empty() && !domain.contains('@')
            }) && !text.contains(odd)
        })
    })
}

/// An identity provider. Where its endpoints may be, is for whoever calls them to judge.
pub(super) fn issuer() -> Rule<Option<String>> {
    let must = "https:// and what follows it, without a name, a query or a fragment (http:// only on this machine)";
    Rule::new(must.to_owned(), |issuer: &Option<String>| {
        let plain = |url: url::Url| {
            is_private_way(&url)
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        let one = |text: &str| !text.chars().any(|c| c.is_whitespace() || c.is_control());
        issuer.as_ref().is_none_or(|text| one(text) && url::Url::parse(text).is_ok_and(plain))
    })
}

/// What a provider calls this installation. It goes there as it is, so that a blank too many makes it another's.
pub(super) fn client_id() -> Rule<Option<String>> {
    let must = "without blanks around it";
    Rule::new(must.to_owned(), |id: &Option<String>| {
        id.as_ref().is_none_or(|id| id.trim() == id && !id.contains(char::is_control))
    })
}

/// A few words for a button.
pub(super) fn words() -> Rule<String> {
    Rule::new("1 to 40 characters in one line".to_owned(), |text: &String| {
        (1..=40).contains(&text.trim().chars().count()) && !text.chars().any(char::is_control)
    })
}

/// What stands behind the @ of an e-mail.
pub(super) fn domains() -> Rule<Vec<String>> {
    let must = "domains such as `example.org`, in lower case and without an @";
    Rule::new(must.to_owned(), |entries: &Vec<String>| {
        let label = |label: &str| {
            !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let one = |entry: &String| entry.to_lowercase() == *entry && entry.split('.').all(label);
        entries.iter().all(one)
    })
}

/// What a request can name in its `Host`, without a port.
pub(super) fn names() -> Rule<Vec<String>> {
    let must = "hosts such as `social.example.org`, without a scheme or a port";
    Rule::new(must.to_owned(), |entries: &Vec<String>| {
        let known = |entry: &String| {
            let odd = |c: char| c.is_ascii_uppercase() || c == '*' || c.is_whitespace();
            url::Host::parse(entry).is_ok_and(|host| host.to_string() == *entry)
                && !entry.contains(odd)
        };
        entries.iter().all(known)
    })
}

/// The name of a header.
pub(super) fn header() -> Rule<Option<String>> {
    let must = "the name of a header, such as CF-IPCountry";
    Rule::new(must.to_owned(), |name: &Option<String>| {
        name.as_ref().is_none_or(|name| name.parse::<http::HeaderName>().is_ok())
    })
}

/// Such as 202607.
pub(super) fn year_and_month() -> Rule<String> {
    let must = "six digits, a year and a month";
    Rule::new(must.to_owned(), |text: &String| {
        let month = text.get(4..).and_then(|month| month.parse().ok());
        text.len() == 6
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && month.is_some_and(|month: u8| (1..=12).contains(&month))
    })
}

/// An amount of money.
pub(super) fn amount() -> Rule<String> {
    let must = "an amount such as \"0.015\", with at most six decimals";
    Rule::new(must.to_owned(), |text: &String| {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| {
            (1..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        digits(whole) && digits(part)
    })
}

/// Addresses, and blocks of them.
pub(super) fn nets() -> Rule<Vec<String>> {
    let must = "addresses such as `192.0.2.1`, or blocks such as `10.0.0.0/8`";
    Rule::new(must.to_owned(), |entries: &Vec<String>| {
        entries.iter().all(|entry| entry.parse::<Net>().is_ok())
    })
}

/// A file's name, to which the day is added.
pub(super) fn named_file() -> Rule<Option<PathBuf>> {
    let must = "a path that ends in the name of a file";
    Rule::new(must.to_owned(), |path: &Option<PathBuf>| {
        path.as_ref().is_none_or(|path| path.file_name().is_some())
    })
}
