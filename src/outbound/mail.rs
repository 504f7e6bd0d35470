//! Mail over SMTP: one letter to one person at a time, each over a connection of its own. Alone names lettre.
//! Must not decide whom to write to, log an address, or go on without TLS where that was not said.

use std::net::IpAddr;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use url::{Host, Url};

use crate::base::{Clock, Secret, Timestamp};

/// For a connection to the server.
const CONNECT: Duration = Duration::from_secs(15);
/// For the whole conversation: the library waits for answers without end.
const PATIENCE: Duration = Duration::from_mins(1);
/// RFC 8314: TLS from the first byte.
const SMTPS_PORT: u16 = 465;
/// RFC 6409: for mail that begins its way; TLS after STARTTLS.
const SMTP_PORT: u16 = 587;
/// Characters of a server's answer that are passed on.
const ANSWER_CHARS: usize = 200;

/// What the operator says of their server.
pub struct MailSettings<'a> {
    /// `smtps://HOST[:PORT]`, or `smtp://` for STARTTLS.
    pub server: &'a str,
    /// Name and password, if the server wants them.
    pub login: Option<(&'a str, &'a Secret<String>)>,
    pub from: &'a str,
}

/// A server that takes mail.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    place: String,
}

/// One letter. It is plain text.
pub struct Letter<'a> {
    pub to: &'a str,
    pub subject: &'a str,
    pub text: &'a str,
    pub at: Timestamp,
    /// The same when the same letter is sent again, so that a mailbox can tell.
    pub id: &'a str,
}

/// Why a letter was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The server will not have this one, and asking again changes nothing.
    #[error("the mail server refused it: {0}")]
    Refused(String),
    /// It may well be taken later.
    #[error("the mail server cannot take it now: {0}")]
    Later(String),
    /// Nothing goes there until somebody has looked.
    #[error("the mail server does not work: {0}")]
    Server(String),
}

impl MailError {
    /// For counting.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Later(_) => "later",
            Self::Server(_) => "failed",
        }
    }
}

/// What of the settings is no good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailSetupError {
    #[error("mail.server must be smtps:// or smtp:// and a host")]
    Server,
    #[error("mail.from is no e-mail address")]
    From,
    #[error("no TLS can be had on this machine; are the CA certificates of the system installed?")]
    Tls,
}

/// RFC 3834: written by a program, and not to be answered by one.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Mailer {
    pub fn new(settings: &MailSettings<'_>) -> Result<Self, MailSetupError> {
        let url = Url::parse(settings.server).map_err(|_| MailSetupError::Server)?;
        let host = url.host_str().ok_or(MailSetupError::Server)?.trim_matches(['[', ']']);
        let from = settings.from.parse().map_err(|_| MailSetupError::From)?;
        let tls = || TlsParameters::new_rustls(host.to_owned()).map_err(|_| MailSetupError::Tls);
        let (port, tls) = match url.scheme() {
            "smtps" => (SMTPS_PORT, Tls::Wrapper(tls()?)),
            // What passes through this machine alone is seen by nobody else.
            "smtp" if is_here(&url) => (SMTP_PORT, Tls::None),
            "smtp" => (SMTP_PORT, Tls::Required(tls()?)),
            _ => return Err(MailSetupError::Server),
        };
        let port = url.port().unwrap_or(port);
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(CONNECT));
        if let Some((name, password)) = settings.login {
            let login = Credentials::new(name.to_owned(), password.reveal().clone());
            builder = builder.credentials(login);
        }
        Ok(Self { transport: builder.build(), from, place: format!("{host}:{port}") })
    }

    /// Its host and port.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Hands one letter over.
    pub async fn send(&self, letter: &Letter<'_>, clock: &dyn Clock) -> Result<(), MailError> {
        let refused = |error: &dyn std::fmt::Display| MailError::Refused(error.to_string());
        let to: Mailbox = letter.to.parse().map_err(|error| refused(&error))?;
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(letter.at.as_millis());
        let domain = self.from.email.domain();
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(letter.subject)
            .date(at)
            .message_id(Some(format!("<{}@{domain}>", letter.id)))
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.to_owned())
            .map_err(|error| refused(&error))?;
        in_time(self.transport.send(message), clock).await.map(drop)
    }

    /// Whether the server answers, and takes the name and password.
    pub async fn check(&self, clock: &dyn Clock) -> Result<(), MailError> {
        if in_time(self.transport.test_connection(), clock).await? {
            return Ok(());
        }
        Err(MailError::Server("it answers, and not as one does".to_owned()))
    }
}

