//! Keeping a file that is at an address. The server that has it is a stranger: it is guarded,
//! bounded in bytes and time, and what it says of the file counts for nothing.

use super::super::{Access, Done, Services};
use super::AssetShown;
use super::add::{NewAsset, Via, check_alt};
use crate::base::{Code, Problem, Wrong};
use crate::domain::access::Write;
use crate::media::Staged;
use crate::outbound::download::{Download, Fault, Patience};

/// A file as a person names it.
pub struct NewImport {
    pub url: String,
    pub alt: String,
}

impl Services {
    /// Fetches a file and keeps it. A repeated request gives the asset that the first made, and
    /// fetches nothing.
    pub async fn import_asset(
        &self,
        access: Access<Write>,
        new: NewImport,
    ) -> Result<Done<AssetShown>, Problem> {
        check_alt("alt", &new.alt)?;
        let expected = "the address of a file, such as https://example.org/picture.jpg";
        let url = self.address("url", new.url.trim(), expected)?;
        if let Some(done) = self.added_before(&access).await? {
            return Ok(done);
        }
        let settings = self.blobs.settings();
        let patience = Patience { idle: settings.fetch_idle, total: settings.fetch_total };
        let last = url.path_segments().and_then(|mut segments| segments.next_back());
        let name = last.map(decoded).unwrap_or_default();
        let download = Download::begin(
            self.transport.as_ref(),
            &self.clock,
            url,
            patience,
            access.correlation(),
        );
        let staged = self.fetched(download.await.map_err(not_fetched)?).await?;
        let new = NewAsset { staged, name, mime: None, alt: new.alt };
        self.keep_asset(access, new, &Via::Address).await
    }

    async fn fetched(&self, mut download: Download) -> Result<Staged, Problem> {
        let max = self.blobs.settings().max_bytes;
        if download.announced().is_some_and(|bytes| bytes > max) {
            return Err(Problem::new(Code::TooLarge).with("limit_bytes", max));
        }
        let mut staging = self.stage().await?;
        while let Some(piece) = download.next().await.map_err(not_fetched)? {
            self.fill(&mut staging, &piece).await?;
        }
        self.staged(staging).await
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What the caller can do about it.
fn not_fetched(fault: Fault) -> Problem {
    let (word, why) = match fault {
        Fault::Refused { host } => {
            let why = "which may not be called from here; name a public https address";
            ("address_refused", format!("leads to {host}, {why}"))
        }
        Fault::TooManyRedirects => {
            ("too_many_redirects", "leads on too often; name the last address".to_owned())
        }
        Fault::BadRedirect => {
            let why = "leads to what is no https address; name the file's own";
            ("bad_redirect", why.to_owned())
        }
        Fault::Unreachable { why } => {
            ("not_fetched", format!("could not be fetched: {why}; check it, or upload the file"))
        }
        Fault::Status(status) => {
            let why = "name a file that anybody may read, or upload it";
            ("not_fetched", format!("was answered with status {status}; {why}"))
        }
        Fault::Encoded => {
            let why = "was sent packed (Content-Encoding) although nobody asked; upload the file";
            ("encoded", why.to_owned())
        }
        Fault::TooSlow => {
            let why = "took too long; try again later, or upload the file";
            ("too_slow", why.to_owned())
        }
        Fault::Broken => {
            let why = "broke off before its end; try again, or upload the file";
            ("broke_off", why.to_owned())
        }
    };
    Problem::field("url", Wrong::BadFile { word, why })
}
