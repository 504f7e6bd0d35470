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

/// Every seed of a target; one that fails is named.
fn replay(target: &str) {
    let check = checks::named(target).unwrap();
    let folder = folder().join(target);
    let seeds = names(&folder);
    assert!(seeds.len() >= 3, "{target} has {} seeds", seeds.len());
    for seed in seeds {
        let data = fs::read(folder.join(&seed)).unwrap();
        assert!(data.len() <= 16 * 1024, "{target}/{seed} is no small file");
        let ended = std::panic::catch_unwind(|| check(&data));
        assert!(ended.is_ok(), "fuzz/seeds/{target}/{seed} fails; see above");
        // And with its end missing, as a crash or a hang-up leaves it.
        for cut in [1, data.len() / 2, data.len().saturating_sub(1)] {
            check(data.get(..cut).unwrap_or_default());
        }
    }
    check(&[]);
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

replays! { api config guard keys media networks records sanitizer text times tus }

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
