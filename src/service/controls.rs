//! What the program around the use cases lets an operator change while it runs. Must not know how
//! it is done; daemon does.

use serde::Serialize;

use crate::base::{Code, Problem};

type Reload = dyn Fn() -> Result<Reloaded, Problem> + Send + Sync;
type SetLevel = dyn Fn(&str) -> Result<(), Problem> + Send + Sync;

/// Handed over when the services are made.
pub struct Controls {
    /// Reads the settings again, and applies those that can change.
    pub reload: Box<Reload>,
    /// Which log lines are written from now on.
    pub set_level: Box<SetLevel>,
}

/// What became of reading the settings again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// `section.key = value`, as it counts from now on.
    pub applied: Vec<String>,
    /// The same, for what counts after a restart.
    pub needs_restart: Vec<String>,
}

impl Default for Controls {
    /// Of a program that has no settings to change.
    fn default() -> Self {
        let none = || Problem::new(Code::NotFound);
        Self { reload: Box::new(move || Err(none())), set_level: Box::new(move |_| Err(none())) }
    }
}
