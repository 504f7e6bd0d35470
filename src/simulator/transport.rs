//! A transport that hands requests to practice networks in the same process, and plays what the
//! wire would do to the answer. Must not know a network's protocol.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use http::header::{DATE, HeaderValue};
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::base::Clock;
use crate::outbound::{Request, Response, SendError, Transport};
use crate::practice::{self, Answer, Fate, World};

use super::wire::{Carrier, Way, Wire};

/// Bytes of one chunk of a slow body.
const CHUNK: usize = 16;

/// Carries requests to the hosts of a world.
pub struct InProcess {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
    hosts: BTreeSet<String>,
    wire: Option<Wire>,
    /// The last answer to a post that was taken, for the carrier that makes answers up.
    taken: Mutex<Option<Response>>,
}

impl InProcess {
    pub fn new(world: Arc<Mutex<World>>, clock: Arc<dyn Clock>, hosts: BTreeSet<String>) -> Self {
        Self { world, clock, hosts, wire: None, taken: Mutex::default() }
    }

    /// Over a wire that sees what goes, and at which the process can die.
    #[must_use]
    pub fn over(self, wire: Wire) -> Self {
        Self { wire: Some(wire), ..self }
    }

    fn hand_over(&self, request: &Request, body: Bytes) -> Option<Answer> {
        let host = request.url.host_str().filter(|host| self.hosts.contains(*host))?;
        let handed = practice::Request {
            method: request.method.clone(),
            path: request.url.path().to_owned(),
            query: request.url.query().unwrap_or_default().to_owned(),
            headers: request.headers.clone(),
            body,
        };
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let mut answer = practice::handle(&mut world, host, &handed, now);
        // As every server dates its answers.
        if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&now.to_jiff())
            && let Ok(date) = HeaderValue::from_str(&date)
        {
            answer.headers.insert(DATE, date);
        }
        Some(answer)
    }

    /// Carries one request, and plays what the wire does to the answer.
    async fn carry(&self, request: &Request, body: Bytes) -> Result<Response, SendError> {
        let host = request.url.host_str().unwrap_or_default();
        match self.wire.as_ref().map_or(Way::Carried, |wire| wire.call(host, &body)) {
            Way::Carried => {}
            Way::Orphaned => {
                drop(self.hand_over(request, body));
                return std::future::pending().await;
            }
            Way::Dead => return std::future::pending().await,
        }
        let Some(answer) = self.hand_over(request, body) else {
            return Err(SendError::NotSent { why: "no such host" });
        };
        if answer.delay > request.deadline {
            self.clock.sleep(request.deadline).await;
            return Err(SendError::Lost { status: None, why: "deadline passed" });
        }
        self.clock.sleep(answer.delay).await;
        let left = request.deadline.saturating_sub(answer.delay);
        let status = Some(answer.status);
        match answer.fate {
            Fate::HangUp => {
                return Err(SendError::Lost { status: None, why: "connection closed" });
            }
            Fate::CutBody { after } if after < answer.body.len() => {
                return Err(SendError::Lost { status, why: "body cut off" });
            }
            Fate::Whole | Fate::CutBody { .. } => {}
            Fate::Drip { every } => {
                let chunks = u32::try_from(answer.body.len().div_ceil(CHUNK)).unwrap_or(u32::MAX);
                let whole = every.saturating_mul(chunks);
                self.clock.sleep(whole.min(left)).await;
                if whole > left {
                    return Err(SendError::Lost { status, why: "deadline passed" });
                }
            }
        }
        // A yield to the clock: an answer never comes in the same instant for free.
        self.clock.sleep(Duration::ZERO).await;
        Ok(Response { status: answer.status, headers: answer.headers, body: answer.body })
    }
}

/// Whether it publishes something of the simulation.
fn is_post(request: &Request, body: &Bytes) -> bool {
    request.method == Method::POST && super::script::Token::find(body).is_some()
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request) -> Result<Response, SendError> {
        let Ok(body) = request.body.collect().await else {
            return Err(SendError::Lost { status: None, why: "the body broke off" });
        };
        let carrier = self.wire.as_ref().and_then(Wire::carrier);
        let Some(carrier) = carrier.filter(|_| is_post(&request, &body)) else {
            return self.carry(&request, body).await;
        };
        match carrier {
            Carrier::Repeats => match self.carry(&request, body.clone()).await {
                Err(SendError::Lost { .. }) => self.carry(&request, body).await,
                other => other,
            },
            Carrier::MadeUp => {
                let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(taken) = taken {
                    return Ok(taken);
                }
                let answer = self.carry(&request, body).await?;
                if answer.status == 200 {
                    let copy = Response {
                        status: answer.status,
                        headers: answer.headers.clone(),
                        body: answer.body.clone(),
                    };
                    *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
                }
                Ok(answer)
            }
        }
    }
}
