//! What posts cost where a network asks for money, counted when a part is out. Must not keep a
//! post from going out.

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::{Timestamp, limits};
use crate::domain::cost::{Prices, Spent};
use crate::domain::delivery::Delivery;
use crate::domain::plan::{month_of, month_word};
use crate::domain::post::Post;
use crate::domain::publish::{Part, Phase, Receipt, Source};
use crate::networks;
use crate::store::{Error, Scope, Span, Tx, View};

/// What a workspace has spent on one network in one month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpentShown {
    /// Such as `2026-12`.
    pub month: String,
    pub network: String,
    /// Parts that went out.
    pub posts: u64,
    /// Of them, those with an address.
    pub posts_with_link: u64,
    /// By the prices in the settings when each went out.
    pub usd: String,
}

/// Counts the parts that are out now and were not before. What a person only says is out is not
/// counted.
pub(super) fn charge(
    tx: &mut Tx<'_>,
    scope: &Scope,
    (before, after): (&Delivery, &Delivery),
    prices: &Prices,
) -> Result<(), Error> {
    fn out(part: &Part) -> Option<&Receipt> {
        match &part.phase {
            Phase::Published(receipt) if receipt.source != Source::Person => Some(receipt),
            _ => None,
        }
    }
    let Some(network) = networks::named(&after.network) else { return Ok(()) };
    for (index, part) in after.flow.parts.iter().enumerate() {
        let fresh = before.flow.parts.get(index).is_some_and(|part| out(part).is_none());
        let Some(receipt) = out(part).filter(|_| fresh) else { continue };
        let Some(post) = tx.get::<Post>(scope, &after.post)? else { return Ok(()) };
        let text = post.parts_for(after.channel).get(index).map(|draft| draft.text.as_str());
        let Some(charge) = network.charge(prices, text.unwrap_or_default()) else { return Ok(()) };
        let key = (month_of(receipt.at), after.network.clone());
        let mut spent = tx.get::<Spent>(scope, &key)?.unwrap_or_default();
        spent.add(charge);
        tx.put(scope, &key, &spent)?;
    }
    Ok(())
}

/// What was spent since `from`, by month.
pub(super) fn since(
    view: &View<'_>,
    scope: &Scope,
    from: Timestamp,
) -> Result<Vec<SpentShown>, Error> {
    let span = Span::first(limits::PAGE_MAX).from(&month_of(from));
    let rows = view.scan::<Spent>(scope, &span)?;
    let shown = |((month, network), spent): ((Timestamp, String), Spent)| SpentShown {
        month: month_word(month),
        network,
        posts: spent.posts,
        posts_with_link: spent.with_link,
        usd: spent.micros.dollars(),
    };
    Ok(rows.into_iter().map(shown).collect())
}
