//! Media: what a file is, how it is kept, and how it is read again. Objects are named by the
//! SHA-256 of their bytes, within a workspace. Must not know posts, networks or rules.

mod arriving;
mod back;
mod blob;
mod bucket;
mod probe;
mod refusal;
mod shelf;
mod stage;
mod thumbnail;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::base::{AssetId, WorkspaceId};
use crate::domain::media::Digest;

use arriving::Arriving;
pub use arriving::Stretch;
pub use back::Incoming;
pub use blob::Blob;
pub use bucket::{Bucket, BucketKey, KEY_FILE_BYTES};
pub use probe::Bounds;
pub use refusal::Refusal;
pub use shelf::{Shelf, Shelved};
pub use stage::{Claim, Examined, Miniature, Staged, Staging, TooLong};

/// The bounds of what is kept.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Of one file.
    pub max_bytes: u64,
    /// Of all files of a workspace together, thumbnails not counted.
    pub workspace_bytes: u64,
    pub bounds: Bounds,
    /// How long an object stays after nothing needs it any more.
    pub grace: Duration,
    /// Fetching a file from an address: until the server says something, and all in all.
    pub fetch_idle: Duration,
    pub fetch_total: Duration,
    /// How long a file may take that comes in stretches.
    pub upload_life: Duration,
}

impl Default for Settings {
    /// reliability-security.md B10.
    fn default() -> Self {
        Self {
            max_bytes: 512 * 1024 * 1024,
            workspace_bytes: 10 * 1024 * 1024 * 1024,
            bounds: Bounds { pixels: 50_000_000, animation_pixels: 500_000_000 },
            grace: Duration::from_hours(24),
            fetch_idle: Duration::from_secs(15),
            fetch_total: Duration::from_mins(10),
            upload_life: Duration::from_hours(24),
        }
    }
}

/// Why bytes could not be kept or read: the disk, or the object store behind it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the media folder: {0}")]
    Io(#[from] io::Error),
    #[error("the object store: {}", bucket::told(.0))]
    Objects(object_store::Error),
    #[error("a worker was stopped")]
    Stopped,
    #[error("an object has {actual} bytes and should have {expected}")]
    Changed { expected: u64, actual: u64 },
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        Self::Objects(error)
    }
}

/// Why a file is not kept.
#[derive(Debug)]
pub enum NotKept {
    Refused(Refusal),
    Failed(Error),
}

impl<E: Into<Error>> From<E> for NotKept {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// All objects; a cheap handle.
#[derive(Clone)]
pub struct Blobs {
    inner: Arc<Inner>,
}

struct Inner {
    objects: Arc<dyn ObjectStore>,
    /// Where files are while they come in: without names, so a crash leaves none behind.
    staging: Option<PathBuf>,
    /// Those that come in stretches have names, and outlive a crash.
    arriving: Arriving,
    settings: Settings,
    /// Held to read from before an object is put until its use is written down, and to write
    /// while objects without a use are removed.
    gate: RwLock<()>,
    /// One picture is decoded at a time.
    decoder: Arc<Mutex<()>>,
}

/// One part of an upload to the object store; S3 takes none smaller than 5 MiB but the last.
const PART_BYTES: u64 = 8 * 1024 * 1024;

impl Blobs {
    /// Objects as files below `folder`, synced before they count.
    pub fn on_disk(folder: &Path, settings: Settings) -> Result<Self, Error> {
        let objects = folder.join("objects");
        make(&objects)?;
        let objects = LocalFileSystem::new_with_prefix(&objects)?.with_fsync(true);
        Self::through(Arc::new(objects), folder, settings)
    }

    /// Objects in a bucket; files on their way in are below `folder`.
    pub fn in_bucket(bucket: &Bucket, folder: &Path, settings: Settings) -> Result<Self, Error> {
        Self::through(bucket::open(bucket)?, folder, settings)
    }

    /// Files on their way in are below `folder`.
    fn through(
        objects: Arc<dyn ObjectStore>,
        folder: &Path,
        settings: Settings,
    ) -> Result<Self, Error> {
        let (staging, arriving) = (folder.join("staging"), folder.join("arriving"));
        make(&staging)?;
        make(&arriving)?;
        Ok(Self::of(objects, Some(staging), Arriving::below(arriving), settings))
    }

    /// Objects that are gone with the last handle, for runs in memory.
    pub fn in_memory(settings: Settings) -> Self {
        Self::of(Arc::new(InMemory::new()), None, Arriving::default(), settings)
    }

    fn of(
        objects: Arc<dyn ObjectStore>,
        staging: Option<PathBuf>,
        arriving: Arriving,
        settings: Settings,
    ) -> Self {
        let (gate, decoder) = (RwLock::new(()), Arc::default());
        let inner = Inner { objects, staging, arriving, settings, gate, decoder };
        Self { inner: Arc::new(inner) }
    }

