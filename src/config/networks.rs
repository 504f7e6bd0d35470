//! Where the hosts of networks are that are the same for everybody. Only tests, proxies and regions
//! set them. `networks` has each host under the same name.

use url::Url;

use super::rule::{amount, any, year_and_month};
use super::section::section;

section! {
    /// `[networks.x]`
    X in "networks.x" {
        /// Where X is called, instead of <https://api.x.com>.
        api_url: Option<Url> = None, any(), Restart;
        /// Where people see X, instead of <https://x.com>.
        web_url: Option<Url> = None, any(), Restart;
        /// What X asks for a post, in US dollars; counted for each workspace.
        post_usd: String = "0.015".to_owned(), amount(), Reload;
        /// What X asks for a post that holds an address.
        post_with_link_usd: String = "0.20".to_owned(), amount(), Reload;
    }
}

section! {
    /// `[networks.linkedin]`
    LinkedIn in "networks.linkedin" {
        /// Where LinkedIn is called, instead of <https://api.linkedin.com>.
        api_url: Option<Url> = None, any(), Restart;
        /// Where people see LinkedIn and permit applications, instead of <https://www.linkedin.com>.
        web_url: Option<Url> = None, any(), Restart;
        /// The version of LinkedIn's interface that calls name; each is taken for about a year.
        version: String = "202607".to_owned(), year_and_month(), Restart;
    }
}
