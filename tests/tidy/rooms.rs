//! Who may import whom. The order of the rooms is data; the rule is `may_see`.

use super::Breach;
use super::paths::{self, module_of};
use super::tree::Source;

/// Bottom to top: a room sees every layer below its own, and not the rooms beside it.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["domain"],
    &["telemetry"],
    &["store", "vault", "outbound", "media"],
    &["networks"],
    &["service"],
    &["engine"],
    &["http", "console", "practice", "config"],
    &["simulator"],
    &["daemon"],
    &["cli"],
];

/// Rooms that see less than all below them.
const SEES_ONLY: &[(&str, &[&str])] = &[
    // Opened credentials come in and facts go out; nothing is kept.
    ("networks", &["base", "domain", "telemetry", "outbound", "media"]),
    // A twin that shared the client's code would share its mistakes.
    ("practice", &["base"]),
    // Settings are plain values; daemon makes the things of them.
    ("config", &["base"]),
];

/// Rooms that fewer see than all above them.
const SEEN_BY: &[(&str, &[&str])] = &[("config", &["daemon", "cli"])];

/// The faces of `http`: each may be taken away without the others noticing.
const FACES: &[&str] = &["admin", "api", "postiz", "mcp", "web", "embed", "hooks", "public"];

const UP: &str = "move what both need down to the lower room, or pass it in as a parameter";
const FACE: &str = "move what both need into http's plumbing or into service";
const UNKNOWN: &str = "put the file into a room, or add the room to LAYERS in tests/tidy/rooms.rs";

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&room))
}

fn may_see(from: &str, to: &str) -> bool {
    let listed = |table: &[(&str, &[&str])], key: &str, other: &str| {
        let row = table.iter().find(|(name, _)| *name == key);
        row.is_none_or(|(_, others)| others.contains(&other))
    };
    from == to
        || (layer(to) < layer(from) && listed(SEES_ONLY, from, to) && listed(SEEN_BY, to, from))
}

/// The face that a module of `http` belongs to.
fn face(module: &[&str]) -> Option<&'static str> {
    match module {
        ["http", name, ..] => FACES.iter().copied().find(|face| face == name),
        _ => None,
    }
}

pub fn breaches(files: &[Source]) -> Vec<Breach> {
    files.iter().flat_map(in_file).collect()
}

fn in_file(file: &Source) -> Vec<Breach> {
    let module = module_of(&file.path);
    let module: Vec<&str> = module.iter().map(String::as_str).collect();
    // lib.rs and main.rs stand above all rooms.
    let Some(room) = module.first() else {
        return Vec::new();
    };
    let breach = |line, rule, remedy: &str| Breach {
        path: file.path.clone(),
        line,
        rule,
        remedy: remedy.to_owned(),
    };
    if layer(room).is_none() {
        return vec![breach(0, format!("`{room}` is not a room"), UNKNOWN)];
    }
    let mut found = Vec::new();
    for named in paths::in_file(file) {
        let Some(target) = named.target() else {
            continue;
        };
        let Some(to) = target.first() else { continue };
        if layer(to).is_none() {
            let rule = format!("`crate::{to}` is not a room");
            found.push(breach(named.line, rule, UNKNOWN));
        } else if !may_see(room, to) {
            let rule = format!("`{room}` must not see `{to}`");
            found.push(breach(named.line, rule, UP));
        } else if let (Some(mine), Some(other)) = (face(&module), face(&target))
            && mine != other
        {
            let rule = format!("the face `{mine}` must not see the face `{other}`");
            found.push(breach(named.line, rule, FACE));
        }
    }
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::source;
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<String> {
        let found = breaches(&[source(path, text)]);
        found.into_iter().map(|breach| breach.rule).collect()
    }

    #[test]
    fn every_room_sees_base_and_nobody_sees_upward() {
        for (n, layer) in LAYERS.iter().enumerate() {
            for room in *layer {
                assert!(may_see(room, "base"));
                let above = LAYERS.iter().skip(n + 1).flat_map(|layer| layer.iter());
                let beside = layer.iter().filter(|other| *other != room);
                for other in above.chain(beside) {
                    assert!(!may_see(room, other), "{room} sees {other}");
                }
            }
        }
    }

    #[test]
    fn upward_sideways_and_forbidden_imports_are_reported() {
        for (path, text) in [
            ("src/base/id.rs", "use crate::domain::Post;"),
            ("src/store/mod.rs", "use crate::{base::Id, vault::Key};"),
            ("src/store/mod.rs", "mod tests { fn f() { super::super::vault::open() } }"),
            ("src/networks/x.rs", "fn f(s: &crate::store::Handle) {}"),
            ("src/networks/x.rs", "#[cfg(test)] mod tests { use crate::vault::Keyring; }"),
            ("src/practice/x.rs", "use crate::domain::Text;"),
            ("src/practice/x.rs", "use crate::outbound::Request;"),
            ("src/engine/workers/x.rs", "use crate::http::Router;"),
            ("src/engine/mod.rs", "use crate::config::Settings;"),
            ("src/config/mod.rs", "use crate::domain::Plan;"),
            ("src/console/mod.rs", "use crate::http::Router;"),
            ("src/http/web/x.rs", "use crate::http::api::Page;"),
            ("src/http/web.rs", "use super::api::Page;"),
            ("src/base/x.rs", "use crate::Everything;"),
            ("src/attic/x.rs", ""),
        ] {
            assert_eq!(rules(path, text).len(), 1, "{path}: {text}");
        }
    }

    #[test]
    fn downward_imports_are_not() {
        for (path, text) in [
            ("src/lib.rs", "pub mod base; pub mod cli;"),
            ("src/main.rs", "fn main() { carillon::cli::main() }"),
            ("src/store/mod.rs", "//! See [`crate::cli`].\nuse crate::{base::Id, domain::Post};"),
            ("src/store/mod.rs", "// use crate::vault::Key;\nconst X: &str = \"crate::vault\";"),
            ("src/networks/x.rs", "use crate::outbound::Request; use super::Network;"),
            ("src/daemon/mod.rs", "use crate::{config::Settings, simulator::Run};"),
            ("src/http/mod.rs", "use self::{api::routes, web::pages};"),
            ("src/http/web/x.rs", "use crate::http::page::Page; use super::super::web::y;"),
        ] {
            assert_eq!(rules(path, text), [""; 0], "{path}: {text}");
        }
    }

    #[test]
    fn a_breach_says_where() {
        let text = "//! x\nuse crate::{\n    base::Id,\n    cli::Args,\n};\n";
        let found = breaches(&[source("src/store/mod.rs", text)]);
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(lines[0].starts_with("src/store/mod.rs:4: `store` must not see `cli`\n"));
    }
}
