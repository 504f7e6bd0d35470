//! The stored form of every row, held to golden bytes: `records/<table>.v<version>.hex` has a line
//! for each value in `goldens`. A released file never changes; a new version gets a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use carillon::base::{KeyId, WorkspaceId};
use carillon::store::{CATALOGUE, Class, DecodeError, Global, Row, Scoped, Table, decode, encode};
use data_encoding::HEXLOWER;
use proptest::collection::vec;
use proptest::prelude::any;

use crate::goldens;
use crate::rig::{id, run};

/// A row's type, with its golden values encoded.
pub struct Golden {
    table: Table,
    class: Class,
    version: u8,
    values: Vec<Vec<u8>>,
    /// Of each older version that is still read: what its golden values are in the present form.
    older: Vec<(u8, Vec<Vec<u8>>)>,
    /// Decodes, and encodes what it got.
    again: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
}

impl Golden {
    pub fn scoped<R: Scoped + PartialEq + Debug>(values: &[R]) -> Self {
        Self::of(Class::Scoped, values)
    }

    pub fn global<R: Global + PartialEq + Debug>(values: &[R]) -> Self {
        Self::of(Class::Global, values)
    }

    fn of<R: Row + PartialEq + Debug>(class: Class, values: &[R]) -> Self {
        assert!(!values.is_empty());
        let encoded = |value: &R| {
            let bytes = encode(value).unwrap();
            assert_eq!(decode::<R>(&bytes).as_ref(), Ok(value));
            bytes
        };
        Self {
            table: R::TABLE,
            class,
            version: R::VERSION,
            values: values.iter().map(encoded).collect(),
            older: Vec::new(),
            again: |bytes| decode::<R>(bytes).map(|row| encode(&row).unwrap()),
        }
    }

    /// The golden values of an older version are read as these.
    pub fn since<R: Row>(mut self, version: u8, values: &[R]) -> Self {
        assert!(version < self.version && R::TABLE == self.table);
        let values = values.iter().map(|value| encode(value).unwrap()).collect();
        self.older.push((version, values));
        self
    }

    fn reads(&self, version: u8) -> bool {
        version == self.version || self.older.iter().any(|(older, _)| *older == version)
    }

    fn file_of(&self, version: u8) -> String {
        format!("{}.v{version}.hex", self.table.row().name)
    }

    fn file(&self) -> String {
        self.file_of(self.version)
    }

    fn text(&self) -> String {
        let line = |value: &Vec<u8>| HEXLOWER.encode(value) + "\n";
        self.values.iter().map(line).collect()
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/store/records")
}

#[test]
fn every_table_has_golden_values_of_its_class() {
    let mut classes = BTreeMap::new();
    for golden in goldens::all() {
        let before = classes.insert(golden.table, golden.class);
        assert_eq!(before, None, "{:?} twice", golden.table);
    }
    for row in CATALOGUE {
        let class = classes.remove(&row.table);
        assert_eq!(class, Some(row.class), "{}: add its row to goldens", row.name);
    }
    assert!(classes.is_empty());
}

/// Where the stored forms are not those of `files`.
fn differences(goldens: &[Golden], files: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for golden in goldens {
        let (file, now) = (golden.file(), golden.text());
        match files(&file) {
            Some(stored) if stored == now => {}
            Some(stored) => wrong.push(format!("{file} has\n{stored}but the row is now\n{now}")),
            None => wrong.push(format!("{file} is missing; store in it\n{now}")),
        }
    }
    wrong
}

fn released(file: &str) -> Option<String> {
    fs::read_to_string(folder().join(file)).ok()
}

#[test]
fn stored_forms_are_as_released() {
    let goldens = goldens::all();
    let wrong = differences(&goldens, released);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut known: BTreeSet<String> = goldens.iter().map(Golden::file).collect();
    for golden in &goldens {
        let older = golden.older.iter().map(|(version, _)| golden.file_of(*version));
        known.extend(older);
    }
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name), "{name}: of no row that is known");
    }
}

