//! Strict reading of JSON bodies and query parameters: what is wrong is told with the path of its
//! field. Must not accept what the `OpenAPI` document does not describe.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};

use crate::base::{Code, Problem, Wrong};

/// The longest field path that is told; a name can be as long as the body.
const PATH_CHARS: usize = 200;

/// Reads a whole body: one JSON object and nothing after it.
pub(super) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Most bodies are right, and to keep the path of each field while reading them costs.
    if let Ok(Object(value)) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            let place = format!(" at line {} column {}", inner.line(), inner.column());
            let text = inner.to_string();
            explain(&path, text.strip_suffix(&place).unwrap_or(&text))
        } else {
            malformed(&inner)
        }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// Reads the parameters of an address. All of them are text.
pub(super) fn query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    T::deserialize(MapDeserializer::<_, de::value::Error>::new(pairs))
        .map_err(|error| explain(".", &error.to_string()))
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(Code::BadRequest).with("line", error.line()).with("column", error.column())
}

/// Turns what serde says into a problem. It says it only as text; the tests below and the field
/// table of `tests/api` hold every form of it.
fn explain(path: &str, said: &str) -> Problem {
    let path = if path == "." { "" } else { path };
    let inside = |name: &str| {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    };
    let after = |start: &str| said.strip_prefix(start);
    let name = |rest: &str| rest.strip_suffix('`').unwrap_or(rest).to_owned();
    let (field, wrong) = if let Some(rest) = after("missing field `") {
        (inside(&name(rest)), Wrong::Missing)
    } else if let Some(rest) = after("duplicate field `") {
        (inside(&name(rest)), Wrong::Twice)
    } else if said.starts_with("unknown field `") {
        (path.to_owned(), Wrong::Unknown)
    } else {
        let expected = said.rsplit_once(", expected ").map(|(_, expected)| plain(expected));
        let wrong = match expected {
            Some(expected) => Wrong::BadType { expected: format!("expected {expected}") },
            None => Wrong::BadFormat { expected: said.to_owned() },
        };
        (path.to_owned(), wrong)
    };
    Problem::field(field.chars().take(PATH_CHARS).collect::<String>(), wrong)
}

/// A type as people call it.
fn plain(expected: &str) -> &str {
    match expected {
        "i64" => "a whole number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        other => other,
    }
}

/// For an optional field: absent is `None`, and null is not a value.
pub(super) fn present<'de, D, T>(d: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(d).map(Some)
}

/// An object, for a field that must be there.
pub(super) fn whole<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Object::deserialize(d).map(|object| object.0)
}

/// Like [`present`], of an object.
pub(super) fn object<'de, D, T>(d: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Object::deserialize(d).map(|object| Some(object.0))
}

/// A list of objects.
pub(super) fn objects<'de, D, T>(d: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let objects = Vec::<Object<T>>::deserialize(d)?;
    Ok(objects.into_iter().map(|object| object.0).collect())
}

/// Like [`objects`], for an optional field that may not be null.
pub(super) fn present_objects<'de, D, T>(d: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    objects(d).map(Some)
}

/// A JSON object, and not a list of the values of its fields, which serde would take as well.
pub(super) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(OnlyObject(PhantomData))
    }
}

struct OnlyObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyObject<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// An object with names of the caller's choosing, each at most once.
#[derive(Debug, PartialEq)]
pub(super) struct UniqueMap<T>(pub BTreeMap<String, T>);

impl<T> Default for UniqueMap<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for UniqueMap<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(EachOnce(PhantomData))
    }
}

struct EachOnce<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EachOnce<T> {
    type Value = UniqueMap<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueMap<T>, A::Error> {
        let mut found = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if found.contains_key(&name) {
                return Err(de::Error::custom(format_args!("duplicate field `{name}`")));
            }
            let value = map.next_value()?;
            found.insert(name, value);
        }
        Ok(UniqueMap(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(deserialize_with = "objects")]
        list: Vec<Inner>,
        #[serde(default)]
        map: UniqueMap<i64>,
        #[serde(default, deserialize_with = "object")]
        one: Option<Inner>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        text: String,
        #[serde(default, deserialize_with = "present")]
        flag: Option<bool>,
    }

