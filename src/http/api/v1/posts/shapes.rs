//! What a person writes about a post, as JSON, and how it becomes what the use cases take. Must
//! not judge more than the shape.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::json;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Ref, Schema};
use utoipa::openapi::{RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use super::super::schemas;
use crate::base::{ChannelId, Check, Problem, Wrong, limits};
use crate::domain::post::{OptionValue, PartDraft, Variant};
use crate::http::json::{Object, UniqueMap, present, present_objects};
use crate::service::{When, words};

/// Options of one variant; no network has as many.
const OPTIONS: usize = 50;

/// One part: the root of a thread, or a reply to the part before it.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "text": "Good morning!" })))]
pub struct PartBody {
    /// Its words; may be empty when there is media.
    #[schema(max_length = 40000)]
    text: String,
    #[serde(default)]
    #[schema(schema_with = schemas::media)]
    media: Vec<String>,
    /// Wait after the part before it.
    #[serde(default)]
    #[schema(value_type = u32, minimum = 0, maximum = 10080)]
    delay_minutes: i64,
}

/// When it goes out: `{"now": true}`, or a local time and its zone.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleBody {
    #[serde(default, deserialize_with = "present")]
    now: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    at: Option<String>,
    #[serde(default, deserialize_with = "present")]
    zone: Option<String>,
}

/// The post's form for one channel.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "parts": [{ "text": "Good morning, dear followers!" }] })))]
pub struct VariantBody {
    /// Instead of the post's own parts.
    #[serde(default, deserialize_with = "present_objects")]
    #[schema(nullable = false, min_items = 1, max_items = 50)]
    parts: Option<Vec<PartBody>>,
    /// The network's options.
    #[serde(default)]
    options: Options,
}

/// By channel id.
pub type Variants = UniqueMap<Object<VariantBody>>;

/// By the names that the network lists.
type Options = UniqueMap<OptionBody>;

/// A flag or a text.
pub struct OptionBody(OptionValue);

impl<'de> Deserialize<'de> for OptionBody {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct FlagOrText;
        impl Visitor<'_> for FlagOrText {
            type Value = OptionValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a string")
            }

            fn visit_bool<E>(self, flag: bool) -> Result<OptionValue, E> {
                Ok(OptionValue::Flag(flag))
            }

            fn visit_str<E>(self, text: &str) -> Result<OptionValue, E> {
                Ok(OptionValue::Text(text.to_owned()))
            }
        }
        d.deserialize_any(FlagOrText).map(Self)
    }
}

impl PartBody {
    /// A delay outside of any bound becomes the largest number, which the use case refuses.
    fn into_draft(self) -> PartDraft {
        let delay_minutes = u32::try_from(self.delay_minutes).unwrap_or(u32::MAX);
        PartDraft { text: self.text, media: self.media, delay_minutes }
    }
}

pub fn parts(given: Vec<PartBody>) -> Vec<PartDraft> {
    given.into_iter().map(PartBody::into_draft).collect()
}

impl ScheduleBody {
    /// Exactly one of the two forms.
    pub fn into_when(self) -> Result<When, Problem> {
        let no = |field: &str, wrong| Err(Problem::field(field, wrong));
        match (self.now, self.at, self.zone) {
            (Some(true), None, None) => Ok(When::Now),
            (None, Some(local), Some(zone)) => Ok(When::At { local, zone }),
            (Some(false), ..) => no("schedule.now", Wrong::NotOneOf { allowed: "true".to_owned() }),
            (Some(true), Some(_), _) => {
                no("schedule.at", Wrong::Excludes { other: "schedule.now" })
            }
            (Some(true), None, Some(_)) => {
                no("schedule.zone", Wrong::Excludes { other: "schedule.now" })
            }
            (None, Some(_), None) => no("schedule.zone", Wrong::Missing),
            (None, None, Some(_)) => no("schedule.at", Wrong::Missing),
            (None, None, None) => {
                let expected = "`{\"now\": true}`, or `at` and `zone`".to_owned();
                no("schedule", Wrong::BadFormat { expected })
            }
        }
    }
}

fn note(check: &mut Check, problem: Problem) {
    for wrong in problem.fields {
        check.wrong(wrong.field, wrong.wrong);
    }
}

