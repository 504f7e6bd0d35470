//! What networks answer: whatever it is, no call panics, what is kept of it is short, clean and
//! without the credential, and a commit that was answered by a fault is never taken for one that
//! did not arrive.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use carillon::base::{ChannelId, CorrelationId, DeliveryId, SeededRng, Timestamp};
use carillon::domain::channel::Account;
use carillon::domain::post::PartDraft;
use carillon::domain::publish::{Failure, Outcome, Reading, Receipt};
use carillon::networks::{
    self, Call, CallError, Connected, Credential, Facts, Grant, Hosts, Network, PartCall, Prepared,
    Told,
};
use carillon::outbound::{Request, Response, SendError, Transport};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::given::Given;
use super::house::wait;

const NOW: Timestamp = Timestamp::from_millis(1_795_338_000_000);
const TOKEN: &str = "hush-4711-secret";
/// What `outbound` caps a real answer at is more; parsers see no difference.
const PIECE: &[u8] = b"\n%\n";
/// Calls that one use of a network may make.
const CALLS_MAX: usize = 200;

/// Gives the answers in turn, and the last one for ever.
struct Script {
    answers: Vec<Response>,
    asked: Mutex<Vec<u16>>,
}

#[async_trait]
impl Transport for Script {
    async fn send(&self, _: Request) -> Result<Response, SendError> {
        let mut asked = self.asked.lock().unwrap();
        assert!(asked.len() < CALLS_MAX, "it never stops asking");
        let at = asked.len().min(self.answers.len() - 1);
        let answer = self.answers[at].clone();
        asked.push(answer.status);
        Ok(answer)
    }
}