    fn wrong(json: &str) -> (String, &'static str) {
        let problem = body::<Outer>(json.as_bytes()).unwrap_err();
        match problem.fields.first() {
            Some(field) => (field.field.clone(), field.wrong.word()),
            None => (problem.params["line"].clone(), problem.code.word()),
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_path() {
        for (json, field, code) in [
            ("[]", "", "wrong_type"),
            ("3", "", "wrong_type"),
            ("{}", "list", "missing"),
            (r#"{"list":null}"#, "list", "wrong_type"),
            (r#"{"list":[["a"]]}"#, "list[0]", "wrong_type"),
            (r#"{"list":[{"text":"a"},{}]}"#, "list[1].text", "missing"),
            (r#"{"list":[{"text":1}]}"#, "list[0].text", "wrong_type"),
            (r#"{"list":[{"text":"a","flag":null}]}"#, "list[0].flag", "wrong_type"),
            (r#"{"list":[{"text":"a","text":"b"}]}"#, "list[0].text", "twice"),
            (
                r#"{"list":[{"text":"a","x`, expected y":1}]}"#,
                "list[0].x`, expected y",
                "unknown_field",
            ),
            (r#"{"list":[],"list":[]}"#, "list", "twice"),
            (r#"{"list":[],"map":{"a":1,"a":1}}"#, "map.a", "twice"),
            (r#"{"list":[],"map":{"a":1.5}}"#, "map.a", "wrong_type"),
            (r#"{"list":[],"map":[]}"#, "map", "wrong_type"),
            (r#"{"list":[],"one":null}"#, "one", "wrong_type"),
            (r#"{"list":[],"one":["a",true]}"#, "one", "wrong_type"),
            (r#"{"list":[],"two":1}"#, "two", "unknown_field"),
            ("{\"list\":[],\n}", "2", "bad_request"),
            ("{\"list\":[]} x", "1", "bad_request"),
            ("", "1", "bad_request"),
            ("{\"list\":[{\"text\":\"\\ud800\"}]}", "1", "bad_request"),
        ] {
            assert_eq!(wrong(json), (field.to_owned(), code), "{json}");
        }
        assert_eq!(
            body::<Outer>(b"{\"list\":[{\"text\":\"\xff\"}]}").unwrap_err().code.word(),
            "bad_request"
        );
    }

    #[test]
    fn deep_and_long_input_has_an_end() {
        let deep = format!("{{\"list\":{}", "[".repeat(100_000));
        assert_eq!(wrong(&deep).1, "wrong_type");
        let deep = format!("{{\"map\":{{\"a\":{}", "[".repeat(100_000));
        assert_eq!(wrong(&deep).1, "wrong_type");
        let long = format!("{{\"{}\":1}}", "x".repeat(100_000));
        assert_eq!(wrong(&long), ("x".repeat(PATH_CHARS), "unknown_field"));
    }

    #[test]
    fn query_parameters_are_text_given_once() {
        #[derive(Debug, PartialEq, serde::Deserialize)]
        struct List {
            #[serde(default, deserialize_with = "present")]
            limit: Option<String>,
        }
        let some = |text: &str| Ok(List { limit: Some(text.to_owned()) });
        assert_eq!(query("limit=5"), some("5"));
        assert_eq!(query("limit="), some(""));
        assert_eq!(query(""), Ok(List { limit: None }));
        assert_eq!(query("limit=%FF"), some("\u{fffd}"));
        let twice = query::<List>("limit=1&limit=2").unwrap_err();
        assert_eq!(
            (twice.fields[0].field.as_str(), twice.fields[0].wrong.word()),
            ("limit", "twice")
        );
    }
}
