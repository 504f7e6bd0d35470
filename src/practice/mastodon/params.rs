//! The parameters of a request, from a form, JSON or multipart body. Must not know which
//! parameters an operation takes.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use url::form_urlencoded;

use super::super::Request;
use super::super::multipart::{self, Part};
use super::Refusal;

/// Names in the order of the alphabet; a name that ended in `[]` holds a list.
#[derive(Default)]
pub(super) struct Params {
    values: BTreeMap<String, Value>,
    pub files: BTreeMap<String, File>,
}

pub(super) struct File {
    pub mime: String,
    pub bytes: Bytes,
}

impl Params {
    pub(super) fn query(request: &Request) -> Self {
        let mut params = Self::default();
        params.add_form(request.query.as_bytes());
        params
    }

    pub(super) fn body(request: &Request) -> Result<Self, Refusal> {
        let mut params = Self::default();
        let kind = request.header("content-type").unwrap_or("");
        if kind.starts_with("application/json") {
            // What a Rails program answers to a body that is not JSON.
            let unreadable =
                || Refusal::new(400, "Error occurred while parsing request parameters");
            let Ok(Value::Object(map)) = serde_json::from_slice(&request.body) else {
                return Err(unreadable());
            };
            params.values = map.into_iter().collect();
        } else if let Some(boundary) = multipart::boundary(kind) {
            for part in multipart::split(&request.body, &boundary) {
                params.add_part(part);
            }
        } else {
            params.add_form(&request.body);
        }
        Ok(params)
    }

    fn add_form(&mut self, form: &[u8]) {
        for (name, value) in form_urlencoded::parse(form) {
            self.add(&name, Value::String(value.into_owned()));
        }
    }

    fn add(&mut self, name: &str, value: Value) {
        match name.strip_suffix("[]") {
            None => {
                self.values.insert(name.to_owned(), value);
            }
            Some(name) => {
                let list =
                    self.values.entry(name.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut().into_iter().for_each(|l| l.push(value.clone()));
            }
        }
    }

    fn add_part(&mut self, part: Part) {
        match part.mime {
            None => {
                let text = String::from_utf8_lossy(&part.bytes).into_owned();
                self.add(&part.name, Value::String(text));
            }
            Some(mime) => {
                let bytes = part.bytes;
                self.files.insert(part.name, File { mime, bytes });
            }
        }
    }

    /// The first name that is not one of these.
    pub(super) fn unknown(&self, known: &[&str]) -> Option<&str> {
        let names = self.values.keys().chain(self.files.keys()).map(String::as_str);
        names.into_iter().find(|name| !known.contains(name))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A text; JSON null counts as absent, and a number as its digits (ids are sent as both).
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(n)) => Ok(Some(n.to_string())),
            Some(_) => Err(Refusal::invalid(&format!("{name} is invalid"))),
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<String, Refusal> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| Refusal::invalid(&format!("{name} can't be blank")))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        if let Some(Value::Bool(flag)) = self.values.get(name) {
            return Ok(Some(*flag));
        }
        match self.text(name)?.as_deref() {
            None => Ok(None),
            Some("true" | "True" | "1" | "on") => Ok(Some(true)),
            Some("false" | "False" | "0" | "off" | "") => Ok(Some(false)),
            Some(_) => Err(Refusal::invalid(&format!("{name} is invalid"))),
        }
    }

    /// A list of texts; one text counts as a list of its lines.
    pub(super) fn list(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let bad = || Refusal::invalid(&format!("{name} is invalid"));
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(text.lines().map(str::to_owned).collect()),
            Some(Value::Array(list)) => {
                let text = |v: &Value| match v {
                    Value::String(text) => Some(text.clone()),
                    Value::Number(n) => Some(n.to_string()),
                    _ => None,
                };
                list.iter().map(|v| text(v).ok_or_else(bad)).collect()
            }
            Some(_) => Err(bad()),
        }
    }
}
