//! Fault scripts: which calls go wrong, how, and how often, by script or by chance. Must not know
//! a network; a network says what kind of call a request is.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::{Rng, SeededRng};

/// One line of a fault script: the next `times` calls that match go wrong in the same way. As JSON:
/// `{"on":"write","host":"practice-a.test","times":2,"act":{"land_late":{"after_ms":1500}}}`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub on: Matcher,
    /// Only calls to this host; any host when `None`.
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default = "once")]
    pub times: u32,
    pub act: Act,
}

fn once() -> u32 {
    1
}

/// A kind of call. [`Matcher::Any`] matches all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matcher {
    Any,
    /// The call that publishes.
    Write,
    /// The identity of the token's owner.
    Verify,
    /// A list of what an account has published.
    Listing,
    /// One published thing.
    Lookup,
    Upload,
    /// The state of an upload.
    Processing,
    /// Registering an application, authorizing, getting and revoking tokens.
    Token,
    Other,
}

/// How a call goes wrong. "Applied" means that the network did what was asked, if it was valid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Not applied.
    ErrorBefore { status: u16 },
    /// Applied, and then this status.
    ErrorAfter { status: u16 },
    /// Applied, and the connection is closed without an answer.
    AcceptThenDrop,
    /// Not applied, and the connection is closed without an answer.
    DropBefore,
    /// The connection is closed at once; the call is applied so much later.
    LandLate {
        #[serde(rename = "after_ms", with = "millis")]
        after: Duration,
    },
    /// Not applied; the limit is lifted so much later.
    RateLimited {
        #[serde(rename = "reset_after_ms", with = "millis")]
        reset_after: Duration,
    },
    /// Not applied; the limit is lifted so much later, said as another kind of server says it.
    RateLimitedAs {
        form: Reset,
        #[serde(rename = "reset_after_ms", with = "millis")]
        reset_after: Duration,
    },
    /// Not applied; the network says that a valid token is not.
    /// networks.md 0.5 (4): a single 401 proves nothing, the identity endpoint must confirm it.
    False401,
    /// The token is really revoked, and then the call is looked at.
    RevokeToken,
    /// Not applied; a proxy answers with a page.
    Html502,
    /// Not applied; something in between answers with a page of its own, and 200.
    Html200,
    /// Applied; the answer breaks off.
    CutBody { after: usize },
    /// Applied; the answer comes in small chunks.
    SlowBody {
        #[serde(rename = "every_ms", with = "millis")]
        every: Duration,
    },
    /// Applied at once; the answer comes late.
    SlowStart {
        #[serde(rename = "delay_ms", with = "millis")]
        delay: Duration,
    },
    /// Applied; the answer is half a JSON document, with status 200.
    GarbageJson,
    /// Applied; the answer is JSON of another shape, with status 200.
    WrongShape,
}

/// How a 429 says when the limit is lifted (networks.md 0.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// `Retry-After` with seconds.
    Seconds,
    /// `Retry-After` with a date.
    Date,
    /// `X-RateLimit-Reset` with seconds since 1970.
    Epoch,
    /// `RateLimit-Reset` with the seconds that are left.
    Left,
    /// Not at all.
    Silent,
}

/// Durations are whole milliseconds in JSON.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_millis)
    }
}

/// What is still to go wrong.
#[derive(Default)]
pub(super) struct Faults {
    script: VecDeque<Fault>,
    chaos: Option<Chaos>,
}

struct Chaos {
    rng: SeededRng,
    per_mille: Vec<(Act, u16)>,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.script.push_back(fault);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn set_chaos(&mut self, seed: u64, per_mille: Vec<(Act, u16)>) {
        self.chaos = Some(Chaos { rng: SeededRng::new(seed), per_mille });
    }

    /// What goes wrong with this call: the first line of the script that matches, else, for a
    /// write, what the dice say.
    pub(super) fn draw(&mut self, host: &str, call: Matcher) -> Option<Act> {
        let hit = self.script.iter().position(|fault| {
            fault.times > 0
                && (fault.on == Matcher::Any || fault.on == call)
                && fault.host.as_deref().is_none_or(|h| h == host)
        });
        if let Some(fault) = hit.and_then(|i| self.script.get_mut(i)) {
            fault.times -= 1;
            let act = fault.act.clone();
            self.script.retain(|f| f.times > 0);
            return Some(act);
        }
        let chaos = self.chaos.as_ref().filter(|_| call == Matcher::Write)?;
        let dice = chaos.rng.next_u64() % 1_000;
        let mut upto = 0;
        chaos.per_mille.iter().find_map(|(act, share)| {
            upto += u64::from(*share);
            (dice < upto).then(|| act.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_as_short_json() {
        let text = r#"{"on":"write","act":{"land_late":{"after_ms":1500}}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault.times, 1);
        let after = Duration::from_millis(1_500);
        assert_eq!(fault.act, Act::LandLate { after });
        let drop: Act = serde_json::from_str("\"accept_then_drop\"").unwrap();
        assert_eq!(drop, Act::AcceptThenDrop);
        assert!(serde_json::from_str::<Fault>(r#"{"on":"write","act":"nonsense"}"#).is_err());
    }

    #[test]
    fn lines_are_used_in_order_and_only_where_they_match() {
        let mut faults = Faults::default();
        let line = |on, host: Option<&str>, times, act| Fault {
            on,
            host: host.map(str::to_owned),
            times,
            act,
        };
        faults.add(line(Matcher::Write, Some("b.test"), 1, Act::DropBefore));
        faults.add(line(Matcher::Any, None, 2, Act::Html502));
        assert_eq!(faults.draw("a.test", Matcher::Write), Some(Act::Html502));
        assert_eq!(faults.draw("b.test", Matcher::Write), Some(Act::DropBefore));
        assert_eq!(faults.draw("b.test", Matcher::Verify), Some(Act::Html502));
        assert_eq!(faults.draw("b.test", Matcher::Verify), None);
    }

    #[test]
    fn chaos_is_reproducible_and_only_touches_writes() {
        let shares = vec![(Act::DropBefore, 300), (Act::AcceptThenDrop, 300)];
        let run = || {
            let mut faults = Faults::default();
            faults.set_chaos(7, shares.clone());
            assert_eq!(faults.draw("a.test", Matcher::Verify), None);
            (0..1_000).map(|_| faults.draw("a.test", Matcher::Write)).collect::<Vec<_>>()
        };
        let first = run();
        assert_eq!(first, run());
        let none = first.iter().filter(|act| act.is_none()).count();
        assert!((330..470).contains(&none), "{none}");
    }
}
