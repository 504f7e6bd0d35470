//! Changing settings while the program runs: read all sources again, apply what can change, say
//! what needs a restart. Wrong settings change nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::build::timing;
use crate::base::{Code, Live, Problem, Wrong};
use crate::config::{self, Change, Config, ConfigError, Loaded, Place, Shown, settings};
use crate::domain::plan::{Cap, Limits, PlanName, Plans};
use crate::domain::publish::Timing;
use crate::domain::space::Marks;
use crate::engine;
use crate::service::{Controls, Previewed, Reloaded, Tried};
use crate::telemetry::log::Levels;

/// Reads the settings from where they were read at the start.
pub type Source = Box<dyn Fn() -> Result<Loaded, ConfigError> + Send + Sync>;

/// What changes, and what counts now.
pub(super) struct Reloader {
    source: Source,
    file: Option<PathBuf>,
    counts: Mutex<Vec<Shown>>,
    pub timing: Live<Timing>,
    pub engine: Live<engine::Settings>,
    pub marks: Live<Marks>,
    pub plans: Live<Plans>,
    levels: Option<Levels>,
}

impl Reloader {
    pub fn new(loaded: &Loaded, source: Source, levels: Option<Levels>) -> Self {
        Self {
            source,
            file: loaded.file.clone(),
            counts: Mutex::new(loaded.shown.clone()),
            timing: Live::new(timing(&loaded.config)),
            engine: Live::new(limits(&loaded.config)),
            marks: Live::new(marks(&loaded.config)),
            plans: Live::new(plans(&loaded.config)),
            levels,
        }
    }

    pub fn reload(&self) -> Result<Reloaded, Problem> {
        let loaded = (self.source)().map_err(|error| {
            tracing::warn!(%error, "the settings cannot be used; the old ones still count");
            unusable(&error)
        })?;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(levels) = &self.levels {
            levels.set(&loaded.config.log.level).map_err(|error| bad_level(&error))?;
        }
        self.timing.set(timing(&loaded.config));
        self.engine.set(limits(&loaded.config));
        self.marks.set(marks(&loaded.config));
        self.plans.set(plans(&loaded.config));
        let reloaded = changes(&counts, &loaded.shown);
        for (old, new) in counts.iter_mut().zip(loaded.shown) {
            if old.value != new.value && change_of(&new.key) == Some(Change::Reload) {
                *old = new;
            }
        }
        tracing::info!(
            applied = reloaded.applied.join(", "),
            needs_restart = reloaded.needs_restart.join(", "),
            "settings read again"
        );
        Ok(reloaded)
    }

    fn preview(&self) -> Result<Previewed, Problem> {
        let loaded = (self.source)().map_err(|error| unusable(&error))?;
        let would = changes(&self.counts(), &loaded.shown);
        let said = match (would.applied.is_empty(), would.needs_restart.is_empty()) {
            (true, true) => "nothing would change: all that is said counts already",
            (false, true) => "a reload would apply all of it",
            _ => "what needs a restart counts after one",
        };
        let file = self.file.as_ref().map_or_else(
            || "no file is read".to_owned(),
            |file| format!("{} can be used", file.display()),
        );
        let unwise = loaded.config.advice();
        Ok(Previewed { said: format!("{file}; {said}"), would, unwise })
    }

    fn try_setting(&self, key: &str, to: Option<&str>) -> Result<Tried, Problem> {
        let Some(setting) = settings().into_iter().find(|setting| setting.name() == key) else {
            let allowed = "a name that `config show` lists".to_owned();
            return Err(Problem::field("key", Wrong::NotOneOf { allowed }));
        };
        // Read as everything that is said of it; of the sources only this one counts.
        let said: Vec<_> = to.iter().map(|to| (key.to_owned(), (*to).to_owned())).collect();
        let read = Config::load_shown(None, std::iter::empty(), &said).map_err(|_| {
            let expected = setting.bounds();
            Problem::field("to", Wrong::BadFormat { expected })
        })?;
        let of = |all: &[Shown]| all.iter().find(|shown| shown.key == key).cloned();
        let (new, now) = (of(&read.shown), of(&self.counts()));
        let (Some(new), Some(now)) = (new, now) else {
            return Err(Problem::new(Code::Internal));
        };
        let place = now.place;
        let file = match &self.file {
            Some(file) => quoted(&file.display().to_string()),
            None => "FILE".to_owned(),
        };
        let shell = match to {
            Some(to) => format!("carillon config set {key} {} --config {file}", quoted(to)),
            None => format!("carillon config unset {key} --config {file}"),
        };
        let then = match (setting.change, &self.file) {
            (_, None) => "start the server with --config FILE: it reads none now",
            (Change::Reload, _) => "carillon config reload",
            (Change::Restart, _) => "a restart of the server",
        };
        let but = match &place {
            Some(place @ (Place::Variable(_) | Place::Flag(_))) => {
                Some(format!("{place} wins over the file: change it there"))
            }
            _ => None,
        };
        Ok(Tried {
            key: key.to_owned(),
            value: new.value,
            was: now.value,
            from: place.map_or_else(|| "default".to_owned(), |place| place.to_string()),
            shell,
            then: then.to_owned(),
            but,
        })
    }

