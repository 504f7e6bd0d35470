//! The settings file: a mistake is told in bounded text that cannot drive a terminal, and what is
//! accepted says the same when it is written down and read again.

use std::path::Path;

use carillon::config::{Config, settings};

/// Far more than all sections at their longest.
const TOLD_MAX: usize = 256 * 1024;

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new("x.toml");
    match Config::check(path, text) {
        Err(error) => {
            let told = error.to_string();
            assert!(told.starts_with("error["), "{told}");
            assert!(!told.contains(|c: char| c.is_control() && c != '\n'), "{told:?}");
            assert!(told.len() <= TOLD_MAX.max(text.len() * 64), "{}", told.len());
        }
        Ok(loaded) => {
            assert_eq!(loaded.shown.len(), settings().len());
            let lines = loaded.shown.iter().filter(|shown| shown.place.is_some());
            let written: Vec<_> =
                lines.map(|shown| format!("{} = {}", shown.key, shown.value)).collect();
            let written = written.join("\n");
            let again = Config::check(path, &written);
            let again = again.unwrap_or_else(|e| panic!("{written}\n{e}"));
            assert_eq!(again.config, loaded.config, "{written}");
        }
    }
}
