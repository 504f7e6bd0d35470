//! Words that come as text from every face: ids, instants, states, limits, decisions. Each problem
//! names the field that the face calls it by.

use std::collections::BTreeMap;

use crate::base::{CorrelationId, Id, Kind, Net, Problem, Timestamp, Wrong, limits};
use crate::domain::access::{ChannelGrant, Grants, Role, Scope};
use crate::domain::approval::{ApprovalRule, REVIEWERS};
use crate::domain::plan::{Cap, Feature, PlanName};
use crate::domain::publish::{Decision, State};
use crate::domain::user::BurstAct;

/// An id of one kind.
pub fn id<K: Kind>(field: &str, text: &str) -> Result<Id<K>, Problem> {
    let article = if K::WORD.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    let expected = || format!("{article} {} id (a hyphenated UUID)", K::WORD);
    text.parse().map_err(|_| Problem::field(field, Wrong::BadFormat { expected: expected() }))
}

/// A number that counts from 0.
pub fn number(field: &str, text: Option<&str>) -> Result<Option<u64>, Problem> {
    let max = 9_007_199_254_740_991;
    let bad = || Problem::field(field, Wrong::OutOfRange { min: 0, max });
    let within = |n: &u64| i64::try_from(*n).is_ok_and(|n| n <= max);
    text.map(|text| text.parse().ok().filter(within).ok_or_else(bad)).transpose()
}

/// A word of visible ASCII, of so many characters at most.
pub fn short(field: &str, text: Option<String>, max: usize) -> Result<Option<String>, Problem> {
    if text.as_ref().is_some_and(String::is_empty) {
        return Err(Problem::field(field, Wrong::Empty));
    }
    let actual = text.as_ref().map_or(0, |text| text.chars().count());
    if actual > max {
        return Err(Problem::field(field, Wrong::TooLong { max, actual, unit: "characters" }));
    }
    if text.as_ref().is_some_and(|text| !text.bytes().all(|byte| byte.is_ascii_graphic())) {
        let expected = "visible ASCII characters without spaces".to_owned();
        return Err(Problem::field(field, Wrong::BadFormat { expected }));
    }
    Ok(text)
}

/// A correlation id, in the field `correlation`.
pub fn correlation(text: &str) -> Result<CorrelationId, Problem> {
    let expected = || "16 hex digits, as `correlation_id` has them".to_owned();
    let bad = |_| Problem::field("correlation", Wrong::BadFormat { expected: expected() });
    text.parse().map_err(bad)
}

pub fn instant(field: &str, text: &str) -> Result<Timestamp, Problem> {
    let expected = || "an instant, such as 2027-01-31T00:00:00Z".to_owned();
    let bad = || Problem::field(field, Wrong::BadFormat { expected: expected() });
    Timestamp::parse(text).ok_or_else(bad)
}

/// Rows of one page, in the field `limit`.
pub fn page_limit(text: Option<&str>) -> Result<usize, Problem> {
    let max = i64::try_from(limits::PAGE_MAX).unwrap_or(i64::MAX);
    let bad = || Problem::field("limit", Wrong::OutOfRange { min: 1, max });
    let Some(text) = text else { return Ok(limits::PAGE_DEFAULT) };
    text.parse().ok().filter(|n| (1..=limits::PAGE_MAX).contains(n)).ok_or_else(bad)
}

pub fn scope(field: &str, word: &str) -> Result<Scope, Problem> {
    let allowed = || Scope::ALL.map(Scope::word).join(", ");
    let bad = || Problem::field(field, Wrong::NotOneOf { allowed: allowed() });
    Scope::from_word(word).ok_or_else(bad)
}

/// A plan.
pub fn plan(field: &str, word: &str) -> Result<PlanName, Problem> {
    let allowed = || PlanName::ALL.map(PlanName::word).join(", ");
    let bad = || Problem::field(field, Wrong::NotOneOf { allowed: allowed() });
    PlanName::from_word(word).ok_or_else(bad)
}

/// What only some plans have.
pub fn feature(field: &str, word: &str) -> Result<Feature, Problem> {
    let allowed = || Feature::ALL.map(Feature::word).join(", ");
    let bad = || Problem::field(field, Wrong::NotOneOf { allowed: allowed() });
    Feature::from_word(word).ok_or_else(bad)
}

