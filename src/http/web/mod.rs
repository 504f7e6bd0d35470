//! Pages for people who sign in: plain forms that work without a script. Must not hold rules; the
//! use cases of `service` do.

mod account;
mod connect;
mod cookies;
mod forms;
mod invitation;
mod oidc;
mod page;
mod reset;
mod set_up;
mod sign_in;
mod square;

use axum::Router;
use axum::routing::{get, post};

use super::Shared;

pub(super) fn pages() -> Router<Shared> {
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-in/oidc", get(oidc::begin_anew).post(oidc::begin))
        .route("/sign-in/oidc/callback", get(oidc::callback))
        .route("/sign-in/oidc/finish", get(oidc::show).post(oidc::finish))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/setup/{token}", get(set_up::show).post(set_up::submit))
        .route("/invitations/{token}", get(invitation::show).post(invitation::submit))
        .route("/reset/{token}", get(reset::show).post(reset::submit))
        .route("/connect/{token}", get(connect::link).post(connect::use_link))
        .route("/oauth/{network}/callback", get(connect::callback))
        .route("/workspaces/{workspace}/connect", get(connect::choose).post(connect::chosen))
        .route(
            "/workspaces/{workspace}/connections/{connection}",
            get(connect::show).post(connect::submit),
        )
        .route("/workspaces/{workspace}/connections/{connection}/again", post(connect::again))
        .route("/account", get(account::show))
        .route("/account/prove", post(account::prove))
        .route("/account/oidc/link", post(oidc::link))
        .route("/account/oidc/prove", post(oidc::prove))
        .route("/account/oidc/unlink", post(oidc::unlink))
        .route("/account/password", post(account::password))
        .route("/account/sessions/end", post(account::end_session))
        .route("/account/sessions/end-others", post(account::end_others))
        .route("/account/totp/begin", post(account::begin_totp))
        .route("/account/totp/confirm", post(account::confirm_totp))
        .route("/account/totp/end", post(account::end_totp))
        .route("/account/recovery-codes", post(account::recovery_codes))
}
