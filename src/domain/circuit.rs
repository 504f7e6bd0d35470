//! Circuit breakers: when a server or an account gets no more posts for a while, and how it is
//! tried again. Pure; the moments are those of a monotonic clock. Must not know what a call is.

use std::collections::VecDeque;
use std::time::Duration;

/// The numbers that rule all circuits; reliability-security.md A5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long a call counts.
    pub window: Duration,
    /// Fewer calls than this say nothing.
    pub least: usize,
    /// So many posts in a row of which nobody knows whether they are out.
    pub unknown: u32,
    /// How long it is open at first; each failed probe doubles it, up to eight times this.
    pub open: Duration,
    /// A probe that has not ended by then is given up.
    pub patience: Duration,
}

impl Rules {
    /// `open` and `patience` go with the settings of publishing.
    pub fn new(open: Duration, patience: Duration) -> Self {
        Self { window: Duration::from_mins(1), least: 20, unknown: 5, open, patience }
    }
}

/// Calls that are remembered; older ones are forgotten before their time.
const REMEMBERED: usize = 1_024;

/// One circuit. A new one is closed: calls go through and are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    /// When recent calls ended, and whether they failed.
    calls: VecDeque<(Duration, bool)>,
    failed: usize,
    unknown: u32,
    open: Option<Open>,
}

/// Why and how long nothing but a probe goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    pub why: Why,
    pub until: Duration,
    /// A probe is under way until then at the latest.
    pub probing: bool,
    /// Times that it was opened without having been closed.
    times: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// So many of so many calls failed.
    Failed { failed: usize, of: usize },
    /// So many posts in a row stayed without an answer.
    Unknown { posts: u32 },
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Go,
    /// Read something first, and say by [`Circuit::probed`] how it went.
    Probe,
    Wait {
        until: Duration,
    },
}

impl Circuit {
    /// Whether a post may go now. `Probe` is said to one at a time.
    pub fn ask(&mut self, rules: &Rules, at: Duration) -> Gate {
        let Some(open) = &mut self.open else { return Gate::Go };
        if at < open.until {
            return Gate::Wait { until: open.until };
        }
        open.probing = true;
        open.until = at + rules.patience;
        Gate::Probe
    }

    /// A call ended.
    pub fn called(&mut self, rules: &Rules, at: Duration, failed: bool) {
        if self.open.is_some() {
            // What was under way when it opened says nothing new.
            return;
        }
        self.forget(rules, at);
        self.calls.push_back((at, failed));
        self.failed += usize::from(failed);
        let of = self.calls.len();
        if failed && of >= rules.least && self.failed * 2 >= of {
            self.trip(rules, at, Why::Failed { failed: self.failed, of });
        }
    }

    /// A post of one account was sent; `unknown` when nobody knows whether it is out.
    pub fn posted(&mut self, rules: &Rules, at: Duration, unknown: bool) {
        if self.open.is_some() {
            return;
        }
        self.unknown = if unknown { self.unknown + 1 } else { 0 };
        if self.unknown >= rules.unknown {
            self.trip(rules, at, Why::Unknown { posts: self.unknown });
        }
    }

    /// How the probe went. A closed circuit counts from the start.
    pub fn probed(&mut self, rules: &Rules, at: Duration, well: bool) {
        let Some(open) = self.open else { return };
        if well {
            *self = Self::default();
        } else if open.probing {
            self.open = Some(opened(rules, at, open.why, open.times + 1));
        }
    }

    /// Why it is open, if it is.
    pub fn is_open(&self) -> Option<Open> {
        self.open
    }

    /// Whether a new one would do as well.
    pub fn is_idle(&mut self, rules: &Rules, at: Duration) -> bool {
        self.forget(rules, at);
        *self == Self::default()
    }

    fn trip(&mut self, rules: &Rules, at: Duration, why: Why) {
        *self = Self { open: Some(opened(rules, at, why, 1)), ..Self::default() };
    }

    fn forget(&mut self, rules: &Rules, at: Duration) {
        while let Some((ended, failed)) = self.calls.front().copied()
            && (ended + rules.window <= at || self.calls.len() >= REMEMBERED)
        {
            self.calls.pop_front();
            self.failed -= usize::from(failed);
        }
    }
}

