//! The lexicon of a post, written down by hand from `app.bsky.feed.post` (2026-08). Must not look
//! at what is stored. Unknown fields are refused, which the reference server does not do: a
//! misspelt one would otherwise change a post without anybody noticing.

use serde_json::{Map, Value};
use unicode_segmentation::UnicodeSegmentation;

use super::repo::POSTS;
use crate::base::Timestamp;

type Checked = Result<(), String>;

const DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// A key as a server makes it: microseconds, and a number that tells writes of one instant apart.
pub(super) fn tid(now: Timestamp, number: u64) -> String {
    let value = now.as_millis() * 1_000 * 1_024 + number % 1_024_000;
    let digit = |place: u32| {
        let index = usize::try_from((value >> (5 * place)) & 31).unwrap_or_default();
        DIGITS.get(index).copied().map_or('2', char::from)
    };
    (0..13).rev().map(digit).collect()
}

/// 13 digits, of which the first has no top bit.
pub(super) fn is_tid(key: &str) -> bool {
    key.len() == 13
        && key.bytes().all(|byte| DIGITS.contains(&byte))
        && key.starts_with(|c| "234567abcdefghij".contains(c))
}

pub(super) fn is_handle(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.contains('.')
        && name.split('.').all(label)
        && top.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn is_did(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let (head, kind) = (parts.next(), parts.next().unwrap_or_default());
    let id = parts.next().unwrap_or_default();
    head == Some("did")
        && !kind.is_empty()
        && kind.bytes().all(|b| b.is_ascii_lowercase())
        && !id.is_empty()
        && id.chars().all(|c| c.is_ascii_alphanumeric() || "._:%-".contains(c))
}

fn is_uri(text: &str) -> bool {
    let scheme = |scheme: &str| scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let rest = |rest: &str| {
        let rest = rest.trim_start_matches("//");
        !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace)
    };
    let split = text.split_once(':');
    text.len() <= 8_192 && split.is_some_and(|(s, r)| !s.is_empty() && scheme(s) && rest(r))
}

/// RFC 3339 with a `T`, whole seconds at least, and a zone that is `Z` or an offset.
fn is_datetime(text: &str) -> bool {
    let shaped = text.bytes().enumerate().take(19).all(|(i, byte)| match i {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let zone = text.ends_with('Z')
        || text.get(text.len().saturating_sub(6)..).is_some_and(|z| z.starts_with(['+', '-']));
    shaped && zone && Timestamp::parse(text).is_some()
}

fn is_language(code: &str) -> bool {
    let mut tags = code.split('-');
    tags.next()
        .is_some_and(|t| (2..=3).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_lowercase()))
        && tags.all(|t| (1..=8).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn object<'a>(
    value: &'a Value,
    at: &str,
    known: &[&str],
) -> Result<&'a Map<String, Value>, String> {
    let map = value.as_object().ok_or_else(|| format!("Expected object at {at}"))?;
    match map.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("Unknown key {name:?} at {at}")),
        None => Ok(map),
    }
}

fn string<'a>(map: &'a Map<String, Value>, name: &str, at: &str) -> Result<&'a str, String> {
    let value = map.get(name).ok_or_else(|| format!("Missing required key {name:?} at {at}"))?;
    value.as_str().ok_or_else(|| format!("Expected string at {at}.{name}"))
}

fn list<'a>(value: &'a Value, at: &str, max: usize) -> Result<&'a [Value], String> {
    let items = value.as_array().ok_or_else(|| format!("Expected array at {at}"))?;
    let actual = items.len();
    if actual > max {
        return Err(format!("array too big (maximum {max}, got {actual}) at {at}"));
    }
    Ok(items)
}

/// Both lengths of a text count (networks.md 10.7 (5)).
fn length(text: &str, graphemes: usize, bytes: usize, at: &str) -> Checked {
    let actual = text.len();
    if actual > bytes {
        return Err(format!("string too big (maximum {bytes}, got {actual}) at {at}"));
    }
    let actual = text.graphemes(true).count();
    if actual > graphemes {
        return Err(format!("grapheme too big (maximum {graphemes}, got {actual}) at {at}"));
    }
    Ok(())
}

fn that(holds: bool, wrong: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(wrong()) }
}

