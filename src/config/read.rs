//! Finds each key in the sources and collects what is wrong with them. Must not know any key.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Hint, Place, Problem, Wrong};
use super::rule::Rule;
use super::table::variable;
use super::value::Value;
use super::{SECTIONS, Section};

const PREFIX: &str = "CARILLON_";
/// Variables that belong to the command line.
const OF_CLI: [&str; 3] = ["CONFIG", "SOCKET", "WORKSPACE"];
/// Characters of a line, or of a value, that are shown.
const SHOWN: usize = 120;
/// Syntax errors that are shown; the parser goes on after each, and may find what is none.
const SYNTAX_ERRORS: usize = 3;

pub(super) fn text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// The sources, and the problems found so far.
pub(super) struct Reader<'a> {
    file: Option<File<'a>>,
    /// Variables, then flags, by `section.key`.
    texts: BTreeMap<String, Vec<(Place, String)>>,
    problems: Vec<Problem>,
    shown: Vec<Shown>,
}

/// A setting as it counts, and where that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `section.key`.
    pub key: String,
    /// As it stands in a file.
    pub value: String,
    /// `None`: nobody said anything, it is the default.
    pub place: Option<Place>,
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    table: DeTable<'a>,
}

impl<'a> Reader<'a> {
    /// Notes at once what no setting will ask for.
    pub(super) fn new(
        file: Option<(&'a Path, &'a str)>,
        env: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Self {
        let (texts, problems, shown) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut reader = Self { file: None, texts, problems, shown };
        if let Some((path, text)) = file {
            reader.add_file(path, text);
        }
        for (name, value) in env {
            reader.add_variable(&name, value);
        }
        for (key, value) in flags {
            reader.add_flag(key, value);
        }
        reader
    }

    fn add_file(&mut self, path: &'a Path, text: &'a str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut file = File { path, text, table: DeTable::new() };
        if errors.is_empty() {
            file.table = table.into_inner();
            self.problems.extend(file.unknown());
        }
        // What could be read of a broken file is not judged: it would not be what was meant.
        self.problems.extend(errors.iter().take(SYNTAX_ERRORS).map(|error| Problem {
            place: file.place(error.span().unwrap_or(0..0)),
            wrong: Wrong::Syntax { why: error.message().to_owned() },
        }));
        self.file = Some(file);
    }

    /// Variables with one underline less, or without their section, would be overlooked, so they are
    /// refused as well. Others may be somebody else's.
    fn add_variable(&mut self, name: &str, value: String) {
        let Some(rest) = name.strip_prefix(PREFIX) else { return };
        let place = Place::Variable(clean(name));
        let known = names(|section, key| (variable(section, key), format!("{section}.{key}")));
        let slip = |variable: &str| variable.replace("__", "_") == name;
        let bare = |variable: &str| variable.ends_with(&format!("__{rest}"));
        if let Some((_, key)) = known.iter().find(|(variable, _)| variable == name) {
            self.texts.entry(key.clone()).or_default().push((place, value));
        } else if rest.contains("__") || known.iter().any(|(variable, _)| slip(variable)) {
            let variables = known.iter().map(|(variable, _)| variable.as_str());
            let hint = hint(name, variables, Hint::Nothing);
            self.problems.push(unknown_key(place, name, hint));
        } else if let Some((variable, _)) = known.iter().find(|(variable, _)| bare(variable))
            && !OF_CLI.contains(&rest)
        {
            self.problems.push(unknown_key(place, name, Hint::Near(variable.clone())));
        }
    }

    fn add_flag(&mut self, key: &str, value: &str) {
        let place = Place::Flag(clean(key));
        let known = names(|section, key| format!("{section}.{key}"));
        if known.iter().any(|known| known == key) {
            self.texts.entry(key.to_owned()).or_default().push((place, value.to_owned()));
        } else {
            let hint = hint(key, known.iter().map(String::as_str), Hint::Nothing);
            self.problems.push(unknown_key(place, key, hint));
        }
    }

    /// The value of a key; the default when there is none or it is wrong.
    pub(super) fn get<T: Value>(
        &mut self,
        section: &str,
        key: &str,
        default: T,
        rule: &Rule<T>,
    ) -> T {
        let name = format!("{section}.{key}");
        let mut found = Vec::new();
        if let Some(file) = &self.file
            && let Some(value) = file.value(section, key)
        {
            let given = file.text.get(value.span()).unwrap_or_default();
            found.push((file.place(value.span()), clean(given), T::from_toml(value.get_ref())));
        }
        for (place, text) in self.texts.remove(&name).unwrap_or_default() {
            found.push((place, clean(&text), T::from_text(&text)));
        }
        let (mut chosen, mut by) = (default, None);
        for (place, given, value) in found {
            let value = value.ok_or_else(|| T::FORM.to_owned());
            match value.and_then(|value| rule.check(&value).map(|()| value)) {
                Ok(value) => (chosen, by) = (value, Some(place)),
                Err(must) => {
                    let wrong = Wrong::Value { key: name.clone(), given, must };
                    self.problems.push(Problem { place, wrong });
                }
            }
        }
        self.shown.push(Shown { key: name, value: chosen.show(), place: by });
        chosen
    }

    /// Every setting as it counts; or the problems, in the order in which they stand in the
    /// sources.
    pub(super) fn finish(mut self) -> Result<Vec<Shown>, ConfigError> {
        self.problems.sort_by(|a, b| a.place.cmp(&b.place));
        if self.problems.is_empty() {
            Ok(self.shown)
        } else {
            Err(ConfigError::Problems(self.problems))
        }
    }
}

impl File<'_> {
    fn value(&self, section: &str, key: &str) -> Option<&Spanned<DeValue<'_>>> {
        let mut table = &self.table;
        for name in section.split('.') {
            table = table.get(name)?.get_ref().as_table()?;
        }
        table.get(key)
    }

    /// Sections and keys that there are not.
    fn unknown(&self) -> Vec<Problem> {
        self.unknown_under("", &self.table)
    }

    /// The same among the tables whose names begin with `outer`.
    fn unknown_under(&self, outer: &str, tables: &DeTable<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, value) in tables {
            let word = format!("{outer}{}", name.get_ref());
            let known = SECTIONS.iter().find(|(section, _)| *section == word);
            let inner = format!("{word}.");
            let holds_sections = SECTIONS.iter().any(|(section, _)| section.starts_with(&inner));
            match (known, value.get_ref().as_table()) {
                (None, Some(table)) if holds_sections => {
                    problems.extend(self.unknown_under(&inner, table));
                }
                (None, None) if holds_sections => problems.push(self.no_table(&word, value)),
                (None, _) => {
                    let wrong = Wrong::UnknownSection { section: clean(&word), hint: meant(&word) };
                    problems.push(Problem { place: self.place(name.span()), wrong });
                }
                (Some(_), None) => problems.push(self.no_table(&word, value)),
                (Some(section), Some(table)) => problems.extend(self.unknown_in(section, table)),
            }
        }
        problems
    }

    fn no_table(&self, word: &str, value: &Spanned<DeValue<'_>>) -> Problem {
        let given = clean(self.text.get(value.span()).unwrap_or_default());
        let must = format!("a table that begins with `[{word}]`");
        let wrong = Wrong::Value { key: word.to_owned(), given, must };
        Problem { place: self.place(value.span()), wrong }
    }

    fn unknown_in(&self, (section, keys): &Section, table: &DeTable<'_>) -> Vec<Problem> {
        let names = table.keys().filter(|name| !keys.contains(&name.get_ref().as_ref()));
        names
            .map(|name| {
                let hint = hint(name.get_ref(), keys.iter().copied(), Hint::Known(keys.to_vec()));
                let key = format!("{section}.{}", name.get_ref());
                unknown_key(self.place(name.span()), &key, hint)
            })
            .collect()
    }

    fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = |text: Option<&str>| clean(text.and_then(|t| t.lines().next()).unwrap_or(""));
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        Place::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column,
            text: line(self.text.get(start..)),
            width: line(self.text.get(span)).chars().count().max(1),
        }
    }
}