/// A number, or `unlimited`.
pub fn cap(field: &str, word: &str) -> Result<Cap, Problem> {
    if word == "unlimited" {
        return Ok(Cap::Unlimited);
    }
    let expected = || "a whole number, or unlimited".to_owned();
    let bad = || Problem::field(field, Wrong::BadFormat { expected: expected() });
    let plain = word.len() <= 15 && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|_| plain).map(Cap::AtMost).ok_or_else(bad)
}

/// What is done about what looks like spam.
pub fn bursts(field: &str, word: &str) -> Result<BurstAct, Problem> {
    let allowed = || BurstAct::ALL.map(BurstAct::word).join(", ");
    let bad = || Problem::field(field, Wrong::NotOneOf { allowed: allowed() });
    BurstAct::from_word(word).ok_or_else(bad)
}

/// Whose word is asked for; the reviewers' ids came in `reviewers`.
pub fn approvals<T: AsRef<str>>(
    (field, word): (&str, &str),
    (list, reviewers): (&str, &[T]),
) -> Result<ApprovalRule, Problem> {
    let rule = match word {
        "off" => ApprovalRule::Off,
        "any_admin" => ApprovalRule::AnyAdmin,
        "reviewers" => {
            let (max, actual) = (REVIEWERS, reviewers.len());
            if actual == 0 {
                return Err(Problem::field(list, Wrong::Empty));
            }
            if actual > max {
                return Err(Problem::field(list, Wrong::TooLong { max, actual, unit: "members" }));
            }
            let each = reviewers.iter().enumerate();
            let ids = each.map(|(i, text)| id(&format!("{list}[{i}]"), text.as_ref()));
            return Ok(ApprovalRule::Reviewers(ids.collect::<Result<_, _>>()?));
        }
        _ => {
            let allowed = "off, any_admin, reviewers".to_owned();
            return Err(Problem::field(field, Wrong::NotOneOf { allowed }));
        }
    };
    if !reviewers.is_empty() {
        return Err(Problem::field(
            list,
            Wrong::NotPossible { why: "belongs only to `reviewers`" },
        ));
    }
    Ok(rule)
}

/// What posts can be asked for by, of approval.
pub fn approval(word: &str) -> Result<String, Problem> {
    let allowed = "asked, given, declined";
    let bad = || Problem::field("approval", Wrong::NotOneOf { allowed: allowed.to_owned() });
    allowed.split(", ").find(|known| *known == word).map(str::to_owned).ok_or_else(bad)
}

/// A role by its word.
pub fn role(field: &str, word: &str) -> Result<Role, Problem> {
    let allowed = || Role::ALL.map(Role::word).join(", ");
    let bad = || Problem::field(field, Wrong::NotOneOf { allowed: allowed() });
    Role::from_word(word).ok_or_else(bad)
}

/// What may be done on which channels; all of them when none are named.
pub fn grants(field: &str, given: Option<&BTreeMap<String, String>>) -> Result<Grants, Problem> {
    let Some(given) = given else { return Ok(Grants::All) };
    let (max, actual) = (limits::CHANNELS_PER_POST, given.len());
    if actual > max {
        return Err(Problem::field(field, Wrong::TooLong { max, actual, unit: "channels" }));
    }
    let one = |(channel, word): (&String, &String)| {
        let field = format!("{field}.{channel}");
        let allowed = || ChannelGrant::ALL.map(ChannelGrant::word).join(", ");
        let bad = || Problem::field(&field, Wrong::NotOneOf { allowed: allowed() });
        Ok((id(&field, channel)?, ChannelGrant::from_word(word).ok_or_else(bad)?))
    };
    Ok(Grants::Only(given.iter().map(one).collect::<Result<_, Problem>>()?))
}

/// Addresses, and blocks of them, each once; none when none are named.
pub fn addresses<T: AsRef<str>>(field: &str, given: Option<&[T]>) -> Result<Vec<Net>, Problem> {
    let Some(given) = given else { return Ok(Vec::new()) };
    let (max, actual) = (limits::ADDRESSES_PER_KEY, given.len());
    if actual == 0 {
        return Err(Problem::field(field, Wrong::Empty));
    }
    if actual > max {
        return Err(Problem::field(field, Wrong::TooLong { max, actual, unit: "addresses" }));
    }
    let mut nets = Vec::new();
    for (i, text) in given.iter().enumerate() {
        let expected = || "an address such as 192.0.2.1, or a block such as 10.0.0.0/8".to_owned();
        let bad = |()| {
            let wrong = Wrong::BadFormat { expected: expected() };
            Problem::field(format!("{field}[{i}]"), wrong)
        };
        let net = text.as_ref().parse::<Net>().map_err(bad)?;
        if !nets.contains(&net) {
            nets.push(net);
        }
    }
    Ok(nets)
}

