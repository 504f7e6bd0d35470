//! Data keys, one per workspace, and what is sealed under them (`XChaCha20-Poly1305`). Must not
//! store anything: wrapped keys and sealed records are the caller's to keep.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use zeroize::Zeroizing;

use super::{Keyring, VaultError};
use crate::base::{Rng, Secret, WorkspaceId};

/// The form of what is written, in its first byte.
const FORMAT: u8 = 1;
const NUMBER_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;

/// A data key that only the keyring can open; to be stored.
///
/// Format (1), number of the keyring's key (4), number of the data key (4), nonce (24), then the
/// key and its tag (48). Numbers are big-endian. All before the nonce is authenticated together
/// with the workspace id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey(pub Vec<u8>);

/// An opened data key.
#[derive(Debug)]
pub struct WorkspaceKey {
    number: u32,
    key: Secret<[u8; 32]>,
}

/// Makes and opens data keys.
#[derive(Debug)]
pub struct Vault {
    keyring: Keyring,
}

impl Vault {
    pub fn new(keyring: Keyring) -> Self {
        Self { keyring }
    }

    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// A fresh data key. `number` tells a workspace's keys apart: 1 for its first, then counting.
    pub fn new_workspace_key(
        &self,
        rng: &dyn Rng,
        workspace: WorkspaceId,
        number: u32,
    ) -> Result<WrappedKey, VaultError> {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill(&mut *key);
        let (keyring_number, wrapping) = self.keyring.current();
        let mut header = vec![FORMAT];
        header.extend(keyring_number.to_be_bytes());
        header.extend(number.to_be_bytes());
        encrypt(wrapping, rng, &header, workspace.as_bytes(), &*key).map(WrappedKey)
    }

    /// Fails with `NotAuthentic` when the key is of another workspace.
    pub fn open_workspace_key(
        &self,
        workspace: WorkspaceId,
        wrapped: &WrappedKey,
    ) -> Result<WorkspaceKey, VaultError> {
        let sealed = Sealed::parse(&wrapped.0, 2)?;
        let (keyring_number, number) = (sealed.number(0)?, sealed.number(1)?);
        let wrapping = self.keyring.key(keyring_number)?;
        let key = sealed.decrypt(wrapping, workspace.as_bytes())?;
        let key = <[u8; 32]>::try_from(key.reveal().as_slice())
            .map_err(|_| VaultError::BadFormat("a key has 32 bytes"))?;
        Ok(WorkspaceKey { number, key: Secret::new(key) })
    }
}

/// For what belongs to the installation and must be opened without the store.
impl Vault {
    /// Seals `plaintext` for one purpose, in the form of [`WorkspaceKey::seal`] with the number of
    /// the keyring's key.
    pub fn seal(
        &self,
        rng: &dyn Rng,
        purpose: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let (number, key) = self.keyring.current();
        let mut header = vec![FORMAT];
        header.extend(number.to_be_bytes());
        encrypt(key, rng, &header, purpose.as_bytes(), plaintext)
    }

    /// Opens what [`Vault::seal`] made, under the present key or an older one.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, VaultError> {
        let sealed = Sealed::parse(sealed, 1)?;
        sealed.decrypt(self.keyring.key(sealed.number(0)?)?, purpose.as_bytes())
    }
}

impl WorkspaceKey {
    /// Seals `plaintext` to its place: `aad` is the key path of the record (table and key bytes).
    ///
    /// Format (1), number of the data key (4), nonce (24), then the ciphertext and its tag (16).
    /// All before the nonce is authenticated together with `aad`.
    pub fn seal(&self, rng: &dyn Rng, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut header = vec![FORMAT];
        header.extend(self.number.to_be_bytes());
        encrypt(&self.key, rng, &header, aad, plaintext)
    }

