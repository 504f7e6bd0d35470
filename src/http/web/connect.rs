//! Connecting an account on the network's own page: the link, the way back, the question which
//! account for which workspace, and words for all that can go wrong. Must not save before the
//! question is answered.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use http::header::HeaderValue;

use super::cookies::{Guest, connecting};
use super::forms::Given;
use super::page::{Failure, Path, STYLE, away, message, page, see, status_of, words};
use super::sign_in::sign_in_for;
use crate::base::{Code, ConnectionId, CorrelationId, Problem, WorkspaceId};
use crate::domain::access::Entrust;
use crate::domain::connection::{Offer, Refused};
use crate::http::Shared;
use crate::service::{
    Access, Back, Bearing, CameBack, Gone, NewConnection, Principal, SeenConnection, SignedIn,
};

#[derive(Template)]
#[template(path = "web/connect.html", config = "assets/askama.toml")]
struct Question {
    style: &'static str,
    title: String,
    about: Vec<String>,
    problem: Option<String>,
    action: String,
    submit: &'static str,
    /// With more than one, each can be left out.
    choices: Vec<Choice>,
    /// Whether several can be taken.
    many: bool,
    fixed: Option<Choice>,
}

#[derive(Clone)]
struct Choice {
    value: String,
    label: String,
    hint: String,
}

fn bearing(guest: &Guest) -> Bearing<'_> {
    Bearing {
        session: guest.who.as_ref().map(|who| (who.user.id, who.session.id)),
        cookie: guest.connecting.as_deref(),
    }
}

fn place(workspace: WorkspaceId, connection: ConnectionId) -> String {
    format!("/workspaces/{workspace}/connections/{connection}")
}

fn ids(workspace: &str, connection: &str) -> Result<(WorkspaceId, ConnectionId), Failure> {
    match (workspace.parse(), connection.parse()) {
        (Ok(workspace), Ok(connection)) => Ok((workspace, connection)),
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}

/// What is to be connected, in a few words.
fn what(seen: &SeenConnection) -> String {
    match &seen.again {
        Some(handle) => format!("Connect {handle} on {} again", seen.title),
        None => format!("Connect an account on {}", seen.title),
    }
}

fn question(title: String, action: String, submit: &'static str) -> Question {
    let (about, choices) = (Vec::new(), Vec::new());
    let (problem, fixed, many) = (None, None, false);
    Question { style: STYLE, title, about, problem, action, submit, choices, many, fixed }
}

/// On to the network.
fn to_network(gone: &Gone, title: &str, cookies: Vec<HeaderValue>) -> Response {
    let about = format!("Say yes on the page of {title}. It sends you back here.");
    away(&gone.authorize_url, &format!("On to {title}"), &about, cookies)
}

/// What people call a network.
fn title_of(network: &str) -> &'static str {
    crate::networks::named(network).map_or("the network", |network| network.title())
}

/// The same whatever became of it: one who guesses learns nothing.
fn link_over() -> Response {
    let about = [
        "It was used, it is over, or it was taken back: a link to connect an account works once.",
        "If you went on to the network in this browser, say yes there: that goes on. Else ask whoever \
         gave you this link for a new one.",
    ];
    message(StatusCode::NOT_FOUND, "This link leads nowhere any more", &about, &[])
}

pub(super) async fn link(
    State(face): State<Shared>,
    Path(token): Path<String>,
) -> Result<Response, Failure> {
    let seen = match face.services.connect_link(&token).await {
        Err(problem) if problem.code == Code::NotFound => return Ok(link_over()),
        seen => seen?,
    };
    let mut asked = question(what(&seen), format!("/connect/{token}"), "Go on");
    asked.about = vec![
        format!("{} asks you to connect an account of yours.", seen.workspace),
        format!(
            "On the page of {} you say that posts may be published for you. Then you see here which \
             account it is, before anything is kept. You need no account here.",
            seen.title
        ),
        "This link works once, in this browser.".to_owned(),
    ];
    Ok(page(StatusCode::OK, &asked))
}

pub(super) async fn use_link(
    State(face): State<Shared>,
    Path(token): Path<String>,
    given: Given,
) -> Result<Response, Failure> {
    drop(given);
    // Whoever has both pages open uses it twice.
    let gone = match face.services.use_connect_link(&token).await {
        Err(problem) if problem.code == Code::NotFound => return Ok(link_over()),
        gone => gone?,
    };
    let cookies = gone.cookie.as_ref().map(|cookie| connecting(&face, cookie.reveal()));
    Ok(to_network(&gone, title_of(gone.network), cookies.unwrap_or_default()))
}