/// What an unknown section may be: a key that needs its section, or a slip.
fn meant(word: &str) -> Hint {
    if let Some((section, _)) = SECTIONS.iter().find(|(_, keys)| keys.contains(&word)) {
        return Hint::Near(format!("{section}.{word}"));
    }
    let sections = || SECTIONS.iter().map(|(section, _)| *section);
    hint(word, sections(), Hint::Known(sections().collect()))
}

/// The known word that is near enough to have been meant.
fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, otherwise: Hint) -> Hint {
    let enough = (word.chars().count() / 3).max(2);
    let rated = known.into_iter().map(|other| (strsim::osa_distance(word, other), other));
    let near = rated.filter(|(distance, _)| *distance <= enough).min();
    near.map_or(otherwise, |(_, near)| Hint::Near(near.to_owned()))
}

fn unknown_key(place: Place, key: &str, hint: Hint) -> Problem {
    Problem { place, wrong: Wrong::UnknownKey { key: clean(key), hint } }
}

/// What `name` makes of every section and key.
fn names<T>(name: impl Fn(&str, &str) -> T) -> Vec<T> {
    let of = |(section, keys): &Section| keys.iter().map(|key| name(section, key)).collect();
    SECTIONS.iter().flat_map(|section| -> Vec<T> { of(section) }).collect()
}

