//! Where the server is reached and where it keeps its data.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use url::Url;

use super::rule::any;
use super::section::section;

section! {
    /// `[server]`
    Server in "server" {
        /// Address and port of the HTTP server; port 0 takes a free one.
        listen: SocketAddr = (Ipv4Addr::LOCALHOST, 8080).into(), any(), Restart;
        /// How people and networks reach it; without it, the address that was bound.
        public_url: Option<Url> = None, any(), Restart;
        /// The folder of the database and of everything beside it.
        data: PathBuf = "/var/lib/carillon".into(), any(), Restart;
        /// The admin socket; without it, `admin.sock` in the folder of the data.
        socket: Option<PathBuf> = None, any(), Restart;
        /// The file of the identity that opens the secrets. Without it, the systemd credential
        /// `identity` if there is one, else `identity.txt` in the folder of the data, which is
        /// made at the first start.
        identity: Option<PathBuf> = None, any(), Restart;
    }
}

impl Server {
    /// `public_url`, or the address that was bound; without a slash at the end.
    pub fn url(&self, bound: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{bound}"),
        }
    }

    /// `socket`, or `admin.sock` in the folder of the data.
    pub fn admin_socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| self.data.join("admin.sock"))
    }
}