/// The right of whoever is signed in to connect accounts to a workspace. An id that is none is as good
/// as missing.
async fn entrusted(
    face: &Shared,
    who: &SignedIn,
    workspace: &str,
    correlation: CorrelationId,
) -> Result<Access<Entrust>, Problem> {
    let id = workspace.parse::<WorkspaceId>().map_err(|_| Problem::new(Code::NotFound))?;
    let principal = Principal::of_user(who.user.id, who.session.id, who.session.proved_at);
    face.services.access(&principal, id, correlation).await
}

/// Why they have no such right, and what to do if they only have to prove who they are.
fn kept_out(problem: Problem, path: &str) -> Result<Response, Failure> {
    if problem.code != Code::StepUpNeeded {
        return Err(problem.into());
    }
    let about = "Prove once more on your account page that it is you; then come back here.";
    let links = [("Your account", "/account"), ("Connect an account", path)];
    Ok(message(status_of(&problem), problem.row().title, &[about], &links))
}

/// Where a person who is signed in, and may, chooses what to connect.
pub(super) async fn choose(
    State(face): State<Shared>,
    Path(workspace): Path<String>,
    guest: Guest,
) -> Result<Response, Failure> {
    let path = format!("/workspaces/{workspace}/connect");
    let Some(who) = &guest.who else { return Ok(see(&sign_in_for(&path), Vec::new())) };
    match entrusted(&face, who, &workspace, guest.visitor.correlation).await {
        Ok(_) => chooser(&face, path, None).await,
        Err(problem) => kept_out(problem, &path),
    }
}

async fn chooser(
    face: &Shared,
    path: String,
    problem: Option<&Problem>,
) -> Result<Response, Failure> {
    let networks = face.services.networks().await?.items;
    let ready = networks.into_iter().filter(|network| network.app_set == Some(true));
    let choice = |network: crate::service::shown::NetworkShown| Choice {
        value: network.id,
        label: network.title,
        hint: String::new(),
    };
    let mut asked = question("Connect an account".to_owned(), path, "Go on");
    asked.choices = ready.map(choice).collect();
    if asked.choices.is_empty() {
        let about = "No network is ready for that: whoever runs this server sets an application \
            first (carillon app list).";
        let links = [("Your account", "/account")];
        return Ok(message(StatusCode::OK, "Connect an account", &[about], &links));
    }
    asked.problem = problem.map(words);
    let status = problem.map_or(StatusCode::OK, status_of);
    Ok(page(status, &asked))
}

pub(super) async fn chosen(
    State(face): State<Shared>,
    Path(workspace): Path<String>,
    guest: Guest,
    given: Given,
) -> Result<Response, Failure> {
    let path = format!("/workspaces/{workspace}/connect");
    let Some(who) = &guest.who else { return Ok(see(&sign_in_for(&path), Vec::new())) };
    let access = match entrusted(&face, who, &workspace, guest.visitor.correlation).await {
        Ok(access) => access,
        Err(problem) => return kept_out(problem, &path),
    };
    let network = given.text("account");
    let new = NewConnection { network, ..NewConnection::default() };
    let begun = match face.services.begin_connection(access, new).await {
        Ok(done) => done.value,
        Err(problem) => return chooser(&face, path, Some(&problem)).await,
    };
    let title = title_of(&begun.network);
    let (workspace, connection) = ids(&workspace, &begun.id)?;
    let gone = Gone {
        workspace,
        connection,
        network: "",
        authorize_url: begun.authorize_url.unwrap_or_default(),
        cookie: None,
    };
    Ok(to_network(&gone, title, Vec::new()))
}

/// The way back from the network.
pub(super) async fn callback(
    State(face): State<Shared>,
    Path(network): Path<String>,
    RawQuery(query): RawQuery,
    guest: Guest,
) -> Result<Response, Failure> {
    let mut back = Back { network, ..Back::default() };
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let slot = match name.as_ref() {
            "state" => &mut back.state,
            "code" => &mut back.code,
            "error" => &mut back.error,
            _ => continue,
        };
        *slot = Some(value.into_owned());
    }
    let correlation = guest.visitor.correlation;
    match face.services.come_back(back, &bearing(&guest), correlation).await? {
        // The code does not stay in the address.
        CameBack::To(workspace, connection) => Ok(see(&place(workspace, connection), Vec::new())),
        CameBack::Astray(why) => Ok(astray(why)),
    }
}

