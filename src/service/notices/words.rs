//! What people are written to about, in sentences: from the codes that events hold, and the names of what
//! they speak of. Must not hold a text of a post, a secret, or what a network answered.

use crate::base::{ChannelId, KeyId, Timestamp, UserId};
use crate::domain::access::Key;
use crate::domain::channel::Channel;
use crate::domain::delivery::Delivery;
use crate::domain::event::{Actor, Event};
use crate::domain::suspicion::PREFIX;
use crate::domain::user::User;
use crate::networks;
use crate::store::{Error, Scope, View};

/// Who is to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Who answers for the workspace.
    Owners,
    /// And who can put it right.
    Admins,
}

/// What an event is to be told as; `None` when it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub at: Timestamp,
    pub to: For,
    pub text: String,
}

impl Line {
    /// With its minute, in UTC.
    pub(super) fn dated(&self) -> String {
        let at = self.at.to_string();
        let minute = at.get(..16).unwrap_or(&at).replace('T', " ");
        format!("{minute}  {}", self.text)
    }
}

/// Whether anybody is written to about events of this kind.
pub(super) fn is_told(kind: &str) -> bool {
    let stopped = [
        "delivery.failed",
        "delivery.partial",
        "delivery.held",
        "channel.reconnect_needed",
        "channel.grant_ending",
        "post.approval_asked",
    ];
    kind.starts_with(PREFIX) || stopped.contains(&kind)
}

pub(super) fn line(view: &View<'_>, scope: &Scope, event: &Event) -> Result<Option<Line>, Error> {
    if !is_told(&event.kind) {
        return Ok(None);
    }
    let said = |name: &str| event.data.get(name).map_or("?", String::as_str);
    let (to, text) = match event.kind.as_str() {
        "delivery.failed" => {
            let channel = of_delivery(view, scope, event)?;
            (For::Admins, format!("A post to {channel} failed ({}).", said("code")))
        }
        "delivery.partial" => {
            let channel = of_delivery(view, scope, event)?;
            let text = format!("Of a post to {channel} only the first parts went out.");
            (For::Admins, text)
        }
        "delivery.held" => {
            let channel = of_delivery(view, scope, event)?;
            (For::Admins, format!("A post to {channel} {}.", waits(said("reason"))))
        }
        "post.approval_asked" => (For::Admins, format!("A post {}.", unapproved(said("why")))),
        "channel.reconnect_needed" => {
            let channel = channel(view, scope, event.subject.parse().ok())?;
            let text = format!("{channel} must be connected again; its posts wait until then.");
            (For::Admins, text)
        }
        "channel.grant_ending" => {
            let channel = channel(view, scope, event.subject.parse().ok())?;
            let ends_at = said("ends_at");
            let text = format!("{channel} must be connected again before {ends_at}.");
            (For::Admins, text)
        }
        kind => {
            let rule = kind.strip_prefix(PREFIX).unwrap_or(kind);
            (For::Owners, suspicious(view, scope, (rule, event))?)
        }
    };
    Ok(Some(Line { at: event.at, to, text }))
}

/// What a held post waits for.
fn waits(reason: &str) -> &'static str {
    match reason {
        "outcome_unknown" => "may be out or not: somebody must look and decide",
        "reconnect_needed" => "waits until its account is connected again",
        "missed" => "missed its time: somebody must decide whether it still goes out",
        "restored" => "may have gone out before a backup was restored: somebody must decide",
        "billing" => "waits until the network is paid",
        _ => "waits for a decision",
    }
}

/// Why somebody must let a post out.
fn unapproved(why: &str) -> &'static str {
    match why {
        "grant" => "waits for approval: whoever wrote it may only draft for its channel",
        "changed" => "was changed since somebody decided about it, and waits for approval again",
        _ if why.starts_with(PREFIX) => {
            "was stopped and waits for approval, for it looks suspicious"
        }
        _ => "waits for approval",
    }
}

/// A rule that was broken, by whom, and what was done.
fn suspicious(
    view: &View<'_>,
    scope: &Scope,
    (rule, event): (&str, &Event),
) -> Result<String, Error> {
    let said = |name: &str| event.data.get(name).map_or("?", String::as_str);
    let (count, minutes) = (said("count"), said("minutes"));
    let who = || who(view, scope, &event.subject);
    let what = match rule {
        "cross_tenant" => {
            let who = who()?;
            format!(
                "{who} asked for things of other workspaces, {count} times in {minutes} minutes."
            )
        }
        "denials" => {
            let who = who()?;
            format!("{who} tried what they may not, {count} times in {minutes} minutes.")
        }
        "sign_ins" => format!("Somebody fails to sign in as {}; each try waits now.", who()?),
        "spray" => {
            let who = who()?;
            format!("A network that tries many accounts tried that of {who}; it waits now.")
        }
        "sign_ins_from_many" => format!("Sign-ins as {} are tried from many networks.", who()?),
        "session_reused" => {
            let who = who()?;
            format!("A session of {who} was used by two at once, and was ended.")
        }
        "astray_sign_in" => {
            let who = who()?;
            format!("What {who} began at the identity provider came back in another browser.")
        }
        "second_factor_off" => format!("{} took off their authenticator.", who()?),
        "new_owner" => format!("{} is an owner now.", who()?),
        "mass_deletion" => format!("{} deleted {count} things in {minutes} minutes.", who()?),
        "mass_export" => format!("{} exported {count} times in {minutes} minutes.", who()?),
        "burst" => format!("{} wrote {count} posts in {minutes} minute(s).", who()?),
        "channel_burst" => {
            let channel = channel(view, scope, event.subject.parse().ok())?;
            let most = said("most");
            format!(
                "{count} posts were made for {channel} within an hour; in the 30 days before there \
                 were at most {most}."
            )
        }
        "same_text" => "A text of yours was scheduled in several workspaces, too.".to_owned(),
        "key_places" => format!("{} is used from many networks.", who()?),
        "key_elsewhere" => format!("{} was shown from where it is not good.", who()?),
        "new_country" => {
            format!(
                "From a country that is new for {}, a key, a channel or a member was changed.",
                who()?
            )
        }
        "webhook_added" => {
            let channel = channel(view, scope, event.subject.parse().ok())?;
            format!("A webhook was added: {channel}.")
        }
        "keys" => format!("{} made {count} keys in {minutes} minutes.", who()?),
        "foreign_answer" => "An account was to be connected in one browser, and another brought \
                             the answer; it was refused."
            .to_owned(),
        "answer_replayed" => {
            "An answer of a network was brought twice; the second time it was refused.".to_owned()
        }
        _ => format!("{rule}: {}.", who()?),
    };
    Ok(format!("{what}{}", done(event.data.get("act").map(String::as_str))))
}

