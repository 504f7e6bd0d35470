//! Sockets: the TCP address, and the admin socket that only this machine's operators may use.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::Error;

pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let failed = |source| Error::Listen { what: address.to_string(), source };
    TcpListener::bind(address).await.map_err(failed)
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
