//! The folder of the data: whether the server can use what is in it. Must not open a file to write
//! it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use serde_json::Value;

use super::super::Error;
use super::super::build::{all_there, finished, identity, identity_place};
use super::super::reload::marks;
use super::{Finding, fail, ok, warn};
use crate::config::Config;
use crate::domain::space::Room;
use crate::store::{Disk, Error as StoreError, Layout, Store};
use crate::vault::{Keyring, VaultError};

/// Files that are looked at; a folder of the data has a handful.
const FILES: usize = 1_000;

pub(super) fn folder(data: &Path) -> Finding {
    let check = "data folder";
    let shown = data.display();
    let metadata = match fs::metadata(data) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            return fail(check, format!("{shown} is no folder"), "name another one (server.data)");
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return warn(check, format!("{shown} is not there yet"), "the first start makes it");
        }
        Err(error) => return fail(check, format!("{shown}: {error}"), "let this user into it"),
    };
    let (mode, owner, me) =
        (metadata.mode() & 0o777, metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != me && me != 0 {
        let seen = format!("{shown} belongs to uid {owner}, and this is uid {me}");
        return fail(check, seen, "run this as the user of the server");
    }
    if mode & 0o027 != 0 {
        let seen = format!("others may look into {shown} (mode {mode:o})");
        return fail(check, seen, format!("chmod 700 {shown}"));
    }
    if mode & 0o700 != 0o700 {
        let seen = format!("its own user cannot use {shown} (mode {mode:o})");
        return fail(check, seen, format!("chmod 700 {shown}"));
    }
    ok(check, format!("{shown}, mode {mode:o}, owner {owner}"))
}

/// Whether whoever the folder belongs to can use what is in it. A file that root left there by a
/// command run with `sudo` stops the next start.
pub(super) fn files(config: &Config) -> Option<Finding> {
    let check = "data files";
    let data = &config.server.data;
    let owner = fs::metadata(data).ok()?.uid();
    let entries = fs::read_dir(data).ok()?.take(FILES).filter_map(Result::ok);
    let log = config.log.file.as_ref().and_then(|file| file.parent()).map(Path::to_owned);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).chain(log).collect();
    paths.sort();
    for path in &paths {
        let Ok(metadata) = fs::symlink_metadata(path) else { continue };
        if metadata.is_symlink() {
            continue;
        }
        if let Some((seen, remedy)) = unusable(path, &metadata, owner) {
            return Some(fail(check, seen, remedy));
        }
    }
    Some(ok(check, format!("{} of them belong to uid {owner}, who may write them", paths.len())))
}

fn unusable(path: &Path, metadata: &Metadata, owner: u32) -> Option<(String, String)> {
    let shown = path.display();
    let (mode, uid) = (metadata.mode() & 0o777, metadata.uid());
    let needed = if metadata.is_dir() { 0o700 } else { 0o600 };
    // The socket and keys need not be written; one who may read a key and not write it is careful.
    let least = if metadata.is_file() && !is_written(path) { 0o400 } else { needed };
    if uid != owner {
        let seen = format!("{shown} belongs to uid {uid}, and the folder to uid {owner}");
        return Some((seen, format!("chown -R {owner} {shown}")));
    }
    if mode & least != least {
        let seen = format!("its own user cannot use {shown} (mode {mode:o})");
        return Some((
            seen,
            format!("chmod u+rw{} {shown}", if needed == 0o700 { "x" } else { "" }),
        ));
    }
    // Root may do all that, unless the file system is read-only.
    if least & 0o200 != 0 && access(path, Access::WRITE_OK).is_err() {
        let seen = format!("{shown} cannot be written");
        return Some((seen, "look at how its file system is mounted".to_owned()));
    }
    None
}

fn is_written(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "redb" || extension == "slots")
}

