//! What a network can take, as data; the composer, the API and the publisher check with the same
//! code. Must not hold a network's addresses or protocol.

use std::collections::BTreeMap;

use crate::base::{Check, Wrong, limits};
use crate::domain::media::{Assets, MediaRules};
use crate::domain::post::{OptionValue, PartDraft};
use crate::domain::text::Counter;

/// A network's limits; some of them are read from the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The network's word, such as `mastodon`.
    pub network: &'static str,
    pub text_max: usize,
    /// A second limit, in bytes of UTF-8, for networks that have both.
    pub text_bytes_max: Option<usize>,
    pub counter: Counter,
    /// Parts of one delivery: 1 when the network has no threads.
    pub parts_max: usize,
    /// Assets of one part.
    pub media_max: usize,
    /// What each of them may be.
    pub media: MediaRules,
    /// What the parts after the first are held to instead, where they are of another kind.
    pub later: Option<Later>,
    pub options: &'static [OptionSpec],
    /// The option whose text is counted with that of each part.
    pub counted: Option<&'static str>,
    /// An option, and the one without which the network would leave it out.
    pub needs: Option<(&'static str, &'static str)>,
}

/// The limits of comments under a post, which are no posts themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    pub text_max: usize,
    pub counter: Counter,
    /// Assets of one.
    pub media_max: usize,
}

/// One setting that a variant may carry for this network.
#[derive(Debug, PartialEq, Eq)]
pub struct OptionSpec {
    pub name: &'static str,
    pub about: &'static str,
    pub takes: Takes,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Takes {
    Flag,
    Choice(&'static [&'static str]),
    /// Free text of at most so many characters.
    Text(usize),
    /// At least one BCP 47 code and at most so many, separated by commas.
    Languages(usize),
    /// Where something is on the web.
    Address,
}

impl Capabilities {
    /// Notes under `field` (such as `parts`) whatever this network would refuse.
    /// An asset that is not among `assets` is not judged.
    pub fn check_parts(
        &self,
        field: &str,
        (parts, options): (&[PartDraft], &BTreeMap<String, OptionValue>),
        assets: &Assets,
        check: &mut Check,
    ) {
        let counted = match self.counted.and_then(|name| options.get(name)) {
            Some(OptionValue::Text(text)) => Counter::Graphemes.count(text),
            _ => 0,
        };
        let over = |max, actual, unit| {
            let network = self.network.to_owned();
            Wrong::OverLimit { network, max, actual, unit }
        };
        if parts.len() > self.parts_max {
            check.wrong(field, over(self.parts_max, parts.len(), "parts"));
        }
        for (i, part) in parts.iter().enumerate() {
            let own =
                Later { text_max: self.text_max, counter: self.counter, media_max: self.media_max };
            let Later { text_max, counter, media_max } = match self.later {
                Some(later) if i > 0 => later,
                _ => own,
            };
            let length = counter.count(&part.text) + counted;
            if length > text_max {
                let wrong = over(text_max, length, "characters");
                check.wrong(format!("{field}[{i}].text"), wrong);
            }
            if let Some(max) = self.text_bytes_max.filter(|max| part.text.len() > *max) {
                check.wrong(format!("{field}[{i}].text"), over(max, part.text.len(), "bytes"));
            }
            if part.media.len() > media_max {
                let wrong = over(media_max, part.media.len(), "assets");
                check.wrong(format!("{field}[{i}].media"), wrong);
            } else {
                self.check_media(&format!("{field}[{i}].media"), part, assets, check);
            }
        }
    }

    fn check_media(&self, field: &str, part: &PartDraft, assets: &Assets, check: &mut Check) {
        let named = |id: &String| id.parse().ok().and_then(|id| assets.get(&id));
        let (mut videos, mut documents, mut animations) = (0, 0, 0);
        for (i, id) in part.media.iter().enumerate() {
            let Some(asset) = named(id) else { continue };
            videos += usize::from(asset.shape.kind.is_video());
            documents += usize::from(asset.shape.kind.is_document());
            animations += usize::from(asset.shape.is_animated());
            for wrong in self.media.misfits(self.network, &asset.shape, &asset.alt) {
                check.wrong(format!("{field}[{i}]"), wrong);
            }
        }
        if self.media.video_alone && videos > 0 && part.media.len() > 1 {
            let why = "has a video beside other media; this network takes a video only alone";
            check.wrong(field, Wrong::NotPossible { why });
        } else if self.media.document_alone && documents > 0 && part.media.len() > 1 {
            let why = "has a document beside other media; this network takes one only alone";
            check.wrong(field, Wrong::NotPossible { why });
        } else if self.media.animation_alone && animations > 0 && part.media.len() > 1 {
            let why = "has a moving picture beside other media; this network takes one only alone";
            check.wrong(field, Wrong::NotPossible { why });
        }
    }

