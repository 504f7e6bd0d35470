//! Keeping a file that came. Its object is noted as an orphan before it is put, so that a crash at
//! any instant leaves nothing that is never removed; its row comes last.

use super::super::idempotency::{recall, remember};
use super::super::{Access, Done, Services, no, not_found, refused};
use super::{AssetShown, disk, not_kept, objects, shown, upload};
use crate::base::{AssetId, Check, Code, Problem, Timestamp, Wrong, limits};
use crate::domain::access::Write;
use crate::domain::media::{Asset, Digest, MediaKind, Thumbnail};
use crate::media::{Claim, Examined, Staged};
use crate::store::rows::{AssetHome, MediaTotal, ObjectUse, OrphanKey};
use crate::store::{Scope, Tx, WriteError};

/// A file as a person brings it.
pub struct NewAsset {
    pub staged: Staged,
    /// As the sender calls it; a path before it is dropped.
    pub name: String,
    /// The type that it was sent as.
    pub mime: Option<String>,
    pub alt: String,
}

/// How a file came.
pub(super) enum Via {
    /// In a request, whose sender knows what it is.
    Form,
    /// From an address; what that says of the file counts for nothing.
    Address,
    /// In the stretches of an upload, whose id the asset takes.
    Stretches(AssetId),
}

impl Via {
    /// What of the request is to blame for a bad file.
    fn field(&self) -> &'static str {
        match self {
            Self::Form | Self::Stretches(_) => "file",
            Self::Address => "url",
        }
    }
}

impl Services {
    /// Keeps a file. A repeated request gives the asset that the first made.
    pub async fn add_asset(
        &self,
        access: Access<Write>,
        new: NewAsset,
    ) -> Result<Done<AssetShown>, Problem> {
        check_alt("alt", &new.alt)?;
        let access = access.about(&[&new.staged.sha256, new.alt.as_bytes(), new.name.as_bytes()]);
        if let Some(done) = self.added_before(&access).await? {
            return Ok(done);
        }
        self.keep_asset(access, new, &Via::Form).await
    }

    /// Examines a file, and keeps it when it is right.
    pub(super) async fn keep_asset(
        &self,
        access: Access<Write>,
        new: NewAsset,
        via: &Via,
    ) -> Result<Done<AssetShown>, Problem> {
        let mut name = bare_name(&new.name);
        let claim = match via {
            Via::Address => Claim::default(),
            Via::Form | Via::Stretches(_) => Claim { name: name.clone(), mime: new.mime },
        };
        let examined = self.blobs.examine(new.staged, claim).await;
        let examined = examined.map_err(|error| not_kept(via.field(), error))?;
        if matches!(via, Via::Address) {
            name = named_as(&name, examined.shape.kind);
        }
        let mut asset = self.asset_of(&access, &examined, name, new.alt);
        if let Via::Stretches(id) = via {
            asset.id = *id;
        }
        let kept = self.blobs.keep().await;
        self.note_orphans(&access, &asset).await?;
        self.blobs.put(access.workspace(), &examined).await.map_err(disk)?;
        let done = self.insert_asset(access, asset, matches!(via, Via::Stretches(_))).await;
        drop(kept);
        done
    }

    fn asset_of(
        &self,
        access: &Access<Write>,
        examined: &Examined,
        name: String,
        alt: String,
    ) -> Asset {
        let now = self.now();
        let thumbnail = examined.miniature.as_ref().map(|small| Thumbnail {
            object: small.object,
            bytes: u64::try_from(small.jpeg.len()).unwrap_or(u64::MAX),
            width: small.width,
            height: small.height,
        });
        Asset {
            id: AssetId::new(now, self.rng.as_ref()),
            revision: 1,
            created_at: now,
            author: access.actor.clone(),
            name,
            alt,
            shape: examined.shape.clone(),
            object: examined.object,
            thumbnail,
        }
    }

    pub(super) async fn added_before(
        &self,
        access: &Access<Write>,
    ) -> Result<Option<Done<AssetShown>>, Problem> {
        if access.repeat.is_none() {
            return Ok(None);
        }
        let (access, now) = (access.again(), self.now());
        let found = self.store.write(move |tx| match recall(tx, &access, now)? {
            Some(id) => replayed(tx, &access.scope, &id).map(Some),
            None => Ok(None),
        });
        found.await.map_err(refused)
    }

    async fn note_orphans(&self, access: &Access<Write>, asset: &Asset) -> Result<(), Problem> {
        let (scope, due) = (access.scope, self.now().plus(self.blobs.settings().grace));
        let most = self.blobs.settings().workspace_bytes;
        let (found, bytes): (Vec<Digest>, u64) = (objects(asset).collect(), asset.shape.bytes);
        let noted = self.store.write(move |tx| {
            room(tx, &scope, bytes, most)?;
            for object in &found {
                tx.put_orphan(&OrphanKey { due, scope, object: *object })?;
            }
            Ok(())
        });
        noted.await.map_err(refused)
    }