/// What an older program wrote is read as what it meant.
#[test]
fn older_forms_are_read() {
    let mut read = 0;
    for golden in goldens::all() {
        for (version, values) in &golden.older {
            let file = golden.file_of(*version);
            let lines = released(&file).unwrap_or_else(|| panic!("{file} is gone"));
            let stored = lines.lines().map(|line| HEXLOWER.decode(line.as_bytes()).unwrap());
            let now: Vec<_> = stored.map(|bytes| (golden.again)(&bytes).unwrap()).collect();
            assert_eq!(now, *values, "{file}");
            read += now.len();
        }
    }
    println!("{read} values of older versions are read");
    assert!(read > 0);
}

/// A row of which somebody exchanged two fields, and forgot the version.
#[derive(PartialEq, Debug, serde::Serialize, serde::Deserialize)]
struct Exchanged {
    key: KeyId,
    workspace: WorkspaceId,
}

impl Row for Exchanged {
    type Key = [u8; 32];
    const TABLE: Table = Table::KeyHashes;
    const VERSION: u8 = 1;
}

impl Global for Exchanged {}

/// Broken on purpose: it reads what it wrote, and old rows as something else.
#[test]
fn a_form_that_changes_under_its_version_would_be_caught() {
    let exchanged = Golden::global(&[Exchanged { key: id(2), workspace: id(1) }]);
    let wrong = differences(&[exchanged], released);
    assert!(matches!(wrong.as_slice(), [one] if one.starts_with("key_hashes.v1.hex")), "{wrong:?}");
    // Nor does a kept byte change, or a table go without.
    for golden in goldens::all() {
        let file = golden.file();
        let altered = |name: &str| {
            let text = released(name)?;
            let last = text.trim_end().chars().next_back()?;
            let other = if last == '0' { "1" } else { "0" };
            let kept = text.trim_end().strip_suffix(last)?;
            Some(format!("{kept}{other}\n"))
        };
        assert_eq!(differences(&[golden], altered).len(), 1, "{file}");
    }
    assert_eq!(differences(&goldens::all(), |_| None).len(), CATALOGUE.len());
}

#[test]
fn encoding_is_canonical() {
    for golden in goldens::all() {
        for value in &golden.values {
            assert_eq!((golden.again)(value).as_ref(), Ok(value));
        }
    }
}

#[test]
fn broken_records_are_typed_errors() {
    let mut cut = 0;
    for golden in goldens::all() {
        let table = golden.table;
        assert_eq!((golden.again)(&[]), Err(DecodeError::Empty));
        for value in &golden.values {
            for version in (0..=u8::MAX).filter(|version| !golden.reads(*version)) {
                let mut other = value.clone();
                other[0] = version;
                let expected = Err(DecodeError::UnknownVersion(version));
                assert_eq!((golden.again)(&other), expected, "{table:?}");
            }
            for more in [1, 2, 100] {
                let mut longer = value.clone();
                longer.extend(vec![0; more]);
                let expected = Err(DecodeError::Trailing(more));
                assert_eq!((golden.again)(&longer), expected, "{table:?}");
            }
            for length in 1..value.len() {
                let expected = Err(DecodeError::Malformed);
                assert_eq!((golden.again)(&value[..length]), expected, "{table:?} {length}");
                cut += 1;
            }
        }
    }
    println!("{cut} truncations are errors");
}

/// Whatever is decoded can be encoded, and is then itself.
fn is_stable(golden: &Golden, bytes: &[u8]) -> bool {
    let Ok(again) = (golden.again)(bytes) else {
        return false;
    };
    assert_eq!((golden.again)(&again).as_ref(), Ok(&again));
    true
}

#[test]
fn no_bytes_make_decoding_panic() {
    let (mut tried, mut decoded) = (0, 0);
    for golden in goldens::all() {
        // A bit of a golden value turned, then bytes put in its place.
        for value in &golden.values {
            for at in 0..value.len() {
                for bit in [0, 3, 7] {
                    let mut other = value.clone();
                    other[at] ^= 1 << bit;
                    decoded += usize::from(is_stable(&golden, &other));
                    tried += 1;
                }
                for filler in [0x00, 0xff] {
                    let mut other = value.clone();
                    other.splice(at..=at, [filler; 10]);
                    decoded += usize::from(is_stable(&golden, &other));
                    tried += 1;
                }
            }
        }
        run(500, &vec(any::<u8>(), 0..200), |mut bytes| {
            is_stable(&golden, &bytes);
            bytes.insert(0, golden.version);
            is_stable(&golden, &bytes);
        });
    }
    println!("{tried} broken golden values, of which {decoded} decode to something");
}
