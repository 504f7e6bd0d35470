//! What is done to a value, as raw JSON, so that it may be anything. Must know nothing of the API.

use serde_json::Value;

use super::places::takes;

/// A change of one value.
pub struct Mutation {
    pub what: String,
    /// In the place of the value; `None` takes it out.
    pub raw: Option<String>,
    /// The schema forbids it, so it must be refused.
    pub wrong: bool,
    /// It is not JSON any more: the whole body is refused, and no field can be named.
    pub broken: bool,
}

/// Text that somebody will send one day.
pub const HOSTILE: &[&str] = &[
    "\\u0000",
    "a\\u0000b",
    "\\u0001\\u001b[31m\\u007f\\u0085",
    "\\u202eabc\\u202c\\u2066\\u200b\\ufeff",
    "\\ufffe\\uffff\\ud83d\\ude00",
    "e\\u0301\\u0301\\u0301\\u0301\\u0301\\u0301",
    "../../../../etc/passwd",
    "..\\\\..\\\\windows",
    "'; DROP TABLE posts; --",
    "\\\" or 1=1",
    "{{7*7}}${7*7}<%= 7*7 %>#{7*7}",
    "<script>alert(1)</script>",
    "javascript:alert(1)",
    "http://169.254.169.254/latest/meta-data",
    "https://user:pass@10.0.0.1:1/?q#f",
    "file:///etc/passwd",
    "%00%ff%2e%2e%2f",
    "\\r\\nSet-Cookie: a=b",
    "=1+1",
    "-1",
    "9999999999999999999999",
    "NaN",
    "null",
    "[]",
    " ",
    "\\t\\n",
    "2026-02-30T25:61",
    "0000-00-00T00:00:00Z",
    "+292277026596-12-04T15:30:08Z",
    "01890a5d-ac96-774b-bcce-b302099a8057",
];

/// Everything that is done to a value of this schema.
pub fn of(schema: &Value, required: bool) -> Vec<Mutation> {
    let mut all = Vec::new();
    let mut add = |what: &str, raw: Option<String>, wrong: bool| {
        all.push(Mutation { what: what.to_owned(), raw, wrong, broken: false });
    };
    add("left out", None, required);
    add("null", Some("null".to_owned()), !takes(schema, "null"));
    for (kind, raw) in [
        ("boolean", "true"),
        ("integer", "7"),
        ("number", "1.5"),
        ("number", "-1e300"),
        ("integer", "-9223372036854775808"),
        ("integer", "18446744073709551616"),
        ("string", "\"text\""),
        ("array", "[]"),
        ("array", "[[]]"),
        ("array", "[null]"),
        ("array", "[{}]"),
        ("object", "{}"),
        ("object", "{\"\":null}"),
    ] {
        if !takes(schema, kind) {
            add(&format!("{raw} for another type"), Some(raw.to_owned()), true);
        }
    }
    texts(schema, &mut add);
    numbers(schema, &mut add);
    lists(schema, &mut add);
    for raw in
        ["\"\\ud800\"", "\"\\udc00x\"", "\"\\x\"", "01", "+1", "tru", "'x'", "\"\n\"", "NaN", ","]
    {
        all.push(broken(raw, raw));
    }
    all.push(broken("very deep list", &"[".repeat(5_000)));
    all.push(broken("very deep object", &"{\"a\":".repeat(5_000)));
    all
}

/// A typed reader may refuse it for its type before it finds that it has no end.
fn broken(what: &str, raw: &str) -> Mutation {
    let raw = Some(raw.to_owned());
    Mutation { what: format!("broken: {what}"), raw, wrong: true, broken: true }
}

fn texts(schema: &Value, add: &mut impl FnMut(&str, Option<String>, bool)) {
    if !takes(schema, "string") {
        return;
    }
    let quoted = |text: &str| Some(format!("\"{text}\""));
    let words = schema["enum"].as_array();
    for word in words.into_iter().flatten() {
        add("one of its words", Some(word.to_string()), false);
    }
    let max = schema["maxLength"].as_u64();
    let min = schema["minLength"].as_u64().unwrap_or(0);
    add("empty", quoted(""), min > 0 || words.is_some());
    for text in HOSTILE {
        add(&format!("hostile {text}"), quoted(text), words.is_some());
    }
    if let Some(max) = max {
        let max = usize::try_from(max).unwrap();
        add("its longest", quoted(&"x".repeat(max)), false);
        add("one too long", quoted(&"x".repeat(max + 1)), true);
        add("one too long in wide letters", quoted(&"\u{20ac}".repeat(max + 1)), true);
    }
    add("huge", quoted(&"x".repeat(1024 * 1024)), true);
}

fn numbers(schema: &Value, add: &mut impl FnMut(&str, Option<String>, bool)) {
    if let Some(max) = schema["maximum"].as_i64() {
        add("its largest", Some(max.to_string()), false);
        add("one too large", Some((max + 1).to_string()), true);
        add("far too large", Some(i64::MAX.to_string()), true);
    }
    if let Some(min) = schema["minimum"].as_i64() {
        add("its smallest", Some(min.to_string()), false);
        add("one too small", Some((min - 1).to_string()), true);
    }
}

fn lists(schema: &Value, add: &mut impl FnMut(&str, Option<String>, bool)) {
    if !takes(schema, "array") {
        return;
    }
    let min = schema["minItems"].as_u64().unwrap_or(0);
    add("empty list", Some("[]".to_owned()), min > 0);
    let item = if schema["items"]["type"] == "string" { "\"x\"" } else { "{\"text\":\"x\"}" };
    let list = |count: usize| Some(format!("[{}]", vec![item; count].join(",")));
    let max = usize::try_from(schema["maxItems"].as_u64().unwrap()).unwrap();
    add("its most items", list(max), false);
    add("one item too many", list(max + 1), true);
    add("10,000 items", list(10_000), true);
    add("items of every type", Some("[1,\"x\",null,true,[],{}]".to_owned()), true);
}
