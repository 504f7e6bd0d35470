//! Opening an installation: folder, database, keys, services. Must not listen or start anything.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use crate::base::{Clock, Live, Rng, Secret, SystemRng};
use crate::config::Config;
use crate::domain::cost::{Micros, Prices};
use crate::domain::plan::Plans;
use crate::domain::publish::Timing;
use crate::domain::space::Marks;
use crate::media::{self, Blobs, Bounds, Bucket, BucketKey, KEY_FILE_BYTES, Shelf};
use crate::networks::{self, Hosts, Version};
use crate::outbound::client::{HttpSettings, HttpTransport};
use crate::outbound::guard::{Guard, system_lookup};
use crate::outbound::mail::{MailSettings, Mailer};
use crate::service::{
    BackupSettings, Backups, Controls, Hooks, Jobs, Oidc, OidcSettings, Services,
};
use crate::store::{Disk, Options, Store};
use crate::telemetry::Metrics;
use crate::vault::{Identity, Keyring, Recipients, Vault, VaultError};

/// Opens what is in the data folder, and makes what is missing.
pub(super) fn open(
    config: &Config,
    clock: &Arc<dyn Clock>,
    public_url: &str,
    (timing, marks, plans, controls): (Live<Timing>, Live<Marks>, Live<Plans>, Controls),
) -> Result<Services, Error> {
    let data = &config.server.data;
    make_folder(data)?;
    let rng: Arc<dyn Rng> = Arc::new(SystemRng::default());
    let (place, _) = identity_place(config);
    let [keyring, database] = ["keyring.age", "carillon.redb"].map(|name| data.join(name));
    // The slots are made after the database: one that is missing beside them is lost, or elsewhere.
    let slots = database.with_extension("slots");
    all_there(&[&database, &slots])?;
    let unfinished = finished(&database)?;
    if !all_there(&[&place, &keyring, &database])? {
        tracing::info!(folder = %data.display(), "no database was there; an empty one is made");
    }
    let identity = identity(config)?;
    let keyring = Keyring::open_or_create(&keyring, &identity, rng.as_ref())?;
    let options = Options {
        cache_bytes: config.store.cache_mib * 1024 * 1024,
        staged_rows: config.store.staged_rows,
        ..Options::default()
    };
    let store = Store::open(Disk::File(database.clone()), options)
        .map_err(|source| Error::Store { path: database, source })?;
    // Whoever makes such a file has the database locked, so it is nobody's.
    drop(std::fs::remove_file(unfinished));
    let guard = Guard::new(config.outbound.allow.iter().map(String::as_str))?;
    let hosts = hosts(config, &guard)?;
    let transport = HttpTransport::new(
        HttpSettings {
            guard: guard.clone(),
            operator_url: config.outbound.operator_url.clone(),
            connect_timeout: config.outbound.connect_timeout,
        },
        system_lookup(),
        Arc::clone(clock),
    )?;
    let blobs = blobs(config)?;
    let metrics = Metrics::new()?;
    metrics.started(store.epoch(), clock.now());
    tell_of_versions(config, &metrics, clock.as_ref());
    Ok(Services {
        store,
        vault: Arc::new(Vault::new(keyring)),
        blobs,
        transport: Arc::new(transport),
        guard: Arc::new(guard),
        clock: Arc::clone(clock),
        rng,
        metrics: Arc::new(metrics),
        timing,
        marks,
        plans,
        controls: Arc::new(controls),
        backups: Arc::new(Backups::new(backups(config)?)),
        catching_up: Live::default(),
        renewals: Arc::default(),
        circuits: Arc::default(),
        echoes: Arc::default(),
        hooks: Arc::new(Hooks::new(config.retention.hooks)),
        hosts: Arc::new(hosts),
        people: Arc::default(),
        mail: mailer(config)?,
        oidc: Arc::new(Oidc::new(oidc(config)?)),
        looked: Arc::default(),
        jobs: Jobs::default(),
        public_url: Arc::from(public_url),
    })
}

