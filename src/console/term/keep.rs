//! Files that a console saves: written where the thin client runs, by whoever runs it. Must not
//! write over anything, nor go where a server says.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::console::wire::Kept;

const BROKE_OFF: &str = "it broke off";
/// No file of a console is larger.
const LARGEST: u64 = 1 << 30;

/// The file that is being written, one at a time.
#[derive(Default)]
pub struct Keeper {
    open: Option<Result<Open, String>>,
}

struct Open {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Keeper {
    /// Begins a new file of this name in `folder`.
    pub fn begin(&mut self, folder: &Path, name: &str) {
        drop(self.end(BROKE_OFF));
        let path = folder.join(safe(name));
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let open = made.map(|file| Open { path: path.clone(), file, bytes: 0 });
        self.open = Some(open.map_err(|error| told(&path, &error)));
    }

    /// The next piece of it.
    pub fn piece(&mut self, bytes: &[u8]) {
        let Some(Ok(open)) = &mut self.open else { return };
        open.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let written = if open.bytes > LARGEST {
            Err(io::Error::from(io::ErrorKind::FileTooLarge))
        } else {
            open.file.write_all(bytes)
        };
        if let Err(error) = written {
            let why = told(&open.path, &error);
            drop(std::fs::remove_file(&open.path));
            self.open = Some(Err(why));
        }
    }

    /// Nothing more will come. What broke off, for this reason, goes. `None` when there is no file.
    pub fn end(&mut self, broken: &str) -> Option<Kept> {
        let open = match self.open.take()? {
            Ok(open) => open,
            Err(why) => return Some(Kept::Not(why)),
        };
        match open.file.sync_all() {
            Ok(()) if broken.is_empty() => Some(Kept::At(open.path.display().to_string())),
            done => {
                drop(std::fs::remove_file(&open.path));
                let why = done.err().map_or(broken.to_owned(), |error| told(&open.path, &error));
                Some(Kept::Not(why))
            }
        }
    }
}

impl Drop for Keeper {
    /// What broke off half way is nothing to keep.
    fn drop(&mut self) {
        drop(self.end(BROKE_OFF));
    }
}

fn told(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// A name that stays in its folder, and is seen there.
fn safe(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().take(80).map(plain).collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "carillon".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_new_whole_and_where_its_folder_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut keeper = Keeper::default();
        assert_eq!(keeper.end(""), None);
        keeper.begin(folder.path(), "../../etc/a b");
        keeper.piece(b"one ");
        keeper.piece(b"two");
        let place = at("etc-a-b");
        assert_eq!(keeper.end(""), Some(Kept::At(place.display().to_string())));
        assert_eq!(std::fs::read(&place).unwrap(), b"one two");
        assert_eq!(place.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        // It is never written over, and what broke off goes.
        keeper.begin(folder.path(), "etc-a-b");
        keeper.piece(b"three");
        assert!(matches!(keeper.end(""), Some(Kept::Not(why)) if why.contains("exists")));
        assert_eq!(std::fs::read(&place).unwrap(), b"one two");
        keeper.begin(folder.path(), "half");
        keeper.piece(b"x");
        assert!(at("half").exists());
        assert_eq!(keeper.end("no more"), Some(Kept::Not("no more".to_owned())));
        assert!(!at("half").exists());
        keeper.begin(folder.path(), "left");
        drop(keeper);
        assert!(!at("left").exists());
        assert_eq!(
            (safe(".."), safe("..x"), safe("\u{e9}")),
            ("carillon".into(), "x".into(), "carillon".into())
        );
    }
}