/// The first line, without what could drive a terminal, and not too long.
fn clean(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Config;
    use super::*;

    /// Loads `text` as a file, and prints its path as `x.toml`.
    fn load(text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
        let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, text).unwrap();
        let flags: Vec<_> = flags.iter().map(own).collect();
        let loaded = Config::load(Some(file.path()), env.iter().map(own), &flags);
        loaded.map_err(|e| e.to_string().replace(&file.path().display().to_string(), "x.toml"))
    }

    #[test]
    fn the_last_source_wins() {
        let file = "[publish]\ndeadline = \"5s\"\nattempts = 0x2\ntotal = 3\n[outbound]\n\
                    allow = [\"a\", \"b:1\"]\noperator_url = \"https://x.example\"\n";
        let env = [
            ("CARILLON_PUBLISH__TOTAL", "4"),
            ("CARILLON_PUBLISH__ATTEMPTS", "3"),
            ("CARILLON_OUTBOUND__OPERATOR_URL", ""),
            ("CARILLON_CONFIG", "elsewhere"),
            ("CARILLON_SOCKET", "elsewhere"),
            ("CARILLON_TEST_OF_SOMEBODY", "1"),
            ("PATH", "CARILLON_X__Y"),
        ];
        let flags = [("publish.total", "5"), ("publish.total", "6")];
        let config = load(file, &env, &flags).unwrap();
        assert_eq!(config.publish.deadline, Duration::from_secs(5));
        assert_eq!((config.publish.attempts, config.publish.total), (3, 6));
        assert_eq!(config.outbound.allow, ["a", "b:1"]);
        assert_eq!(config.outbound.operator_url, None);
        let config = load(file, &[("CARILLON_OUTBOUND__ALLOW", "c, d:2")], &[]).unwrap();
        assert_eq!(config.outbound.allow, ["c", "d:2"]);
    }

    #[test]
    fn all_problems_are_shown_where_they_are() {
        let file = "pubish.total = 8\n[publish]\n\tdedline = \"30s\" # é\nattempts = 21\n\
                    deadline = 30\n[log]\nlevel = \"inof\"\n[attempts]\n[store]\ncolour = 1\n";
        let env = [("CARILLON_LOG__KEEP", "many"), ("CARILLON_LOG_LEVEL", "info")];
        let flags = [("publish.grace", "0s"), ("publish.grase", "1s"), ("moon", "1")];
        let expected = "\
error[unknown_section]: unknown section `pubish`
  --> x.toml:1:1
   | pubish.total = 8
   | ^^^^^^ did you mean `publish`?

error[unknown_key]: unknown key `publish.dedline`
  --> x.toml:3:2
   |  dedline = \"30s\" # é
   |  ^^^^^^^ did you mean `deadline`?

error[invalid_value]: `publish.attempts` cannot be `21`
  --> x.toml:4:12
   | attempts = 21
   |            ^^ must be from 1 to 20

error[invalid_value]: `publish.deadline` cannot be `30`
  --> x.toml:5:12
   | deadline = 30
   |            ^^ must be a duration such as \"30s\", \"1500ms\", \"10m\" or \"2h\"

error[invalid_value]: `log.level` cannot be `\"inof\"`
  --> x.toml:7:9
   | level = \"inof\"
   |         ^^^^^^ must be off, error, warn, info, debug or trace, or a list such as \
                        `info,target=debug`

error[unknown_section]: unknown section `attempts`
  --> x.toml:8:2
   | [attempts]
   |  ^^^^^^^^ did you mean `publish.attempts`?

error[unknown_key]: unknown key `store.colour`
  --> x.toml:10:1
   | colour = 1
   | ^^^^^^ known here: cache_mib, staged_rows, space_low_mib, space_scarce_mib, space_out_mib

error[unknown_key]: unknown key `CARILLON_LOG_LEVEL`
  --> variable CARILLON_LOG_LEVEL
   = did you mean `CARILLON_LOG__LEVEL`?

error[invalid_value]: `log.keep` cannot be `many`
  --> variable CARILLON_LOG__KEEP
   = must be a whole number, not negative

error[unknown_key]: unknown key `moon`
  --> flag for moon
   = no setting has this name

error[invalid_value]: `publish.grace` cannot be `0s`
  --> flag for publish.grace
   = must be more than 0s and at most 168h

error[unknown_key]: unknown key `publish.grase`
  --> flag for publish.grase
   = did you mean `publish.grace`?";
        assert_eq!(load(file, &env, &flags).unwrap_err(), expected);
    }

    #[test]
    fn a_broken_file_does_not_hide_other_problems() {
        let printed = load("[log\nlevel = 1", &[("CARILLON_LOG__LEVEL", "loud")], &[]).unwrap_err();
        assert!(
            printed.starts_with("error[syntax]: this is not TOML\n  --> x.toml:1:"),
            "{printed}"
        );
        assert!(printed.contains("\n  --> variable CARILLON_LOG__LEVEL\n"), "{printed}");
        assert!(!printed.contains("x.toml:2"), "{printed}");
    }

    #[test]
    fn odd_files_are_refused_without_a_panic() {
        let long = format!("x = \"{}\", y", "é".repeat(500));
        let deep = format!("x = {}", "[".repeat(50_000));
        for text in [
            "publish = 3",
            "[[publish]]\ntotal = 1",
            "publish = \"\"\"a\nb\"\"\"",
            "[publish]\ntotal = 99999999999999999999999999",
            "[publish]\ntotal = -1\nattempts = 1.0",
            "[server]\nlisten = \"localhost\"\ndata = \"\"",
            "[outbound]\nallow = [1]",
            "[outbound]\nallow = [\"https://x\"]",
            "\"\u{1b}[2J\" = 1",
            "\u{feff}x = 1",
            "a = 1\na = 2",
            "\r\n\r\nx = 1",
            "\"",
            &long,
            &deep,
        ] {
            let printed = load(text, &[], &[]).unwrap_err();
            assert!(printed.starts_with("error["), "{text}: {printed}");
            assert!(!printed.contains('\u{1b}') && printed.len() < 1_500, "{text}: {printed}");
        }
        let missing = Config::load(Some(Path::new("/dev/null/x")), std::iter::empty(), &[]);
        let printed = missing.unwrap_err().to_string();
        assert!(printed.starts_with("error[unreadable]: the file cannot be read\n  --> /dev/"));
    }
}
