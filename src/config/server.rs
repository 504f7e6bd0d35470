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
        listen: SocketAddr = (Ipv4Addr::LOCALHOST, 8080).into(), any;
        /// How people and networks reach it, when a proxy stands in front. See [`Server::url`].
        public_url: Option<Url> = None, any;
        /// The folder of the database and of everything beside it.
        data: PathBuf = "/var/lib/carillon".into(), any;
        /// The admin socket. See [`Server::admin_socket`].
        socket: Option<PathBuf> = None, any;
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
