//! What the program around the use cases lets an operator change while it runs. Must not know how
//! it is done; daemon does.

use serde::Serialize;

use crate::base::{Code, Problem};

type Reload = dyn Fn() -> Result<Reloaded, Problem> + Send + Sync;
type Preview = dyn Fn() -> Result<Previewed, Problem> + Send + Sync;
type Try = dyn Fn(&str, Option<&str>) -> Result<Tried, Problem> + Send + Sync;
type SetLevel = dyn Fn(&str) -> Result<(), Problem> + Send + Sync;

/// Handed over when the services are made.
pub struct Controls {
    /// Reads the settings again, and applies those that can change.
    pub reload: Box<Reload>,
    /// What that would do, without doing it.
    pub preview: Box<Preview>,
    /// Whether a setting (its name) can have this value; without one, its default.
    pub try_setting: Box<Try>,
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

/// What reading the settings again would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Previewed {
    /// In a sentence.
    pub said: String,
    #[serde(flatten)]
    pub would: Reloaded,
    /// What can be meant and is rarely wise.
    pub unwise: Vec<String>,
}

/// A value that a setting can have, and where it is to be said. The program does not write its own
/// settings: they have one author, and under a unit that is closed it could not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    pub key: String,
    /// As the file would have it.
    pub value: String,
    pub was: String,
    /// Where the present one was said.
    pub from: String,
    /// What writes it, in a shell.
    pub shell: String,
    /// What makes it count then.
    pub then: String,
    /// What wins over the file, if something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub but: Option<String>,
}

impl Default for Controls {
    /// Of a program that has no settings to change.
    fn default() -> Self {
        let said = "this program was started without settings of its own, as the demo is";
        let none = move || Problem::new(Code::SettingsRefused).with("said", said);
        Self {
            reload: Box::new(move || Err(none())),
            preview: Box::new(move || Err(none())),
            try_setting: Box::new(move |_, _| Err(none())),
            set_level: Box::new(move |_| Err(none())),
        }
    }
}
