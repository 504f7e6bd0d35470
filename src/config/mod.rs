//! Settings: defaults, under a TOML file, under `CARILLON_SECTION__KEY` variables, under flags.
//! Plain values; must not open, start or check anything in the world, and never holds a secret.

mod error;
mod read;
mod rule;
mod section;
mod table;
mod value;

mod backup;
mod http;
mod log;
mod mail;
mod media;
mod networks;
mod oidc;
mod outbound;
mod plans;
mod publish;
mod retention;
mod s3;
mod server;
mod store;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::Secret;

pub use backup::Backup;
pub use error::{ConfigError, Place, Problem, Wrong};
pub use http::Http;
pub use log::{Log, LogFormat, Rotate};
pub use mail::Mail;
pub use media::Media;
pub use networks::{LinkedIn, X};
pub use oidc::Oidc;
pub use outbound::Outbound;
pub use plans::{Plan, Plans};
pub use publish::Publish;
pub use read::Shown;
pub use retention::Retention;
pub use rule::check_levels;
pub use s3::S3;
pub use server::Server;
pub use store::Store;
pub use table::{Change, Setting, example, settings};

use read::Reader;

/// Every setting, by section. A section has its line here, in `SECTIONS` and in `load`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub server: Server,
    pub publish: Publish,
    pub outbound: Outbound,
    pub log: Log,
    pub store: Store,
    pub http: Http,
    pub media: Media,
    pub retention: Retention,
    pub mail: Mail,
    pub oidc: Oidc,
    pub s3: S3,
    pub backup: Backup,
    pub plans: Plans,
    pub x: X,
    pub linkedin: LinkedIn,
    /// The folder where systemd puts credentials for this process.
    pub credentials: Option<PathBuf>,
    pub supervisor: Supervisor,
}

/// What systemd says of itself to a service that it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supervisor {
    /// Where it listens: a path, or `@` and a name.
    pub socket: Option<String>,
    /// How long it waits for a sign of life.
    pub watchdog: Option<Duration>,
}

impl Supervisor {
    fn note(&mut self, name: &str, value: &str) {
        match name {
            "NOTIFY_SOCKET" if !value.is_empty() => self.socket = Some(value.to_owned()),
            "WATCHDOG_USEC" => {
                let micros = value.parse().ok().filter(|micros| *micros > 0);
                self.watchdog = micros.map(Duration::from_micros);
            }
            _ => {}
        }
    }
}

/// The settings, and where each was said.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    pub shown: Vec<Shown>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

