//! Where the hosts of networks are that are the same for everybody. Only tests, proxies and regions
//! set them. `networks` has each host under the same name.

use url::Url;

use super::rule::any;
use super::section::section;

section! {
    /// `[networks.x]`
    X in "networks.x" {
        /// Where X is called, instead of <https://api.x.com>.
        api_url: Option<Url> = None, any(), Restart;
        /// Where people see X, instead of <https://x.com>.
        web_url: Option<Url> = None, any(), Restart;
    }
}

section! {
    /// `[networks.linkedin]`
    LinkedIn in "networks.linkedin" {
        /// Where LinkedIn is called, instead of <https://api.linkedin.com>.
        api_url: Option<Url> = None, any(), Restart;
        /// Where people see LinkedIn and permit applications, instead of <https://www.linkedin.com>.
        web_url: Option<Url> = None, any(), Restart;
    }
}
