//! Options of networks as they are typed: `NETWORK.NAME=VALUE` for every channel of a post that is of
//! that network, `CHANNEL.NAME=VALUE` for one of them. Must not judge a value; the networks do.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Words;
use super::short::{LEAST, SEVERAL};
use crate::base::{ChannelId, Check, FieldProblem, Problem, Wrong, limits};
use crate::domain::capability::Takes;
use crate::domain::post::{OptionValue, Variant};
use crate::networks::{self, Facts};

/// The flag that gives a channel an option, and the one that takes it off.
const SET: &str = "option";
const UNSET: &str = "unset-option";

/// One that was typed.
struct Typed<'a> {
    flag: &'static str,
    /// A network, or the id of a channel or how it begins.
    of: &'a str,
    name: &'a str,
    /// `None` takes it off.
    value: Option<&'a str>,
}

/// All that were typed, and the channels that they can be for.
pub(super) struct Options<'a> {
    typed: Vec<Typed<'a>>,
    /// The network of each channel of the post.
    pub networks: BTreeMap<ChannelId, String>,
}

impl<'a> Typed<'a> {
    fn read(flag: &'static str, text: &'a str) -> Option<Self> {
        let (to, value) = match text.split_once('=') {
            Some((to, value)) if flag == SET => (to, Some(value)),
            None if flag == UNSET => (text, None),
            _ => return None,
        };
        let (of, name) = to.split_once('.')?;
        (!of.is_empty() && !name.is_empty()).then_some(Self { flag, of, name, value })
    }

    fn field(&self) -> String {
        format!("{}.{}.{}", self.flag, self.of, self.name)
    }

    fn is_of_network(&self) -> bool {
        networks::named(self.of).is_some()
    }

    fn is_for(&self, channel: ChannelId, network: &str) -> bool {
        if self.is_of_network() {
            return self.of == network;
        }
        let begin = self.of.to_ascii_lowercase();
        begin.len() >= LEAST && channel.to_string().starts_with(&begin)
    }

    /// The value in the form that the network takes.
    fn taken(&self, network: &str) -> Result<Option<OptionValue>, Wrong> {
        let known = networks::named(network).map(|n| n.capabilities(&Facts::new()).options);
        let known = known.unwrap_or_default();
        let Some(spec) = known.iter().find(|spec| spec.name == self.name) else {
            if known.is_empty() {
                let why = "is not possible: its network has no options";
                return Err(Wrong::NotPossible { why });
            }
            let all: Vec<_> = known.iter().map(|s| format!("{}.{}", self.of, s.name)).collect();
            return Err(Wrong::NotOneOf { allowed: all.join(", ") });
        };
        let Some(text) = self.value else { return Ok(None) };
        let (max, actual) = (limits::TEXT_CHARS, text.chars().count());
        match (&spec.takes, text) {
            (_, "") => Err(Wrong::Empty),
            (Takes::Flag, "yes" | "true") => Ok(Some(OptionValue::Flag(true))),
            (Takes::Flag, "no" | "false") => Ok(Some(OptionValue::Flag(false))),
            (Takes::Flag, _) => Err(Wrong::NotOneOf { allowed: "yes, no".to_owned() }),
            _ if actual > max => Err(Wrong::TooLong { max, actual, unit: "characters" }),
            _ => Ok(Some(OptionValue::Text(text.to_owned()))),
        }
    }
}

impl<'a> Options<'a> {
    pub fn read(words: &'a Words<'_>) -> Result<Self, Problem> {
        let mut typed = Vec::new();
        for (flag, form) in [
            (SET, "NETWORK.NAME=VALUE or CHANNEL.NAME=VALUE, such as mastodon.visibility=unlisted"),
            (UNSET, "NETWORK.NAME or CHANNEL.NAME, such as mastodon.visibility"),
        ] {
            for (i, text) in words.many(flag)?.into_iter().enumerate() {
                let wrong = || Wrong::BadFormat { expected: form.to_owned() };
                let bad = || Problem::field(format!("{flag}[{i}]"), wrong());
                typed.push(Typed::read(flag, text).ok_or_else(bad)?);
            }
        }
        Ok(Self { typed, networks: BTreeMap::new() })
    }

    pub fn is_empty(&self) -> bool {
        self.typed.is_empty()
    }

    /// Changes a post's forms as it was typed. What is said of one channel counts more than what is
    /// said of its network, in whatever order.
    pub fn apply(&self, variants: &mut BTreeMap<ChannelId, Variant>) -> Result<(), Problem> {
        let (mut check, mut seen) = (Check::default(), BTreeSet::new());
        let of_networks = self.typed.iter().filter(|one| one.is_of_network());
        let of_channels = self.typed.iter().filter(|one| !one.is_of_network());
        for one in of_networks.chain(of_channels) {
            let mut meant = 0;
            for (channel, network) in &self.networks {
                if !one.is_for(*channel, network) {
                    continue;
                }
                meant += 1;
                let options = &mut variants.entry(*channel).or_default().options;
                match one.taken(network) {
                    Ok(Some(value)) => drop(options.insert(one.name.to_owned(), value)),
                    Ok(None) => drop(options.remove(one.name)),
                    Err(wrong) => check.wrong(one.field(), wrong),
                }
            }
            let why = "is for no channel of this post; it begins with the network or the id of one";
            check.that(meant > 0, one.field(), Wrong::NotPossible { why });
            let clear = meant < 2 || one.is_of_network();
            check.that(clear, one.field(), Wrong::NotPossible { why: SEVERAL });
            check.that(seen.insert((one.of, one.name)), one.field(), Wrong::Twice);
        }
        variants.retain(|_, variant| variant.parts.is_some() || !variant.options.is_empty());
        check.finish().map_err(once)
    }

    /// Names options as they were typed; `variants.CHANNEL.options.NAME` is how the API does.
    pub fn in_own_words(&self, mut problem: Problem) -> Problem {
        for wrong in &mut problem.fields {
            let path = wrong.field.strip_prefix("variants.");
            let path = path.and_then(|path| path.split_once(".options."));
            if let Some(own) = path.map(|(channel, name)| self.own_word(channel, name)) {
                wrong.field = own;
            }
        }
        once(problem)
    }

    /// One that is wrong need not have been typed: it may be another that is missing beside it.
    fn own_word(&self, channel: &str, name: &str) -> String {
        let id = channel.parse::<ChannelId>().ok();
        let network = id.and_then(|id| Some((id, self.networks.get(&id)?)));
        let for_it = |one: &Typed<'_>| network.is_some_and(|(id, network)| one.is_for(id, network));
        let exactly = self.typed.iter().rfind(|one| for_it(one) && one.name == name);
        let any = || self.typed.iter().rfind(|one| for_it(one));
        let of = exactly.or_else(any).map_or(channel, |one| one.of);
        format!("{SET}.{of}.{name}")
    }
}

/// Several channels of one network can be wrong in the same way.
fn once(mut problem: Problem) -> Problem {
    let mut told: Vec<FieldProblem> = Vec::new();
    for wrong in std::mem::take(&mut problem.fields) {
        if !told.contains(&wrong) {
            told.push(wrong);
        }
    }
    problem.fields = told;
    problem
}
