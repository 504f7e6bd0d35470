//! Whether people are written to, and through which server.

use std::path::PathBuf;

use super::rule::{any, mail_address, mail_server};
use super::section::section;

section! {
    /// `[mail]`
    Mail in "mail" {
        /// The server that takes mail, such as `smtps://mail.example.com`, or smtp:// for one that changes to TLS
        /// after its greeting, which it must, except on this machine. Without one nobody is written to.
        server: Option<String> = None, mail_server(), Restart;
        /// The name that one signs in by there, if one must.
        user: Option<String> = None, any(), Restart;
        /// A file with the password of that name. Without it, the systemd credential `mail` if there is
        /// one.
        password_file: Option<PathBuf> = None, any(), Restart;
        /// The address that mail comes from; needed beside a server.
        from: Option<String> = None, mail_address(), Restart;
    }
}
