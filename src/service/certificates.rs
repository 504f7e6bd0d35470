//! Certificates of erasure: what of a workspace was erased, and when. Counted in the transactions that erase, so
//! that a crash forgets nothing and counts nothing twice. Must not name anybody: the workspace by its id,
//! and numbers.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::shown::Page;
use super::{Services, not_found, trouble};
use crate::base::{Problem, Timestamp, WorkspaceId, limits};
use crate::domain::workspace::Erasure;
use crate::store::rows::chain_head;
use crate::store::{Error, Operator, Scope, Span, Table, Tx, View};
use crate::vault::Vault;

const PURPOSE: &str = "erasure certificate 1";

/// What is certified, in the order in which it is hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    pub deleted_at: String,
    pub erased_at: String,
    /// The last event before the one that names this certificate.
    pub events: EventsShown,
    /// Rows that went, by table.
    pub rows: BTreeMap<String, u64>,
    pub workspace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventsShown {
    pub hash: String,
    pub sequence: u64,
}

/// A certificate as an operator keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateShown {
    pub certificate: Certificate,
    /// Of the certificate as JSON without spaces; the last event of the workspace has it, too.
    pub sha256: String,
    /// Of that, by this installation (HMAC-SHA-256 under its keyring).
    pub signature: String,
    /// The signature fits: nothing of it was changed since.
    pub sound: bool,
    /// Files that are still there: the next round of tidying takes them, or a backup that is kept names them.
    pub media_left: usize,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErasureShown {
    pub workspace: String,
    pub deleted_at: String,
    /// None while it is being erased.
    pub erased_at: Option<String>,
    pub media_left: usize,
}

/// It begins; one that was broken off goes on.
pub(super) fn open(tx: &mut Tx<'_>, workspace: WorkspaceId, at: Timestamp) -> Result<(), Error> {
    if tx.view().get_global::<Erasure>(&workspace)?.is_some() {
        return Ok(());
    }
    tx.put_global(&workspace, &Erasure { deleted_at: at, ..Erasure::default() })
}

/// Counts rows that go in this transaction.
pub(super) fn count(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    gone: &[(Table, usize)],
) -> Result<(), Error> {
    let mut erasure = tx.view().get_global::<Erasure>(&workspace)?.unwrap_or_default();
    for (table, rows) in gone.iter().filter(|(_, rows)| *rows > 0) {
        let count = erasure.rows.entry(table.row().name.to_owned()).or_default();
        *count = count.saturating_add(u64::try_from(*rows).unwrap_or(u64::MAX));
    }
    tx.put_global(&workspace, &erasure)
}

/// It is done: signs what is certified; its hash.
pub(super) fn seal(
    tx: &mut Tx<'_>,
    scope: &Scope,
    vault: &Vault,
    at: Timestamp,
) -> Result<String, Error> {
    let workspace = scope.workspace();
    let head = chain_head(&tx.view(), scope)?;
    let mut erasure = tx.view().get_global::<Erasure>(&workspace)?.unwrap_or_default();
    erasure.erased_at = Some(at);
    erasure.events = Some((head.sequence, head.hash));
    let hash = certificate(workspace, &erasure).map(|it| hash(&it)).unwrap_or_default();
    erasure.signature = vault.sign(PURPOSE, hash.as_bytes()).to_vec();
    tx.put_global(&workspace, &erasure)?;
    Ok(hash)
}

fn certificate(workspace: WorkspaceId, of: &Erasure) -> Option<Certificate> {
    let (erased_at, (sequence, hash)) = (of.erased_at?, of.events?);
    Some(Certificate {
        deleted_at: of.deleted_at.to_string(),
        erased_at: erased_at.to_string(),
        events: EventsShown { hash: HEXLOWER.encode(&hash), sequence },
        rows: of.rows.clone(),
        workspace: workspace.to_string(),
    })
}

fn hash(certificate: &Certificate) -> String {
    // Texts and numbers can always be written.
    let json = serde_json::to_vec(certificate).unwrap_or_default();
    HEXLOWER.encode(&Sha256::digest(json))
}

/// Files of a workspace that was erased and that are still there.
fn media_left(view: &View<'_>, workspace: WorkspaceId) -> Result<usize, Error> {
    let all = view.orphans(Timestamp::MAX, limits::SCAN_MAX)?;
    Ok(all.iter().filter(|orphan| orphan.scope.workspace() == workspace).count())
}

impl Services {
    /// The certificate of a workspace that was erased, for whoever answers for the installation.
    pub async fn erasure(
        &self,
        _: Operator,
        workspace: WorkspaceId,
    ) -> Result<CertificateShown, Problem> {
        let found = self.store.read(move |view| {
            let Some(row) = view.get_global::<Erasure>(&workspace)? else { return Ok(None) };
            Ok(certificate(workspace, &row).map(|it| (it, row, media_left(view, workspace))))
        });
        let (certificate, row, left) = found.await.map_err(trouble)?.ok_or_else(not_found)?;
        let sha256 = hash(&certificate);
        Ok(CertificateShown {
            signature: HEXLOWER.encode(&row.signature),
            sound: self.vault.signed(PURPOSE, sha256.as_bytes(), &row.signature),
            media_left: left.map_err(trouble)?,
            certificate,
            sha256,
        })
    }

    /// Workspaces that were erased, or are being; those first whose ids are youngest.
    pub async fn erasures(&self, _: Operator, limit: usize) -> Result<Page<ErasureShown>, Problem> {
        let read = self.store.read(move |view| {
            let mut items = Vec::new();
            for (id, row) in view.scan_global_span::<Erasure>(&Span::last(limit))? {
                items.push(ErasureShown {
                    workspace: id.to_string(),
                    deleted_at: row.deleted_at.to_string(),
                    erased_at: row.erased_at.map(|at| at.to_string()),
                    media_left: media_left(view, id)?,
                });
            }
            Ok(items)
        });
        Ok(Page { items: read.await.map_err(trouble)?, next: None })
    }
}