fn astray(why: Option<Refused>) -> Response {
    let (title, about): (&str, &[&str]) = match why {
        Some(Refused::OtherSession) => (
            "This belongs to another browser",
            &[
                "The connection was begun in another browser or session than this one, so nothing was \
                 kept.",
                "If you began it yourself, begin again and stay in one browser. If somebody sent you \
                 here, close this page: they may have wanted your account connected to their \
                 workspace.",
            ],
        ),
        Some(Refused::Replayed) => (
            "This was answered already",
            &[
                "An answer of a network is taken once. Nothing was changed; begin again if you must.",
            ],
        ),
        _ => (
            "This answer belongs to nothing that was begun here",
            &[
                "Nothing was kept. The address may be incomplete, or what it belongs to was taken back \
                 or is long over.",
                "Begin again: with a new link from whoever gave you the first, or from your workspace.",
            ],
        ),
    };
    message(StatusCode::BAD_REQUEST, title, about, &[("Sign in", "/sign-in")])
}

/// The question, or how far it is.
pub(super) async fn show(
    State(face): State<Shared>,
    Path((workspace, connection)): Path<(String, String)>,
    guest: Guest,
) -> Result<Response, Failure> {
    let (workspace, connection) = ids(&workspace, &connection)?;
    let seen = face.services.connection_page(workspace, connection, &bearing(&guest)).await?;
    Ok(shown(&seen, place(workspace, connection), None))
}

fn shown(seen: &SeenConnection, path: String, problem: Option<&Problem>) -> Response {
    match seen.state {
        "granted" => confirm(seen, path, problem),
        "done" => {
            let about = [
                format!("It is connected to {} now.", seen.workspace),
                "You can close this page.".to_owned(),
            ];
            let about: Vec<&str> = about.iter().map(String::as_str).collect();
            message(StatusCode::OK, "Done", &about, &[])
        }
        "revoked" => {
            let about = ["Whoever began it has taken it back. Ask them for a new link."];
            message(StatusCode::OK, "This was taken back", &about, &[])
        }
        _ => not_yet(seen, &path, problem),
    }
}

/// Which account, for which workspace: nothing is kept before this is answered.
fn confirm(seen: &SeenConnection, path: String, problem: Option<&Problem>) -> Response {
    let choice = |offer: &Offer| Choice {
        value: offer.account.remote_id.clone(),
        label: offer.account.handle.clone(),
        hint: offer.kind.clone(),
    };
    let mut choices: Vec<_> = seen.offers.iter().map(choice).collect();
    let fixed = if choices.len() == 1 { choices.pop() } else { None };
    let title = match &fixed {
        Some(one) => format!("Connect {} to {}?", one.label, seen.workspace),
        None => format!("Which accounts for {}?", seen.workspace),
    };
    let mut asked = question(title, path, "Connect");
    asked.about.push(format!(
        "{} will publish on {} as what you say here. If you expected another account, close this page: \
         nothing is kept.",
        seen.workspace, seen.title
    ));
    if let Some(handle) = &seen.again {
        asked.about.push(format!("It is to be {handle}, which was connected before."));
    } else {
        let known = |(handle, name): &(String, String)| {
            format!(
                "{handle} is connected already, as {name}: it stays that channel, and what it publishes \
                 with is replaced by what you grant now."
            )
        };
        asked.about.extend(seen.renews.iter().map(known));
    }
    if !seen.lacks.is_empty() {
        asked.about.push(format!(
            "You did not grant everything, so some numbers or accounts will be missing: {}.",
            seen.lacks.join(", ")
        ));
    }
    (asked.choices, asked.fixed, asked.many) = (choices, fixed, seen.again.is_none());
    asked.problem = problem.map(|problem| match problem.code {
        Code::InvalidField => {
            "Choose at least one account, and not more than there may be.".to_owned()
        }
        _ => words(problem),
    });
    page(problem.map_or(StatusCode::OK, status_of), &asked)
}