/// What came of a conversation, if it came to an end.
async fn in_time<T>(
    talk: impl Future<Output = Result<T, SmtpError>>,
    clock: &dyn Clock,
) -> Result<T, MailError> {
    match select(pin!(talk), clock.sleep(PATIENCE)).await {
        Either::Left((came, _)) => came.map_err(|error| sorted(&error)),
        Either::Right(_) => Err(MailError::Server("it does not answer".to_owned())),
    }
}

/// This machine, by a name that needs no lookup.
fn is_here(url: &Url) -> bool {
    let loopback = |ip: IpAddr| ip.is_loopback();
    match url.host() {
        // Of a scheme that is not of the web, an address stays a name.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(loopback)
        }
        Some(Host::Ipv4(ip)) => loopback(ip.into()),
        Some(Host::Ipv6(ip)) => loopback(ip.into()),
        None => false,
    }
}

/// RFC 5321: 4yz is for now, 5yz for good; 421 says that the server goes. 454 and 530 to 538 (RFC 4954) speak of
/// signing in; and 554 at the greeting cannot be told from one at the end.
fn sorted(error: &SmtpError) -> MailError {
    let said = told(error);
    let Some(status) = error.status() else { return MailError::Server(said) };
    match u16::from(status) {
        421 | 454 | 530..=538 => MailError::Server(said),
        500..=599 => MailError::Refused(said),
        _ => MailError::Later(said),
    }
}

/// The error and what is behind it, on one line and without what could move a terminal.
fn told(error: &SmtpError) -> String {
    let mut said = error.to_string();
    let mut behind = std::error::Error::source(error);
    while let Some(cause) = behind {
        let cause_said = cause.to_string();
        if !said.contains(&cause_said) {
            said = format!("{said}: {cause_said}");
        }
        behind = cause.source();
    }
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    said.chars().map(plain).take(ANSWER_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings<'a>(server: &'a str, from: &'a str) -> MailSettings<'a> {
        MailSettings { server, login: None, from }
    }

    #[test]
    fn a_server_is_named_by_its_address_and_without_tls_only_here() {
        for (server, place) in [
            ("smtps://mail.example.com", "mail.example.com:465"),
            ("smtp://mail.example.com", "mail.example.com:587"),
            ("smtp://mail.example.com:25", "mail.example.com:25"),
            ("smtp://[::1]:2525", "::1:2525"),
        ] {
            let mailer = Mailer::new(&settings(server, "carillon@example.com")).unwrap();
            assert_eq!(mailer.place(), place);
        }
        for (server, here) in [
            ("smtp://127.0.0.1:25", true),
            ("smtp://[::1]:25", true),
            ("smtp://localhost", true),
            ("smtp://localhost.example.com", false),
            ("smtp://128.0.0.1", false),
        ] {
            assert_eq!(is_here(&Url::parse(server).unwrap()), here, "{server}");
        }
        for (server, from, wrong) in [
            ("http://mail.example.com", "a@example.com", MailSetupError::Server),
            ("smtp:", "a@example.com", MailSetupError::Server),
            ("smtp://mail.example.com", "nobody", MailSetupError::From),
        ] {
            assert_eq!(Mailer::new(&settings(server, from)).err(), Some(wrong));
        }
    }
}
