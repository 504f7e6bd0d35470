//! Changes whose word a workspace asks for.

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::problems::WriteProblems;
use super::super::schemas;
use crate::domain::access::Manage;
use crate::http::Shared;
use crate::http::answer::Answer;
use crate::http::extract::{Authorized, Json};
use crate::http::problem::Refusal;
use crate::service::{ApprovalRuleShown, words};

/// The rule.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "rule": "any_admin" })))]
pub struct NewApprovals {
    #[schema(schema_with = schemas::approval_rule)]
    rule: String,
    /// Who is asked where the rule is `reviewers`; owners may always.
    #[serde(default)]
    #[schema(schema_with = schemas::reviewers)]
    reviewers: Vec<String>,
}

/// Change who must approve posts
///
/// It counts for what is scheduled or changed from now on. What waits for approval goes on to do so.
#[utoipa::path(
    put,
    path = "/api/v1/workspaces/{workspace}/approvals",
    tag = "posts",
    params(Authorized<Manage>),
    request_body = NewApprovals,
    responses((status = 200, description = "The rule.", body = ApprovalRuleShown), WriteProblems)
)]
pub async fn change_approvals(
    State(face): State<Shared>,
    caller: Authorized<Manage>,
    Json(new): Json<NewApprovals>,
) -> Result<Answer, Refusal> {
    let rule = words::approvals(("rule", &new.rule), ("reviewers", &new.reviewers))?;
    let field = "reviewers";
    Ok(Answer::json(&face.services.change_approvals(caller.access, (rule, field)).await?))
}