    /// Notes under `field` every option that this network does not know or cannot take.
    pub fn check_options(
        &self,
        field: &str,
        options: &BTreeMap<String, OptionValue>,
        check: &mut Check,
    ) {
        if let Some((name, needed)) = self.needs
            && options.contains_key(name)
            && !options.contains_key(needed)
        {
            check.wrong(format!("{field}.{needed}"), Wrong::Missing);
        }
        for (name, value) in options {
            let field = format!("{field}.{name}");
            let Some(spec) = self.options.iter().find(|o| o.name == name) else {
                check.wrong(field, Wrong::Unknown);
                continue;
            };
            match (&spec.takes, value) {
                (Takes::Flag, OptionValue::Flag(_)) => {}
                (Takes::Choice(allowed), OptionValue::Text(text)) => {
                    let wrong = Wrong::NotOneOf { allowed: allowed.join(", ") };
                    check.that(allowed.contains(&text.as_str()), field, wrong);
                }
                (Takes::Text(max), OptionValue::Text(text)) => {
                    let (max, actual) = (*max, text.chars().count());
                    let wrong = Wrong::TooLong { max, actual, unit: "characters" };
                    check.that(actual <= max, field, wrong);
                }
                (Takes::Languages(max), OptionValue::Text(text)) => {
                    let codes: Vec<_> = languages(text).collect();
                    let some = (1..=*max).contains(&codes.len());
                    let fit = some && codes.iter().all(|code| is_language(code));
                    let expected = match max {
                        1 => "a language code, its first part in lower case, such as en or pt-BR"
                            .to_owned(),
                        _ => format!(
                            "at most {max} language codes with commas, the first part of each in lower case, such as en, pt-BR"
                        ),
                    };
                    check.that(fit, field, Wrong::BadFormat { expected });
                }
                (Takes::Address, OptionValue::Text(text)) => {
                    let max = limits::URL_BYTES;
                    let expected = format!(
                        "an address that begins with https:// or http://, of at most {max} bytes"
                    );
                    let fit = text.len() <= max && is_address(text);
                    check.that(fit, field, Wrong::BadFormat { expected });
                }
                (Takes::Flag, OptionValue::Text(_)) => {
                    check
                        .wrong(field, Wrong::BadType { expected: "expected true or false".into() });
                }
                (_, OptionValue::Flag(_)) => {
                    check.wrong(field, Wrong::BadType { expected: "expected a string".into() });
                }
            }
        }
    }
}

/// The codes of a text that [`Takes::Languages`] lets through.
pub fn languages(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|code| !code.is_empty())
}

/// A scheme of the web, a host, and nothing that an address does not have.
fn is_address(text: &str) -> bool {
    let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>\"\\".contains(c);
    let name =
        host.rsplit_once(':').filter(|_| !host.ends_with(']')).map_or(host, |(name, _)| name);
    name.contains(char::is_alphanumeric) && !host.contains('@') && !text.contains(odd)
}

/// The shape of a BCP 47 code: a language of letters, then subtags of letters and digits.
fn is_language(code: &str) -> bool {
    let mut tags = code.split('-');
    let language = tags.next().unwrap_or_default();
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && tags.all(|tag| {
            (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_codes_are_told_from_other_words() {
        for code in ["en", "gsw", "pt-BR", "zh-Hans-CN"] {
            assert!(is_language(code), "{code}");
        }
        for code in ["e", "english", "en_US", "en-", "12", "\u{e9}n", "DE"] {
            assert!(!is_language(code), "{code}");
        }
        assert_eq!(languages(" en, ,pt-BR,").collect::<Vec<_>>(), ["en", "pt-BR"]);
    }

    #[test]
    fn addresses_are_told_from_other_words() {
        for text in ["https://a.example", "http://a.example:8080/x?y#z", "https://[2001:db8::1]/"] {
            assert!(is_address(text), "{text}");
        }
        for text in [
            "",
            "a.example",
            "https://",
            "https:///x",
            "https://:8080",
            "javascript:alert(1)",
            "https://a b",
            "https://me@a.example",
            "https://a.example/<x>",
        ] {
            assert!(!is_address(text), "{text}");
        }
    }

    fn network() -> Capabilities {
        const OPTIONS: &[OptionSpec] = &[
            OptionSpec { name: "warning", about: "", takes: Takes::Text(500) },
            OptionSpec { name: "language", about: "", takes: Takes::Languages(1) },
            OptionSpec { name: "card", about: "", takes: Takes::Address },
            OptionSpec { name: "title", about: "", takes: Takes::Text(300) },
        ];
        Capabilities {
            network: "one",
            text_max: 500,
            text_bytes_max: None,
            counter: Counter::Graphemes,
            parts_max: 1,
            media_max: 0,
            media: MediaRules::NONE,
            later: None,
            options: OPTIONS,
            counted: Some("warning"),
            needs: Some(("card", "title")),
        }
    }

    #[test]
    fn options_are_judged_with_each_other_and_with_the_text() {
        let network = network();
        let text = |text: &str| OptionValue::Text(text.to_owned());
        let part = |n: usize| [PartDraft { text: "a".repeat(n), ..PartDraft::default() }];
        let wrong = |n, warning: &str| {
            let (mut check, assets) = (Check::default(), Assets::default());
            let options = BTreeMap::from([("warning".to_owned(), text(warning))]);
            network.check_parts("parts", (&part(n), &options), &assets, &mut check);
            check.finish().err().map(|problem| problem.fields.len())
        };
        assert_eq!((wrong(300, &"c".repeat(200)), wrong(301, &"c".repeat(200))), (None, Some(1)));
        let fields = |options: &[(&str, &str)]| {
            let mut check = Check::default();
            let options = options.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
            network.check_options("options", &options.collect(), &mut check);
            let fields = check.finish().err().map(|problem| problem.fields).unwrap_or_default();
            fields.into_iter().map(|wrong| wrong.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(&[("card", "https://a.example")]), ["options.title"]);
        assert_eq!(fields(&[("card", "a"), ("title", "A")]), ["options.card"]);
        assert!(fields(&[("card", "https://a.example"), ("title", "A")]).is_empty());
        assert_eq!(fields(&[("language", "")]), ["options.language"]);
    }
}
