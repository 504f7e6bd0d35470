//! Verbs that bring a file or are answered with one.

use serde_json::{Map, Value};

use super::super::words::{self, number};
use super::super::{EventExport, EventFilter, ExportFormat, NewAsset, Services};
use super::run::{Answer, Caller, Words, shown};
use crate::base::{Code, CorrelationId, Problem, WorkspaceId, Wrong};
use crate::domain::access::{HandOut, Manage, Read, Write};
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

/// What a verb is answered with.
pub enum Download {
    Asset(Box<Asset>, Blob),
    Events(EventExport),
}

/// `media download` or `event export`.
pub async fn download(
    services: &Services,
    operator: Operator,
    (noun, verb): (&str, &str),
    workspace: Option<&str>,
    args: &Map<String, Value>,
    correlation: CorrelationId,
) -> Result<Download, Problem> {
    let (_, words) = Words::known((noun, verb), args)?;
    let call = Caller { services, operator, correlation, name: format!("{noun} {verb}") };
    match (noun, verb) {
        ("media", "download") => {
            let (id, thumbnail) = (words.id("id")?, words.flag("thumbnail")?);
            let access = call.enter::<Read>(call.workspace(workspace).await?).await?;
            let (asset, blob) = services.asset_blob(&access, id, thumbnail).await?;
            Ok(Download::Asset(Box::new(asset), blob))
        }
        ("event", "export") => {
            let format = ExportFormat::from_word(words.maybe("format")?)?;
            let after = number("after", words.maybe("after")?)?.unwrap_or(0);
            let access = call.enter::<HandOut>(call.workspace(workspace).await?).await?;
            Ok(Download::Events(services.export_events(&access, format, after).await?))
        }
        _ => Err(Problem::new(Code::NotFound).with("verb", call.name)),
    }
}

impl Caller<'_> {
    pub(super) async fn event(
        &self,
        workspace: WorkspaceId,
        verb: &str,
        words: &Words<'_>,
    ) -> Answer {
        let services = self.services;
        match verb {
            "list" => {
                let own =
                    |name: &str| words::short(name, words.maybe(name)?.map(str::to_owned), 100);
                let instant = |name: &str| {
                    words.maybe(name)?.map(|text| words::instant(name, text)).transpose()
                };
                let filter = EventFilter {
                    kind: own("kind")?,
                    actor: own("actor")?,
                    subject: own("subject")?,
                    correlation: words.maybe("correlation")?.map(words::correlation).transpose()?,
                    from: instant("from")?,
                    to: instant("to")?,
                    limit: words::page_limit(words.maybe("limit")?)?,
                    cursor: own("cursor")?,
                };
                let access = self.enter::<Manage>(workspace).await?;
                shown(services.find_events(&access, filter).await?)
            }
            "activity" => {
                let limit = words::page_limit(words.maybe("limit")?)?;
                let access = self.enter::<Read>(workspace).await?;
                shown(services.activity(&access, words.maybe("cursor")?, limit).await?)
            }
            "show" => {
                let wrong = || Problem::field("number", Wrong::Missing);
                let number = number("number", words.maybe("number")?)?.ok_or_else(wrong)?;
                let access = self.enter::<Manage>(workspace).await?;
                shown(services.event(&access, number).await?)
            }
            "head" => {
                let access = self.enter::<Manage>(workspace).await?;
                shown(services.event_head(&access).await?)
            }
            "check" => {
                let access = self.enter::<Manage>(workspace).await?;
                shown(services.check_events(&access).await?)
            }
            // It needs a file to be put in.
            _ => Err(Problem::field("to", Wrong::Missing)),
        }
    }
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