/// Where the settings put the hosts of networks. They are judged like every address that is called.
fn hosts(config: &Config, guard: &Guard) -> Result<Hosts, Error> {
    let set = [
        ("networks.x.api_url", &config.x.api_url),
        ("networks.x.web_url", &config.x.web_url),
        ("networks.linkedin.api_url", &config.linkedin.api_url),
        ("networks.linkedin.web_url", &config.linkedin.web_url),
    ];
    let set = set.into_iter().filter_map(|(key, url)| Some((key, url.clone()?)));
    let judged = set.map(|(key, url)| match guard.check_url(&url) {
        Ok(()) => Ok((key.to_owned(), url)),
        Err(refusal) => Err(Error::Host { key, refusal }),
    });
    let mut hosts = Hosts::new(judged.collect::<Result<Vec<_>, _>>()?);
    for (version, set) in versions(config) {
        hosts = hosts.with_version(version, set);
    }
    Ok(hosts)
}

/// The versions that calls name, by the settings.
pub(super) fn versions(config: &Config) -> Vec<(&'static Version, &str)> {
    let versioned = networks::REGISTRY.iter().filter_map(|network| network.version());
    versioned
        .map(|version| match version.network {
            "linkedin" => (version, config.linkedin.version.as_str()),
            _ => (version, version.usual),
        })
        .collect()
}

/// Says, in the log and as a number, when versions end.
fn tell_of_versions(config: &Config, metrics: &Metrics, clock: &dyn Clock) {
    for (version, set) in versions(config) {
        let Some(ending) = version.ending(set) else { continue };
        if let Some(at) = ending.at() {
            metrics.version_ends(version.network, at);
        }
        if ending.is_near(clock.now()) {
            let (network, ends_on, setting) = (version.network, ending.on, version.setting());
            tracing::warn!(
                network, version = set, %ends_on, setting,
                "the network will not take this version of its interface any more: update Carillon"
            );
        }
    }
}

/// Where the identity is: the setting, the credential of systemd, or the folder of the data. Only
/// there it is made when it is missing.
pub(super) fn identity_place(config: &Config) -> (PathBuf, bool) {
    let credential = config.credentials.as_ref().map(|folder| folder.join("identity"));
    match (&config.server.identity, credential.filter(|file| file.is_file())) {
        (Some(file), _) => (file.clone(), false),
        (None, Some(credential)) => (credential, false),
        (None, None) => (config.server.data.join("identity.txt"), true),
    }
}

pub(super) fn identity(config: &Config) -> Result<Identity, Error> {
    match identity_place(config) {
        (place, true) => Ok(Identity::load_or_create(&place)?),
        (place, false) => Identity::load(&place).map_err(|error| match error {
            VaultError::Io { path, source } => {
                Error::Named { key: "server.identity", path, source }
            }
            error => error.into(),
        }),
    }
}

/// The bytes of media: in a bucket if one is set, else in the folder of the data.
pub(super) fn blobs(config: &Config) -> Result<Blobs, Error> {
    let folder = config.server.data.join("media");
    Ok(match bucket(config)? {
        Some(bucket) => Blobs::in_bucket(&bucket, &folder, media(config))?,
        None => Blobs::on_disk(&folder, media(config))?,
    })
}

pub(super) fn bucket(config: &Config) -> Result<Option<Bucket>, Error> {
    config.s3.bucket.as_deref().map(|name| bucket_named(config, name)).transpose()
}

fn bucket_named(config: &Config, name: &str) -> Result<Bucket, Error> {
    Ok(Bucket {
        name: name.to_owned(),
        endpoint: config.s3.endpoint.as_ref().map(ToString::to_string),
        region: config.s3.region.clone(),
        path_style: config.s3.path_style,
        key: bucket_key(config)?,
    })
}

/// The backups in the bucket of this name.
pub(super) fn shelf(config: &Config, bucket: &str) -> Result<Shelf, Error> {
    Ok(Shelf::new(&bucket_named(config, bucket)?)?)
}

/// The key of the bucket: the file that is set, the credential of systemd, or the environment.
pub(super) fn bucket_key(config: &Config) -> Result<BucketKey, Error> {
    let file = bucket_key_place(config);
    let lines = match &file {
        Some(path) => {
            let cannot = |source| Error::Named { key: "s3.key_file", path: path.clone(), source };
            let file = std::fs::File::open(path).map_err(cannot)?;
            let mut text = String::new();
            file.take(KEY_FILE_BYTES).read_to_string(&mut text).map_err(cannot)?;
            Secret::new(text)
        }
        None => Config::s3_key_of_environment(),
    };
    let place = file.map_or_else(|| "the environment".into(), |path| path.display().to_string());
    BucketKey::parse(&lines).ok_or(Error::BucketKey { place })
}

