//! The table of routes, and the routes that there are.

use std::collections::BTreeSet;

use carillon::domain::access::{Proof, Role, Scope};
use http::Method;
use serde_json::Value;

/// What a route asks of whoever comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Who {
    Open,
    Either,
    Signed,
    Hook,
    Metrics,
    Socket,
    Caller,
    Person,
    Administrator,
    Host,
    Embed,
    Page,
    Cookie,
    Member(Role),
}

/// The scope of a key that is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    Any,
    None,
    Scope(Scope),
}

#[derive(Clone, Debug)]
pub struct Row {
    pub who: Who,
    pub need: Need,
    pub method: Method,
    pub address: String,
    /// What was deleted still answers.
    pub stays: bool,
    /// How well it must be known who a person is.
    pub proof: Proof,
    pub body: Option<Value>,
}

impl Row {
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.address)
    }

    /// The thing that it names last, such as `post`.
    pub fn noun(&self) -> Option<&str> {
        let mut names = self
            .address
            .split('/')
            .filter_map(|piece| piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}')));
        names.rfind(|name| *name != "workspace")
    }

    /// The same as it is made; empty when it names nothing.
    pub fn thing(&self) -> &str {
        match self.noun() {
            Some("asset") if self.address.contains("/uploads/") => "upload",
            noun => noun.unwrap_or(""),
        }
    }

    /// Whether what it names is a channel, or for one.
    pub fn is_of_channels(&self) -> bool {
        matches!(self.who, Who::Member(_))
            && matches!(self.noun(), Some("channel" | "post" | "delivery"))
    }

    fn read(line: &str) -> Self {
        let (words, body) = match line.split_once('{').filter(|_| line.ends_with('}')) {
            Some(_) if line.contains(" {\"") => {
                let (words, body) = line.split_once(" {\"").unwrap();
                (words, Some(serde_json::from_str(&format!("{{\"{body}")).unwrap()))
            }
            _ => (line, None),
        };
        let words: Vec<&str> = words.split_whitespace().collect();
        let [who, need, method, address, rest @ ..] = words.as_slice() else { panic!("{line}") };
        let who = match *who {
            "open" => Who::Open,
            "either" => Who::Either,
            "signed" => Who::Signed,
            "hook" => Who::Hook,
            "metrics" => Who::Metrics,
            "socket" => Who::Socket,
            "caller" => Who::Caller,
            "person" => Who::Person,
            "administrator" => Who::Administrator,
            "host" => Who::Host,
            "embed" => Who::Embed,
            "page" => Who::Page,
            "cookie" => Who::Cookie,
            role => Who::Member(Role::from_word(role).unwrap_or_else(|| panic!("{line}"))),
        };
        let need = match *need {
            "-" | "any" => Need::Any,
            "none" => Need::None,
            scope => Need::Scope(Scope::from_word(scope).unwrap_or_else(|| panic!("{line}"))),
        };
        Self {
            who,
            need,
            method: method.parse().unwrap(),
            address: (*address).to_owned(),
            stays: rest.contains(&"stays"),
            proof: match rest {
                rest if rest.contains(&"own-proof") => Proof::Own,
                rest if rest.contains(&"proof") => Proof::Vouched,
                _ => Proof::Entered,
            },
            body,
        }
    }
}

pub fn rows() -> Vec<Row> {
    let lines = include_str!("routes.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(Row::read).collect()
}

const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// Routes that are no operations of the API, as the sources name them: `.route("/a", get(..))`.
pub fn in_sources() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut computed = 0;
    let mut folders = vec![support::repo_root().join("src/http")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for hidden in [".nest(", ".route_service(", ".nest_service(", ".fallback_service("] {
                assert!(!text.contains(hidden), "{}: {hidden} hides routes", path.display());
            }
            for call in text.split(".route(").skip(1) {
                let call = call.trim_start();
                let Some(rest) = call.strip_prefix('"') else {
                    computed += 1;
                    continue;
                };
                let (address, rest) = rest.split_once('"').unwrap();
                for method in methods(rest) {
                    found.insert(format!("{method} {address}"));
                }
            }
        }
    }
    // Those of uploads, which are asked what they can do.
    assert_eq!(computed, 1, "a route whose address is computed needs a line here");
    found.extend(
        ["", "/{asset}"]
            .map(|end| format!("OPTIONS /api/v1/workspaces/{{workspace}}/media/uploads{end}")),
    );
    found
}

/// The methods of a route, from what follows its address to the end of its parenthesis.
fn methods(rest: &str) -> Vec<String> {
    let mut depth = 1;
    let end = rest.find(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth == 0
    });
    let (call, _) = rest.split_at(end.unwrap());
    let known = |method: &&str| {
        call.match_indices(&format!("{method}(")).any(|(at, _)| {
            !call.split_at(at).0.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
        })
    };
    METHODS.into_iter().filter(known).map(str::to_uppercase).collect()
}

#[test]
fn the_table_and_the_sources_are_read_as_they_are_meant() {
    let row = Row::read("editor write PATCH /a/{b} stays {\"x\":{\"y\":1}}");
    assert!(row.stays && row.body == Some(serde_json::json!({ "x": { "y": 1 } })));
    assert_eq!((row.address.as_str(), row.noun()), ("/a/{b}", Some("b")));
    assert_eq!(Row::read("open - GET /m/{asset}").body, None);
    assert_eq!(methods(", get(a::show).post(b)) .route(x, put(y))"), ["GET", "POST"]);
    assert_eq!(methods(", get(target(1)))"), ["GET"]);
}
