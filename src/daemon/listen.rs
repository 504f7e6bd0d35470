//! Sockets: the TCP address, and the admin socket that only this machine's operators may use.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::Error;

pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let failed = |source| Error::Listen { what: address.to_string(), source };
    TcpListener::bind(address).await.map_err(failed)
}

/// Files beside connections: the database, media, logs, calls to networks.
const OTHER_FILES: usize = 512;

/// Each connection is an open file, and a shell gives its programs 1,024 of them: asks for as many
/// as may come, as far as this process may.
pub(super) fn allow_files(connections: usize) {
    let wanted = u64::try_from(connections.saturating_add(OTHER_FILES)).unwrap_or(u64::MAX);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let most = limit.maximum.unwrap_or(wanted);
    limit.current = Some(wanted.min(most));
    if most < wanted || setrlimit(Resource::Nofile, limit).is_err() {
        tracing::warn!(
            open_files = most,
            wanted,
            "too few open files are allowed (LimitNOFILE, ulimit -n) for http.connections"
        );
    }
}

/// The admin socket: 0660, in a folder that is made 0750 if it is not there. A socket that nobody
/// answers on is left from a crash, and replaced.
pub(super) async fn bind_admin(path: &Path) -> Result<UnixListener, Error> {
    let failed = |source| Error::Listen { what: path.display().to_string(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        && !folder.is_dir()
    {
        DirBuilder::new().recursive(true).mode(0o750).create(folder).map_err(failed)?;
    }
    if std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket()) {
        if UnixStream::connect(path).await.is_ok() {
            let source = io::Error::from(io::ErrorKind::AddrInUse);
            return Err(failed(source));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o660)).map_err(failed)?;
    Ok(listener)
}
