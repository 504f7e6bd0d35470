//! Where something can be changed: every field, item and entry of a schema, as a path into a body.

use serde_json::{Value, json};

/// One step from a body towards a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Field(String),
    First,
}

/// A value in a body, and what its schema says of it.
#[derive(Clone, Debug)]
pub struct Place {
    pub path: Vec<Step>,
    pub schema: Value,
    pub required: bool,
}

impl Place {
    /// As problems name it: `parts[0].text`.
    pub fn name(&self) -> String {
        let mut name = String::new();
        for step in &self.path {
            match step {
                Step::Field(field) if name.is_empty() => name.push_str(field),
                Step::Field(field) => name = format!("{name}.{field}"),
                Step::First => name.push_str("[0]"),
            }
        }
        name
    }

    /// `body` with `value` here; what leads there is made when it is not there yet. With `None`
    /// it is taken out.
    pub fn set(&self, body: &mut Value, value: Option<Value>) {
        let (last, before) = self.path.split_last().unwrap();
        let mut at = body;
        for step in before {
            at = match step {
                Step::Field(name) => {
                    if !at.is_object() {
                        *at = json!({});
                    }
                    at.as_object_mut().unwrap().entry(name).or_insert(Value::Null)
                }
                Step::First => {
                    if at.as_array().is_none_or(Vec::is_empty) {
                        *at = json!([null]);
                    }
                    &mut at[0]
                }
            };
        }
        match (last, value) {
            (Step::Field(name), Some(value)) => {
                if !at.is_object() {
                    *at = json!({});
                }
                at[name] = value;
            }
            (Step::Field(name), None) => drop(at.as_object_mut().and_then(|map| map.remove(name))),
            (Step::First, Some(value)) => {
                if at.as_array().is_none_or(Vec::is_empty) {
                    *at = json!([null]);
                }
                at[0] = value;
            }
            (Step::First, None) => drop(at.as_array_mut().map(|list| list.remove(0))),
        }
    }
}

/// Follows `$ref`.
pub fn resolve(document: &Value, schema: &Value) -> Value {
    match schema["$ref"].as_str() {
        Some(path) => document.pointer(path.trim_start_matches('#')).unwrap().clone(),
        None => schema.clone(),
    }
}

/// Whether a schema takes this JSON type.
pub fn takes(schema: &Value, kind: &str) -> bool {
    let said = |kind: &str| {
        let kinds = schema["type"].as_array();
        schema["type"] == kind || kinds.is_some_and(|kinds| kinds.contains(&json!(kind)))
    };
    let forms = schema["oneOf"].as_array();
    said(kind) || forms.is_some_and(|forms| forms.iter().any(|form| takes(form, kind)))
}

/// Everything inside `schema`, at `path`. Names of the caller's choosing become `name`.
pub fn places(document: &Value, schema: &Value, path: &[Step], name: &str) -> Vec<Place> {
    let schema = resolve(document, schema);
    let mut found = Vec::new();
    let mut visit = |step: Step, inner: &Value, required: bool| {
        let mut path = path.to_vec();
        path.push(step);
        let inner = resolve(document, inner);
        found.extend(places(document, &inner, &path, name));
        found.push(Place { path, schema: inner, required });
    };
    for form in schema["oneOf"].as_array().into_iter().flatten() {
        // One form's field is another's unknown field, so leaving one out proves nothing.
        for (field, inner) in form["properties"].as_object().into_iter().flatten() {
            visit(Step::Field(field.clone()), inner, false);
        }
    }
    for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
        let required = schema["required"].as_array().is_some_and(|r| r.contains(&json!(field)));
        visit(Step::Field(field.clone()), inner, required);
    }
    if schema["additionalProperties"].is_object() {
        visit(Step::Field(name.to_owned()), &schema["additionalProperties"], false);
    }
    if schema["items"].is_object() {
        visit(Step::First, &schema["items"], false);
    }
    found
}
