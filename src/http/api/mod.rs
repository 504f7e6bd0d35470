//! The API: the one list of its operations, and the `OpenAPI` document made from the same
//! attributes. Must not hold rules or shapes of answers; those are `service`'s.

mod document;
mod problems;
mod v1;

use axum::Router;
use axum::middleware::map_response;
use axum::response::IntoResponse;
use axum::routing::{get, options};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
pub(super) use document::{Parameters, refuse_unknown_parameters};
pub(super) use v1::media::uploads::write::STRETCH;

/// Every operation, by its address.
fn operations() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(document::empty())
        .routes(routes!(v1::networks::list::list_networks))
        .merge(apps())
        .routes(routes!(v1::workspaces::list::list_workspaces))
        .routes(routes!(
            v1::workspaces::show::show_workspace,
            v1::workspaces::delete::delete_workspace
        ))
        .routes(routes!(v1::workspaces::restore::restore_workspace))
        .routes(routes!(v1::workspaces::leave::leave_workspace))
        .routes(routes!(v1::workspaces::transfer::transfer_workspace))
        .routes(routes!(v1::members::list::list_members))
        .routes(routes!(
            v1::members::show::show_member,
            v1::members::change::change_member,
            v1::members::remove::remove_member
        ))
        .routes(routes!(v1::plan::show::show_plan))
        .routes(routes!(v1::plan::preview::preview_plan))
        .routes(routes!(v1::channels::list::list_channels, v1::channels::create::create_channel))
        .routes(routes!(
            v1::channels::show::show_channel,
            v1::channels::change::change_channel,
            v1::channels::remove::remove_channel
        ))
        .routes(routes!(v1::channels::test::test_channel))
        .routes(routes!(v1::channels::refresh::refresh_channel))
        .routes(routes!(v1::channels::refresh_all::refresh_channels))
        .routes(routes!(
            v1::connections::list::list_connections,
            v1::connections::create::begin_connection
        ))
        .routes(routes!(
            v1::connections::show::show_connection,
            v1::connections::revoke::revoke_connection
        ))
        .routes(routes!(v1::posts::list::list_posts, v1::posts::create::create_post))
        .routes(routes!(
            v1::posts::show::show_post,
            v1::posts::change::change_post,
            v1::posts::delete::delete_post
        ))
        .routes(routes!(v1::posts::cancel::cancel_post))
        .routes(routes!(v1::posts::approve::approve_post))
        .routes(routes!(v1::posts::approve::decline_post))
        .routes(routes!(v1::deliveries::list::list_deliveries))
        .routes(routes!(v1::deliveries::show::show_delivery))
        .routes(routes!(v1::deliveries::resolve::resolve_delivery))
        .routes(routes!(v1::deliveries::acknowledge::acknowledge_delivery))
        .routes(routes!(v1::media::list::list_assets, v1::media::upload::upload_asset))
        .routes(routes!(
            v1::media::show::show_asset,
            v1::media::change::change_asset,
            v1::media::delete::delete_asset
        ))
        .routes(routes!(v1::media::file::read_asset))
        .routes(routes!(v1::media::thumbnail::read_thumbnail))
        .routes(routes!(v1::media::import::import_asset))
        .merge(uploads())
        .merge(hosts())
        .routes(routes!(v1::events::list::list_events))
        .routes(routes!(v1::events::head::show_event_head))
        .routes(routes!(v1::events::export::export_events))
        .routes(routes!(v1::events::show::show_event))
        .routes(routes!(v1::events::activity::list_activity))
        .routes(routes!(v1::events::stream::stream_events))
        .routes(routes!(v1::keys::list::list_keys, v1::keys::create::create_key))
        .routes(routes!(v1::keys::revoke::revoke_key))
        .merge(people())
}

/// This installation as an application of networks, and what these send.
fn apps() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(v1::apps::list::list_apps))
        .routes(routes!(
            v1::apps::show::show_app,
            v1::apps::set::set_app,
            v1::apps::remove::remove_app
        ))
        .routes(routes!(v1::apps::rotate::rotate_app))
        .routes(routes!(v1::apps::webhook_secret::set_webhook_secret))
        .routes(routes!(v1::apps::test::test_app))
        .routes(routes!(v1::hooks::list::list_hooks))
        .routes(routes!(v1::hooks::show::show_hook))
}

/// People, and how they come in.
fn people() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(
            v1::sessions::create::create_session,
            v1::sessions::list::list_sessions,
            v1::sessions::end_others::end_other_sessions
        ))
        .routes(routes!(v1::sessions::end::end_session))
        .routes(routes!(v1::sessions::prove::prove_session))
        .routes(routes!(v1::me::show::show_me, v1::me::change::change_me, v1::me::erase::erase_me))
        .routes(routes!(v1::me::password::change_password))
        .routes(routes!(
            v1::me::begin_totp::begin_totp,
            v1::me::confirm_totp::confirm_totp,
            v1::me::end_totp::end_totp
        ))
        .routes(routes!(v1::me::recovery_codes::renew_recovery_codes))
        .routes(routes!(v1::passwords::reset::reset_password))
        .routes(routes!(
            v1::invitations::list::list_invitations,
            v1::invitations::create::create_invitation
        ))
        .routes(routes!(v1::invitations::revoke::revoke_invitation))
        .routes(routes!(v1::invitations::accept::accept_invitation))
        .routes(routes!(v1::security::show::show_security, v1::security::change::change_security))
        .routes(routes!(
            v1::approvals::show::show_approvals,
            v1::approvals::change::change_approvals
        ))
}

/// For products that embed Carillon, by their own keys.
fn hosts() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(v1::embed::open::open_embed_session))
        .routes(routes!(v1::embed::show::show_embed_session))
        .routes(routes!(v1::embed::end::end_embed_session))
        .routes(routes!(v1::hosted::show::show_hosted_plan, v1::hosted::set::set_hosted_plan))
        .routes(routes!(v1::hosted::preview::preview_hosted_plan))
}

/// Uploads in stretches: each answer says that it is of their protocol.
fn uploads() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(v1::media::uploads::create::create_upload))
        .routes(routes!(
            v1::media::uploads::show::show_upload,
            v1::media::uploads::write::write_upload,
            v1::media::uploads::stop::stop_upload
        ))
        .layer(map_response(v1::media::uploads::say))
}

/// The routes, and the parameters that each of them knows.
pub(super) fn router() -> (Router<Shared>, Parameters) {
    let (router, document) = operations().split_for_parts();
    let parameters = document::query_parameters(&document);
    // What the derives made can always be written.
    let text = Bytes::from(document.to_pretty_json().unwrap_or_default());
    let document =
        move || async move { ([(CONTENT_TYPE, "application/json")], text).into_response() };
    let asked = || options(v1::media::uploads::options);
    let router = v1::media::uploads::ADDRESSES
        .iter()
        .fold(router, |router, address| router.route(address, asked()));
    (router.route("/api/openapi.json", get(document)), parameters)
}
