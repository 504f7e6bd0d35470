//! Whole files in a bucket, by name: what another room puts aside there. Must not know what is in them.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};

use super::{Bucket, Error, PART_BYTES, blocking, bucket};

/// A folder in a bucket; a cheap handle.
#[derive(Clone)]
pub struct Shelf {
    objects: Arc<dyn ObjectStore>,
    bucket: String,
}

/// A file on it.
#[derive(Clone, Debug)]
pub struct Shelved {
    pub name: String,
    pub bytes: u64,
}

const FOLDER: &str = "backups";
const SCHEME: &str = "s3://";
/// More than this are not looked at.
const MOST: usize = 10_000;

impl Shelf {
    pub fn new(bucket: &Bucket) -> Result<Self, Error> {
        Ok(Self { objects: bucket::open(bucket)?, bucket: bucket.name.clone() })
    }

    /// Where a file is, for people: [`Shelf::place`] reads it.
    pub fn address(&self, name: &str) -> String {
        format!("{SCHEME}{}/{FOLDER}/{name}", self.bucket)
    }

    /// The bucket and the name in an address.
    pub fn place(address: &str) -> Option<(&str, &str)> {
        let (bucket, path) = address.strip_prefix(SCHEME)?.split_once('/')?;
        let (folder, name) = path.split_once('/')?;
        (folder == FOLDER && !name.is_empty() && !name.contains('/')).then_some((bucket, name))
    }

    /// Puts a whole file there, or nothing; durable when this returns.
    pub async fn put(&self, name: &str, file: File) -> Result<(), Error> {
        let (file, bytes) = (Arc::new(file.try_clone()?), file.metadata()?.len());
        let mut upload = self.objects.put_multipart(&path(name)).await?;
        let mut at = 0;
        while at < bytes {
            let (file, length) = (Arc::clone(&file), PART_BYTES.min(bytes - at));
            let part = blocking(move || {
                let mut part = vec![0; usize::try_from(length).unwrap_or(0)];
                file.read_exact_at(&mut part, at).map(|()| part)
            });
            let sent = match part.await.and_then(|part| Ok(part?)) {
                Ok(part) => upload.put_part(part.into()).await.map_err(Error::from),
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                drop(upload.abort().await);
                return Err(error);
            }
            at += length;
        }
        upload.complete().await?;
        Ok(())
    }

    /// Writes a file from there into `to`.
    pub async fn fetch(&self, name: &str, to: &mut File) -> Result<(), Error> {
        let mut pieces = self.objects.get(&path(name)).await?.into_stream();
        while let Some(piece) = pieces.try_next().await? {
            to.write_all(&piece)?;
        }
        Ok(to.sync_all()?)
    }

    /// What is there.
    pub async fn list(&self) -> Result<Vec<Shelved>, Error> {
        let folder = Path::from(FOLDER);
        let mut found = Vec::new();
        // From where they begin, not by their prefix: its slash in the address is signed in one way
        // and checked in another by servers that are not Amazon's (moto 5.2 refuses boto3, too).
        let mut all = self.objects.list_with_offset(None, &folder);
        while let Some(one) = all.try_next().await? {
            let below = one.location.as_ref().strip_prefix(FOLDER);
            match below.and_then(|rest| rest.strip_prefix('/')) {
                Some(name) => found.push(Shelved { name: name.to_owned(), bytes: one.size }),
                // They come in order.
                None if !found.is_empty() => break,
                None => {}
            }
            if found.len() >= MOST {
                break;
            }
        }
        Ok(found)
    }

    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        match self.objects.delete(&path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn path(name: &str) -> Path {
    Path::from(format!("{FOLDER}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_bucket_and_a_file() {
        assert_eq!(Shelf::place("s3://b/backups/x.age"), Some(("b", "x.age")));
        for wrong in ["/b/backups/x", "s3://b/x", "s3://b/backups/", "s3://b/backups/a/b", "s3://b"]
        {
            assert_eq!(Shelf::place(wrong), None, "{wrong}");
        }
    }
}
