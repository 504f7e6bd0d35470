//! The one shape of an asset, for every face, and which networks would take it.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::shown::{Warning, warning};
use crate::base::FieldProblem;
use crate::domain::media::Asset;
use crate::networks::{self, Facts};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AssetShown {
    #[schema(format = "uuid")]
    pub id: String,
    /// Grows with every change; the `ETag`.
    pub revision: u64,
    pub created_at: String,
    pub author: String,
    /// The file's own name.
    pub name: String,
    /// What it shows, for those who do not see it.
    pub alt: String,
    /// Such as `image/jpeg`.
    #[serde(rename = "type")]
    pub kind: String,
    pub bytes: u64,
    /// Of the bytes as they are kept: without what told of its maker.
    pub sha256: String,
    /// As shown.
    pub width: u32,
    pub height: u32,
    /// Degrees clockwise that a viewer turns the stored picture by.
    pub rotation: u16,
    /// Pictures of an animation or a video; 1 for a still.
    pub frames: u32,
    pub duration_ms: Option<u64>,
    pub video_codec: Option<String>,
    pub audio_codec: Option<String>,
    pub thumbnail: Option<ThumbnailShown>,
    /// By network: whether it takes this as it is.
    pub fitness: BTreeMap<String, FitnessShown>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ThumbnailShown {
    pub bytes: u64,
    pub width: u32,
    pub height: u32,
}

/// What one network says to an asset, before an instance says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FitnessShown {
    pub fits: bool,
    pub problems: Vec<Warning>,
}

pub(super) fn asset(asset: &Asset) -> AssetShown {
    let shape = &asset.shape;
    AssetShown {
        id: asset.id.to_string(),
        revision: asset.revision,
        created_at: asset.created_at.to_string(),
        author: asset.author.word(),
        name: asset.name.clone(),
        alt: asset.alt.clone(),
        kind: shape.kind.mime().to_owned(),
        bytes: shape.bytes,
        sha256: HEXLOWER.encode(&asset.object),
        width: shape.width,
        height: shape.height,
        rotation: shape.rotation,
        frames: shape.frames,
        duration_ms: shape.duration_ms,
        video_codec: shape.video_codec.clone(),
        audio_codec: shape.audio_codec.clone(),
        thumbnail: asset.thumbnail.as_ref().map(|small| ThumbnailShown {
            bytes: small.bytes,
            width: small.width,
            height: small.height,
        }),
        fitness: fitness(asset),
    }
}

fn fitness(asset: &Asset) -> BTreeMap<String, FitnessShown> {
    let said = |network: &&dyn networks::Network| {
        let capabilities = network.capabilities(&Facts::new());
        let misfits = capabilities.media.misfits(network.word(), &asset.shape, &asset.alt);
        let told = |wrong| warning(&FieldProblem { field: "file".to_owned(), wrong });
        let problems: Vec<Warning> = misfits.into_iter().map(told).collect();
        let fitness = FitnessShown { fits: problems.is_empty(), problems };
        (network.word().to_owned(), fitness)
    };
    networks::REGISTRY.iter().map(said).collect()
}
