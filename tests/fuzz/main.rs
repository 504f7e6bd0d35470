//! The seeds of the fuzz targets, replayed by the very checks that the targets run. Must not need
//! anything that a plain `cargo test` does not have.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

#[path = "../../fuzz/src/lib.rs"]
mod checks;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use carillon::store::CATALOGUE;

fn folder() -> PathBuf {
    support::repo_root().join("fuzz/seeds")
}

fn names(folder: &PathBuf) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Every seed of a target; those that fail are named.
fn replay(target: &str) {
    let check = checks::named(target).unwrap();
    let failed = failing(target, &|data| check(data));
    assert!(failed.is_empty(), "in fuzz/seeds/{target} fail {failed:?}; see above");
    check(&[]);
}

/// Which seeds of a target do not hold.
fn failing(target: &str, check: &(dyn Fn(&[u8]) + std::panic::RefUnwindSafe)) -> Vec<String> {
    let folder = folder().join(target);
    let seeds = names(&folder);
    assert!(seeds.len() >= 3, "{target} has {} seeds", seeds.len());
    let mut failed = Vec::new();
    for seed in seeds {
        let data = fs::read(folder.join(&seed)).unwrap();
        assert!(data.len() <= 16 * 1024, "{target}/{seed} is no small file");
        let ended = std::panic::catch_unwind(|| check(&data));
        if ended.is_err() {
            failed.push(seed);
            continue;
        }
        // And with its end missing, as a crash or a hang-up leaves it.
        for cut in [1, data.len() / 2, data.len().saturating_sub(1)] {
            check(data.get(..cut).unwrap_or_default());
        }
    }
    failed
}

/// Broken on purpose: text that goes to the terminal as it came, and only without its escapes.
#[test]
fn seeds_catch_text_that_is_not_cleaned() {
    let broken: [checks::sanitizer::Clean; 2] =
        [|text| text.to_owned(), |text| text.replace('\u{1b}', "")];
    for clean in broken {
        let failed = failing("sanitizer", &|data| checks::sanitizer::holds(data, clean));
        println!("not cleaned: {failed:?}");
        assert!(!failed.is_empty());
    }
}

/// A test for each target, so that each is named when it fails and they run side by side.
macro_rules! replays {
    ($($target:ident)+) => {
        const REPLAYED: &[&str] = &[$(stringify!($target)),+];
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })+
    };
}

replays! { api backup config guard keys media networks records sanitizer text times tus }

#[test]
fn every_target_is_replayed_and_built() {
    let targets: BTreeSet<&str> = checks::CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(targets, REPLAYED.iter().copied().collect());
    assert_eq!(names(&folder()), targets.iter().map(|name| (*name).to_owned()).collect());
    let manifest = fs::read_to_string(support::repo_root().join("fuzz/Cargo.toml")).unwrap();
    for target in targets {
        assert!(manifest.contains(&format!("[[bin]]\nname = \"{target}\"\n")), "{target}");
    }
}

#[test]
fn every_kind_of_record_is_in_its_target() {
    let known: BTreeSet<_> = checks::records::all().into_iter().map(|(table, _)| table).collect();
    assert_eq!(known, CATALOGUE.iter().map(|row| row.table).collect());
}
