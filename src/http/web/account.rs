//! A person's own page: sessions, authenticator, password. Must not show a secret that is in use.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::cookies::{Holder, opened};
use super::forms::{Form, Given, code, password as password_field};
use super::page::{Failure, STYLE, page, see, status_of, with_cookies, with_wait, words};
use super::sign_in::ACCOUNT;
use super::square::square;
use crate::base::{Problem, Timestamp, limits};
use crate::http::Shared;
use crate::service::shown::WorkspaceShown;
use crate::service::{Principal, SessionShown, SignedIn, UserShown, Visitor, words::id};

#[derive(Template)]
#[template(path = "web/account.html", config = "assets/askama.toml")]
struct Account {
    style: &'static str,
    user: UserShown,
    workspaces: Vec<WorkspaceShown>,
    sessions: Vec<Row>,
    pending: Option<Pending>,
    /// They have proved a moment ago who they are.
    fresh: bool,
    /// They may set up an authenticator.
    enrols: bool,
    confirm: Form,
    prove: Form,
    password: Form,
    /// What people know the identity provider by, if there is one.
    provider: Option<String>,
    /// Why nobody hears of what stops, until somebody does.
    untold: Option<&'static str>,
    done: Option<&'static str>,
    problem: Option<String>,
}

/// A session as a person reads it.
struct Row {
    id: String,
    agent: String,
    address: String,
    used: String,
    ends: String,
    current: bool,
}

/// An authenticator that waits for its first code.
struct Pending {
    width: usize,
    path: String,
    secret: String,
}

#[derive(Template)]
#[template(path = "web/codes.html", config = "assets/askama.toml")]
struct Codes {
    style: &'static str,
    codes: Vec<String>,
}

fn moment(text: &str) -> String {
    let at = Timestamp::parse(text).map(|at| at.to_jiff().strftime("%F %H:%M UTC").to_string());
    at.unwrap_or_else(|| text.to_owned())
}

fn row(session: SessionShown) -> Row {
    let agent = if session.agent.is_empty() { "A program".to_owned() } else { session.agent };
    let (used, ends) = (moment(&session.used_at), moment(&session.ends_at));
    Row { id: session.id, agent, address: session.address, used, ends, current: session.current }
}

/// What was done, by the word in the address.
fn done(query: Option<&str>) -> Option<&'static str> {
    Some(match query? {
        "done=joined" => "You are a member now.",
        "done=password" => "Your password is changed; all other sessions are over.",
        "done=ended" => "The session is over.",
        "done=proved" => "Thank you. For ten minutes you can change your authenticator.",
        "done=linked" => "You can sign in there from now on.",
        "done=unlinked" => "You cannot sign in there any more.",
        "done=off" => "Your authenticator is taken off.",
        _ => return None,
    })
}

async fn account(face: &Shared, who: &SignedIn, visitor: &Visitor) -> Result<Account, Problem> {
    let services = &face.services;
    let user = services.me(who)?;
    let principal = Principal::of_user(who.user.id, who.session.id, who.session.proved_at);
    let workspaces =
        services.workspaces_of(&principal, visitor.correlation, None, limits::PAGE_MAX);
    let workspaces = workspaces.await?.items;
    let sessions = services.sessions(who)?.items.into_iter().map(row).collect();
    let pending = services.pending_totp(who)?.and_then(|made| {
        let (width, path) = square(made.address.reveal())?;
        Some(Pending { width, path, secret: grouped(made.secret.reveal()) })
    });
    let fresh = services.ask_fresh(who).is_ok();
    let untold = services.nobody_is_told().await?;
    let mut again = vec![password_field("password", "Password", false)];
    if let Some(field) = again.first_mut() {
        field.id = "prove-password";
    }
    if user.totp {
        let mut field = code("", true);
        field.id = "prove-code";
        again.push(field);
    }
    let mut present = password_field("password", "Present password", false);
    present.id = "present-password";
    let form = |action: &str, submit, fields| Form {
        action: action.to_owned(),
        submit,
        hidden: Vec::new(),
        fields,
    };
    Ok(Account {
        style: STYLE,
        untold,
        user,
        workspaces,
        sessions,
        pending,
        fresh,
        enrols: services.ask_to_enrol(who).is_ok(),
        confirm: form("/account/totp/confirm", "Confirm", vec![code("Six digits.", true)]),
        prove: form("/account/prove", "It is me", again),
        password: form(
            "/account/password",
            "Change the password",
            vec![present, password_field("new_password", "New password", true)],
        ),
        provider: services.oidc.name().map(str::to_owned),
        done: None,
        problem: None,
    })
}