/// It did not come to anything yet: why, and what to do.
fn not_yet(seen: &SeenConnection, path: &str, problem: Option<&Problem>) -> Response {
    let title = &seen.title;
    let (head, about) = match seen.why {
        Some(why) => why_not(why, seen),
        None => (
            "Not connected yet".to_owned(),
            format!("{title} has not answered. Go there once more and say yes."),
        ),
    };
    if !seen.open {
        let over = "The time for this is over. Begin again: with a new link from whoever gave you \
            this one, or from your workspace.";
        let about = if seen.why.is_some() { vec![about.as_str(), over] } else { vec![over] };
        return message(problem.map_or(StatusCode::OK, status_of), &head, &about, &[]);
    }
    let mut asked = question(head, format!("{path}/again"), "Try again");
    asked.about.push(about);
    asked.problem = problem.map(words);
    page(problem.map_or(StatusCode::OK, status_of), &asked)
}

fn why_not(why: Refused, seen: &SeenConnection) -> (String, String) {
    let title = seen.title;
    match why {
        Refused::Denied => (
            "You said no".to_owned(),
            format!("{title} tells that you did not agree, so nothing was connected."),
        ),
        Refused::OtherSession => (
            "Another browser came back".to_owned(),
            format!(
                "The answer of {title} came in another browser or session than the one that asked, so \
                 it was not taken. Try again, and stay in this browser."
            ),
        ),
        Refused::Replayed | Refused::Expired => (
            "It took too long".to_owned(),
            format!("The answer of {title} is good for 15 minutes. Try again."),
        ),
        Refused::OtherNetwork => (
            "Another network answered".to_owned(),
            format!("The answer did not come to the address of {title}. Try again."),
        ),
        Refused::Code => (
            format!("{title} took it back"),
            format!(
                "What {title} sent with you is good for a moment, and was too old or used already. Try \
                 again."
            ),
        ),
        Refused::App => (
            format!("{title} does not know us"),
            format!(
                "The application of this server is not accepted by {title}. Whoever runs the server \
                 must set it anew (carillon app test {}); then try again.",
                seen.network
            ),
        ),
        Refused::Unreachable => (
            format!("{title} does not answer"),
            "Nothing was connected. Try again in a few minutes.".to_owned(),
        ),
        Refused::Scope => (
            "Something was not granted".to_owned(),
            format!(
                "Without everything that {title} lists on its page posts cannot be published, so \
                 nothing was connected. Try again, and leave all of it switched on."
            ),
        ),
        Refused::OtherAccount => (
            "That is another account".to_owned(),
            match &seen.again {
                Some(handle) => format!(
                    "You agreed as another account than {handle}, which is to be connected again. Sign \
                     out of {title} there, sign in as {handle}, and try again."
                ),
                None => "Somebody connected it meanwhile. Look at the channels.".to_owned(),
            },
        ),
        Refused::Network => (
            format!("{title} refused"),
            format!(
                "{title} did not let you agree, or its answer was not understood. Try again; if it \
                 stays so, whoever runs the server finds the reason in the log. Perhaps the \
                 application may not ask for all that it asks for (carillon app set --without)."
            ),
        ),
    }
}

pub(super) async fn submit(
    State(face): State<Shared>,
    Path((workspace, connection)): Path<(String, String)>,
    guest: Guest,
    given: Given,
) -> Result<Response, Failure> {
    let (workspace, connection) = ids(&workspace, &connection)?;
    let (bearing, path) = (bearing(&guest), place(workspace, connection));
    let correlation = guest.visitor.correlation;
    let picks = given.all("account");
    let done =
        face.services.confirm_connection(workspace, connection, &bearing, &picks, correlation);
    let problem = match done.await {
        Ok(()) => return Ok(see(&path, Vec::new())),
        Err(problem) if problem.code == Code::NotFound => return Err(problem.into()),
        Err(problem) => problem,
    };
    let seen = face.services.connection_page(workspace, connection, &bearing).await?;
    if seen.why.is_some() {
        return Ok(see(&path, Vec::new()));
    }
    Ok(shown(&seen, path, Some(&problem)))
}

pub(super) async fn again(
    State(face): State<Shared>,
    Path((workspace, connection)): Path<(String, String)>,
    guest: Guest,
    given: Given,
) -> Result<Response, Failure> {
    drop(given);
    let (workspace, connection) = ids(&workspace, &connection)?;
    let bearing = bearing(&guest);
    let seen = face.services.connection_page(workspace, connection, &bearing).await?;
    match face.services.go_again(workspace, connection, &bearing).await {
        Ok(gone) => Ok(to_network(&gone, seen.title, Vec::new())),
        Err(problem) if problem.code == Code::NotFound => Err(problem.into()),
        Err(problem) => Ok(shown(&seen, place(workspace, connection), Some(&problem))),
    }
}
