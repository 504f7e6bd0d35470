//! What every network's calls have in common: addresses, headers, JSON, and the meaning of plain
//! HTTP answers. Must not know one network's fields.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, DATE, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::Value;
use url::Url;

use super::{App, Credential, Facts, Host, Hosts, failure};
use crate::base::{CorrelationId, Timestamp};
use crate::domain::channel::Account;
use crate::domain::publish::{Failure, Outcome, Reading};
use crate::outbound::redact::scrub;
use crate::outbound::{Body, Origin, Request, Response, SendError, Transport};

/// The credential's field that is sent as a bearer token.
pub(super) const ACCESS_TOKEN: &str = "access_token";

/// What a network gets for its calls.
pub struct Call<'a> {
    pub transport: &'a dyn Transport,
    /// The server that the channel is on.
    pub instance: Option<&'a Url>,
    pub credential: Option<&'a Credential>,
    pub account: Option<&'a Account>,
    pub facts: &'a Facts,
    /// Where hosts are that are the same for every account.
    pub hosts: &'a Hosts,
    /// This installation as an application of the network, where something is traded with it.
    pub app: Option<&'a App>,
    /// Where this installation is seen from outside, without a slash at the end.
    pub public_url: &'a str,
    pub now: Timestamp,
    pub deadline: Duration,
    pub correlation: CorrelationId,
}

/// Why a question to a network (who am I, what can you take) has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Something is missing in what the person brought.
    Missing(&'static str),
    /// The guard refused the address.
    Address { host: String },
    /// The network says no to the credential.
    Unauthorized(Failure),
    /// The network says no, or nonsense.
    Refused(Failure),
    /// No answer, or a passing fault.
    Unreachable(Failure),
}

/// A whole answer, or what its absence means for a commit.
pub(super) enum Answered {
    Whole(Response),
    Never(Outcome),
}

impl Call<'_> {
    /// The address of `path` on the instance. `path` is one of ours, never a person's.
    pub(super) fn at(&self, path: &str) -> Result<Url, CallError> {
        let base = self.instance.ok_or(CallError::Missing("instance"))?;
        let joined = format!("{}{path}", base.as_str().trim_end_matches('/'));
        Url::parse(&joined).map_err(|_| CallError::Missing("instance"))
    }

    /// The address of `path`, which is one of ours, on a host of the network.
    pub(super) fn on(&self, host: &Host, path: &str) -> Result<Url, CallError> {
        let joined = format!("{}{path}", self.hosts.base(host));
        Url::parse(&joined).map_err(|_| CallError::Missing("instance"))
    }

    pub(super) fn request(&self, method: Method, url: Url) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = self.credential.and_then(|c| c.get(ACCESS_TOKEN))
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {token}"))
        {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Request {
            method,
            url,
            headers,
            body: Body::default(),
            deadline: self.deadline,
            origin: Origin::Workspace,
            correlation: self.correlation,
        }
    }

    /// Asks, and reads the JSON of a 200.
    pub(super) async fn get(&self, path: &str) -> Result<Value, CallError> {
        let request = self.request(Method::GET, self.at(path)?);
        self.ask(request).await
    }

    pub(super) async fn ask(&self, request: Request) -> Result<Value, CallError> {
        self.ask_dated(request).await.map(|(answer, _)| answer)
    }

    /// The same, with the time that the server has, if it says so.
    pub(super) async fn ask_dated(
        &self,
        request: Request,
    ) -> Result<(Value, Option<Timestamp>), CallError> {
        let response = self.transport.send(request).await.map_err(unanswered)?;
        let said = self.words(&response);
        match response.status {
            200 => serde_json::from_slice(&response.body)
                .map(|answer| (answer, date_of(&response.headers)))
                .map_err(|_| CallError::Refused(failure("not_json", &said, Some(200)))),
            401 => Err(CallError::Unauthorized(failure("unauthorized", &said, Some(401)))),
            status @ (408 | 429 | 500..) => {
                Err(CallError::Unreachable(failure("network_error", &said, Some(status))))
            }
            status => Err(CallError::Refused(failure("refused", &said, Some(status)))),
        }
    }

    /// What the network said in an answer, fit to be shown and stored.
    pub(super) fn words(&self, response: &Response) -> String {
        let body = String::from_utf8_lossy(&response.body);
        let said = match serde_json::from_slice::<Value>(&response.body) {
            Ok(json) => {
                let field = |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
                let more = field("error_description").or_else(|| field("message"));
                match (field("error"), more) {
                    (Some(error), Some(more)) => format!("{error}: {more}"),
                    (Some(error), None) => error,
                    _ => body.into_owned(),
                }
            }
            Err(_) => body.into_owned(),
        };
        self.scrubbed(&said)
    }

    /// Fit to be shown and stored: short, and without the credential.
    pub(super) fn scrubbed(&self, said: &str) -> String {
        let secrets = self.credential.map(Credential::secrets).unwrap_or_default();
        scrub(said, 500, &secrets)
    }

    /// Sends a commit; a missing answer already means something.
    pub(super) async fn commit(&self, request: Request) -> Answered {
        match self.transport.send(request).await {
            Ok(response) => Answered::Whole(response),
            Err(SendError::Lost { status: Some(status), why }) if (400..500).contains(&status) => {
                let headers = HeaderMap::new();
                let body = Bytes::from_static(why.as_bytes());
                Answered::Whole(Response { status, headers, body })
            }
            Err(SendError::Lost { status, why }) => {
                Answered::Never(Outcome::Lost(failure("no_answer", why, status)))
            }
            Err(SendError::NotSent { why }) => {
                Answered::Never(Outcome::Transient(failure("unreachable", why, None)))
            }
            Err(SendError::Refused { host }) => {
                Answered::Never(Outcome::Refused(failure("address_refused", &host, None)))
            }
        }
    }
}

/// RFC 9110, 6.6.1.
fn date_of(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Timestamp::from_jiff(jiff::fmt::rfc2822::parse(date).ok()?.timestamp())
}

pub(super) fn unanswered(error: SendError) -> CallError {
    match error {
        SendError::Refused { host } => CallError::Address { host },
        SendError::NotSent { why } => CallError::Unreachable(failure("unreachable", why, None)),
        SendError::Lost { status, why } => {
            CallError::Unreachable(failure("no_answer", why, status))
        }
    }
}

impl CallError {
    /// What this means for a reading.
    pub(super) fn into_reading(self) -> Reading {
        match self {
            Self::Unauthorized(failure) => Reading::Reconnect(failure),
            other => Reading::Unavailable(other.into_failure()),
        }
    }

    /// The same as the failure of an attempt.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Unauthorized(said) | Self::Unreachable(said) | Self::Refused(said) => said,
            Self::Address { host } => failure("address_refused", &host, None),
            Self::Missing(what) => failure("missing", what, None),
        }
    }
}
