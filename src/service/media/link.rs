//! Addresses under which a network may fetch an asset: signed, for one delivery, for a while. They
//! need no row, and die with the delivery. Must not say why one is refused.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::super::{Services, not_found, trouble};
use crate::base::{AssetId, DeliveryId, Problem, Timestamp};
use crate::domain::delivery::Delivery;
use crate::domain::media::Asset;
use crate::domain::post::Post;
use crate::media::Blob;
use crate::store::Scope;

/// reliability-security.md B10.
const LIFE: Duration = Duration::from_hours(2);
const PURPOSE: &str = "media link 1";

fn message(asset: AssetId, delivery: DeliveryId, until: u64) -> Vec<u8> {
    [&asset.as_bytes()[..], delivery.as_bytes(), &until.to_be_bytes()].concat()
}

impl Services {
    /// The address of an asset for the network of `delivery`.
    pub fn media_link(&self, asset: AssetId, delivery: DeliveryId) -> String {
        let until = self.now().plus(LIFE).as_millis();
        let signature = self.vault.sign(PURPOSE, &message(asset, delivery, until));
        let signature = BASE64URL_NOPAD.encode(&signature);
        format!("{}/m/{asset}/{delivery}/{until}/{signature}", self.public_url)
    }

    /// What such an address shows. Whatever does not fit is as good as missing.
    pub async fn linked_asset(
        &self,
        asset: AssetId,
        delivery: DeliveryId,
        until: &str,
        signature: &str,
    ) -> Result<(Asset, Blob), Problem> {
        let until: u64 = until.parse().map_err(|_| not_found())?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| not_found())?;
        let signed = self.vault.signed(PURPOSE, &message(asset, delivery, until), &signature);
        if !signed || Timestamp::from_millis(until) <= self.now() {
            return Err(not_found());
        }
        let found = self.store.read(move |view| {
            let Some(scope) = Scope::by_asset(view, asset)? else { return Ok(None) };
            let Some(row) = view.get::<Delivery>(&scope, &delivery)? else { return Ok(None) };
            let Some(post) = view.get::<Post>(&scope, &row.post)? else { return Ok(None) };
            let named = post.parts_for(row.channel).iter().flat_map(|part| &part.media);
            let named = named.filter_map(|id| id.parse().ok()).any(|id: AssetId| id == asset);
            if row.flow.is_over() || post.deleted_at.is_some() || !named {
                return Ok(None);
            }
            Ok(view.get::<Asset>(&scope, &asset)?.map(|asset| (scope, asset)))
        });
        let (scope, asset) = found.await.map_err(trouble)?.ok_or_else(not_found)?;
        let blob = self.blobs.blob(scope.workspace(), &asset.object, asset.shape.bytes);
        Ok((asset, blob))
    }
}