    /// What counts now, and where it was said.
    pub fn counts(&self) -> Vec<Shown> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_level(&self, level: &str) -> Result<(), Problem> {
        let levels = self.levels.as_ref().ok_or_else(|| Problem::new(Code::NotFound))?;
        if let Err(must) = crate::config::check_levels(level) {
            return Err(Problem::field("level", Wrong::BadFormat { expected: must }));
        }
        levels.set(level).map_err(|error| bad_level(&error))?;
        tracing::info!(level, "log level set until the next reload");
        Ok(())
    }
}

/// When a change of the setting of this name counts.
fn change_of(key: &str) -> Option<Change> {
    settings().iter().find(|row| row.name() == key).map(|row| row.change)
}

/// What is said anew, by when it counts.
fn changes(counts: &[Shown], said: &[Shown]) -> Reloaded {
    let mut reloaded = Reloaded::default();
    for (_, new) in counts.iter().zip(said).filter(|(old, new)| old.value != new.value) {
        let line = format!("{} = {}", new.key, new.value);
        match change_of(&new.key) {
            Some(Change::Reload) => reloaded.applied.push(line),
            _ => reloaded.needs_restart.push(line),
        }
    }
    reloaded
}

fn unusable(error: &ConfigError) -> Problem {
    let said: String = error.to_string().chars().take(500).collect();
    Problem::new(Code::SettingsRefused).with("said", said)
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn bad_level(error: &crate::telemetry::log::Error) -> Problem {
    let expected = format!("a level or a list of levels by target: {error}");
    Problem::field("level", Wrong::BadFormat { expected })
}

pub(super) fn limits(config: &Config) -> engine::Settings {
    engine::Settings {
        per_network: config.publish.per_network,
        total: config.publish.total,
        stop_wait: config.publish.stop_wait,
    }
}

pub(super) fn marks(config: &Config) -> Marks {
    let mib = |n: usize| u64::try_from(n).unwrap_or(u64::MAX).saturating_mul(1024 * 1024);
    let store = &config.store;
    Marks {
        low: mib(store.space_low_mib),
        scarce: mib(store.space_scarce_mib),
        out: mib(store.space_out_mib),
    }
}

pub(super) fn plans(config: &Config) -> Plans {
    let plans = &config.plans;
    let cap = |most: Option<u64>| most.map_or(Cap::Unlimited, Cap::AtMost);
    let limits = |plan: config::Plan| Limits {
        channels: cap(plan.channels),
        posts: cap(plan.posts),
        evergreen: plan.evergreen,
        rss_autopost: plan.rss_autopost,
        ai: plan.ai,
    };
    Plans {
        standard: PlanName::from_word(&plans.default).unwrap_or(PlanName::Enterprise),
        limits: [plans.free, plans.starter, plans.pro, plans.enterprise].map(limits),
    }
}

/// The same, for operators.
pub(super) fn controls(reloader: &Arc<Reloader>) -> Controls {
    let [reload, preview, tried, level] = [reloader; 4].map(Arc::clone);
    Controls {
        reload: Box::new(move || reload.reload()),
        preview: Box::new(move || preview.preview()),
        try_setting: Box::new(move |key, to| tried.try_setting(key, to)),
        set_level: Box::new(move |word| level.set_level(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_for_a_shell() {
        for (word, is) in [
            ("info", "info"),
            ("info,carillon::engine=debug", "info,carillon::engine=debug"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's; rm -r /", "'it'\\''s; rm -r /'"),
        ] {
            assert_eq!(quoted(word), is);
        }
    }
}
