//! Removing objects that nothing needs. An object goes only when its time has come, no asset, no
//! pin and no kept backup names it, and no upload is under way; so a crash can repeat a removal and never undo a use.

use super::super::{Services, refused, trouble};
use super::disk;
use crate::base::{Problem, Timestamp};
use crate::store::rows::{ObjectUse, OrphanKey};
use crate::store::{Span, Tx, WriteError};

/// Looked at in one go: uploads wait meanwhile.
const AT_ONCE: usize = 100;
/// Uses of one object that are looked through; more than that, and it is needed.
const USES: usize = 1_000;

impl Services {
    /// Looks at objects whose time has come; answers how many were removed, and whether there may
    /// be more to look at.
    pub async fn remove_orphans(&self) -> Result<(usize, bool), Problem> {
        let now = self.now();
        let swept = self.blobs.sweep().await;
        // A backup names by hash what was needed when it was made: whatever was done with later than
        // the oldest that is kept must be there when it is restored.
        let until = self.oldest_backup().await?.map_or(now, |oldest| oldest.min(now));
        let due = self.store.read(move |view| view.orphans(until, AT_ONCE)).await;
        let due = due.map_err(trouble)?;
        let more = due.len() == AT_ONCE;
        let mut removed = 0;
        for orphan in due {
            removed += usize::from(self.remove_orphan(orphan, now).await?);
        }
        drop(swept);
        Ok((removed, more))
    }

    async fn remove_orphan(&self, orphan: OrphanKey, now: Timestamp) -> Result<bool, Problem> {
        let needed = self.store.read(move |view| {
            let span = Span::first(USES).under(&orphan.object);
            let uses = view.scan::<ObjectUse>(&orphan.scope, &span)?;
            Ok(uses.len() == USES || uses.iter().any(|(_, row)| is_live(row, now)))
        });
        let needed = needed.await.map_err(trouble)?;
        if !needed {
            let workspace = orphan.scope.workspace();
            self.blobs.remove(workspace, &orphan.object).await.map_err(disk)?;
        }
        let forgotten = self.store.write(move |tx| forget(tx, &orphan, needed));
        forgotten.await.map_err(refused)?;
        Ok(!needed)
    }
}

fn is_live(row: &ObjectUse, now: Timestamp) -> bool {
    row.until.is_none_or(|until| until > now)
}

/// Forgets the note, and with the object whatever pins are over.
fn forget(tx: &mut Tx<'_>, orphan: &OrphanKey, needed: bool) -> Result<(), WriteError<Problem>> {
    tx.delete_orphan(orphan);
    if !needed {
        let span = Span::first(USES).under(&orphan.object);
        for (key, _) in tx.view().scan::<ObjectUse>(&orphan.scope, &span)? {
            tx.delete::<ObjectUse>(&orphan.scope, &key);
        }
    }
    Ok(())
}