type Section = (&'static str, &'static [&'static str]);

/// The sections and their keys.
const SECTIONS: &[Section] = &[
    Server::KEYS,
    Publish::KEYS,
    Outbound::KEYS,
    Log::KEYS,
    Store::KEYS,
    Http::KEYS,
    Media::KEYS,
    Retention::KEYS,
    Mail::KEYS,
    Oidc::KEYS,
    S3::KEYS,
    Backup::KEYS,
    Plans::KEYS,
    X::KEYS,
    LinkedIn::KEYS,
];

impl Config {
    /// Reads settings; of several sources of one key the last wins: default, `file`, `env`,
    /// `flags` (`("section.key", value)`). Values in sources that lose are checked all the same.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        Self::load_shown(file, env, flags).map(|loaded| loaded.config)
    }

    /// Like [`Config::load`], with where each value comes from.
    pub fn load_shown(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Loaded, ConfigError> {
        let mut credentials = None;
        let mut supervisor = Supervisor::default();
        let env = env.inspect(|(name, value)| {
            supervisor.note(name, value);
            if name == CREDENTIALS && !value.is_empty() {
                credentials = Some(PathBuf::from(value));
            }
        });
        let text = file.map(read::text).transpose()?;
        let reader = Reader::new(file.zip(text.as_deref()), env, flags);
        let mut loaded = Self::read(reader)?;
        loaded.file = file.map(Path::to_owned);
        loaded.config.credentials = credentials;
        loaded.config.supervisor = supervisor;
        Ok(loaded)
    }

    /// What a file with this text alone would mean.
    pub fn check(path: &Path, text: &str) -> Result<Loaded, ConfigError> {
        Self::read(Reader::new(Some((path, text)), std::iter::empty(), &[]))
    }

    fn read(mut reader: Reader<'_>) -> Result<Loaded, ConfigError> {
        let config = Self {
            credentials: None,
            supervisor: Supervisor::default(),
            server: Server::read(&mut reader),
            publish: Publish::read(&mut reader),
            outbound: Outbound::read(&mut reader),
            log: Log::read(&mut reader),
            store: Store::read(&mut reader),
            http: Http::read(&mut reader),
            media: Media::read(&mut reader),
            retention: Retention::read(&mut reader),
            mail: Mail::read(&mut reader),
            oidc: Oidc::read(&mut reader),
            s3: S3::read(&mut reader),
            backup: Backup::read(&mut reader),
            plans: Plans::read(&mut reader),
            x: X::read(&mut reader),
            linkedin: LinkedIn::read(&mut reader),
        };
        reader.finish().map(|shown| Loaded { config, shown, file: None })
    }

    /// The variables of this process that may be settings.
    pub fn environment() -> impl Iterator<Item = (String, String)> {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
    }

    /// The key of S3 as the variables of this process have it, in the lines of such a file. Not
    /// kept with the settings, which are shown.
    pub fn s3_key_of_environment() -> Secret<String> {
        let line = |name: &str| {
            let value = std::env::var_os(name).unwrap_or_default();
            format!("{name}={}\n", value.to_string_lossy())
        };
        Secret::new(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(line).concat())
    }

    /// What can be meant and is rarely wise; a sentence each, to be told when the server starts.
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        let p = &self.publish;
        if p.late_window < p.deadline {
            advice.push(
                "publish.late_window is shorter than publish.deadline: a request that was given \
                 up may still be applied after a reading said that it was not"
                    .to_owned(),
            );
        }
        if p.look_budget < p.late_window + p.read_lag + p.second_look {
            advice.push(
                "publish.look_budget ends before publish.late_window, read_lag and second_look \
                 are over: a person is asked about every lost answer"
                    .to_owned(),
            );
        }
        if p.per_network > p.total {
            advice.push(
                "publish.per_network is more than publish.total, and cannot be reached".to_owned(),
            );
        }
        let space = &self.store;
        if space.space_low_mib < space.space_scarce_mib
            || space.space_scarce_mib < space.space_out_mib
        {
            advice.push(
                "store.space_low_mib, space_scarce_mib and space_out_mib do not go down in this \
                 order: what should come first comes last"
                    .to_owned(),
            );
        }
        if self.backup.every.is_some() && self.backup.recipients.is_empty() {
            advice.push(
                "backup.every is set and backup.recipients is not: no backup is made".to_owned(),
            );
        }
        if !self.oidc.passwords && self.oidc.issuer.is_none() {
            advice.push(
                "oidc.passwords is off and oidc.issuer is not set: only administrators can sign in"
                    .to_owned(),
            );
        }
        advice
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_defaults_are_those_that_are_documented() {
        let config = Config::load(None, std::iter::empty(), &[]).unwrap();
        let Config { server, publish, outbound, log, store, http, media, s3, .. } = &config;
        let Config { credentials, supervisor, .. } = &config;
        assert_eq!((credentials, supervisor), (&None, &Supervisor::default()));
        assert_eq!(server.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(server.admin_socket(), Path::new("/var/lib/carillon/admin.sock"));
        assert_eq!(publish.deadline, Duration::from_secs(30));
        assert_eq!((publish.attempts, publish.per_network, publish.total), (5, 8, 64));
        assert!(outbound.allow.is_empty() && outbound.operator_url.is_none());
        assert_eq!((log.format, log.level.as_str(), log.keep), (LogFormat::Json, "info", 14));
        assert_eq!((store.cache_mib, http.connections), (16, 1024));
        let most = (http.connections_per_address, http.requests, http.key_rate);
        assert_eq!(most, (64, 512, 1_000));
        assert_eq!(http.proxies, crate::base::limits::PROXIES);
        assert_eq!((media.max_mib, media.max_megapixels), (512, 50));
        assert!(s3.bucket.is_none() && s3.path_style);
        let Config { backup, .. } = &config;
        assert!(backup.recipients.is_empty() && backup.every.is_none() && backup.keep == 14);
        assert_eq!(config.advice(), [""; 0]);
    }

    #[test]
    fn the_address_follows_what_was_bound_unless_it_is_set() {
        let mut server = Config::load(None, std::iter::empty(), &[]).unwrap().server;
        let bound = SocketAddr::from(([127, 0, 0, 1], 4711));
        assert_eq!(server.url(bound), "http://127.0.0.1:4711");
        server.public_url = "https://x.example/sub/".parse().ok();
        assert_eq!(server.url(bound), "https://x.example/sub");
        server.socket = Some("/run/x.sock".into());
        assert_eq!(server.admin_socket(), Path::new("/run/x.sock"));
    }

    #[test]
    fn unwise_numbers_are_told() {
        let mut config = Config::load(None, std::iter::empty(), &[]).unwrap();
        config.publish.late_window = Duration::from_secs(29);
        config.publish.look_budget = Duration::from_mins(1);
        config.publish.total = 7;
        let advice = config.advice();
        let begins = ["publish.late_window is", "publish.look_budget ends", "publish.per_network"];
        assert_eq!(advice.len(), begins.len());
        assert!(advice.iter().zip(begins).all(|(told, begin)| told.starts_with(begin)));
    }
}
