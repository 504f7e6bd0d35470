//! The state of one console. Must not draw or do anything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::act::{Ask, Bind, Choose, Command, Confirm};
use super::canvas::Tone;
use super::screens::{self, SCREENS};
use super::snapshot::Snapshot;
use super::term::Key;
use super::wire::Kept;
use super::write::Draft;
use crate::base::{Problem, Timestamp};
use crate::store::Operator;

/// What a console is, from its first frame to its last.
pub struct Model {
    pub snap: Arc<Snapshot>,
    /// The newest, while something keeps the screen as it is.
    pub next: Option<Arc<Snapshot>>,
    pub now: Timestamp,
    pub operator: Operator,
    /// Who sits there, as the kernel says.
    pub who: String,
    pub readonly: bool,
    pub size: (u16, u16),
    /// The screen, by its place among [`SCREENS`].
    pub at: usize,
    pub places: Vec<Place>,
    /// Screens to go back to.
    pub back: Vec<usize>,
    pub popup: Option<Popup>,
    pub toast: Option<Toast>,
    /// Commands that have not been answered.
    pub busy: usize,
    /// The number of the last answer; a snapshot says which answers it was read after.
    pub answered: u64,
    /// The key of a verb that waits for a snapshot with all that was done here.
    pub later: Option<char>,
    /// What was written and is being saved: it comes back when it is refused.
    pub draft: Option<Draft>,
    /// A file is being saved; one at a time.
    pub saving: bool,
    /// What was typed in the palette, the newest first.
    pub recent: Vec<String>,
    /// Only this workspace is shown.
    pub workspace: Option<String>,
    pub frozen: bool,
    /// Clicks and the wheel come here, and not to the terminal, which copies text.
    pub mouse: bool,
    /// What undoes the last thing that was done here, and when that was.
    pub undo: Option<(Timestamp, Command)>,
    /// The key of the last verb, to be repeated.
    pub last: Option<char>,
    /// By whose clock times are shown and typed.
    pub zone: TimeZone,
}

/// Where somebody is on a screen.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The row by its id: lists move under the cursor, not with it.
    pub cursor: Option<String>,
    /// Where it was, for when it is gone.
    pub row: usize,
    /// What is under the cursor fills the screen.
    pub open: bool,
    pub scroll: usize,
    pub filter: String,
    pub marks: BTreeSet<String>,
    /// A column, and whether the other way round.
    pub sort: Option<(usize, bool)>,
    /// The cursor is left at the newest.
    pub loose: bool,
    /// Somebody has put the cursor where it is.
    pub moved: bool,
    /// What a screen counts for itself: a day, a level.
    pub step: i64,
    pub hour: i64,
}

/// What lies over the screen.
pub enum Popup {
    Help { typed: String, row: usize },
    Palette { typed: String, row: usize },
    Filter { before: String },
    Confirm { confirm: Confirm, typed: String },
    Ask { ask: Ask, typed: String, wrong: Option<String> },
    Choose(Choose),
    Write(Box<Draft>),
    Read { title: String, lines: Vec<String>, scroll: usize },
}

/// A line that is shown for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    pub text: String,
    pub tone: Tone,
    pub until: Timestamp,
}

/// What comes in.
pub enum Msg {
    Key(Key),
    Snapshot(Arc<Snapshot>),
    /// The time, now and then.
    Tick(Timestamp),
    Resize(u16, u16),
    Done(Done),
    /// What became of a file that was saved.
    Kept(Kept),
}

/// What became of commands, in their order.
pub struct Done {
    pub commands: Vec<Command>,
    pub answers: Vec<Result<Value, Problem>>,
    /// Counts the answers of all consoles.
    pub number: u64,
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Run(Vec<Command>),
    /// Into the clipboard of the terminal.
    Copy(String),
    /// Clicks and the wheel are told from now on, or not any more.
    Mouse(bool),
    Save(Save),
    Leave,
}

/// What is saved as a file, where the terminal is.
#[derive(Clone, Debug, PartialEq)]
pub enum Save {
    Text {
        name: String,
        text: String,
    },
    /// The whole chain of a workspace, as `event verify` checks it.
    Events {
        name: String,
        workspace: String,
    },
}

const TOAST: Duration = Duration::from_secs(6);

impl Model {
    pub fn new(snap: Arc<Snapshot>, operator: Operator, who: &str) -> Self {
        let hour = i64::try_from(snap.at.as_millis() / 3_600_000 % 24).unwrap_or(0);
        Self {
            now: snap.at,
            snap,
            next: None,
            operator,
            who: who.to_owned(),
            readonly: false,
            size: (80, 24),
            at: 0,
            places: SCREENS.iter().map(|screen| Place { hour, ..screens::start(screen) }).collect(),
            back: Vec::new(),
            popup: None,
            toast: None,
            busy: 0,
            answered: 0,
            later: None,
            draft: None,
            saving: false,
            recent: Vec::new(),
            workspace: None,
            frozen: false,
            mouse: false,
            undo: None,
            last: None,
            zone: TimeZone::UTC,
        }
    }

    /// Whether what is shown has all that was done here. What comes next must not be read off
    /// anything older.
    pub fn is_current(&self) -> bool {
        self.busy == 0 && self.snap.answered >= self.answered
    }

    /// An instant by the clock that is shown.
    pub fn local(&self, instant: Timestamp) -> Zoned {
        instant.to_jiff().to_zoned(self.zone.clone())
    }

    /// Shows times by another clock.
    pub fn set_zone(&mut self, zone: TimeZone) {
        self.zone = zone;
        let hour = i64::from(self.local(self.now).hour());
        self.places.iter_mut().for_each(|place| place.hour = hour);
    }

    /// What the zone is called where commands are typed.
    pub fn zone_name(&self) -> String {
        self.zone.iana_name().unwrap_or("UTC").to_owned()
    }

    pub fn screen(&self) -> &'static screens::Screen {
        &SCREENS[self.at.min(SCREENS.len() - 1)]
    }

    /// The keys of the screen, without those that change something where one only looks.
    pub fn keys(&self) -> impl Iterator<Item = &'static Bind> + use<> {
        let readonly = self.readonly;
        self.screen().keys.iter().filter(move |bind| !(readonly && bind.writes))
    }

    pub fn place(&self) -> &Place {
        &self.places[self.at.min(self.places.len() - 1)]
    }

    pub fn place_mut(&mut self) -> &mut Place {
        let at = self.at.min(self.places.len() - 1);
        &mut self.places[at]
    }

    /// Whether rows of this workspace are shown.
    pub fn shows(&self, workspace: &str) -> bool {
        self.workspace.as_deref().is_none_or(|only| only == workspace)
    }

    pub fn say(&mut self, text: impl Into<String>, tone: Tone) {
        self.toast = Some(Toast { text: text.into(), tone, until: self.now.plus(TOAST) });
    }

    /// Wide enough for more than was drawn for 80 columns.
    pub fn is_wide(&self) -> bool {
        self.size.0 >= 110
    }
}
