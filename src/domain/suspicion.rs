//! What looks suspicious: rules that count events of one workspace. Must not look anything up, nor
//! act; it says what was reached.

use std::time::Duration;

use super::event::{Actor, Event};

/// The kinds of events that rules write begin so.
pub const PREFIX: &str = "suspicious.";

/// Whom a rule counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Actor,
    Subject,
}

/// What is done when a rule's count is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// People are told.
    Tell,
    /// And the key that did it is revoked.
    RevokeKey,
    /// And, where a workspace asks for it, the channels that a key wrote to are paused, or its posts wait.
    PauseChannels,
    /// And, where a workspace asks for it, the channels of the post that it is about are paused, or it waits.
    PausePost,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// The event that it writes is `suspicious.` and this.
    pub word: &'static str,
    /// The kinds of events that it counts.
    pub kinds: &'static [&'static str],
    /// Only events that say so in their data.
    pub only: Option<(&'static str, &'static str)>,
    /// Only when one of this kind came before, within the window.
    pub after: Option<&'static str>,
    pub by: By,
    pub count: u64,
    /// At most an hour.
    pub window: Duration,
    pub act: Act,
}

const TEN: Duration = Duration::from_mins(10);
const HOUR: Duration = Duration::from_hours(1);

/// What whoever stole a key or a session does first, so as to stay.
const DOORS: &[&str] = &[
    "key.created",
    "channel.added",
    "channel.changed",
    "channel.reconnected",
    "channel.removed",
    "invitation.created",
    "member.changed",
];

const fn rule(
    word: &'static str,
    kinds: &'static [&'static str],
    by: By,
    (count, window): (u64, Duration),
    act: Act,
) -> Rule {
    Rule { word, kinds, only: None, after: None, by, count, window, act }
}

/// Every rule. reliability-security.md B8, as far as there is something to count.
pub const RULES: &[Rule] = &[
    rule("cross_tenant", &["access.cross_tenant"], By::Actor, (5, TEN), Act::RevokeKey),
    rule("denials", &["access.denied"], By::Actor, (20, TEN), Act::Tell),
    // Said once for each account whose sign-in began to be slowed down.
    rule("sign_ins", &["sign_in.throttled"], By::Subject, (1, TEN), Act::Tell),
    // Told of each account that a network tried which tried twenty; it waits, see `service::users`.
    rule("spray", &["sign_in.sprayed"], By::Subject, (1, TEN), Act::Tell),
    // And of one that was tried from ten networks.
    rule("sign_ins_from_many", &["sign_in.gathered"], By::Subject, (1, TEN), Act::Tell),
    rule("session_reused", &["session.reused"], By::Subject, (1, TEN), Act::Tell),
    // What a session began at the identity provider came back in another one.
    rule("astray_sign_in", &["sign_in.other_session"], By::Subject, (1, TEN), Act::Tell),
    rule("second_factor_off", &["user.totp_disabled"], By::Subject, (1, TEN), Act::Tell),
    Rule {
        only: Some(("role.after", "owner")),
        ..rule("new_owner", &["member.changed"], By::Subject, (1, TEN), Act::Tell)
    },
    rule(
        "mass_deletion",
        &["post.deleted", "asset.deleted", "channel.removed"],
        By::Actor,
        (20, TEN),
        Act::Tell,
    ),
    rule("mass_export", &["event.exported", "workspace.exported"], By::Actor, (5, HOUR), Act::Tell),
    rule("burst", &["post.created"], By::Actor, (21, Duration::from_mins(1)), Act::PauseChannels),
    // Told of each workspace that has a text which four others have, too.
    rule("same_text", &["post.echoed"], By::Subject, (1, HOUR), Act::PausePost),
    // Told when a key comes from another network than lately: from five within an hour.
    rule("key_places", &["access.new_place"], By::Actor, (4, HOUR), Act::Tell),
    // Told when one that is limited to addresses is shown from another, once in ten minutes.
    rule("key_elsewhere", &["key.elsewhere"], By::Actor, (1, HOUR), Act::Tell),
    Rule {
        after: Some("access.new_country"),
        ..rule("new_country", DOORS, By::Actor, (1, HOUR), Act::Tell)
    },
    // Whoever adds one decides where posts go.
    Rule {
        only: Some(("network", "webhook")),
        ..rule("webhook_added", &["channel.added"], By::Subject, (1, TEN), Act::Tell)
    },
    rule("keys", &["key.created"], By::Actor, (5, TEN), Act::Tell),
    // An account that was to be connected by one browser, and another brought the answer.
    Rule {
        only: Some(("reason", "other_session")),
        ..rule("foreign_answer", &["connection.failed"], By::Subject, (1, TEN), Act::Tell)
    },
    rule("answer_replayed", &["connection.replayed"], By::Subject, (1, TEN), Act::Tell),
];

