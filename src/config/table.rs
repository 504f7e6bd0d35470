//! What is told of the settings: one row per key, and the example file that is made of them. Must
//! not read anything.

use super::value::WIDTH;
use super::{
    Backup, Http, LinkedIn, Log, Mail, Media, Oidc, Outbound, Plans, Publish, Retention, S3,
    Server, Store, X,
};

/// When a change of a setting counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// After `config reload` or SIGHUP.
    Reload,
    /// After a restart.
    Restart,
}

/// All there is to know of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub section: &'static str,
    pub key: &'static str,
    pub help: String,
    /// Its type; completes "must be ...".
    pub form: &'static str,
    /// What the type does not say; completes "must be ...".
    pub must: Option<String>,
    /// As it stands in a file.
    pub default: String,
    pub change: Change,
}

/// Every setting, in the order of the example.
pub fn settings() -> Vec<Setting> {
    [
        Server::describe(),
        Publish::describe(),
        Outbound::describe(),
        Log::describe(),
        Store::describe(),
        Http::describe(),
        Media::describe(),
        Retention::describe(),
        Mail::describe(),
        Oidc::describe(),
        S3::describe(),
        Backup::describe(),
        Plans::describe(),
        X::describe(),
        LinkedIn::describe(),
    ]
    .concat()
}

impl Setting {
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        variable(self.section, self.key)
    }

    /// Its type and bounds.
    pub fn bounds(&self) -> String {
        match &self.must {
            Some(must) => format!("{}, {must}", self.form),
            None => self.form.to_owned(),
        }
    }
}

/// The environment variable that sets a key.
pub(super) fn variable(section: &str, key: &str) -> String {
    format!("CARILLON_{}__{key}", section.replace('.', "__")).to_ascii_uppercase()
}

/// A file with every setting at its default, commented out, so that a later release may choose a
/// better default. What is to be set loses its `#`.
pub fn example() -> String {
    let mut lines: Vec<String> = [
        "# Settings of Carillon, each with its default. To set one, take away its leading #.",
        "# A variable such as CARILLON_SERVER__LISTEN wins over this file, a flag over both.",
        "# `carillon config check` finds mistakes, `carillon config show` says what counts.",
    ]
    .map(str::to_owned)
    .into();
    let mut section = "";
    for setting in settings() {
        if setting.section != section {
            section = setting.section;
            lines.push(format!("\n[{section}]"));
        }
        let help = format!("{} Takes {}.", setting.help, setting.bounds());
        lines.extend(wrapped(&help).into_iter().map(|line| format!("# {line}")));
        if setting.change == Change::Reload {
            lines.push("# A change counts after `carillon config reload`.".to_owned());
        }
        lines.push(format!("#{} = {}", setting.key, setting.default));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let length = lines.last().map_or(0, |line| line.chars().count());
        if length > 0 && length + 1 + word.chars().count() > WIDTH {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::{Config, SECTIONS};
    use super::*;

    #[test]
    fn the_table_has_every_key_and_says_something_of_it() {
        let all = settings();
        let keys: usize = SECTIONS.iter().map(|(_, keys)| keys.len()).sum();
        assert_eq!(all.len(), keys);
        for setting in &all {
            assert!(setting.help.ends_with('.') && setting.help.len() > 10, "{setting:?}");
            assert!(!setting.help.contains("[`"), "help is read by people: {setting:?}");
        }
    }

    /// What is commented out is the defaults; the comment taken away, it still is.
    #[test]
    fn the_example_is_the_defaults_and_is_the_one_that_is_packaged() {
        let defaults = Config::load(None, std::iter::empty(), &[]).unwrap();
        let setting = |line: &str| line.starts_with('#') && !line.starts_with("# ");
        let set: Vec<String> = example()
            .lines()
            .map(|line| if setting(line) { line.replacen('#', "", 1) } else { line.to_owned() })
            .collect();
        assert_eq!(set.iter().filter(|l| l.contains(" = ")).count(), settings().len());
        for text in [example(), set.join("\n")] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            assert_eq!(Config::load(Some(file.path()), std::iter::empty(), &[]).unwrap(), defaults);
        }
        let packaged = include_str!("../../packaging/config.example.toml");
        let remedy = "run `carillon config example > packaging/config.example.toml`";
        assert_eq!(packaged, example(), "{remedy}");
        // What a plan comes to is one value, and so one line.
        assert!(example().lines().all(|line| line.chars().count() <= 112));
    }
}