/// Reads the ids of a list of channels; each that is none is told.
pub fn channels(given: &[String]) -> Result<Vec<ChannelId>, Problem> {
    let mut check = Check::default();
    let mut ids = Vec::with_capacity(given.len());
    for (i, text) in given.iter().enumerate() {
        match words::id(&format!("channels[{i}]"), text) {
            Ok(id) => ids.push(id),
            Err(problem) => note(&mut check, problem),
        }
    }
    check.finish().map(|()| ids)
}

/// The variants by channel; each name that is no channel's id is told.
pub fn variants(given: Variants) -> Result<BTreeMap<ChannelId, Variant>, Problem> {
    let mut check = Check::default();
    let (max, actual) = (limits::CHANNELS_PER_POST, given.0.len());
    check.that(actual <= max, "variants", Wrong::TooLong { max, actual, unit: "channels" });
    let mut variants = BTreeMap::new();
    for (name, Object(body)) in given.0 {
        let field = format!("variants.{}", name.chars().take(100).collect::<String>());
        let options = options(&format!("{field}.options"), body.options, &mut check);
        let variant = Variant { parts: body.parts.map(parts), options };
        match words::id(&field, &name) {
            Ok(id) => drop(variants.insert(id, variant)),
            Err(problem) => note(&mut check, problem),
        }
    }
    check.finish().map(|()| variants)
}

fn options(field: &str, given: Options, check: &mut Check) -> BTreeMap<String, OptionValue> {
    let (max, actual) = (OPTIONS, given.0.len());
    check.that(actual <= max, field, Wrong::TooLong { max, actual, unit: "options" });
    let mut options = BTreeMap::new();
    for (name, OptionBody(value)) in given.0 {
        if let OptionValue::Text(text) = &value {
            let (max, actual) = (limits::TEXT_CHARS, text.chars().count());
            let wrong = Wrong::TooLong { max, actual, unit: "characters" };
            check.that(actual <= max, format!("{field}.{name}"), wrong);
        }
        options.insert(name, value);
    }
    options
}

fn object() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Object)
}

impl ToSchema for Variants {
    fn name() -> Cow<'static, str> {
        "Variants".into()
    }

    fn schemas(found: &mut Vec<(String, RefOr<Schema>)>) {
        found.push((VariantBody::name().into_owned(), VariantBody::schema()));
        VariantBody::schemas(found);
    }
}

impl PartialSchema for Variants {
    fn schema() -> RefOr<Schema> {
        let about = "The post's form for some of its channels, by channel id.";
        let variant = Ref::from_schema_name(VariantBody::name());
        let map = object().max_properties(Some(limits::CHANNELS_PER_POST));
        map.description(Some(about)).additional_properties(Some(variant)).into()
    }
}

impl ToSchema for Options {
    fn name() -> Cow<'static, str> {
        "Options".into()
    }
}

impl PartialSchema for Options {
    fn schema() -> RefOr<Schema> {
        let flag = ObjectBuilder::new().schema_type(Type::Boolean);
        let value = OneOfBuilder::new().item(flag).item(schemas::text(limits::TEXT_CHARS));
        let about = "The network's options, by the names that it lists.";
        let map = object().max_properties(Some(OPTIONS));
        map.description(Some(about)).additional_properties(Some(Schema::from(value))).into()
    }
}

impl ToSchema for ScheduleBody {
    fn name() -> Cow<'static, str> {
        "ScheduleBody".into()
    }
}

impl PartialSchema for ScheduleBody {
    fn schema() -> RefOr<Schema> {
        let closed = || object().additional_properties(Some(AdditionalProperties::FreeForm(false)));
        let truth = ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true]));
        let now = closed().property("now", truth).required("now");
        let at = schemas::text(32).examples([json!("2026-12-01T09:00")]);
        let zone = schemas::text(64).examples([json!("Europe/Berlin")]);
        let planned = closed()
            .property("at", at.description(Some("A local time without an offset.")))
            .property("zone", zone.description(Some("An IANA time zone.")))
            .required("at")
            .required("zone");
        let about = "As soon as possible, or at a local time of a zone. A time that the zone skips \
            moves forward; of a time that comes twice it is the first.";
        let forms = OneOfBuilder::new().description(Some(about)).item(now).item(planned);
        RefOr::T(forms.build().into())
    }
}
