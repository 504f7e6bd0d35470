//! Objects that come back from a backup. Must not check what they are: their reader compares the
//! bytes with the name.

use object_store::{MultipartUpload, ObjectStoreExt as _};

use super::{Blobs, Error, PART_BYTES, path};
use crate::base::WorkspaceId;
use crate::domain::media::Digest;

/// One on its way. Dropped, it leaves nothing that counts.
pub struct Incoming {
    upload: Box<dyn MultipartUpload>,
    buffer: Vec<u8>,
}

impl Blobs {
    /// Begins an object, or puts it anew.
    pub async fn incoming(
        &self,
        workspace: WorkspaceId,
        object: &Digest,
    ) -> Result<Incoming, Error> {
        let upload = self.inner.objects.put_multipart(&path(workspace, object)).await?;
        Ok(Incoming { upload, buffer: Vec::new() })
    }
}

impl Incoming {
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.buffer.extend_from_slice(bytes);
        if u64::try_from(self.buffer.len()).unwrap_or(u64::MAX) >= PART_BYTES {
            let part = std::mem::take(&mut self.buffer);
            self.upload.put_part(part.into()).await?;
        }
        Ok(())
    }

    /// Durable when this returns.
    pub async fn finish(mut self) -> Result<(), Error> {
        if !self.buffer.is_empty() {
            self.upload.put_part(self.buffer.into()).await?;
        }
        self.upload.complete().await?;
        Ok(())
    }
}