    /// Fails with `UnknownKey` when it was sealed under another key of this workspace, by number.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Secret<Vec<u8>>, VaultError> {
        let sealed = Sealed::parse(sealed, 1)?;
        let number = sealed.number(0)?;
        if number != self.number {
            return Err(VaultError::UnknownKey(number));
        }
        sealed.decrypt(&self.key, aad)
    }
}

/// `header`, a nonce, and `plaintext` encrypted with header and `aad` as associated data.
fn encrypt(
    key: &Secret<[u8; 32]>,
    rng: &dyn Rng,
    header: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE_BYTES];
    rng.fill(&mut nonce);
    let aad = [header, aad].concat();
    let payload = Payload { msg: plaintext, aad: &aad };
    let ciphertext = XChaCha20Poly1305::new(key.reveal().into())
        .encrypt(&nonce.into(), payload)
        .map_err(|_| VaultError::TooLarge)?;
    Ok([header, nonce.as_slice(), &ciphertext].concat())
}

/// What [`encrypt`] made, taken apart.
struct Sealed<'a> {
    header: &'a [u8],
    nonce: [u8; NONCE_BYTES],
    ciphertext: &'a [u8],
}

impl<'a> Sealed<'a> {
    fn parse(bytes: &'a [u8], numbers: usize) -> Result<Self, VaultError> {
        let short = VaultError::BadFormat("it is too short");
        match bytes.first() {
            Some(&FORMAT) => {}
            Some(_) => return Err(VaultError::BadFormat("its first byte names no known form")),
            None => return Err(short),
        }
        let Some((header, rest)) = bytes.split_at_checked(1 + numbers * NUMBER_BYTES) else {
            return Err(short);
        };
        let Some((nonce, ciphertext)) = rest.split_first_chunk() else {
            return Err(short);
        };
        Ok(Self { header, nonce: *nonce, ciphertext })
    }

    /// The header's number at `index`.
    fn number(&self, index: usize) -> Result<u32, VaultError> {
        let bytes = self.header.get(1 + index * NUMBER_BYTES..);
        let number = bytes.and_then(<[u8]>::first_chunk);
        let number = number.ok_or(VaultError::BadFormat("it is too short"))?;
        Ok(u32::from_be_bytes(*number))
    }

