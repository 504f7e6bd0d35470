//! What each plan comes to. `[plans.free]` with its keys below it is the same as `free = { ... }`.

use toml::de::{DeTable, DeValue};

use super::rule::{any, one_of};
use super::section::section;
use super::value::Value;

section! {
    /// `[plans]`
    Plans in "plans" {
        /// The plan of workspaces that were given none.
        default: String = "enterprise".to_owned(),
            one_of(&["free", "starter", "pro", "enterprise"]), Reload;
        /// The plan `free`, whole.
        free: Plan = Plan::new(Some(3), Some(50), [false; 3]), any(), Reload;
        /// The plan `starter`, whole.
        starter: Plan = Plan::new(Some(10), Some(500), [true, false, false]), any(), Reload;
        /// The plan `pro`, whole.
        pro: Plan = Plan::new(Some(50), Some(5_000), [true; 3]), any(), Reload;
        /// The plan `enterprise`, whole.
        enterprise: Plan = Plan::new(None, None, [true; 3]), any(), Reload;
    }
}

const UNLIMITED: &str = "unlimited";

/// One plan; no number means that there is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub channels: Option<u64>,
    pub posts: Option<u64>,
    pub evergreen: bool,
    pub rss_autopost: bool,
    pub ai: bool,
}

impl Plan {
    const fn new(
        channels: Option<u64>,
        posts: Option<u64>,
        [evergreen, rss_autopost, ai]: [bool; 3],
    ) -> Self {
        Self { channels, posts, evergreen, rss_autopost, ai }
    }
}

impl Value for Plan {
    const FORM: &'static str = "a table of `channels` and `posts` (a month), each a number or \
         \"unlimited\", and of `evergreen`, `rss_autopost` and `ai`, each true or false";

    fn from_text(text: &str) -> Option<Self> {
        let text = format!("it = {text}");
        let table = DeTable::parse(&text).ok()?;
        Self::from_toml(table.get_ref().get("it")?.get_ref())
    }

    fn show(&self) -> String {
        let most = |n: Option<u64>| n.map_or_else(|| format!("\"{UNLIMITED}\""), |n| n.to_string());
        format!(
            "{{ channels = {}, posts = {}, evergreen = {}, rss_autopost = {}, ai = {} }}",
            most(self.channels),
            most(self.posts),
            self.evergreen,
            self.rss_autopost,
            self.ai
        )
    }

    /// Whole or not at all: what is left out of a limit must not be guessed.
    fn from_toml(value: &DeValue<'_>) -> Option<Self> {
        let table = value.as_table().filter(|table| table.len() == 5)?;
        let most = |key: &str| {
            let value = table.get(key)?.get_ref();
            if value.as_str() == Some(UNLIMITED) {
                return Some(None);
            }
            let number = value.as_integer()?;
            u64::from_str_radix(number.as_str(), number.radix()).ok().map(Some)
        };
        let has = |key: &str| table.get(key)?.get_ref().as_bool();
        Some(Self {
            channels: most("channels")?,
            posts: most("posts")?,
            evergreen: has("evergreen")?,
            rss_autopost: has("rss_autopost")?,
            ai: has("ai")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn a_plan_is_a_table_or_a_line_and_always_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let load = |text: &str, env: &[(&str, &str)]| {
            std::fs::write(&file, text).unwrap();
            let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Config::load(Some(file.path()), env, &[]).map(|config| config.plans)
        };
        let table = "[plans]\ndefault = \"free\"\n[plans.free]\nchannels = 1\nposts = 0x10\n\
                     evergreen = false\nrss_autopost = false\nai = true\n";
        let expected = Plan::new(Some(1), Some(16), [false, false, true]);
        let plans = load(table, &[]).unwrap();
        assert_eq!((plans.default.as_str(), plans.free), ("free", expected));
        let line = "{ channels = \"unlimited\", posts = 7, evergreen = true, \
                    rss_autopost = true, ai = true }";
        let plans = load(table, &[("CARILLON_PLANS__FREE", line)]).unwrap();
        assert_eq!(plans.free, Plan::new(None, Some(7), [true; 3]));
        assert_eq!(Plan::from_text(&plans.free.show()), Some(plans.free));
        for wrong in [
            "[plans.free]\nchannels = 1\n",
            "[plans]\nfree = 3\n",
            "[plans]\ndefault = \"gold\"\n",
            "[plans.gold]\nchannels = 1\n",
            &table.replace("posts", "post"),
            &table.replace("0x10", "-1"),
            &table.replace("0x10", "\"many\""),
            &format!("{table}more = 1\n"),
        ] {
            assert!(load(wrong, &[]).is_err(), "{wrong}");
        }
    }
}