/// In groups of four, as people type it.
fn grouped(secret: &str) -> String {
    let chars: Vec<char> = secret.chars().collect();
    chars.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

pub(super) async fn show(
    State(face): State<Shared>,
    holder: Holder,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let mut account = account(&face, &holder.who, &holder.visitor).await?;
    account.done = done(query.as_deref());
    Ok(page(StatusCode::OK, &account))
}

/// The page again, with what was wrong.
async fn refused(
    face: &Shared,
    who: &SignedIn,
    visitor: &Visitor,
    problem: &Problem,
) -> Result<Response, Failure> {
    let mut account = account(face, who, visitor).await?;
    let forms = [&mut account.confirm, &mut account.prove, &mut account.password];
    let marked = forms.into_iter().filter(|form| {
        form.fields.iter().any(|field| problem.fields.iter().any(|wrong| wrong.field == field.name))
    });
    let marked = marked.filter_map(|form| form.marked(problem).then_some(())).count() > 0;
    account.problem =
        Some(if marked { "That was not right: see below.".to_owned() } else { words(problem) });
    Ok(with_wait(page(status_of(problem), &account), problem))
}

pub(super) async fn prove(
    State(face): State<Shared>,
    holder: Holder,
    given: Given,
) -> Result<Response, Failure> {
    let Holder { who, visitor } = &holder;
    let (password, code) = (given.secret("password"), given.maybe("code"));
    match face.services.prove(who, &password, code.as_deref(), visitor).await {
        Ok(new) => Ok(see("/account?done=proved", opened(&face, &new))),
        Err(problem) => refused(&face, who, visitor, &problem).await,
    }
}

pub(super) async fn password(
    State(face): State<Shared>,
    holder: Holder,
    given: Given,
) -> Result<Response, Failure> {
    let Holder { who, visitor } = &holder;
    let (present, new) = (given.secret("password"), given.secret("new_password"));
    match face.services.change_password(who, &present, &new, visitor).await {
        Ok(new) => Ok(see("/account?done=password", opened(&face, &new))),
        Err(problem) => refused(&face, who, visitor, &problem).await,
    }
}

pub(super) async fn end_session(
    State(face): State<Shared>,
    holder: Holder,
    given: Given,
) -> Result<Response, Failure> {
    let Holder { who, visitor } = &holder;
    let ended = match id("session", &given.text("session")) {
        Ok(session) => face.services.end_session(who, session, visitor.correlation).await,
        Err(problem) => Err(problem),
    };
    match ended {
        Ok(()) => Ok(see("/account?done=ended", Vec::new())),
        // It ended by itself meanwhile.
        Err(_) => Ok(see(ACCOUNT, Vec::new())),
    }
}

pub(super) async fn end_others(
    State(face): State<Shared>,
    holder: Holder,
    _: Given,
) -> Result<Response, Failure> {
    let Holder { who, visitor } = &holder;
    face.services.end_other_sessions(who, visitor.correlation).await?;
    Ok(see("/account?done=ended", Vec::new()))
}

pub(super) async fn begin_totp(
    State(face): State<Shared>,
    holder: Holder,
    _: Given,
) -> Result<Response, Failure> {
    let Holder { who, visitor } = &holder;
    match face.services.begin_totp(who).await {
        Ok(_) => Ok(see("/account#totp", Vec::new())),
        Err(problem) => refused(&face, who, visitor, &problem).await,
    }
}

pub(super) async fn confirm_totp(
    State(face): State<Shared>,
    holder: Holder,
    given: Given,
) -> Result<Response, Failure> {
    let Holder { who, visitor } = &holder;
    match face.services.confirm_totp(who, &given.text("code"), visitor).await {
        Ok((new, codes)) => {
            let codes = Codes { style: STYLE, codes: codes.recovery_codes };
            Ok(with_cookies(page(StatusCode::OK, &codes), opened(&face, &new)))
        }
        Err(problem) => refused(&face, who, visitor, &problem).await,
    }
}

pub(super) async fn end_totp(
    State(face): State<Shared>,
    holder: Holder,
    _: Given,
) -> Result<Response, Failure> {
    let Holder { who, visitor } = &holder;
    match face.services.end_totp(who, visitor).await {
        Ok(()) => Ok(see("/account?done=off", Vec::new())),
        Err(problem) => refused(&face, who, visitor, &problem).await,
    }
}

pub(super) async fn recovery_codes(
    State(face): State<Shared>,
    holder: Holder,
    _: Given,
) -> Result<Response, Failure> {
    let Holder { who, visitor } = &holder;
    match face.services.renew_recovery_codes(who, visitor).await {
        Ok(codes) => {
            let codes = Codes { style: STYLE, codes: codes.recovery_codes };
            Ok(page(StatusCode::OK, &codes))
        }
        Err(problem) => refused(&face, who, visitor, &problem).await,
    }
}