impl Rule {
    /// Whom this event is counted for; `None` when it is not counted.
    pub fn counts(&self, event: &Event) -> Option<String> {
        if !self.kinds.contains(&event.kind.as_str()) {
            return None;
        }
        if self.only.is_some_and(|(name, value)| event.data.get(name).is_none_or(|v| v != value)) {
            return None;
        }
        self.whom(event)
    }

    /// For whom this event is the one that others must come after; `None` when it is not.
    pub fn begins(&self, event: &Event) -> Option<String> {
        if self.after == Some(event.kind.as_str()) { self.whom(event) } else { None }
    }

    fn whom(&self, event: &Event) -> Option<String> {
        match (self.by, &event.actor) {
            // The program, and who may do everything, do much at once.
            (By::Actor, Actor::System | Actor::Operator { .. }) => None,
            (By::Actor, actor) => Some(actor.word()),
            (By::Subject, _) => Some(event.subject.clone()),
        }
    }

    /// The kind of the event that says it was reached.
    pub fn kind(&self) -> String {
        format!("{PREFIX}{}", self.word)
    }
}

/// The rule that compares a channel with what it was given before; see `pace`.
pub const CHANNEL_BURST: &str = "channel_burst";

/// Whether it tells of a post that somebody made, whom rules count.
pub fn is_post(event: &Event) -> bool {
    event.kind == "post.created" && !matches!(event.actor, Actor::System | Actor::Operator { .. })
}

/// How many an event stands for: one, unless it says more.
pub fn times(event: &Event) -> u64 {
    event.data.get("times").and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// Whether any rule counts it.
pub fn is_counted(event: &Event) -> bool {
    RULES.iter().any(|rule| rule.counts(event).is_some() || rule.begins(event).is_some())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::tally::MINUTES;
    use super::*;
    use crate::base::{CorrelationId, KeyId, SeededRng, Timestamp};

    fn event(kind: &str, actor: Actor) -> Event {
        Event {
            at: Timestamp::from_millis(1),
            actor,
            kind: kind.to_owned(),
            subject: "s".to_owned(),
            data: BTreeMap::new(),
            correlation: CorrelationId::new(&SeededRng::new(1)),
        }
    }

    #[test]
    fn rules_are_named_once_and_reach_no_further_than_counts_do() {
        let words: BTreeSet<_> = RULES.iter().map(|rule| rule.word).collect();
        assert_eq!(words.len(), RULES.len());
        for rule in RULES {
            let minutes = usize::try_from(rule.window.as_secs() / 60).unwrap();
            assert!((1..=MINUTES).contains(&minutes) && rule.count > 0, "{}", rule.word);
            assert!(rule.kinds.iter().all(|kind| !kind.starts_with(PREFIX)), "{}", rule.word);
        }
    }

    #[test]
    fn what_must_come_after_another_is_counted_for_the_same() {
        let key = Actor::Key(KeyId::from_bytes([7; 16]));
        let rule = RULES.iter().find(|rule| rule.word == "new_country").unwrap();
        let (first, then) = (event("access.new_country", key.clone()), event("key.created", key));
        assert_eq!(rule.begins(&first), rule.counts(&then));
        assert!(rule.begins(&first).is_some() && is_counted(&first));
        assert_eq!((rule.begins(&then), rule.counts(&first)), (None, None));
    }

    #[test]
    fn events_are_counted_for_whoever_did_them() {
        let key = Actor::Key(KeyId::from_bytes([7; 16]));
        let deletion = RULES.iter().find(|rule| rule.word == "mass_deletion").unwrap();
        assert_eq!(deletion.counts(&event("post.deleted", key.clone())), Some(key.word()));
        assert_eq!(deletion.counts(&event("post.deleted", Actor::System)), None);
        assert_eq!(deletion.counts(&event("post.deleted", Actor::Operator { uid: 1 })), None);
        assert_eq!(deletion.counts(&event("post.changed", key.clone())), None);
        assert!(!is_counted(&event("delivery.armed", Actor::System)));
        let mut many = event("access.denied", key);
        assert_eq!(times(&many), 1);
        many.data.insert("times".to_owned(), "40".to_owned());
        assert_eq!(times(&many), 40);
    }
}