impl Script {
    /// The statuses of the answers since the last call.
    fn statuses(&self) -> Vec<u16> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// A line with the network's word; then answers, each a line with status and headers
/// (`429;retry-after:5`) and a body, with a line `%` between them.
pub fn check(data: &[u8]) {
    let mut given = Given(data);
    let word = given.words();
    let all = networks::REGISTRY;
    let network = networks::named(&word)
        .unwrap_or_else(|| all[usize::from(*data.first().unwrap_or(&0)) % all.len()]);
    let mut answers = Vec::new();
    let mut left = given.rest();
    while answers.len() < 8 {
        let end = left.windows(PIECE.len()).position(|at| at == PIECE);
        answers.push(answer(&left[..end.unwrap_or(left.len())]));
        let Some(end) = end else { break };
        left = &left[end + PIECE.len()..];
    }
    for answer in &answers {
        told(answer);
    }
    wait(talk(network, &answers));
}

fn answer(piece: &[u8]) -> Response {
    let mut given = Given(piece);
    let line = given.words();
    let mut fields = line.split(';');
    let status = fields.next().and_then(|text| text.parse().ok());
    let mut headers = HeaderMap::new();
    for field in fields {
        let (name, value) = field.split_once(':').unwrap_or((field, ""));
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let status = status.filter(|status| (200..600).contains(status)).unwrap_or(200);
    Response { status, headers, body: Bytes::copy_from_slice(given.rest()) }
}

/// A limit never holds a channel for ever.
fn told(answer: &Response) {
    if let Some(reset) = Told::by(&answer.headers, NOW).reset {
        assert!(reset > NOW && reset <= NOW.plus(Duration::from_hours(24)), "{reset}");
    }
}

async fn talk(network: &'static dyn Network, answers: &[Response]) {
    let answers = answers.to_vec();
    let script = Script { answers, asked: Mutex::default() };
    let rng = SeededRng::new(7);
    let instance = Url::parse("https://network.example/").unwrap();
    let fields = ["access_token", "refresh_token", "app_password", "client_secret"];
    let fields = fields.into_iter().map(|name| (name, TOKEN.to_owned()));
    let more = [
        ("client_id", "x".to_owned()),
        ("url", "https://hook.example/in".to_owned()),
        ("signing_secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned()),
        ("renew_from", "0".to_owned()),
    ];
    let credential = Credential::new(fields.chain(more));
    let account = Account { remote_id: "did:plc:x".into(), handle: "ann.test".into(), url: None };
    let mut call = Call {
        transport: &script,
        instance: Some(&instance),
        credential: Some(&credential),
        account: Some(&account),
        facts: &Facts::new(),
        app: None,
        hosts: &Hosts::default(),
        public_url: "https://carillon.example",
        now: NOW,
        deadline: Duration::from_secs(30),
        correlation: CorrelationId::new(&rng),
    };
    let identified = network.identify(&call).await;
    failed(identified.as_ref().err());
    failed(network.renew(&call).await.err().as_ref());
    script.statuses();
    publish(network, &call, &script, &rng).await;
    let grants = [
        Grant::Token(TOKEN),
        Grant::Password { identifier: "ann.test", password: TOKEN },
        Grant::Register { rng: &rng },
        Grant::Code { code: "c", pending: &credential },
    ];
    for grant in grants {
        script.statuses();
        // What a person brings is a secret; what a server made up itself it knows anyway.
        let is_secret = matches!(grant, Grant::Token(_) | Grant::Password { .. });
        call.credential = (!is_secret).then_some(&credential);
        match network.connect(&call, grant).await {
            Ok(Connected::Account { account, facts, .. }) => {
                assert!(network.is_served_here() || !account.remote_id.is_empty());
                // What was read of it rules what may be written, and must not do harm.
                let capabilities = network.capabilities(&facts);
                let _ = (network.proof(&facts, 0), capabilities.text_max);
                let texts = facts.values().map(String::len).sum::<usize>();
                assert!(texts <= 64 * 1024, "{texts} bytes of facts");
            }
            Ok(Connected::Pending { authorize_url, .. }) => {
                assert!(authorize_url.starts_with("https://network.example/"), "{authorize_url}");
            }
            Err(error) if is_secret => failed(Some(&error)),
            Err(_) => {}
        }
    }
    // Without a credential there is nothing to keep back.
    call.credential = None;
    script.statuses();
    drop(network.identify(&call).await);
}

async fn publish(network: &dyn Network, call: &Call<'_>, script: &Script, rng: &SeededRng) {
    let text = "Caf\u{e9} @ann@other.example #tag https://x.example/?a=b".to_owned();
    let draft = PartDraft { text, ..PartDraft::default() };
    let mut part = PartCall {
        channel: ChannelId::new(NOW, rng),
        delivery: DeliveryId::new(NOW, rng),
        index: 0,
        draft: &draft,
        media: &[],
        options: None,
        due: NOW,
        key: "abc234",
        ticket: &[],
        before: &[],
        known: &[],
        in_doubt: false,
    };
    let ticket = match network.prepare(call, &part).await {
        Prepared::NotReady { again, ticket } => {
            assert!(again >= call.now);
            ticket
        }
        Prepared::Ready => Vec::new(),
        Prepared::Wrong(outcome) => {
            judge(&outcome, None);
            Vec::new()
        }
    };
    part.ticket = &ticket;
    script.statuses();
    let outcome = network.commit(call, &part).await;
    judge(&outcome, script.statuses().last().copied());
    match network.read_back(call, &part, NOW).await {
        Reading::Found(receipt) => receipt_is_fit(&receipt),
        Reading::Unavailable(failure) | Reading::Reconnect(failure) => fit(&failure),
        Reading::Absent | Reading::Ambiguous => {}
    }
}

/// SPEC part 4: 408 and 5xx after a commit are unknown.
fn judge(outcome: &Outcome, status: Option<u16>) {
    match outcome {
        Outcome::Done(receipt) | Outcome::Exists(Some(receipt)) => receipt_is_fit(receipt),
        Outcome::Transient(failure)
        | Outcome::RateLimited { failure, .. }
        | Outcome::Refused(failure)
        | Outcome::Reconnect(failure)
        | Outcome::Billing(failure)
        | Outcome::Lost(failure) => fit(failure),
        Outcome::Exists(None) => {}
    }
    if matches!(status, Some(408 | 500..)) {
        assert!(matches!(outcome, Outcome::Lost(_)), "{status:?} is {outcome:?}");
    }
}

fn receipt_is_fit(receipt: &Receipt) {
    if let Some(url) = &receipt.url {
        assert!(url.starts_with("http://") || url.starts_with("https://"), "{url}");
    }
}

fn failed(error: Option<&CallError>) {
    match error {
        Some(
            CallError::Unauthorized(failure)
            | CallError::Refused(failure)
            | CallError::Unreachable(failure),
        ) => fit(failure),
        Some(CallError::Missing(_) | CallError::Address { .. }) | None => {}
    }
}

fn fit(failure: &Failure) {
    assert!(!failure.code.is_empty() && failure.code.len() <= 100, "{failure:?}");
    assert!(failure.detail.len() <= 2_048, "{}", failure.detail.len());
    for text in [&failure.code, &failure.detail] {
        assert!(!text.contains(char::is_control), "{text:?}");
        assert!(!text.contains(TOKEN), "{text:?}");
    }
}
