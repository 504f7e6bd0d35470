//! The installation's X25519 identity: the one secret that must be kept outside of the database.
//! Must not be made anew when an existing one cannot be read.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use age::secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::{VaultError, file};

/// Opens what was encrypted to it.
pub struct Identity(pub(super) age::x25519::Identity);

impl Identity {
    /// Reads the file at `path`, or makes it (0600) when there is none. A file that others may
    /// read is refused: whoever read it has every secret.
    pub fn load_or_create(path: &Path) -> Result<Self, VaultError> {
        let Some(bytes) = file::read(path)?.map(Zeroizing::new) else {
            return Self::create(path);
        };
        let metadata = fs::metadata(path).map_err(|source| file::io_error(path, source))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(VaultError::Exposed { path, mode });
        }
        Self::parse(std::str::from_utf8(&bytes).map_err(|_| VaultError::BadIdentity)?)
    }

    /// Reads a file that somebody else keeps: a credential of systemd, which guards the folder and
    /// not the file, or one that an operator named. Missing, it is an error.
    pub fn load(path: &Path) -> Result<Self, VaultError> {
        let missing = || file::io_error(path, std::io::ErrorKind::NotFound.into());
        let bytes = file::read(path)?.map(Zeroizing::new).ok_or_else(missing)?;
        let metadata = fs::metadata(path).map_err(|source| file::io_error(path, source))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(VaultError::Exposed { path: path.to_owned(), mode });
        }
        Self::parse(std::str::from_utf8(&bytes).map_err(|_| VaultError::BadIdentity)?)
    }

    /// From text in the form of `age-keygen`, as a credential store may hand it over.
    pub fn parse(text: &str) -> Result<Self, VaultError> {
        let mut lines =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        match (lines.next(), lines.next()) {
            (Some(line), None) => line.parse().map(Self).map_err(|_| VaultError::BadIdentity),
            _ => Err(VaultError::BadIdentity),
        }
    }

    fn create(path: &Path) -> Result<Self, VaultError> {
        let identity = age::x25519::Identity::generate();
        let secret = identity.to_string();
        // Large enough never to move, which would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(1_024));
        text.push_str(
            "# Opens the keyring of this installation. Keep a copy elsewhere: without it\n",
        );
        text.push_str("# the stored tokens and the backups cannot be read.\n# public key: ");
        text.push_str(&identity.to_public().to_string());
        text.push('\n');
        text.push_str(secret.expose_secret());
        text.push('\n');
        file::create(path, text.as_bytes())?;
        Ok(Self(identity))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.0.to_public())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn is_made_once_private_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity");
        let made = format!("{:?}", Identity::load_or_create(&path).unwrap());
        assert!(made.starts_with("Identity(age1"), "{made}");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let read = Identity::load_or_create(&path).unwrap();
        assert_eq!(format!("{read:?}"), made);
        for (mode, refused) in [(0o640, true), (0o604, true), (0o400, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = Identity::load_or_create(&path);
            assert_eq!(matches!(read, Err(VaultError::Exposed { .. })), refused);
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_read_and_never_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity");
        assert!(matches!(Identity::load(&path), Err(VaultError::Io { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let made = format!("{:?}", Identity::load_or_create(&path).unwrap());
        for (mode, refused) in [(0o400, false), (0o440, false), (0o444, true)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = Identity::load(&path);
            assert_eq!(matches!(read, Err(VaultError::Exposed { .. })), refused, "{mode:o}");
            assert!(refused || format!("{:?}", read.unwrap()) == made);
        }
    }

    #[test]
    fn other_text_is_refused_and_a_bad_file_is_left_as_it_is() {
        let key = age::x25519::Identity::generate().to_string();
        let key = key.expose_secret();
        assert!(Identity::parse(&format!("# note\n\n  {key} \n")).is_ok());
        for text in ["", "# note", "AGE-SECRET-KEY-1", &format!("{key}\n{key}")] {
            assert!(matches!(Identity::parse(text), Err(VaultError::BadIdentity)));
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity");
        file::create(&path, b"broken").unwrap();
        assert!(matches!(Identity::load_or_create(&path), Err(VaultError::BadIdentity)));
        assert!(file::create(&path, b"other").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"broken");
    }
}
