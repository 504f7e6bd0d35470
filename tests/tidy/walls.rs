//! Which crates and which powers of the machine each room may name. The walls are data.

use super::Breach;
use super::paths::{self, Named, module_of};
use super::tree::Source;

/// Only `inside` (modules, with all below them) may name any of `names`: crates by one word,
/// anything else by the end or the middle of its path.
struct Wall {
    names: &'static [&'static str],
    inside: &'static [&'static str],
    remedy: &'static str,
}

const WALLS: &[Wall] = &[
    Wall {
        names: &["redb", "postcard"],
        inside: &["store"],
        remedy: "read and write through store's handles",
    },
    Wall { names: &["age"], inside: &["vault"], remedy: "seal and open through vault" },
    Wall {
        names: &["reqwest", "oauth2", "jsonwebtoken", "lettre"],
        inside: &["outbound"],
        remedy: "send through outbound::Transport",
    },
    Wall {
        names: &["axum", "utoipa_axum"],
        inside: &["http", "practice"],
        remedy: "routes and extractors live in http",
    },
    Wall { names: &["hyper_util"], inside: &["http"], remedy: "serve through http's listener" },
    Wall { names: &["ratatui"], inside: &["console"], remedy: "draw in console" },
    Wall {
        names: &["crossterm", "termina"],
        inside: &["console::term"],
        remedy: "turn terminal input into messages in console/term",
    },
    Wall {
        names: &[
            "prometheus",
            "tracing_subscriber",
            "tracing_appender",
            "tracing_opentelemetry",
            "opentelemetry",
            "opentelemetry_otlp",
            "opentelemetry_sdk",
        ],
        inside: &["telemetry"],
        remedy: "add the metric or the layer in telemetry and call it by name",
    },
    Wall { names: &["clap"], inside: &["cli"], remedy: "parse in cli and pass plain values" },
    Wall {
        names: &["std::env"],
        inside: &["config", "cli", "console::term::attach"],
        remedy: "make it a setting in config and pass it in",
    },
    Wall {
        names: &["thread::spawn", "thread::Builder", "thread::scope"],
        inside: &["store::writer", "daemon"],
        remedy: "use base::Spawner, or spawn_blocking for a short blocking call",
    },
    Wall {
        names: &[
            "SystemTime::now",
            "Instant::now",
            "Timestamp::now",
            "Zoned::now",
            "tokio::time",
            "thread::sleep",
        ],
        inside: &["base::clock"],
        remedy: "take a base::Clock",
    },
];

/// A module that may name one thing outside its wall. A row that is not used is a breach.
struct Exception {
    module: &'static str,
    names: &'static str,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        module: "base::id",
        names: "postcard",
        reason: "its tests hold the stored form of an id to 16 bytes",
    },
    Exception {
        module: "base::time",
        names: "postcard",
        reason: "its tests hold the stored form of an instant to a number",
    },
];

pub fn breaches(files: &[Source]) -> Vec<Breach> {
    judge(files, EXCEPTIONS)
}

fn judge(files: &[Source], exceptions: &[Exception]) -> Vec<Breach> {
    let mut found = Vec::new();
    for file in files {
        let module = module_of(&file.path).join("::");
        let named = paths::in_file(file);
        let excepted: Vec<&Exception> =
            exceptions.iter().filter(|row| row.module == module).collect();
        for row in &excepted {
            if !named.iter().any(|path| path.names(row.names)) {
                found.push(Breach {
                    path: file.path.clone(),
                    line: 0,
                    rule: format!("does not name `{}` any more", row.names),
                    remedy: format!("remove its exception ({})", row.reason),
                });
            }
        }
        for path in &named {
            found.extend(breach(file, &module, path, &excepted));
        }
    }
    found.dedup();
    found
}

fn breach(file: &Source, module: &str, path: &Named, excepted: &[&Exception]) -> Option<Breach> {
    let outside = |wall: &&Wall| !wall.inside.iter().any(|room| within(module, room));
    let (wall, needle) = WALLS.iter().filter(outside).find_map(|wall| {
        let hit = |needle: &&&str| {
            path.names(needle) && !excepted.iter().any(|row| row.names == **needle)
        };
        wall.names.iter().find(hit).map(|needle| (wall, needle))
    })?;
    Some(Breach {
        path: file.path.clone(),
        line: path.line,
        rule: format!("only {} may name `{needle}`", wall.inside.join(", ")),
        remedy: wall.remedy.to_owned(),
    })
}

fn within(module: &str, room: &str) -> bool {
    let rest = module.strip_prefix(room);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::source;
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<String> {
        let found = judge(&[source(path, text)], &[]);
        found.into_iter().map(|breach| breach.rule).collect()
    }

    #[test]
    fn every_wall_stops_every_name_and_opens_inside() {
        for wall in WALLS {
            for needle in wall.names {
                let text = format!("fn f() {{ {needle}::thing() }}");
                assert_eq!(rules("src/domain/x.rs", &text).len(), 1, "{needle}");
                for room in wall.inside {
                    let path = format!("src/{}.rs", room.replace("::", "/"));
                    assert_eq!(rules(&path, &text), [""; 0], "{needle} in {room}");
                    let beside = format!("src/{}x.rs", room.replace("::", "/"));
                    assert_eq!(rules(&beside, &text).len(), 1, "{needle} in {beside}");
                }
            }
        }
    }

    #[test]
    fn breaches_in_any_form_are_reported() {
        for text in [
            "use redb::{Database, TableDefinition};",
            "use redb as r;",
            "extern crate redb;",
            "use std::{collections::BTreeMap, env};",
            "use std::env::var;",
            "#[derive(clap::Parser)] struct A;",
            "#[cfg(test)] mod tests { use axum::Router; }",
            "use std::thread; fn f() { thread::spawn(g); }",
            "use tokio::{sync::mpsc, time::sleep};",
            "use std::time::Instant; fn f() { Instant::now(); }",
            "fn f() { jiff::Timestamp::now(); }",
        ] {
            assert_eq!(rules("src/domain/x.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_not() {
        let text = "//! [`redb::Database`]\n// use redb::X;\nuse crate::base::Clock; \
                    fn f(age: u32, p: &Person) { p.age.max(age); \"std::env::var\"; \
                    env!(\"CARGO_PKG_VERSION\"); clock.now(); crate::telemetry::prometheus(); }";
        assert_eq!(rules("src/domain/x.rs", text), [""; 0]);
    }

    #[test]
    fn exceptions_open_one_name_in_one_module_and_must_be_used() {
        let rows = [Exception { module: "base::id", names: "postcard", reason: "" }];
        let count = |path: &str, text: &str| judge(&[source(path, text)], &rows).len();
        assert_eq!(count("src/base/id.rs", "use postcard::to_allocvec;"), 0);
        assert_eq!(count("src/base/id.rs", "use postcard::x; use redb::y;"), 1);
        assert_eq!(count("src/base/rng.rs", "use postcard::to_allocvec;"), 1);
        assert_eq!(count("src/base/id.rs", ""), 1);
    }
}