/// What is wrong with the record of a post, if something is.
pub(super) fn check_post(record: &Value) -> Checked {
    const FIELDS: &[&str] =
        &["$type", "text", "createdAt", "facets", "langs", "reply", "embed", "labels", "tags"];
    let map = object(record, "$.record", FIELDS)?;
    // The reference server puts a missing type in.
    that(string(map, "$type", "$.record")? == POSTS, || "Invalid $type".to_owned())?;
    let text = string(map, "text", "$.record")?;
    length(text, 300, 3_000, "$.record.text")?;
    let created = string(map, "createdAt", "$.record")?;
    that(is_datetime(created), || {
        format!("Invalid datetime (got {created:?}) at $.record.createdAt")
    })?;
    for (name, value) in map {
        let at = format!("$.record.{name}");
        match name.as_str() {
            "facets" => check_facets(value, text)?,
            "langs" => check_langs(value, &at)?,
            "reply" => check_reply(value, &at)?,
            "embed" => check_embed(value, &at)?,
            "labels" => check_labels(value, &at)?,
            "tags" => {
                for tag in list(value, &at, 8)? {
                    length(tag.as_str().unwrap_or_default(), 64, 640, &at)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// networks.md 10.7 (3): by byte. The reference server takes ranges outside the text, backwards,
/// and through the middle of a character; apps then show nothing, or the wrong words.
fn check_facets(value: &Value, text: &str) -> Checked {
    let mut end = 0;
    for (i, facet) in list(value, "$.record.facets", 1_000)?.iter().enumerate() {
        let at = format!("$.record.facets[{i}]");
        let facet = object(facet, &at, &["$type", "index", "features"])?;
        let index = facet.get("index").unwrap_or(&Value::Null);
        let index = object(index, &at, &["$type", "byteStart", "byteEnd"])?;
        let number = |name: &str| {
            let number = index.get(name).and_then(Value::as_u64);
            number.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| format!("{name} at {at}"))
        };
        let (start, stop) = (number("byteStart")?, number("byteEnd")?);
        let inside = text.get(start..stop).is_some_and(|words| !words.is_empty());
        that(inside, || format!("{start}..{stop} is not a stretch of the text at {at}"))?;
        that(start >= end, || format!("overlaps the facet before it at {at}"))?;
        end = stop;
        let features = list(facet.get("features").unwrap_or(&Value::Null), &at, 10)?;
        that(!features.is_empty(), || format!("no features at {at}"))?;
        for feature in features {
            check_feature(feature, &at)?;
        }
    }
    Ok(())
}

fn check_feature(feature: &Value, at: &str) -> Checked {
    let kind = feature["$type"].as_str().unwrap_or_default();
    let (name, is): (_, fn(&str) -> bool) = match kind {
        "app.bsky.richtext.facet#link" => ("uri", is_uri),
        "app.bsky.richtext.facet#mention" => ("did", is_did),
        "app.bsky.richtext.facet#tag" => {
            ("tag", |tag| length(tag, 64, 640, "").is_ok() && !tag.starts_with('#'))
        }
        _ => return Err(format!("Unknown feature {kind:?} at {at}")),
    };
    let map = object(feature, at, &["$type", name])?;
    let value = string(map, name, at)?;
    that(is(value), || format!("Invalid {name} (got {value:?}) at {at}"))
}

fn check_langs(value: &Value, at: &str) -> Checked {
    for code in list(value, at, 3)? {
        let code = code.as_str().unwrap_or_default();
        that(is_language(code), || format!("Invalid language (got {code:?}) at {at}"))?;
    }
    Ok(())
}

fn check_reply(value: &Value, at: &str) -> Checked {
    let reply = object(value, at, &["$type", "root", "parent"])?;
    for name in ["root", "parent"] {
        let at = format!("{at}.{name}");
        let reference = reply.get(name).ok_or_else(|| format!("Missing {at}"))?;
        check_reference(reference, &at)?;
    }
    Ok(())
}

fn check_reference(value: &Value, at: &str) -> Checked {
    let map = object(value, at, &["$type", "uri", "cid"])?;
    let (uri, cid) = (string(map, "uri", at)?, string(map, "cid", at)?);
    let good = super::repo::place(uri).is_some_and(|(did, key)| is_did(did) && is_tid(key));
    that(good, || format!("Invalid at-uri (got {uri:?}) at {at}.uri"))?;
    that(cid.starts_with("bafyrei") && cid.len() == 59, || format!("Invalid cid at {at}.cid"))
}

fn check_embed(value: &Value, at: &str) -> Checked {
    match value["$type"].as_str().unwrap_or_default() {
        "app.bsky.embed.external" => {
            let embed = object(value, at, &["$type", "external"])?;
            let external = embed.get("external").unwrap_or(&Value::Null);
            let card = object(external, at, &["$type", "uri", "title", "description"])?;
            let uri = string(card, "uri", at)?;
            that(is_uri(uri), || format!("Invalid uri (got {uri:?}) at {at}"))?;
            string(card, "title", at)?;
            string(card, "description", at).map(drop)
        }
        "app.bsky.embed.images" => {
            let embed = object(value, at, &["$type", "images"])?;
            for image in list(embed.get("images").unwrap_or(&Value::Null), at, 4)? {
                let image = object(image, at, &["$type", "image", "alt", "aspectRatio"])?;
                string(image, "alt", at)?;
                let blob = image.get("image").unwrap_or(&Value::Null);
                let blob = object(blob, at, &["$type", "ref", "mimeType", "size"])?;
                that(string(blob, "$type", at)? == "blob", || format!("Expected blob at {at}"))?;
            }
            Ok(())
        }
        "app.bsky.embed.record" => {
            let embed = object(value, at, &["$type", "record"])?;
            check_reference(embed.get("record").unwrap_or(&Value::Null), at)
        }
        other => Err(format!("{other:?} is not played here, at {at}")),
    }
}

fn check_labels(value: &Value, at: &str) -> Checked {
    let labels = object(value, at, &["$type", "values"])?;
    let kind = string(labels, "$type", at)?;
    that(kind == "com.atproto.label.defs#selfLabels", || format!("Unknown {kind:?} at {at}"))?;
    for label in list(labels.get("values").unwrap_or(&Value::Null), at, 10)? {
        let val = string(object(label, at, &["$type", "val"])?, "val", at)?;
        that(!val.is_empty() && val.len() <= 128, || format!("Invalid label at {at}"))?;
    }
    Ok(())
}
