//! Practice networks ("twins") that the real program is tested against and the demo posts to.
//! Sees `base` only, so that a twin cannot share a mistake with the client that it tests.

pub mod bluesky;
mod exchange;
mod fault;
mod journal;
pub mod linkedin;
pub mod mastodon;
mod multipart;
pub mod oauth;
mod page;
mod serve;
pub mod webhook;
mod world;
pub mod x;

pub use exchange::{Answer, Fate, Request};
pub use fault::{Act, Fault, Matcher, Reset};
pub use journal::{Effect, JournalEntry, RequestLine};
pub use page::{Shown, ShownInstance};
pub use serve::serve;
pub use world::World;

use jiff::fmt::rfc2822::DateTimePrinter;

use crate::base::Timestamp;
use journal::Moment;

/// One server of one network. To add a network is to add a variant and its arms.
enum Instance {
    Mastodon(Box<mastodon::Server>),
    Bluesky(Box<bluesky::Server>),
    Webhook(webhook::Receiver),
    X(Box<x::Server>),
    LinkedIn(Box<linkedin::Server>),
}

impl Instance {
    fn kind_of_call(&self, request: &Request) -> Matcher {
        match self {
            Self::Mastodon(_) => mastodon::kind_of_call(request),
            Self::Bluesky(_) => bluesky::kind_of_call(request),
            Self::Webhook(_) => webhook::kind_of_call(request),
            Self::X(_) => x::kind_of_call(request),
            Self::LinkedIn(_) => linkedin::kind_of_call(request),
        }
    }

    fn answer(&mut self, moment: &mut Moment<'_>, request: &Request) -> Answer {
        match self {
            Self::Mastodon(server) => server.answer(moment, request),
            Self::Bluesky(server) => server.answer(moment, request),
            Self::Webhook(receiver) => receiver.answer(moment, request),
            Self::X(server) => server.answer(moment, request),
            Self::LinkedIn(server) => server.answer(moment, request),
        }
    }

    fn rate_limited(&self, now: Timestamp, reset: Timestamp) -> Answer {
        match self {
            Self::Mastodon(server) => server.rate_limited(reset),
            Self::Bluesky(_) => bluesky::rate_limited(now, reset),
            Self::Webhook(_) => webhook::Receiver::rate_limited(now, reset),
            Self::X(_) => x::rate_limited(reset),
            Self::LinkedIn(_) => linkedin::rate_limited(),
        }
    }

    fn unauthorized(&self) -> Answer {
        match self {
            Self::Mastodon(_) => mastodon::unauthorized(),
            Self::Bluesky(_) => bluesky::unauthorized(),
            Self::Webhook(_) => webhook::unauthorized(),
            Self::X(_) => x::unauthorized(),
            Self::LinkedIn(_) => linkedin::unauthorized(),
        }
    }

    /// Takes away what this request is allowed by.
    fn revoke(&mut self, request: &Request) {
        match self {
            Self::Mastodon(server) => request.bearer().into_iter().for_each(|t| server.revoke(t)),
            Self::Bluesky(server) => request.bearer().into_iter().for_each(|t| server.revoke(t)),
            Self::Webhook(receiver) => receiver.gone = true,
            Self::X(server) => server.revoke(request),
            Self::LinkedIn(server) => request.bearer().into_iter().for_each(|t| server.revoke(t)),
        }
    }

    fn shown(&self) -> ShownInstance {
        match self {
            Self::Mastodon(server) => server.shown(),
            Self::Bluesky(server) => server.shown(),
            Self::Webhook(receiver) => receiver.shown(),
            Self::X(server) => server.shown(),
            Self::LinkedIn(server) => server.shown(),
        }
    }
}

/// Answers one request to the instance of that host, after everything that lands by `now`.
pub fn handle(world: &mut World, host: &str, request: &Request, now: Timestamp) -> Answer {
    world.settle(now);
    let act = world.draw(host, request);
    let answer = match &act {
        Some(act) => go_wrong(world, host, request, now, act),
        None => world.apply(host, request, now),
    };
    world.log(host, request, now, (&answer, act));
    answer
}

fn go_wrong(world: &mut World, host: &str, request: &Request, now: Timestamp, act: &Act) -> Answer {
    let Some(instance) = world.instance(host) else {
        return no_such_host();
    };
    match act {
        Act::ErrorBefore { status } => return broken(*status),
        Act::DropBefore => return Answer::hang_up(),
        Act::RateLimited { reset_after } => {
            return instance.rate_limited(now, now.plus(*reset_after));
        }
        Act::RateLimitedAs { form, reset_after } => {
            return too_many(*form, now, now.plus(*reset_after));
        }
        Act::Html200 => return page_instead(),
        Act::False401 => return instance.unauthorized(),
        Act::Html502 => return bad_gateway(),
        Act::LandLate { after } => {
            world.land_late(host, request, now.plus(*after));
            return Answer::hang_up();
        }
        Act::RevokeToken => instance.revoke(request),
        Act::ErrorAfter { .. }
        | Act::AcceptThenDrop
        | Act::CutBody { .. }
        | Act::SlowBody { .. }
        | Act::SlowStart { .. }
        | Act::GarbageJson
        | Act::WrongShape => {}
    }
    spoil(world.apply(host, request, now), act)
}

/// What becomes of the answer to a call that was applied. A refusal is never made to look like
/// success.
fn spoil(mut answer: Answer, act: &Act) -> Answer {
    match act {
        Act::WrongShape | Act::GarbageJson if answer.status >= 300 => {}
        Act::ErrorAfter { status } => return broken(*status),
        Act::AcceptThenDrop => return Answer::hang_up(),
        Act::WrongShape => return Answer::json(200, &serde_json::json!([{ "ok": true }])),
        Act::CutBody { after } => answer.fate = Fate::CutBody { after: *after },
        Act::SlowBody { every } => answer.fate = Fate::Drip { every: *every },
        Act::SlowStart { delay } => answer.delay = *delay,
        Act::GarbageJson => {
            answer.status = 200;
            answer.body.truncate(answer.body.len() / 2);
        }
        _ => {}
    }
    answer
}

/// An error of the server itself, as an API route of a Rails program gives it.
fn broken(status: u16) -> Answer {
    let reason = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|s| s.canonical_reason())
        .unwrap_or("Error");
    Answer::json(status, &serde_json::json!({ "error": reason }))
}

/// A refusal by something in front of the server.
fn too_many(form: Reset, now: Timestamp, reset: Timestamp) -> Answer {
    let answer = Answer::html(429, "<html><body>Too Many Requests</body></html>\n".to_owned());
    let left = reset.since(now).as_millis().div_ceil(1_000).to_string();
    match form {
        Reset::Seconds => answer.with("retry-after", &left),
        Reset::Date => {
            let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&reset.to_jiff());
            answer.with("retry-after", &date.unwrap_or_default())
        }
        Reset::Epoch => {
            let at = reset.as_millis().div_ceil(1_000).to_string();
            answer.with("x-ratelimit-reset", &at)
        }
        Reset::Left => answer.with("ratelimit-reset", &left),
        Reset::Silent => answer,
    }
}

/// A captive portal, a challenge, a page of maintenance.
fn page_instead() -> Answer {
    let page = "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>\n";
    Answer::html(200, page.to_owned())
}

fn no_such_host() -> Answer {
    broken(404)
}

fn bad_gateway() -> Answer {
    let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
        <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n\
        </body>\r\n</html>\r\n";
    Answer::html(502, page.to_owned())
}
