//! Files that are brought: pictures, films and documents of any kind. One that is kept is within the bounds,
//! holds nothing that would run in a browser, and examined again it is itself.

use std::sync::LazyLock;

use carillon::media::{Blobs, Bounds, Claim, NotKept, Settings};

use super::house::{some_workspace, wait};

const BOUNDS: Bounds = Bounds { pixels: 250_000, animation_pixels: 500_000 };

static BLOBS: LazyLock<Blobs> =
    LazyLock::new(|| Blobs::in_memory(Settings { bounds: BOUNDS, ..Settings::default() }));

pub fn check(data: &[u8]) {
    wait(async {
        let Some((digest, bytes)) = examined(data).await else { return };
        let kept = BLOBS.blob(some_workspace(), &digest, bytes).whole(bytes).await.unwrap();
        // A document is kept as it is, and no browser shows one in place.
        let document = kept.starts_with(b"%PDF-");
        assert!(document || !kept.to_ascii_lowercase().windows(7).any(|at| at == b"<script"));
        BLOBS.remove(some_workspace(), &digest).await.unwrap();
        // What is kept is as it would be if it came again.
        let again = examined(&kept).await;
        assert_eq!(again, Some((digest, bytes)));
        BLOBS.remove(some_workspace(), &digest).await.unwrap();
    });
}

/// Digest and length of the object; `None` for a file that is refused.
async fn examined(data: &[u8]) -> Option<([u8; 32], u64)> {
    let mut staging = BLOBS.stage().await.unwrap();
    staging.push(data).await.unwrap().unwrap();
    let staged = staging.finish().await.unwrap();
    let examined = match BLOBS.examine(staged, Claim::default()).await {
        Ok(examined) => examined,
        Err(NotKept::Refused(refusal)) => {
            assert!(!refusal.word().is_empty());
            return None;
        }
        Err(NotKept::Failed(error)) => panic!("{error}"),
    };
    let shape = &examined.shape;
    let seen = shape.width > 0 && shape.height > 0;
    assert!(seen != shape.kind.is_document() && shape.pixels() <= BOUNDS.pixels);
    BLOBS.put(some_workspace(), &examined).await.unwrap();
    if let Some(small) = &examined.miniature {
        assert!(small.width <= shape.width && small.height <= shape.height, "{shape:?}");
        BLOBS.remove(some_workspace(), &small.object).await.unwrap();
    }
    Some((examined.object, shape.bytes))
}
