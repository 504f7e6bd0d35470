//! The keyring: numbered key-encryption keys in one age file. Must never be made anew over an
//! existing file; there is no default key.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Identity, Recipients, VaultError, file};
use crate::base::{Rng, Secret};

type Key = Secret<[u8; 32]>;

/// The opened keys, by number.
#[derive(Debug)]
pub struct Keyring {
    /// The highest number; wraps new data keys.
    current: (u32, Key),
    older: BTreeMap<u32, Key>,
}

const FIRST_LINE: &str = "carillon keyring 1";

impl Keyring {
    /// Opens the file at `path`, or makes it (0600) with one new key when there is none.
    pub fn open_or_create(
        path: &Path,
        identity: &Identity,
        rng: &dyn Rng,
    ) -> Result<Self, VaultError> {
        let Some(bytes) = file::read(path)? else {
            let keyring = Self::fresh(rng);
            file::create(path, &keyring.encrypt(path, identity)?)?;
            return Ok(keyring);
        };
        Self::decrypt(path, &bytes, identity)
    }

    /// One new key that is nowhere on disk: what is sealed under it dies with the process.
    pub fn fresh(rng: &dyn Rng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill(&mut *key);
        Self { current: (1, Secret::new(*key)), older: BTreeMap::new() }
    }

    pub(super) fn current(&self) -> (u32, &Key) {
        (self.current.0, &self.current.1)
    }

    /// All of them, the present one first.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current.1).chain(self.older.values())
    }

    pub(super) fn key(&self, number: u32) -> Result<&Key, VaultError> {
        if number == self.current.0 {
            return Ok(&self.current.1);
        }
        self.older.get(&number).ok_or(VaultError::UnknownKey(number))
    }

    fn encrypt(&self, path: &Path, identity: &Identity) -> Result<Vec<u8>, VaultError> {
        self.sealed_to(&identity.recipients()).map_err(|error| file::io_error(path, error))
    }

    /// The keyring as whoever holds an identity of `recipients` can open it.
    pub fn sealed_to(&self, recipients: &Recipients) -> std::io::Result<Vec<u8>> {
        let older = self.older.iter().map(|(number, key)| (*number, key));
        // Large enough never to move, which would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(100 * (self.older.len() + 2)));
        text.push_str(FIRST_LINE);
        for (number, key) in older.chain([self.current()]) {
            text.push('\n');
            text.push_str(&number.to_string());
            text.push(' ');
            HEXLOWER.encode_append(key.reveal(), &mut text);
        }
        recipients.encrypt(text.as_bytes())
    }

    /// What [`Keyring::sealed_to`] made; `path` is only named in errors.
    pub fn unseal(path: &Path, sealed: &[u8], identity: &Identity) -> Result<Self, VaultError> {
        Self::decrypt(path, sealed, identity)
    }

    /// Puts it into the file at `path`, sealed to `identity`. One that is there already must have
    /// all of its keys, and stays.
    pub fn put(&self, path: &Path, identity: &Identity) -> Result<(), VaultError> {
        let Some(bytes) = file::read(path)? else {
            return file::create(path, &self.encrypt(path, identity)?);
        };
        let there = Self::decrypt(path, &bytes, identity)?;
        let older = self.older.iter().map(|(number, key)| (*number, key));
        let same = |(number, key): (u32, &Key)| {
            there.key(number).is_ok_and(|other| other.reveal() == key.reveal())
        };
        if older.chain([self.current()]).all(same) {
            return Ok(());
        }
        Err(VaultError::OtherKeyring { path: path.to_owned() })
    }

    /// Tells installations apart, and says nothing of the keys: it comes from the oldest.
    pub fn installation(&self) -> String {
        let oldest = self.older.values().next().unwrap_or(&self.current.1);
        let digest =
            Sha256::new().chain_update(b"carillon installation").chain_update(oldest.reveal());
        let digest: [u8; 32] = digest.finalize().into();
        HEXLOWER.encode(digest.get(..8).unwrap_or_default())
    }

    fn decrypt(path: &Path, bytes: &[u8], identity: &Identity) -> Result<Self, VaultError> {
        let path = path.to_owned();
        let text = match decrypt(bytes, identity) {
            Ok(text) => text,
            Err(age::DecryptError::NoMatchingKeys) => {
                return Err(VaultError::WrongIdentity { path });
            }
            Err(_) => {
                let why = "it cannot be decrypted";
                return Err(VaultError::BadKeyring { path, why });
            }
        };
        Self::parse(&text).ok_or(VaultError::BadKeyring {
            path,
            why: "its text is of another form, perhaps that of a newer version",
        })
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(text).ok()?.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let mut keys = BTreeMap::new();
        for line in lines {
            let (number, hex) = line.split_once(' ')?;
            let key = Zeroizing::new(HEXLOWER.decode(hex.as_bytes()).ok()?);
            let key = Secret::new(<[u8; 32]>::try_from(key.as_slice()).ok()?);
            if keys.insert(number.parse().ok()?, key).is_some() {
                return None;
            }
        }
        let current = keys.pop_last()?;
        Some(Self { current, older: keys })
    }
}