pub(super) fn bucket_key_place(config: &Config) -> Option<PathBuf> {
    let credential = config.credentials.as_ref().map(|folder| folder.join("s3"));
    config.s3.key_file.clone().or_else(|| credential.filter(|file| file.is_file()))
}

/// The server of mail, if one is set.
pub(super) fn mailer(config: &Config) -> Result<Option<Mailer>, Error> {
    let mail = &config.mail;
    let Some(server) = mail.server.as_deref() else { return Ok(None) };
    whole_mail(config, true)?;
    let password = match (&mail.user, mail_password_place(config)) {
        (Some(_), Some(place)) => Some(first_line("mail.password_file", &place)?),
        _ => None,
    };
    let login = mail.user.as_deref().zip(password.as_ref());
    let from = mail.from.as_deref().unwrap_or_default();
    Ok(Some(Mailer::new(&MailSettings { server, login, from })?))
}

/// What must be set beside a mail server. Whether there is a password, only the unit can tell that has it as a
/// credential.
fn whole_mail(config: &Config, with_secret: bool) -> Result<(), Error> {
    let mail = &config.mail;
    let lacks = match (&mail.user, mail_password_place(config)) {
        _ if mail.server.is_none() => None,
        _ if mail.from.is_none() => Some("mail.from"),
        (Some(_), None) if with_secret => Some("mail.password_file"),
        (None, Some(_)) if mail.password_file.is_some() => Some("mail.user"),
        _ => None,
    };
    lacks.map_or(Ok(()), |key| Err(Error::Lacks { key, section: "mail" }))
}

/// The identity provider that people can sign in at, if one is set.
pub(super) fn oidc(config: &Config) -> Result<OidcSettings, Error> {
    let oidc = &config.oidc;
    whole_oidc(config, true)?;
    let client_secret = match (&oidc.issuer, oidc_secret_place(config)) {
        (Some(_), Some(place)) => first_line("oidc.client_secret_file", &place)?,
        _ => Secret::new(String::new()),
    };
    Ok(OidcSettings {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone().unwrap_or_default(),
        client_secret,
        name: oidc.name.trim().to_owned(),
        accounts_for: oidc.accounts_for.clone(),
        trust_email: oidc.trust_email,
        passwords: oidc.passwords,
    })
}

/// What must be set beside an issuer; of the secret, as above.
fn whole_oidc(config: &Config, with_secret: bool) -> Result<(), Error> {
    let oidc = &config.oidc;
    let lacks = match &oidc.issuer {
        Some(_) if oidc.client_id.is_none() => Some("oidc.client_id"),
        Some(_) if with_secret && oidc_secret_place(config).is_none() => {
            Some("oidc.client_secret_file")
        }
        None if oidc.client_id.is_some() || oidc.client_secret_file.is_some() => {
            Some("oidc.issuer")
        }
        _ => None,
    };
    lacks.map_or(Ok(()), |key| Err(Error::Lacks { key, section: "oidc" }))
}

pub(super) fn oidc_secret_place(config: &Config) -> Option<PathBuf> {
    let credential = config.credentials.as_ref().map(|folder| folder.join("oidc"));
    config.oidc.client_secret_file.clone().or_else(|| credential.filter(|file| file.is_file()))
}

/// Whether settings that are each good are so together and to those whom they name, as far as that shows without
/// a server. Whether a secret is missing shows only within the unit, which may have it as a credential.
pub fn settings_fit(config: &Config) -> Result<(), Error> {
    let guard = Guard::new(config.outbound.allow.iter().map(String::as_str))?;
    hosts(config, &guard)?;
    Recipients::parse(&config.backup.recipients)?;
    let within = config.credentials.is_some();
    whole_mail(config, within)?;
    whole_oidc(config, within)
}

