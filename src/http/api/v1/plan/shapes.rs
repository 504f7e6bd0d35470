//! A plan as a caller writes it.

use serde::Deserialize;
use utoipa::ToSchema;

use super::super::schemas;
use crate::base::Problem;
use crate::domain::plan::{Entitlement, Feature, Overrides};
use crate::http::json::{object, present};
use crate::service::words;

/// A plan, and what a workspace is to have instead of what the plan says.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "plan": "starter", "overrides": { "channels": "12" } })))]
pub struct PlanGiven {
    #[schema(schema_with = schemas::plan)]
    plan: String,
    #[serde(default, deserialize_with = "object")]
    #[schema(nullable = false)]
    overrides: Option<OverridesGiven>,
}

/// What is left out is as the plan says.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverridesGiven {
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::cap, required = false)]
    channels: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = schemas::cap, required = false)]
    posts_a_month: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    evergreen: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    rss_autopost: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    ai: Option<bool>,
}

impl PlanGiven {
    /// What was written under `prefix`, such as `plan.`.
    pub fn read(&self, prefix: &str) -> Result<Entitlement, Problem> {
        let mut overrides = Overrides::default();
        if let Some(own) = &self.overrides {
            let cap = |name: &str, word: &Option<String>| {
                word.as_deref()
                    .map(|word| words::cap(&format!("{prefix}overrides.{name}"), word))
                    .transpose()
            };
            overrides.channels = cap("channels", &own.channels)?;
            overrides.posts = cap("posts_a_month", &own.posts_a_month)?;
            let features = [
                (Feature::Evergreen, own.evergreen),
                (Feature::RssAutopost, own.rss_autopost),
                (Feature::Ai, own.ai),
            ];
            for (feature, has) in features {
                if let Some(has) = has {
                    overrides.set(feature, has);
                }
            }
        }
        Ok(Entitlement { plan: words::plan(&format!("{prefix}plan"), &self.plan)?, overrides })
    }
}
