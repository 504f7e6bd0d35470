//! Feed: a public page, Atom and JSON Feed that Carillon serves itself. Publishing is the receipt;
//! nothing is called. Must not render anything; `http/public` does.

use std::time::Duration;

use async_trait::async_trait;

use super::{Asks, Call, CallError, Connected, Facts, Grant, Network, PartCall, Proof};
use crate::base::{Timestamp, limits};
use crate::domain::capability::Capabilities;
use crate::domain::channel::Account;
use crate::domain::media::MediaRules;
use crate::domain::publish::{Outcome, Reading, Receipt, Source};
use crate::domain::text::Counter;

pub(super) struct Feed;

#[async_trait]
impl Network for Feed {
    fn word(&self) -> &'static str {
        "feed"
    }

    fn title(&self) -> &'static str {
        "Feed"
    }

    fn asks(&self) -> Asks {
        Asks { instance: false, identifier: false, token: false, url: false }
    }

    fn is_served_here(&self) -> bool {
        true
    }

    fn capabilities(&self, _: &Facts) -> Capabilities {
        Capabilities {
            network: "feed",
            text_max: limits::TEXT_CHARS,
            text_bytes_max: None,
            counter: Counter::Chars,
            parts_max: limits::PARTS_PER_POST,
            media_max: limits::MEDIA_PER_PART,
            media: MediaRules::whatever_is_seen(),
            later: None,
            options: &[],
            counted: None,
            needs: None,
        }
    }

    /// The delivery's own row is the publication, so to publish again changes nothing.
    fn proof(&self, _: &Facts, _: usize) -> Proof {
        Proof { key_memory: Some(Duration::MAX), read_back: None }
    }

    async fn connect(&self, _: &Call<'_>, _: Grant<'_>) -> Result<Connected, CallError> {
        let account = Account { remote_id: String::new(), handle: String::new(), url: None };
        Ok(Connected::Account { account, facts: Facts::new(), credential: None })
    }

    async fn identify(&self, call: &Call<'_>) -> Result<Account, CallError> {
        call.account.cloned().ok_or(CallError::Missing("account"))
    }

    async fn commit(&self, call: &Call<'_>, part: &PartCall<'_>) -> Outcome {
        let url = format!("{}/feed/{}/{}", call.public_url, part.channel, part.delivery);
        let url = if part.index == 0 { url } else { format!("{url}#part-{}", part.index + 1) };
        Outcome::Done(Receipt {
            remote_id: format!("{}/{}", part.delivery, part.index + 1),
            url: Some(url),
            at: call.now,
            source: Source::Answer,
        })
    }

    async fn read_back(&self, _: &Call<'_>, _: &PartCall<'_>, _: Timestamp) -> Reading {
        // Asked for only when the attempts under the key are used up: nothing is out.
        Reading::Absent
    }
}