/// A delivery's state, in the field `state`.
pub fn delivery_state(word: &str) -> Result<State, Problem> {
    let bad = || Problem::field("state", Wrong::NotOneOf { allowed: state_words() });
    State::from_word(word).ok_or_else(bad)
}

/// What posts can be asked for by: a delivery's state, or `draft`.
pub fn post_state(word: &str) -> Result<String, Problem> {
    if word == "draft" || State::from_word(word).is_some() {
        return Ok(word.to_owned());
    }
    let allowed = format!("draft, {}", state_words());
    Err(Problem::field("state", Wrong::NotOneOf { allowed }))
}

fn state_words() -> String {
    State::ALL.map(State::word).join(", ")
}

/// A person's decision by its word, which came in `field`; its address in `url`.
pub fn decision(field: &str, word: &str, url: Option<&str>) -> Result<Decision, Problem> {
    let decision = match word {
        "it_is_there" => Decision::ItIsThere { url: url.map(web_address).transpose()? },
        "send_again" => Decision::SendAgain,
        "drop" => Decision::Drop,
        _ => {
            let allowed = "it_is_there, send_again, drop".to_owned();
            return Err(Problem::field(field, Wrong::NotOneOf { allowed }));
        }
    };
    if url.is_some() && !matches!(decision, Decision::ItIsThere { .. }) {
        let why = "belongs only to `it_is_there`";
        return Err(Problem::field("url", Wrong::NotPossible { why }));
    }
    Ok(decision)
}

fn web_address(text: &str) -> Result<String, Problem> {
    let (max, actual) = (limits::URL_BYTES, text.len());
    if actual > max {
        return Err(Problem::field("url", Wrong::TooLong { max, actual, unit: "bytes" }));
    }
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url.to_string()),
        _ => {
            let expected = "an http or https address".to_owned();
            Err(Problem::field("url", Wrong::BadFormat { expected }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_three_words_and_an_address_belongs_to_one() {
        let there = |url: Option<&str>| Ok(Decision::ItIsThere { url: url.map(str::to_owned) });
        let seen = Some("https://x.example/1");
        assert_eq!(decision("as", "it_is_there", None), there(None));
        assert_eq!(decision("as", "it_is_there", seen), there(seen));
        assert_eq!(decision("as", "drop", None), Ok(Decision::Drop));
        for (word, url, field) in [
            ("it-is-there", None, "as"),
            ("", None, "as"),
            ("drop", seen, "url"),
            ("it_is_there", Some("javascript:alert(1)"), "url"),
            ("it_is_there", Some("//x.example"), "url"),
        ] {
            assert_eq!(decision("as", word, url).unwrap_err().fields[0].field, field, "{word}");
        }
        let long = format!("https://x.example/{}", "x".repeat(limits::URL_BYTES));
        assert!(decision("as", "it_is_there", Some(&long)).is_err());
    }

    #[test]
    fn addresses_are_each_once_and_a_wrong_one_is_named() {
        let read = |given: &[&str]| addresses("from", Some(given));
        let nets = read(&["10.1.2.3/8", "::ffff:10.0.0.0/104", "192.0.2.1"]).unwrap();
        let nets: Vec<_> = nets.iter().map(Net::to_string).collect();
        assert_eq!(nets, ["10.0.0.0/8", "192.0.2.1"]);
        assert_eq!(addresses::<&str>("from", None), Ok(Vec::new()));
        for (given, field) in [
            (&[][..], "from"),
            (&["192.0.2.1"; limits::ADDRESSES_PER_KEY + 1][..], "from"),
            (&["10.0.0.0/33"][..], "from[0]"),
            (&["192.0.2.1", "localhost"][..], "from[1]"),
        ] {
            assert_eq!(read(given).unwrap_err().fields[0].field, field, "{given:?}");
        }
    }

    #[test]
    fn limits_are_from_one_to_a_page() {
        assert_eq!(page_limit(None), Ok(limits::PAGE_DEFAULT));
        assert_eq!(page_limit(Some("200")), Ok(200));
        for bad in ["", "0", "201", "-1", "1.5", "99999999999999999999"] {
            assert!(page_limit(Some(bad)).is_err(), "{bad}");
        }
    }
}
