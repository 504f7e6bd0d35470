//! What the `OpenAPI` document says of the API as a whole, and the refusal of query parameters that
//! it does not describe.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{MatchedPath, Request};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::server::Server;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ComponentsBuilder, Info, OpenApi, OpenApiBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::super::problem::ProblemShown;
use super::problems;
use crate::base::{Check, Problem, Wrong};

const ABOUT: &str = "\
Schedules posts to social networks, and says what became of them.\n\n\
Send a key as `Authorization: Bearer KEY`. Instants are RFC 3339 in UTC; a schedule is a local \
time and an IANA time zone. Lists have pages: give `next` back as `cursor`. Every write takes an \
`Idempotency-Key`. A request that is refused is answered with a problem (RFC 9457) whose `code` \
never changes its meaning; its `errors` name the fields.";

const TAGS: &[(&str, &str)] = &[
    ("networks", "The social networks that this installation knows."),
    ("apps", "This installation as an application of networks; for its administrators."),
    ("hooks", "Webhooks that networks sent; for administrators of the installation."),
    ("workspaces", "The tenants; a key belongs to one."),
    ("plan", "How much a workspace may have."),
    ("channels", "Connected accounts."),
    ("posts", "What is to be said, where and when."),
    ("deliveries", "One post to one channel, and what became of it."),
    ("media", "Images and videos that posts show."),
    ("sessions", "Where people are signed in: a token each, shown once."),
    ("people", "People: accounts, authenticators, invitations."),
    ("embedding", "Pages of Carillon inside another product, by the key of that host."),
    ("events", "What happened, in a chain that shows what was tampered with."),
    ("keys", "API keys; shown once, stored as hashes."),
];

/// The document before any operation is in it.
pub(super) fn empty() -> OpenApi {
    let key = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key, made by `carillon key create` or `POST .../keys`."))
        .build();
    let host = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The key of a host, made by `carillon host create`."))
        .build();
    let mut schemas = Vec::new();
    ProblemShown::schemas(&mut schemas);
    let components = ComponentsBuilder::new()
        .security_scheme("key", SecurityScheme::Http(key))
        .security_scheme("host", SecurityScheme::Http(host))
        .schemas_from_iter(schemas)
        .schema(ProblemShown::name(), ProblemShown::schema())
        .response(problems::RESPONSE, problems::response());
    let mut info = Info::new("Carillon", "1");
    info.description = Some(ABOUT.to_owned());
    let tags = TAGS
        .iter()
        .map(|(name, about)| TagBuilder::new().name(*name).description(Some(*about)).build());
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new("/")]))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>("key", [])]))
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
}

/// The names of the query parameters of each operation, by method and address template.
pub(in crate::http) type Parameters = BTreeMap<String, BTreeSet<String>>;

pub(super) fn query_parameters(document: &OpenApi) -> Parameters {
    let mut found = Parameters::new();
    for (path, item) in &document.paths.paths {
        for (method, operation) in operations(item) {
            let query = |parameter: &RefOr<Parameter>| match parameter {
                RefOr::T(p) if p.parameter_in == ParameterIn::Query => Some(p.name.clone()),
                _ => None,
            };
            let names = operation.parameters.iter().flatten().filter_map(query).collect();
            found.insert(format!("{method} {path}"), names);
        }
    }
    found
}

fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let methods = [
        ("GET", &item.get),
        ("HEAD", &item.head),
        ("POST", &item.post),
        ("PATCH", &item.patch),
        ("PUT", &item.put),
        ("DELETE", &item.delete),
    ];
    methods.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// A misspelt filter must not quietly give the whole list.
pub(in crate::http) fn refuse_unknown_parameters(
    known: &Parameters,
    request: &Request,
) -> Result<(), Problem> {
    let (Some(query), Some(route)) =
        (request.uri().query(), request.extensions().get::<MatchedPath>())
    else {
        return Ok(());
    };
    let Some(names) = known.get(&format!("{} {}", request.method(), route.as_str())) else {
        return Ok(());
    };
    let mut check = Check::default();
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
        let told = name.chars().take(100).collect::<String>();
        check.that(names.contains(name.as_ref()), told, Wrong::Unknown);
    }
    check.finish()
}
