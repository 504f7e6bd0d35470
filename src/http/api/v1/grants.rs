//! What may be done on which channels, as keys and members have it.

use serde::Deserialize;
use utoipa::ToSchema;

use super::schemas;
use crate::base::Problem;
use crate::domain::access::Grants;
use crate::service::words;

/// What may be done on one channel.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    #[schema(schema_with = schemas::id)]
    channel: String,
    #[schema(schema_with = schemas::grant)]
    grant: String,
}

/// Every channel when there is no list.
pub fn grants(given: Option<Vec<Grant>>) -> Result<Grants, Problem> {
    let Some(given) = given else { return Ok(Grants::All) };
    let pair = |(i, one): (usize, Grant)| {
        let channel = words::id(&format!("channels[{i}].channel"), &one.channel)?;
        Ok((channel, words::grant(&format!("channels[{i}].grant"), &one.grant)?))
    };
    let pairs = given.into_iter().enumerate().map(pair).collect::<Result<_, Problem>>()?;
    words::grants("channels", pairs)
}