    async fn insert_asset(
        &self,
        access: Access<Write>,
        asset: Asset,
        of_upload: bool,
    ) -> Result<Done<AssetShown>, Problem> {
        let (services, now) = (self.clone(), asset.created_at);
        let most = self.blobs.settings().workspace_bytes;
        let made = self.store.write(move |tx| {
            if let Some(id) = recall(tx, &access, now)? {
                return replayed(tx, &access.scope, &id);
            }
            if of_upload {
                upload::finish(tx, &access.scope, asset.id, now)?;
            }
            let total = room(tx, &access.scope, asset.shape.bytes, most)?;
            tx.put(&access.scope, &(), &total)?;
            tx.put(&access.scope, &asset.id, &asset)?;
            tx.put_global(&asset.id, &AssetHome { workspace: access.workspace() })?;
            for object in objects(&asset) {
                tx.put(&access.scope, &(object, asset.id), &ObjectUse { until: None })?;
            }
            remember(tx, &access, now, &asset.id.to_string())?;
            let mut event = access.event(&services, "asset.created", &asset.id.to_string());
            let (kind, bytes) = (asset.shape.kind.mime(), asset.shape.bytes.to_string());
            event.data.insert("type".to_owned(), kind.to_owned());
            event.data.insert("bytes".to_owned(), bytes);
            tx.append_event(&access.scope, event)?;
            Ok(Done { value: shown::asset(&asset), replayed: false })
        });
        made.await.map_err(refused)
    }
}

/// What the workspace's media comes to with `bytes` more; refused when that is too much.
pub(super) fn room(
    tx: &Tx<'_>,
    scope: &Scope,
    bytes: u64,
    most: u64,
) -> Result<MediaTotal, WriteError<Problem>> {
    let total = tx.get::<MediaTotal>(scope, &())?.unwrap_or_default();
    let after = total.bytes.saturating_add(bytes);
    if after > most {
        let full = Problem::new(Code::MediaFull);
        return no(full.with("limit_bytes", most).with("used_bytes", total.bytes));
    }
    Ok(MediaTotal { assets: total.assets.saturating_add(1), bytes: after })
}

fn replayed(tx: &Tx<'_>, scope: &Scope, id: &str) -> Result<Done<AssetShown>, WriteError<Problem>> {
    let id = id.parse().map_err(|_| WriteError::Refused(not_found()))?;
    match tx.get::<Asset>(scope, &id)? {
        Some(asset) => Ok(Done { value: shown::asset(&asset), replayed: true }),
        None => no(not_found()),
    }
}

pub(super) fn check_alt(field: &str, alt: &str) -> Result<(), Problem> {
    let mut check = Check::default();
    let (max, actual) = (limits::ALT_CHARS, alt.chars().count());
    check.that(actual <= max, field, Wrong::TooLong { max, actual, unit: "characters" });
    let plain = alt.chars().all(|c| !c.is_control() || c == '\n');
    let expected = "text without control characters".to_owned();
    check.that(plain, field, Wrong::BadFormat { expected });
    check.finish()
}

/// The last part of a path, without what cannot be shown.
fn bare_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = last.chars().filter(|c| !c.is_control()).collect();
    let over = shown.chars().count().saturating_sub(limits::FILE_NAME_CHARS);
    // Its end says what it is.
    let name: String = shown.trim().chars().skip(over).collect();
    // What is nothing but dots is a folder to whoever keeps it under its name.
    if name.chars().all(|c| c == '.') { "file".to_owned() } else { name }
}

/// The name with an ending that fits: addresses end in anything.
fn named_as(name: &str, kind: MediaKind) -> String {
    let fits = |ending: &str| kind.endings().contains(&ending.to_ascii_lowercase().as_str());
    if name.rsplit_once('.').is_some_and(|(_, ending)| fits(ending)) {
        return name.to_owned();
    }
    format!("{name}.{}", kind.endings().first().copied().unwrap_or_default())
}

/// When an object that loses its last use is looked at.
pub(super) fn pin(
    tx: &mut Tx<'_>,
    scope: Scope,
    object: Digest,
    until: Timestamp,
) -> Result<(), WriteError<Problem>> {
    let nobody = AssetId::from_bytes([0; 16]);
    tx.put(&scope, &(object, nobody), &ObjectUse { until: Some(until) })?;
    Ok(tx.put_orphan(&OrphanKey { due: until, scope, object })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bare() {
        for (given, bare) in [
            ("a.png", "a.png"),
            ("C:\\fakepath\\a.png", "a.png"),
            ("../../etc/passwd", "passwd"),
            ("a\u{0}\n.png", "a.png"),
            ("", "file"),
            ("dir/", "file"),
            ("..", "file"),
            (".hidden", ".hidden"),
        ] {
            assert_eq!(bare_name(given), bare, "{given:?}");
        }
        for (name, named) in [("a.JPG", "a.JPG"), ("a.php", "a.php.jpg"), ("file", "file.jpg")] {
            assert_eq!(named_as(name, MediaKind::Jpeg), named);
        }
        let long = format!("{}.png", "x".repeat(300));
        assert!(bare_name(&long).ends_with("x.png"));
        assert_eq!(bare_name(&long).chars().count(), limits::FILE_NAME_CHARS);
    }
}