fn decrypt(bytes: &[u8], identity: &Identity) -> Result<Zeroizing<Vec<u8>>, age::DecryptError> {
    let identity: &dyn age::Identity = &identity.0;
    let mut reader = age::Decryptor::new_buffered(bytes)?.decrypt(std::iter::once(identity))?;
    // Large enough never to move, which would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len()));
    reader.read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::base::SeededRng;

    fn identity() -> Identity {
        Identity(age::x25519::Identity::generate())
    }

    #[test]
    fn is_made_once_private_and_opened_again_by_its_identity_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring.age");
        let (mine, rng) = (identity(), SeededRng::new(1));
        let made = Keyring::open_or_create(&path, &mine, &rng).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.starts_with(b"age-encryption.org/v1\n"));
        let again = Keyring::open_or_create(&path, &mine, &rng).unwrap();
        assert_eq!(again.current().0, 1);
        assert_eq!(again.current().1.reveal(), made.current().1.reveal());
        let error = Keyring::open_or_create(&path, &identity(), &rng).unwrap_err();
        assert!(matches!(error, VaultError::WrongIdentity { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn a_damaged_file_is_told_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyring.age");
        let (mine, rng) = (identity(), SeededRng::new(1));
        Keyring::open_or_create(&path, &mine, &rng).unwrap();
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            let cut = good.get(..length).unwrap();
            fs::write(&path, cut).unwrap();
            let error = Keyring::open_or_create(&path, &mine, &rng).unwrap_err();
            assert!(!matches!(error, VaultError::Io { .. }), "{length}: {error}");
            assert_eq!(fs::read(&path).unwrap(), cut);
        }
    }

    #[test]
    fn the_highest_number_is_current_and_older_ones_are_kept() {
        let (a, b) = ("0a".repeat(32), "0b".repeat(32));
        let text = format!("{FIRST_LINE}\n10 {b}\n9 {a}");
        let ring = Keyring::parse(text.as_bytes()).unwrap();
        assert_eq!(ring.current().0, 10);
        assert_eq!(ring.key(9).unwrap().reveal(), &[0x0a; 32]);
        assert!(matches!(ring.key(8), Err(VaultError::UnknownKey(8))));
        let mine = identity();
        let sealed = ring.encrypt(Path::new("x"), &mine).unwrap();
        let again = Keyring::decrypt(Path::new("x"), &sealed, &mine).unwrap();
        assert_eq!(again.key(10).unwrap().reveal(), &[0x0b; 32]);
        assert_eq!(again.key(9).unwrap().reveal(), &[0x0a; 32]);
        for bad in [
            FIRST_LINE.to_owned(),
            format!("carillon keyring 2\n1 {a}"),
            format!("{FIRST_LINE}\n1 {a}\n1 {b}"),
            format!("{FIRST_LINE}\n1 0a0b"),
            format!("{FIRST_LINE}\n{a}"),
        ] {
            assert!(Keyring::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