fn opened(rules: &Rules, at: Duration, why: Why, times: u32) -> Open {
    let wait = rules.open * 2_u32.pow((times - 1).min(3));
    Open { why, until: at + wait, probing: false, times }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn real() -> Rules {
        Rules::new(S(60), S(70))
    }

    #[test]
    fn half_of_twenty_calls_in_a_minute_open_it() {
        // (calls, failed, over how many seconds) -> open?
        for (calls, failed, over, opens) in [
            (19, 19, 10, false),
            (20, 10, 10, true),
            (20, 9, 10, false),
            (40, 20, 59, true),
            (40, 19, 59, false),
            // Never 20 within a minute.
            (60, 60, 200, false),
        ] {
            let (mut circuit, rules) = (Circuit::default(), real());
            for n in 0..calls {
                let at = S(over) * n / calls;
                // The good ones first, so that no early share is higher than the last.
                circuit.called(&rules, at, n >= calls - failed);
            }
            assert_eq!(circuit.is_open().is_some(), opens, "{failed} of {calls} in {over} s");
        }
    }

    #[test]
    fn five_unknown_posts_in_a_row_open_it() {
        let (mut circuit, rules) = (Circuit::default(), real());
        for (n, unknown) in "uuuukuuuuu".chars().map(|c| c == 'u').enumerate() {
            assert_eq!(circuit.ask(&rules, S(n as u64)), Gate::Go);
            circuit.posted(&rules, S(1_000 * n as u64), unknown);
        }
        assert_eq!(circuit.is_open().unwrap().why, Why::Unknown { posts: 5 });
    }

    #[test]
    fn probes_are_one_at_a_time_and_ever_rarer() {
        let (mut circuit, rules) = (Circuit::default(), real());
        (0..20).for_each(|_| circuit.called(&rules, S(0), true));
        assert_eq!(circuit.is_open().unwrap().why, Why::Failed { failed: 20, of: 20 });
        let mut at = S(0);
        for wait in [60, 120, 240, 480, 480, 480] {
            let until = at + S(wait);
            assert_eq!(circuit.ask(&rules, at), Gate::Wait { until });
            let before = at + S(wait - 1);
            assert_eq!(circuit.ask(&rules, before), Gate::Wait { until });
            assert_eq!(circuit.ask(&rules, until), Gate::Probe);
            assert_eq!(circuit.ask(&rules, until), Gate::Wait { until: until + S(70) });
            at = until + S(5);
            circuit.probed(&rules, at, false);
        }
        // One that never comes back does not keep it shut.
        assert_eq!(circuit.ask(&rules, at + S(480)), Gate::Probe);
        assert_eq!(circuit.ask(&rules, at + S(480 + 70)), Gate::Probe);
        circuit.probed(&rules, at + S(600), true);
        assert_eq!(circuit, Circuit::default());
        assert_eq!(circuit.ask(&rules, at + S(600)), Gate::Go);
    }

    /// All that can happen, in the order of the alphabet.
    const LETTERS: [char; 7] = ['f', 'g', 'u', 'k', 'a', 'y', 'n'];

    /// Whether a circuit is open after a history, worked out anew from the whole of it.
    fn expected(rules: &Rules, history: &[(char, Duration)]) -> bool {
        let (mut calls, mut unknown, mut open) = (Vec::new(), 0, false);
        for (letter, at) in history {
            match (letter, open) {
                ('y', true) => open = false,
                ('f' | 'g', false) => {
                    calls.push((*letter, *at));
                    let recent = calls.iter().filter(|(_, then)| *then + rules.window > *at);
                    let of = recent.clone().count();
                    let failed = recent.filter(|(letter, _)| *letter == 'f').count();
                    open = *letter == 'f' && of >= rules.least && 2 * failed >= of;
                }
                ('u', false) => {
                    unknown += 1;
                    open = unknown >= rules.unknown;
                }
                ('k', false) => unknown = 0,
                _ => {}
            }
            if open {
                (calls, unknown) = (Vec::new(), 0);
            }
        }
        open
    }

    /// Every history of up to six events over small rules, with every way for time to pass
    /// between two of them: open exactly when the rules say so; nothing goes through while it is;
    /// never two probes at once.
    #[test]
    fn no_history_breaks_a_rule() {
        let rules = Rules { window: S(3), least: 2, unknown: 2, open: S(2), patience: S(2) };
        let mut histories: u64 = 0;
        let mut stack = vec![(Circuit::default(), Vec::new(), Duration::ZERO, None)];
        while let Some((circuit, history, now, probe)) = stack.pop() {
            if history.len() == 6 {
                continue;
            }
            for (letter, pass) in LETTERS.iter().flat_map(|l| [0, 2].map(|pass| (*l, pass))) {
                let (mut circuit, mut history) = (circuit.clone(), history.clone());
                let (at, mut probe): (_, Option<Duration>) = (now + S(pass), probe);
                history.push((letter, at));
                let was_open = circuit.is_open();
                match letter {
                    'f' | 'g' => circuit.called(&rules, at, letter == 'f'),
                    'u' | 'k' => circuit.posted(&rules, at, letter == 'u'),
                    'y' | 'n' => {
                        circuit.probed(&rules, at, letter == 'y');
                        probe = None;
                    }
                    _ => match (circuit.ask(&rules, at), was_open) {
                        (Gate::Go, None) => {}
                        (Gate::Wait { until }, Some(open)) => {
                            assert!(at < until && until == open.until);
                        }
                        (Gate::Probe, Some(open)) => {
                            assert!(at >= open.until, "{history:?}");
                            assert!(probe.is_none_or(|end| at >= end), "two probes: {history:?}");
                            probe = Some(at + rules.patience);
                        }
                        other => panic!("{other:?} after {history:?}"),
                    },
                }
                let is_open = circuit.is_open();
                assert_eq!(is_open.is_some(), expected(&rules, &history), "{history:?}");
                if let Some(open) = is_open {
                    assert!(open.until <= at + rules.open * 8, "{history:?}");
                }
                histories += 1;
                stack.push((circuit, history, at, probe));
            }
        }
        assert!(histories > 1_000_000, "{histories}");
    }
}