    fn decrypt(&self, key: &Secret<[u8; 32]>, aad: &[u8]) -> Result<Secret<Vec<u8>>, VaultError> {
        let aad = [self.header, aad].concat();
        let payload = Payload { msg: self.ciphertext, aad: &aad };
        XChaCha20Poly1305::new(key.reveal().into())
            .decrypt(&self.nonce.into(), payload)
            .map(Secret::new)
            .map_err(|_| VaultError::NotAuthentic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SeededRng, Timestamp};
    use crate::vault::Identity;

    const PLACE: &[u8] = b"credentials\x00key";

    fn vault(dir: &tempfile::TempDir, rng: &SeededRng) -> Vault {
        let identity = Identity::load_or_create(&dir.path().join("identity")).unwrap();
        let path = dir.path().join("keyring.age");
        Vault::new(Keyring::open_or_create(&path, &identity, rng).unwrap())
    }

    fn with_vault(test: impl FnOnce(&Vault, &SeededRng, WorkspaceId)) {
        let (dir, rng) = (tempfile::tempdir().unwrap(), SeededRng::new(1));
        let ours = WorkspaceId::new(Timestamp::from_millis(1), &rng);
        test(&vault(&dir, &rng), &rng, ours);
    }

    #[test]
    fn what_was_sealed_opens_again_after_a_restart() {
        let (dir, rng) = (tempfile::tempdir().unwrap(), SeededRng::new(1));
        let ours = WorkspaceId::new(Timestamp::from_millis(1), &rng);
        let first = vault(&dir, &rng);
        let wrapped = first.new_workspace_key(&rng, ours, 1).unwrap();
        let key = first.open_workspace_key(ours, &wrapped).unwrap();
        let sealed = key.seal(&rng, PLACE, b"token").unwrap();
        let key = vault(&dir, &rng).open_workspace_key(ours, &wrapped).unwrap();
        assert_eq!(key.open(PLACE, &sealed).unwrap().reveal(), b"token");
    }

    #[test]
    fn the_layout_is_as_documented() {
        with_vault(|vault, rng, ours| {
            let wrapped = vault.new_workspace_key(rng, ours, 7).unwrap();
            assert_eq!(wrapped.0.len(), 1 + 4 + 4 + 24 + 32 + 16);
            assert!(wrapped.0.starts_with(&[1, 0, 0, 0, 1, 0, 0, 0, 7]));
            let key = vault.open_workspace_key(ours, &wrapped).unwrap();
            let sealed = key.seal(rng, PLACE, b"token").unwrap();
            assert_eq!(sealed.len(), 1 + 4 + 24 + 5 + 16);
            assert!(sealed.starts_with(&[1, 0, 0, 0, 7]));
            let nonce: [u8; 24] = sealed[5..29].try_into().unwrap();
            let aad = [&sealed[..5], PLACE].concat();
            let (msg, aad) = (&sealed[29..], aad.as_slice());
            let cipher = XChaCha20Poly1305::new(key.key.reveal().into());
            let opened = cipher.decrypt(&nonce.into(), Payload { msg, aad });
            assert_eq!(opened.unwrap(), b"token");
        });
    }

    #[test]
    fn nothing_opens_in_another_place() {
        with_vault(|vault, rng, ours| {
            let theirs = WorkspaceId::new(Timestamp::from_millis(1), rng);
            let wrapped = vault.new_workspace_key(rng, ours, 1).unwrap();
            let key = vault.open_workspace_key(ours, &wrapped).unwrap();
            let sealed = key.seal(rng, PLACE, b"token").unwrap();
            let other = vault.new_workspace_key(rng, theirs, 1).unwrap();
            let other = vault.open_workspace_key(theirs, &other).unwrap();
            for (key, place) in [(&other, PLACE), (&key, b"credentials\x00k"), (&key, b"")] {
                let error = key.open(place, &sealed).unwrap_err();
                assert!(matches!(error, VaultError::NotAuthentic), "{error}");
            }
            let foreign = vault.open_workspace_key(theirs, &wrapped).unwrap_err();
            assert!(matches!(foreign, VaultError::NotAuthentic), "{foreign}");
            let elsewhere = self::vault(&tempfile::tempdir().unwrap(), rng);
            let foreign = elsewhere.open_workspace_key(ours, &wrapped).unwrap_err();
            assert!(matches!(foreign, VaultError::NotAuthentic), "{foreign}");
            let second = vault.new_workspace_key(rng, ours, 2).unwrap();
            let second = vault.open_workspace_key(ours, &second).unwrap();
            let error = second.open(PLACE, &sealed).unwrap_err();
            assert!(matches!(error, VaultError::UnknownKey(1)), "{error}");
        });
    }

    #[test]
    fn every_changed_or_cut_byte_is_noticed() {
        with_vault(|vault, rng, ours| {
            let wrapped = vault.new_workspace_key(rng, ours, 1).unwrap();
            let key = vault.open_workspace_key(ours, &wrapped).unwrap();
            let sealed = key.seal(rng, PLACE, b"token").unwrap();
            for i in 0..sealed.len() * 8 {
                let mut bad = sealed.clone();
                bad[i / 8] ^= 1 << (i % 8);
                assert!(key.open(PLACE, &bad).is_err(), "bit {i}");
                assert!(key.open(PLACE, &sealed[..i / 8]).is_err(), "cut at {}", i / 8);
            }
            for i in 0..wrapped.0.len() {
                let mut bad = wrapped.clone();
                bad.0[i] ^= 1;
                assert!(vault.open_workspace_key(ours, &bad).is_err(), "byte {i}");
                bad.0.truncate(i);
                assert!(vault.open_workspace_key(ours, &bad).is_err(), "cut at {i}");
            }
        });
    }
}