/// What was done about it at once.
fn done(act: Option<&str>) -> &'static str {
    match act {
        Some("key_revoked") => " The key was revoked.",
        Some("channels_paused") => {
            " The channels concerned are paused until somebody resumes them."
        }
        Some("posts_wait") => " The posts concerned wait until somebody approves them.",
        _ => "",
    }
}

/// Whoever an event names, as people know them.
fn who(view: &View<'_>, scope: &Scope, subject: &str) -> Result<String, Error> {
    let user = |id: &UserId| -> Result<Option<String>, Error> {
        let user = view.get_global::<User>(id)?.filter(|user| !user.is_erased());
        Ok(user.map(|user| format!("{} ({})", plain(&user.name), user.email)))
    };
    let key = |id: &KeyId| -> Result<Option<String>, Error> {
        Ok(view.get::<Key>(scope, id)?.map(|key| format!("The key \"{}\"", plain(&key.name))))
    };
    let named = match Actor::from_word(subject) {
        Some(Actor::User(id)) => user(&id)?,
        Some(Actor::Key(id)) => key(&id)?,
        Some(Actor::Host(_)) => Some("The product that embeds this".to_owned()),
        Some(Actor::System | Actor::Operator { .. }) => Some("The operator".to_owned()),
        None => match subject.parse::<UserId>() {
            Ok(id) => user(&id)?,
            Err(_) => None,
        },
    };
    Ok(named.unwrap_or_else(|| plain(subject)))
}

fn of_delivery(view: &View<'_>, scope: &Scope, event: &Event) -> Result<String, Error> {
    let id = event.subject.parse().ok();
    let delivery = id.map(|id| view.get::<Delivery>(scope, &id)).transpose()?.flatten();
    channel(view, scope, delivery.map(|delivery| delivery.channel))
}

/// Such as `Mastodon "News"`.
fn channel(view: &View<'_>, scope: &Scope, id: Option<ChannelId>) -> Result<String, Error> {
    let row = id.map(|id| view.get::<Channel>(scope, &id)).transpose()?.flatten();
    Ok(row.map_or_else(
        || "a channel that is no more".to_owned(),
        |row| {
            let title = networks::named(&row.network).map_or("", |network| network.title());
            format!("{title} \"{}\"", plain(&row.name))
        },
    ))
}

/// Names are anybody's: on one line.
pub(super) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CorrelationId, SeededRng, WorkspaceId};
    use crate::domain::suspicion::{CHANNEL_BURST, RULES};
    use crate::store::{Disk, FaultDisk, Options, Store};

    fn event(kind: &str, subject: &str) -> Event {
        Event {
            at: Timestamp::from_millis(1),
            actor: Actor::System,
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            data: [("count", "30"), ("minutes", "10"), ("most", "3"), ("reason", "billing")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            correlation: CorrelationId::new(&SeededRng::new(1)),
        }
    }

    #[test]
    fn each_rule_has_a_sentence_of_its_own() {
        let store = Store::open(Disk::Memory(FaultDisk::new()), Options::default()).unwrap();
        let scope = Scope::for_tests(WorkspaceId::from_bytes([1; 16]));
        let told = |event: &Event| store.read_now(|view| line(view, &scope, event)).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for rule in RULES.iter().map(|rule| rule.word).chain([CHANNEL_BURST]) {
            let kind = format!("{PREFIX}{rule}");
            let line = told(&event(&kind, "somebody")).unwrap();
            let text = line.text;
            assert!(!text.starts_with(&format!("{rule}:")) && !text.contains('?'), "{text}");
            assert!(text.ends_with('.') && seen.insert(text.clone()), "{text}");
            assert_eq!(line.to, For::Owners);
        }
        let held = told(&event("delivery.held", "gone")).unwrap();
        assert_eq!(
            held.text,
            "A post to a channel that is no more waits until the network is paid."
        );
        let mut done = event("suspicious.cross_tenant", "key:x");
        done.data.insert("act".to_owned(), "key_revoked".to_owned());
        assert!(told(&done).unwrap().text.ends_with(". The key was revoked."));
        for quiet in ["delivery.published", "post.created", "access.denied"] {
            assert_eq!(told(&event(quiet, "x")), None);
        }
    }

    #[test]
    fn a_name_stays_on_its_line() {
        assert_eq!(plain("a\r\nBcc: b\u{1b}[31m"), "a  Bcc: b [31m");
    }
}