pub(super) fn mail_password_place(config: &Config) -> Option<PathBuf> {
    let credential = config.credentials.as_ref().map(|folder| folder.join("mail"));
    config.mail.password_file.clone().or_else(|| credential.filter(|file| file.is_file()))
}

/// The first line of a file that holds one secret.
pub(super) fn first_line(key: &'static str, path: &Path) -> Result<Secret<String>, Error> {
    let cannot = |source| Error::Named { key, path: path.to_owned(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(KEY_FILE_BYTES).read_to_string(&mut text).map_err(cannot)?;
    let text = Secret::new(text);
    let line = text.reveal().lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(cannot(io::Error::other(
            "its first line is empty, and the secret belongs there",
        )));
    }
    Ok(Secret::new(line.to_owned()))
}

/// Where backups go.
pub(super) fn backup_folder(config: &Config) -> PathBuf {
    let folder = config.backup.folder.clone();
    folder.unwrap_or_else(|| config.server.data.join("backups"))
}

pub(super) fn backups(config: &Config) -> Result<BackupSettings, Error> {
    let backup = &config.backup;
    Ok(BackupSettings {
        folder: backup_folder(config),
        recipients: Recipients::parse(&backup.recipients)?,
        shelf: backup.bucket.as_deref().map(|name| shelf(config, name)).transpose()?,
        keep: backup.keep,
        every: backup.every,
    })
}

fn media(config: &Config) -> media::Settings {
    let media = &config.media;
    let number = |n: usize, unit: u64| u64::try_from(n).unwrap_or(u64::MAX).saturating_mul(unit);
    let pixels = number(media.max_megapixels, 1_000_000);
    media::Settings {
        max_bytes: number(media.max_mib, 1024 * 1024),
        workspace_bytes: number(media.workspace_mib, 1024 * 1024),
        bounds: Bounds { pixels, animation_pixels: pixels.saturating_mul(10) },
        grace: media.grace,
        fetch_idle: media.fetch_idle,
        fetch_total: media.fetch_total,
        upload_life: media.upload_life,
    }
}

pub(super) fn timing(config: &Config) -> Timing {
    let publish = &config.publish;
    Timing {
        deadline: publish.deadline,
        late: publish.late_window,
        lag: publish.read_lag,
        second_look: publish.second_look,
        look_budget: publish.look_budget,
        retry_base: publish.retry_base,
        attempts: publish.attempts,
        key_settle: publish.key_settle,
        grace: publish.grace,
        spacing: publish.catch_up_spacing,
        prices: prices(config),
    }
}

/// The rule of the settings has seen to it that they are amounts.
fn prices(config: &Config) -> Prices {
    let given = |text: &str, default| Micros::parse(text).unwrap_or(default);
    let usual = Prices::default();
    Prices {
        x_post: given(&config.x.post_usd, usual.x_post),
        x_post_with_link: given(&config.x.post_with_link_usd, usual.x_post_with_link),
    }
}

/// Whether the database is there. They are made in this order, and each opens the next: one that
/// is missing before one that is there was lost, and a new one in its place would hide that.
pub(super) fn all_there(files: &[&PathBuf]) -> Result<bool, Error> {
    let mut missing = None;
    for path in files.iter().copied() {
        let there =
            path.try_exists().map_err(|source| Error::Folder { path: path.clone(), source });
        match (there?, missing) {
            (false, None) => missing = Some(path),
            (true, Some(lost)) => {
                return Err(Error::Lost { path: lost.clone(), needed_by: path.clone() });
            }
            _ => {}
        }
    }
    Ok(missing.is_none())
}

/// Where a restore makes the new database; an error if one was broken off and there is no other.
pub(super) fn finished(database: &Path) -> Result<PathBuf, Error> {
    let fresh = with_name(database, "restoring");
    if fresh.exists() && !database.exists() {
        return Err(Error::Unfinished { path: fresh });
    }
    Ok(fresh)
}

/// `path` with more behind its name.
pub(super) fn with_name(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(more);
    PathBuf::from(name)
}

/// The folder holds tokens and drafts: nobody else may look into it.
pub(super) fn make_folder(path: &Path) -> Result<(), Error> {
    let cannot = |source: io::Error| Error::Folder { path: path.to_owned(), source };
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(cannot)
}