    /// Whether objects could be read now.
    pub async fn check(&self) -> Result<(), Error> {
        bucket::answers(self.inner.objects.as_ref()).await
    }

    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// A file to be filled from outside.
    pub async fn stage(&self) -> Result<Staging, Error> {
        Staging::new(self.inner.staging.clone(), self.inner.settings.max_bytes).await
    }

    /// How many bytes are there of a file that comes in stretches.
    pub async fn arrived(&self, id: AssetId) -> Result<u64, Error> {
        self.inner.arriving.arrived(id).await
    }

    /// Opens such a file; `None` while somebody else writes it.
    pub async fn stretch(&self, id: AssetId) -> Result<Option<Stretch>, Error> {
        self.inner.arriving.open(id).await
    }

    /// Removes such a file.
    pub async fn dismiss(&self, id: AssetId) -> Result<(), Error> {
        self.inner.arriving.remove(id).await
    }

    /// All such files.
    pub async fn arriving(&self) -> Result<Vec<AssetId>, Error> {
        self.inner.arriving.all().await
    }

    /// Finds out what a staged file is, and writes it as it will be kept.
    pub async fn examine(&self, staged: Staged, claim: Claim) -> Result<Examined, NotKept> {
        let (staging, bounds) = (self.inner.staging.clone(), self.inner.settings.bounds);
        let decoder = Arc::clone(&self.inner.decoder);
        blocking(move || {
            let mut examined = stage::examine(staged, &claim, staging.as_deref(), &bounds)?;
            let _one = decoder.lock().unwrap_or_else(PoisonError::into_inner);
            examined.miniature = thumbnail::of(examined.file(), &examined.shape)?;
            Ok(examined)
        })
        .await?
    }

    /// Nothing is removed while this is held: take it before an object is put, and let go when
    /// its use is written down.
    pub async fn keep(&self) -> RwLockReadGuard<'_, ()> {
        self.inner.gate.read().await
    }

    /// No object is put while this is held: take it to look whether objects are needed, and let go
    /// when those that are not are removed.
    pub async fn sweep(&self) -> RwLockWriteGuard<'_, ()> {
        self.inner.gate.write().await
    }

    /// Puts the examined file, and its miniature, where they belong. Each is durable when this
    /// returns; one that is there already is not written again.
    pub async fn put(&self, workspace: WorkspaceId, examined: &Examined) -> Result<(), Error> {
        if let Some(small) = &examined.miniature {
            let path = path(workspace, &small.object);
            self.inner.objects.put(&path, small.jpeg.clone().into()).await?;
        }
        let (path, bytes) = (path(workspace, &examined.object), examined.shape.bytes);
        if self.inner.objects.head(&path).await.is_ok_and(|meta| meta.size == bytes) {
            return Ok(());
        }
        if bytes <= PART_BYTES {
            let whole = examined.read(0..bytes).await?;
            self.inner.objects.put(&path, whole.into()).await?;
            return Ok(());
        }
        let mut upload = self.inner.objects.put_multipart(&path).await?;
        let mut at = 0;
        while at < bytes {
            let end = bytes.min(at + PART_BYTES);
            let part = examined.read(at..end).await;
            let sent = match part {
                Ok(part) => upload.put_part(part.into()).await.map_err(Error::from),
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                drop(upload.abort().await);
                return Err(error);
            }
            at = end;
        }
        upload.complete().await?;
        Ok(())
    }

    /// A handle to an object, which need not be there.
    pub fn blob(&self, workspace: WorkspaceId, object: &Digest, bytes: u64) -> Blob {
        Blob::new(Arc::clone(&self.inner.objects), path(workspace, object), bytes)
    }

    /// A handle to an object, if it is there.
    pub async fn find(
        &self,
        workspace: WorkspaceId,
        object: &Digest,
    ) -> Result<Option<Blob>, Error> {
        match self.inner.objects.head(&path(workspace, object)).await {
            Ok(meta) => Ok(Some(self.blob(workspace, object, meta.size))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an object; one that is gone already is no error.
    pub async fn remove(&self, workspace: WorkspaceId, object: &Digest) -> Result<(), Error> {
        match self.inner.objects.delete(&path(workspace, object)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// `workspace/first two digits/hash`: no folder grows without end.
fn path(workspace: WorkspaceId, object: &Digest) -> object_store::path::Path {
    let name = HEXLOWER.encode(object);
    let fan = HEXLOWER.encode(object.get(..1).unwrap_or_default());
    object_store::path::Path::from(format!("{workspace}/{fan}/{name}"))
}

/// Runs what blocks off the tasks, or here when there are none (runs in one thread).
async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(f).await.map_err(|_| Error::Stopped),
        Err(_) => Ok(f()),
    }
}
