//! Changing settings while the program runs: read all sources again, apply what can change, say
//! what needs a restart. Wrong settings change nothing.

use std::sync::{Arc, Mutex, PoisonError};

use super::build::timing;
use crate::base::{Code, Live, Problem, Wrong};
use crate::config::{self, Change, Config, ConfigError, Loaded, Shown, settings};
use crate::domain::plan::{Cap, Limits, PlanName, Plans};
use crate::domain::publish::Timing;
use crate::domain::space::Marks;
use crate::engine;
use crate::service::{Controls, Reloaded};
use crate::telemetry::log::Levels;

/// Reads the settings from where they were read at the start.
pub type Source = Box<dyn Fn() -> Result<Loaded, ConfigError> + Send + Sync>;

/// What changes, and what counts now.
pub(super) struct Reloader {
    source: Source,
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
            let said: String = error.to_string().chars().take(500).collect();
            Problem::new(Code::SettingsRefused).with("said", said)
        })?;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(levels) = &self.levels {
            levels.set(&loaded.config.log.level).map_err(|error| bad_level(&error))?;
        }
        self.timing.set(timing(&loaded.config));
        self.engine.set(limits(&loaded.config));
        self.marks.set(marks(&loaded.config));
        self.plans.set(plans(&loaded.config));
        let table = settings();
        let changes = |key: &str| table.iter().find(|row| row.name() == key).map(|row| row.change);
        let mut reloaded = Reloaded::default();
        for (old, new) in counts.iter_mut().zip(loaded.shown) {
            if old.value == new.value {
                continue;
            }
            let line = format!("{} = {}", new.key, new.value);
            if changes(&new.key) == Some(Change::Reload) {
                reloaded.applied.push(line);
                *old = new;
            } else {
                reloaded.needs_restart.push(line);
            }
        }
        tracing::info!(
            applied = reloaded.applied.join(", "),
            needs_restart = reloaded.needs_restart.join(", "),
            "settings read again"
        );
        Ok(reloaded)
    }

    /// What counts now, and where it was said.
    pub fn counts(&self) -> Vec<Shown> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_level(&self, level: &str) -> Result<(), Problem> {
        let levels = self.levels.as_ref().ok_or_else(|| Problem::new(Code::NotFound))?;
        if let Err(must) = crate::config::check_levels(level) {
            let expected = format!("must be {must}");
            return Err(Problem::field("level", Wrong::BadFormat { expected }));
        }
        levels.set(level).map_err(|error| bad_level(&error))?;
        tracing::info!(level, "log level set until the next reload");
        Ok(())
    }
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
    let (reload, level) = (Arc::clone(reloader), Arc::clone(reloader));
    Controls {
        reload: Box::new(move || reload.reload()),
        set_level: Box::new(move |word| level.set_level(word)),
    }
}
