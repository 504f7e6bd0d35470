//! Verbs that bring a file or are answered with one.

use serde_json::{Map, Value};

use super::super::{NewAsset, Services};
use super::run::{Answer, Caller, Words, shown};
use crate::base::{CorrelationId, Problem, Wrong};
use crate::domain::access::{Read, Write};
use crate::domain::media::Asset;
use crate::media::{Blob, Staged};
use crate::store::Operator;

/// `media upload`: `file` among the words is the name of the file.
pub async fn upload(
    services: &Services,
    operator: Operator,
    workspace: Option<&str>,
    args: &Map<String, Value>,
    staged: Staged,
    correlation: CorrelationId,
) -> Answer {
    let (_, words) = Words::known(("media", "upload"), args)?;
    let call = Caller { services, operator, correlation, name: "media upload".to_owned() };
    let name = words.word("file")?.to_owned();
    let alt = words.maybe("alt")?.unwrap_or_default().to_owned();
    let access = call.enter::<Write>(call.workspace(workspace).await?).await?;
    let new = NewAsset { staged, name, mime: None, alt };
    shown(services.add_asset(access, new).await?.value)
}

/// `media download`.
pub async fn download(
    services: &Services,
    operator: Operator,
    workspace: Option<&str>,
    args: &Map<String, Value>,
    correlation: CorrelationId,
) -> Result<(Asset, Blob), Problem> {
    let (_, words) = Words::known(("media", "download"), args)?;
    let call = Caller { services, operator, correlation, name: "media download".to_owned() };
    let (id, thumbnail) = (words.id("id")?, words.flag("thumbnail")?);
    let access = call.enter::<Read>(call.workspace(workspace).await?).await?;
    services.asset_blob(&access, id, thumbnail).await
}

impl Caller<'_> {
    pub(super) async fn workspace(
        &self,
        word: Option<&str>,
    ) -> Result<crate::base::WorkspaceId, Problem> {
        let word = word.ok_or_else(|| Problem::field("workspace", Wrong::Missing))?;
        self.services.find_workspace(self.operator, word).await
    }
}
