//! Outside text that is shown or kept: no control characters, none that are invisible or turn the
//! line around, bounded, and cleaning twice is cleaning once. What is a secret does not come
//! through.

use carillon::cli::clean;
use carillon::outbound::redact::{QUOTE_BYTES, redact_path, scrub};
use url::Url;

use super::given::Given;

/// A secret that no mutation should know by heart.
const SECRET: &str = "hush-4711-secret";

/// What cleans text for a terminal; a test puts a broken one in its place.
pub type Clean = fn(&str) -> String;

pub fn check(data: &[u8]) {
    holds(data, clean);
}

pub fn holds(data: &[u8], clean: Clean) {
    let mut given = Given(data);
    let max = usize::from(given.byte()) * 16;
    let text = String::from_utf8_lossy(given.rest());
    let shown = clean(&text);
    assert!(!shown.contains(is_odd), "{shown:?}");
    assert_eq!(clean(&shown), shown);

    let quote = scrub(&text, max, &[SECRET]);
    assert!(!quote.contains(is_odd), "{quote:?}");
    assert!(quote.len() <= max.min(QUOTE_BYTES));
    assert!(!quote.contains(SECRET));
    // In the middle of whatever text it is.
    for joint in ["", " ", "=", "\u{200b}"] {
        let around = format!("{text}{joint}{SECRET}{joint}{text}");
        assert!(!scrub(&around, QUOTE_BYTES, &[SECRET]).contains(SECRET), "{around:?}");
    }
    if let Ok(url) = Url::parse(&text) {
        assert!(!redact_path(&url).contains(is_odd));
    }
}

fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}')
        || matches!(c, '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}
