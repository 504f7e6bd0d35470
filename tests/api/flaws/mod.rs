//! Flaws that are known, each with the test that would fail if it were here: those of the system
//! that this one replaces (`defects`), and those of comparable products (`elsewhere`). A test that is
//! named here must be there, and a feature whose tests are still to come must not.

mod defects;
mod elsewhere;

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::fetch;
use super::harness::House;

/// One flaw.
pub struct Flaw {
    pub what: &'static str,
    /// Tests, as `suite::module::name`; `lib` is the suite of those beside the code.
    pub held: &'static [&'static str],
    /// Words of the API that come with a feature which has the same question to answer: then, with
    /// tests of its own here.
    pub waits: &'static [&'static str],
}

pub const fn held(what: &'static str, held: &'static [&'static str]) -> Flaw {
    Flaw { what, held, waits: &[] }
}

/// What is wrong with a table: tests that are not there, features that came without one.
fn wrong(flaws: &[Flaw], words: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for Flaw { what, held, waits } in flaws {
        let missing = held.iter().filter(|test| !is_there(test));
        wrong.extend(missing.map(|test| format!("{what}: there is no test {test}")));
        let came = waits.iter().filter(|word| words.contains(**word));
        wrong
            .extend(came.map(|word| format!("{what}: `{word}` came; name the test that holds it")));
        if held.is_empty() && waits.is_empty() {
            wrong.push(format!("{what}: nothing holds it"));
        }
    }
    wrong
}

fn is_there(test: &str) -> bool {
    let (path, name) = test.rsplit_once("::").unwrap();
    let (suite, module) = path.split_once("::").unwrap_or((path, ""));
    let root = support::repo_root();
    let folder = if suite == "lib" { root.join("src") } else { root.join("tests").join(suite) };
    let file = folder.join(module.replace("::", "/"));
    let files = [file.with_extension("rs"), file.join("mod.rs"), file.join("main.rs")];
    let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    texts.into_iter().any(|text| text.contains(&format!("fn {name}(")))
}

/// Every piece of an address and every name of a field of the API.
async fn words() -> BTreeSet<String> {
    let document = fetch(&House::new().await).await;
    let mut found = BTreeSet::new();
    for path in document["paths"].as_object().unwrap().keys() {
        found.extend(path.split('/').map(str::to_owned));
    }
    names(&document, &mut found);
    found
}

fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "properties" {
                    found.extend(
                        value.as_object().into_iter().flatten().map(|(name, _)| name.clone()),
                    );
                }
                names(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_known_flaw_is_held_by_a_test_that_is_there() {
    let words = words().await;
    assert!(words.contains("posts") && words.contains("schedule"), "the words are read");
    for flaws in [defects::DEFECTS, elsewhere::ELSEWHERE] {
        let wrong = wrong(flaws, &words);
        assert!(wrong.is_empty(), "{wrong:#?}");
        let named: BTreeSet<_> = flaws.iter().map(|flaw| flaw.what).collect();
        assert_eq!(named.len(), flaws.len());
    }
    // The look sees what is not there, and what came.
    let bad = [
        held("no such test", &["api::flaws::no_such_test"]),
        held("no such suite", &["nowhere::flaws::words"]),
        held("nothing", &[]),
        Flaw { what: "came", held: &["api::flaws::is_there"], waits: &["posts"] },
    ];
    assert_eq!(super::flaws::wrong(&bad, &words).len(), 4);
}