pub(super) fn space(config: &Config) -> Option<Finding> {
    let check = "free space";
    let space = Disk::File(config.server.data.join("carillon.redb")).space()?;
    let seen = format!("{} MiB free", space.free / (1024 * 1024));
    Some(match marks(config).room(space) {
        Room::Out => fail(check, seen, "make room now: nothing is sent (store.space_out_mib)"),
        Room::Scarce => {
            let remedy = "make room now: no posts and media are taken in (store.space_scarce_mib)";
            fail(check, seen, remedy)
        }
        Room::Low => warn(check, seen, "make room soon"),
        Room::Ample => ok(check, seen),
    })
}

pub(super) fn identity_readable(config: &Config) -> Finding {
    let check = "identity";
    let (place, made_when_missing) = identity_place(config);
    let shown = place.display().to_string();
    if made_when_missing && !place.exists() {
        return if config.server.data.join("keyring.age").exists() {
            let remedy = "bring it back from your copy: without it no token can be read";
            fail(check, format!("{shown} is gone, and there is a keyring"), remedy)
        } else {
            warn(check, format!("{shown} is not there yet"), "the first start makes it")
        };
    }
    match identity(config) {
        Ok(_) => ok(check, format!("{shown} can be read; keep a copy elsewhere")),
        Err(error @ Error::Vault(VaultError::BadIdentity)) => {
            fail(check, error.to_string(), "bring it back from your copy")
        }
        Err(error) => fail(check, error.to_string(), "give this user, and nobody else, the file"),
    }
}

/// The keyring, opened; `None` when it or its identity is not there or does not open.
pub(super) fn opened(config: &Config) -> Option<Result<Keyring, String>> {
    let path = config.server.data.join("keyring.age");
    let (place, _) = identity_place(config);
    if !path.exists() || !place.exists() {
        return None;
    }
    let identity = identity(config).ok()?;
    let sealed = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()));
    let opened = |sealed: Vec<u8>| Keyring::unseal(&path, &sealed, &identity);
    Some(sealed.and_then(|sealed| opened(sealed).map_err(|error| error.to_string())))
}

pub(super) fn keyring(config: &Config) -> Option<Finding> {
    let check = "keyring";
    let data = &config.server.data;
    if let Err(error) = all_there(&[&data.join("keyring.age"), &data.join("carillon.redb")]) {
        return Some(fail(check, error.to_string(), "put your copy back, or restore a backup"));
    }
    Some(match opened(config)? {
        Ok(keyring) => ok(check, format!("opens; installation {}", keyring.installation())),
        Err(why) => fail(check, why, "bring back the identity that opens it, or both from a copy"),
    })
}

/// Whether a start would open it; a running server has it.
pub(in super::super) fn database(config: &Config, status: Option<&Value>) -> Finding {
    let check = "database";
    if let Some(status) = status {
        return match status.get("store").and_then(Value::as_str) {
            Some("ok") => ok(check, "open in the running server"),
            _ => fail(check, "the running server cannot write it", "look at the disk and the log"),
        };
    }
    let file = config.server.data.join("carillon.redb");
    if let Err(error) = all_there(&[&file, &file.with_extension("slots")]) {
        let remedy = "put your copy back, or restore a backup; for an empty one, remove the slots";
        return fail(check, error.to_string(), remedy);
    }
    if let Err(error) = finished(&file) {
        return fail(check, error.to_string(), "carillon backup restore FILE --identity FILE");
    }
    if !file.exists() {
        return warn(check, "it is not there yet", "the first start makes it");
    }
    match Store::look(&file) {
        Ok(look) => match Layout::CURRENT.check(look.schema) {
            Err(error) => fail(check, error.to_string(), "carillon upgrade check"),
            Ok(()) if look.closed => ok(check, "can be opened"),
            Ok(()) => ok(check, "was not closed; the next start repairs that"),
        },
        Err(StoreError::InUse) => {
            let remedy = "name the socket of the server that has it (--socket), or end the \
                          process: no second one can start";
            fail(check, "it is open in another process that does not answer here", remedy)
        }
        Err(StoreError::Io(cause)) if cause.contains("Permission denied") => {
            let remedy = "give the file to the user of the server, with the right to write it";
            fail(check, format!("{}: {cause}", file.display()), remedy)
        }
        Err(error) => fail(check, error.to_string(), "restore it from a backup"),
    }
}
