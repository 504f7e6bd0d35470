//! Whether people can sign in at an identity provider, and at which.

use std::path::PathBuf;

use super::rule::{any, client_id, domains, issuer, words};
use super::section::section;

section! {
    /// `[oidc]`
    Oidc in "oidc" {
        /// Who vouches for people who sign in (OIDC): the provider's issuer, exactly as its discovery
        /// document has it, such as `https://id.example.com/realms/acme`. Without one, people sign in by
        /// password only.
        issuer: Option<String> = None, issuer(), Restart;
        /// What this installation is called there; needed beside an issuer.
        client_id: Option<String> = None, client_id(), Restart;
        /// A file with the client's secret in its first line. Without it, the systemd credential `oidc` if there
        /// is one.
        client_secret_file: Option<PathBuf> = None, any(), Restart;
        /// What people know the provider by: the button says `Sign in with ...`.
        name: String = "single sign-on".to_owned(), words(), Restart;
        /// Domains of e-mail whose people get an account, and a workspace of their own, when they come for the
        /// first time. All others need an invitation or an account.
        accounts_for: Vec<String> = Vec::new(), domains(), Restart;
        /// Whether an e-mail counts as verified when the provider does not say whether it has verified it. Only for
        /// a provider where nobody chooses their own e-mail.
        trust_email: bool = false, any(), Restart;
        /// Whether people may sign in by a password, too. Administrators of the installation always may, so that
        /// a provider that does not answer shuts nobody out for good. Whoever has a password gives it once to connect
        /// an account, and for what asks for a fresh proof.
        passwords: bool = true, any(), Restart;
    }
}
