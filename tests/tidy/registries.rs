//! Every network, worker, screen, table and operation has its one line in its registry: a file
//! that is written and not entered would compile, and do nothing.

use std::collections::BTreeSet;

use super::Breach;
use super::paths;
use super::tree::Source;

/// Each file or folder of `folder` is named in `file`, and not only by its `mod`.
struct Registry {
    folder: &'static str,
    file: &'static str,
    /// Entries that only serve their neighbours.
    helpers: &'static [&'static str],
}

const REGISTRIES: &[Registry] = &[
    Registry {
        folder: "src/networks/",
        file: "src/networks/mod.rs",
        helpers: &["advice", "call", "credential", "hosts", "media"],
    },
    Registry { folder: "src/practice/", file: "src/practice/mod.rs", helpers: &["multipart"] },
    Registry { folder: "src/engine/workers/", file: "src/engine/workers/mod.rs", helpers: &[] },
    Registry { folder: "src/store/rows/", file: "src/store/schema.rs", helpers: &[] },
    Registry { folder: "src/console/screens/", file: "src/console/screens/mod.rs", helpers: &[] },
];

const OPERATIONS: &str = "src/http/api/v1/";
const ROUTES: &str = "src/http/api/mod.rs";

pub fn breaches(files: &[Source]) -> Vec<Breach> {
    let mut found = Vec::new();
    for registry in REGISTRIES {
        found.extend(unentered(files, registry));
    }
    found.extend(unrouted(files));
    found
}

fn unentered(files: &[Source], registry: &Registry) -> Vec<Breach> {
    let list = files.iter().find(|file| file.path == registry.file);
    let named = list.map(paths::idents).unwrap_or_default();
    let entries: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix(registry.folder)?.split('/').next())
        .map(|entry| entry.trim_end_matches(".rs"))
        .filter(|entry| *entry != "mod" && !registry.helpers.contains(entry))
        .collect();
    let missing = entries.into_iter().filter(|entry| !named.iter().any(|name| name == entry));
    missing
        .map(|entry| Breach {
            path: format!("{}{entry}", registry.folder),
            line: 0,
            rule: format!("is not entered in {}", registry.file),
            remedy: "add its line there, or list it as a helper in tests/tidy/registries.rs"
                .to_owned(),
        })
        .collect()
}

/// A file `<resource>/<operation>.rs` that describes an operation must be routed as
/// `<resource>::<operation>`.
fn unrouted(files: &[Source]) -> Vec<Breach> {
    let list = files.iter().find(|file| file.path == ROUTES);
    let routed = list.map(paths::in_file).unwrap_or_default();
    let operations = files.iter().filter_map(|file| {
        let inner = file.path.strip_prefix(OPERATIONS)?.strip_suffix(".rs")?;
        let (_, name) = inner.split_once('/')?;
        let is_operation =
            name != "mod" && paths::in_file(file).iter().any(|path| path.names("utoipa::path"));
        is_operation.then(|| (file, inner.replace('/', "::")))
    });
    operations
        .filter(|(_, operation)| !routed.iter().any(|path| path.names(operation)))
        .map(|(file, operation)| Breach {
            path: file.path.clone(),
            line: 0,
            rule: format!("`{operation}` is not routed in {ROUTES}"),
            remedy: "add its line to the list of routes there".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::source;
    use super::*;

    fn rules(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<Source> = files.iter().map(|(path, text)| source(path, text)).collect();
        let found = breaches(&files);
        found.into_iter().map(|breach| breach.path).collect()
    }

    #[test]
    fn every_registry_misses_what_is_not_entered() {
        for Registry { folder, file, .. } in REGISTRIES {
            let (one, two) = (format!("{folder}one.rs"), format!("{folder}two/mod.rs"));
            let deeper = format!("{folder}two/deeper.rs");
            let sources =
                |registry| [(one.as_str(), ""), (&two, ""), (&deeper, ""), (*file, registry)];
            let both = [format!("{folder}one"), format!("{folder}two")];
            assert_eq!(rules(&sources("mod one; pub mod two; // one::X, two::Y")), both);
            assert_eq!(rules(&sources("mod one; mod two; const L: &[T] = &[one::T];")), both[1..]);
            assert_eq!(rules(&sources("const L: &[T] = &[one::T, two::T];")), [""; 0]);
            assert_eq!(rules(&[(&one, "")]), both[..1]);
        }
    }

    #[test]
    fn an_operation_is_routed_by_resource_and_name() {
        let operation = "#[utoipa::path(get)] pub async fn list() {}";
        let sources = |routes| {
            [
                ("src/http/api/v1/posts/list.rs", operation),
                ("src/http/api/v1/posts/shapes.rs", "pub struct Post;"),
                ("src/http/api/v1/posts/mod.rs", "pub mod list;"),
                (ROUTES, routes),
            ]
        };
        let missed = ["src/http/api/v1/posts/list.rs"];
        assert_eq!(rules(&sources("routes!(v1::posts::list::list)")), [""; 0]);
        assert_eq!(rules(&sources("use v1::{posts::{list}};")), [""; 0]);
        assert_eq!(rules(&sources("routes!(v1::tags::list::list)")), missed);
        assert_eq!(rules(&sources("// posts::list::list")), missed);
    }

    #[test]
    fn rooms_that_are_not_built_yet_are_no_breach() {
        assert_eq!(rules(&[("src/lib.rs", "pub mod base;")]), [""; 0]);
    }
}
