//! What a provider says of a person. Must not believe more than it says.

use serde_json::Value;

use crate::base::{Timestamp, limits};

/// Whom a provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who it is there, for good; an e-mail may become another's.
    pub subject: String,
    pub email: Option<String>,
    /// Whether the provider has made sure that the e-mail is theirs; `None` when it does not say.
    pub email_verified: Option<bool>,
    pub name: Option<String>,
    /// When they last proved there who they are.
    pub authenticated_at: Option<Timestamp>,
}

/// A claim that is one line of at most so many characters.
fn line(claims: &Value, name: &str, chars: usize) -> Option<String> {
    let text = claims[name].as_str()?.trim();
    let fits = !text.is_empty() && text.chars().count() <= chars;
    (fits && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// Some providers say it in a text.
fn truth(claim: &Value) -> Option<bool> {
    claim.as_bool().or_else(|| claim.as_str().map(|word| word == "true"))
}

/// A moment that a claim names in seconds since 1970, perhaps with a fraction.
pub(super) fn moment(claim: &Value) -> Option<Timestamp> {
    let whole = claim.as_u64().or_else(|| {
        let text = claim.as_f64().filter(|seconds| seconds.is_sign_positive())?.to_string();
        text.split('.').next()?.parse().ok()
    })?;
    Some(Timestamp::from_millis(whole.checked_mul(1_000)?))
}

impl Person {
    pub(super) fn of(subject: String, claims: &Value) -> Self {
        let nobody = Self {
            subject,
            email: None,
            email_verified: None,
            name: None,
            authenticated_at: moment(&claims["auth_time"]),
        };
        nobody.with(claims)
    }

    /// With what these claims say of e-mail and name, as far as it is not known yet.
    pub(super) fn with(self, claims: &Value) -> Self {
        let name = |word| line(claims, word, limits::NAME_CHARS);
        let name = self.name.or_else(|| name("name")).or_else(|| name("preferred_username"));
        // What is said of an e-mail belongs to the one beside it.
        let same =
            |email: &str| line(claims, "email", limits::EMAIL_BYTES).as_deref() == Some(email);
        let (email, email_verified) = match self.email {
            Some(email) if self.email_verified.is_none() && same(&email) => {
                (Some(email), truth(&claims["email_verified"]))
            }
            Some(email) => (Some(email), self.email_verified),
            None => (line(claims, "email", limits::EMAIL_BYTES), truth(&claims["email_verified"])),
        };
        Self { email, email_verified, name, ..self }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_read_in_the_forms_that_providers_give_them() {
        let claims = json!({
            "email": " ann@example.org ", "email_verified": "true", "name": "Ann", "auth_time": 7.9,
        });
        let ann = Person::of("1".to_owned(), &claims);
        assert_eq!(ann.email.as_deref(), Some("ann@example.org"));
        assert_eq!((ann.email_verified, ann.name.as_deref()), (Some(true), Some("Ann")));
        assert_eq!(ann.authenticated_at, Some(Timestamp::from_millis(7_000)));
        let odd = json!({
            "email": 7, "email_verified": "yes", "name": "a\nb", "preferred_username": "ann",
            "auth_time": -1,
        });
        let odd = Person::of("1".to_owned(), &odd);
        assert_eq!(
            (odd.email, odd.email_verified, odd.authenticated_at),
            (None, Some(false), None)
        );
        assert_eq!(odd.name.as_deref(), Some("ann"));
    }

    #[test]
    fn what_comes_later_takes_nothing_back() {
        let first = json!({ "email": "ann@example.org", "email_verified": false });
        let later = json!({ "email": "boss@example.org", "email_verified": true, "name": "Ann" });
        let ann = Person::of("1".to_owned(), &first).with(&later);
        assert_eq!(ann.email.as_deref(), Some("ann@example.org"));
        assert_eq!((ann.email_verified, ann.name.as_deref()), (Some(false), Some("Ann")));
        let open = json!({ "email": "ann@example.org" });
        let of = |later: &Value| Person::of("1".to_owned(), &open).with(later).email_verified;
        let same = json!({ "email": "ann@example.org", "email_verified": true });
        assert_eq!((of(&same), of(&later)), (Some(true), None), "of the same e-mail only");
    }
}
