//! What starting this program would do to the data that is there: which layout it has, what becomes
//! of it, whether there is room and a backup. Must not write anything.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::doctor::{Finding, data, fail, last_backup, ok, warn};
use crate::base::Clock;
use crate::config::Config;
use crate::store::{Disk, Error as StoreError, Layout, Look, Store};

/// A new file grows with the old one, and rows may grow on the way.
const GROWTH_PERCENT: u64 = 125;
const MIB: u64 = 1024 * 1024;

/// Looks at the data folder. `status` is what a running server says of itself.
pub fn upgrade_check(config: &Config, status: Option<&Value>, clock: &dyn Clock) -> Vec<Finding> {
    check(config, status, clock, Layout::CURRENT)
}

fn check(
    config: &Config,
    status: Option<&Value>,
    clock: &dyn Clock,
    layout: Layout,
) -> Vec<Finding> {
    let file = config.server.data.join("carillon.redb");
    let mut found = vec![program(layout, status)];
    if !file.exists() {
        found.push(data::database(config, status));
        return found;
    }
    let schema = match status {
        // It has the file; what it has is what it says.
        Some(status) => status.get("schema").and_then(Value::as_u64).ok_or(None),
        None => Store::look(&file).map(|Look { schema, .. }| schema).map_err(Some),
    };
    found.push(match &schema {
        Ok(schema) => fate(*schema, layout, &file),
        Err(error) => unseen(error.as_ref(), &file),
    });
    let migrates = schema.is_ok_and(|schema| schema != layout.schema());
    found.extend(room(&file, migrates));
    found.push(last_backup(config, clock.now()));
    found
}

fn program(layout: Layout, status: Option<&Value>) -> Finding {
    let (check, version) = ("program", env!("CARGO_PKG_VERSION"));
    let reads = match (layout.oldest(), layout.schema()) {
        (oldest, newest) if oldest == newest => format!("schema {newest}"),
        (oldest, newest) => format!("schema {oldest} to {newest}, and writes {newest}"),
    };
    let seen = format!("Carillon {version} reads {reads}");
    match status.and_then(|status| status.get("version")).and_then(Value::as_str) {
        Some(running) => {
            let remedy = "stop it when you upgrade, and start this one in its place";
            warn(check, format!("{seen}; a server of version {running} is running"), remedy)
        }
        None => ok(check, seen),
    }
}

/// What a start would do to a database with this layout.
fn fate(schema: u64, layout: Layout, file: &Path) -> Finding {
    let check = "database";
    match layout.check(schema) {
        Ok(()) if schema == layout.schema() => {
            ok(check, format!("has schema {schema}: it is opened as it is"))
        }
        Ok(()) => ok(
            check,
            format!(
                "has schema {schema}: a new file with schema {} takes its place; the old one stays \
                 as {}.schema-{schema}, which is the way back",
                layout.schema(),
                file.display(),
            ),
        ),
        Err(error) => {
            let remedy = "start the release that it asks for; this one does not touch the file";
            fail(check, error.to_string(), remedy)
        }
    }
}

fn unseen(error: Option<&StoreError>, file: &Path) -> Finding {
    let check = "database";
    match error {
        None => warn(
            check,
            "the running server does not say what schema its database has",
            "stop it, and ask again",
        ),
        Some(StoreError::InUse) => warn(
            check,
            "it is open in another process that does not answer here",
            "name the socket of the server that has it (--socket), or stop it and ask again",
        ),
        Some(error) => fail(check, format!("{}: {error}", file.display()), "carillon doctor"),
    }
}

/// Whether old and new fit beside each other.
fn room(file: &Path, migrates: bool) -> Option<Finding> {
    let check = "free space";
    let bytes = fs::metadata(file).ok()?.len();
    let free = Disk::File(file.to_owned()).space()?.free;
    let needed = if migrates { bytes / 100 * GROWTH_PERCENT } else { 0 };
    let seen = format!("{} MiB free, {} MiB needed", free / MIB, needed.div_ceil(MIB));
    Some(if free < needed {
        fail(check, seen, "make room first: the new database is made beside the old one")
    } else {
        ok(check, seen)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::SystemTime;

    use super::*;
    use crate::base::SystemClock;
    use crate::daemon::Level;
    use crate::store::{DecodeError, Options, RawRow};

    #[expect(clippy::unnecessary_wraps, reason = "the form of a step")]
    fn as_it_is(row: RawRow, to: &mut Vec<RawRow>) -> Result<(), DecodeError> {
        to.push(row);
        Ok(())
    }

    fn config(data: &Path) -> Config {
        let flags = [("server.data".to_owned(), data.to_string_lossy().into_owned())];
        Config::load(None, std::iter::empty(), &flags).unwrap()
    }

    fn of(found: &[Finding], check: &str) -> (Level, String) {
        let finding = found.iter().find(|finding| finding.check == check);
        let finding = finding.unwrap_or_else(|| panic!("no {check} in {found:#?}"));
        (finding.level, finding.seen.clone())
    }

    /// Every file with its bytes and the time of its last change.
    fn files(folder: &Path) -> BTreeMap<std::path::PathBuf, (Vec<u8>, SystemTime)> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        entries
            .map(|entry| {
                let changed = entry.metadata().unwrap().modified().unwrap();
                (entry.path(), (fs::read(entry.path()).unwrap(), changed))
            })
            .collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_says_what_a_start_would_do_and_writes_nothing() {
        let data = tempfile::tempdir().unwrap();
        let (config, clock) = (config(data.path()), SystemClock::new());
        let look = |layout| check(&config, None, &clock, layout);
        assert_eq!(of(&look(Layout::CURRENT), "database").0, Level::Warn, "there is none");
        let file = data.path().join("carillon.redb");
        // Left open by a crash, so that a start would have to repair it.
        let store = Store::open(Disk::File(file.clone()), Options::default()).unwrap();
        assert!(of(&look(Layout::CURRENT), "database").1.contains("another process"));
        store.close().await.unwrap();
        let before = files(data.path());
        let now = look(Layout::CURRENT);
        assert_eq!(of(&now, "database"), (Level::Ok, "has schema 1: it is opened as it is".into()));
        assert!(of(&now, "free space").1.ends_with(" 0 MiB needed"), "{now:#?}");
        assert_eq!(of(&now, "backups").0, Level::Warn);
        let next = look(Layout::new(1, &[as_it_is]));
        let (level, seen) = of(&next, "database");
        assert!(level == Level::Ok && seen.contains("a new file with schema 2"), "{seen}");
        assert!(of(&next, "free space").1.ends_with(" 1 MiB needed"), "{next:#?}");
        let far = look(Layout::new(3, &[]));
        assert_eq!(of(&far, "database").0, Level::Fail, "{far:#?}");
        assert_eq!(files(data.path()), before);
        let running = serde_json::json!({ "version": "0.0.9", "schema": 2 });
        let newer = check(&config, Some(&running), &clock, Layout::CURRENT);
        let (level, seen) = of(&newer, "database");
        assert!(level == Level::Fail && seen.contains("has schema 2"), "{seen}");
        assert_eq!(of(&newer, "program").0, Level::Warn);
        fs::write(&file, "no database").unwrap();
        assert_eq!(of(&look(Layout::CURRENT), "database").0, Level::Fail);
    }
}
