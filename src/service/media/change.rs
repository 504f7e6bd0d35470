//! Describing an asset, and removing one that no post needs.

use super::super::idempotency::{recall, remember};
use super::super::{Access, Done, Services, approvals, no, not_found, planning, refused};
use super::add::{check_alt, pin};
use super::{AssetShown, assets_of, objects, shown};
use crate::base::{AssetId, Code, Problem, limits};
use crate::domain::access::Write;
use crate::domain::delivery::Delivery;
use crate::domain::media::Asset;
use crate::domain::post::Post;
use crate::store::rows::{AssetHome, AssetUse, MediaTotal, ObjectUse};
use crate::store::{Scope, Span, Tx, WriteError};

/// What a person changes; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct AssetChange {
    pub alt: Option<String>,
    /// The revision that the person saw.
    pub revision: Option<u64>,
}

/// Refuses what a post that waits could not go out with any more.
fn must_fit(tx: &Tx<'_>, scope: &Scope, asset: &Asset) -> Result<(), WriteError<Problem>> {
    let view = tx.view();
    // The newest: what waits is among them, unless more posts were written since than a page has.
    let uses = view.scan::<AssetUse>(scope, &Span::last(limits::PAGE_MAX).under(&asset.id))?;
    for ((_, id), _) in uses {
        let Some(post) = view.get::<Post>(scope, &id)?.filter(|post| !post.draft) else { continue };
        let mut waits = false;
        for delivery in post.targets.iter().filter_map(|target| target.delivery) {
            let delivery = view.get::<Delivery>(scope, &delivery)?;
            waits |= delivery.is_some_and(|delivery| !delivery.flow.is_over());
        }
        let channels = post.targets.iter().map(|target| target.channel);
        let channels = planning::channels_of(&view, scope, channels)?;
        let mut assets = assets_of(&view, scope, &post)?;
        if !waits || planning::check(&post, &channels, &assets).is_err() {
            continue;
        }
        assets.insert(asset.id, asset.clone());
        if let Err(problem) = planning::check(&post, &channels, &assets)
            && let Some(first) = problem.fields.into_iter().next()
        {
            return no(Problem::field("alt", first.wrong).with("post", post.id));
        }
    }
    Ok(())
}

impl Services {
    /// Changes the words of an asset. What is out on other networks keeps the words that it went out
    /// with.
    pub async fn change_asset(
        &self,
        access: Access<Write>,
        id: AssetId,
        change: AssetChange,
    ) -> Result<Done<AssetShown>, Problem> {
        if let Some(alt) = &change.alt {
            check_alt("alt", alt)?;
        }
        let (services, now) = (self.clone(), self.now());
        let changed = self.store.write(move |tx| {
            let replayed = recall(tx, &access, now)?.is_some();
            let mut asset = must(tx, &access.scope, id)?;
            if replayed {
                return Ok(Done { value: shown::asset(&asset), replayed });
            }
            if change.revision.is_some_and(|seen| seen != asset.revision) {
                return no(Problem::new(Code::StaleRevision).with("etag", asset.revision));
            }
            if let Some(alt) = change.alt.as_ref().filter(|alt| **alt != asset.alt) {
                asset.alt.clone_from(alt);
                asset.revision += 1;
                must_fit(tx, &access.scope, &asset)?;
                tx.put(&access.scope, &id, &asset)?;
                let event = access.event(&services, "asset.changed", &id.to_string());
                tx.append_event(&access.scope, event)?;
                approvals::reworded(tx, &access, (id, now))?;
            }
            remember(tx, &access, now, &id.to_string())?;
            Ok(Done { value: shown::asset(&asset), replayed })
        });
        changed.await.map_err(refused)
    }

    /// Removes an asset that no post names. Its bytes follow when their grace is over.
    pub async fn delete_asset(
        &self,
        access: Access<Write>,
        id: AssetId,
    ) -> Result<Done<()>, Problem> {
        let (services, now) = (self.clone(), self.now());
        let until = now.plus(self.blobs.settings().grace);
        let deleted = self.store.write(move |tx| {
            if recall(tx, &access, now)?.is_some() {
                return Ok(Done { value: (), replayed: true });
            }
            let asset = must(tx, &access.scope, id)?;
            let uses = tx.view().scan::<AssetUse>(&access.scope, &Span::first(1).under(&id))?;
            if let Some(((_, post), _)) = uses.first() {
                let in_use = Problem::new(Code::AssetInUse);
                // Whoever does not see that post is not told which it is.
                let seen = tx.get::<Post>(&access.scope, post)?.is_some();
                return no(if seen { in_use.with("post", post) } else { in_use });
            }
            tx.delete::<Asset>(&access.scope, &id);
            tx.delete_global::<AssetHome>(&id);
            for object in objects(&asset) {
                tx.delete::<ObjectUse>(&access.scope, &(object, id));
                pin(tx, access.scope, object, until)?;
            }
            let total = tx.get::<MediaTotal>(&access.scope, &())?.unwrap_or_default();
            let total = MediaTotal {
                assets: total.assets.saturating_sub(1),
                bytes: total.bytes.saturating_sub(asset.shape.bytes),
            };
            tx.put(&access.scope, &(), &total)?;
            remember(tx, &access, now, &id.to_string())?;
            let event = access.event(&services, "asset.deleted", &id.to_string());
            tx.append_event(&access.scope, event)?;
            Ok(Done { value: (), replayed: false })
        });
        deleted.await.map_err(refused)
    }
}

fn must(tx: &Tx<'_>, scope: &Scope, id: AssetId) -> Result<Asset, WriteError<Problem>> {
    tx.get::<Asset>(scope, &id)?.ok_or_else(|| WriteError::Refused(not_found()))
}
