//! Whether the files of secrets that settings name can be used, before a start finds out. Must not make any,
//! nor tell what is in them.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::{Error, build};
use crate::config::Config;

/// What a start would refuse of the files of secrets: all of them, and not only the first.
pub fn secrets_fit(config: &Config) -> Vec<Error> {
    let in_use = in_use(config);
    let refused = in_use.into_iter().filter_map(|(key, place)| {
        match key {
            IDENTITY => build::identity(config).map(drop),
            BUCKET => build::bucket_key(config).map(drop),
            key => build::first_line(key, &place).map(drop),
        }
        .map_err(|error| match error {
            // Its own words name no setting, which whoever looks for what to change needs.
            Error::Vault(source) => {
                Error::Named { key, path: place, source: io::Error::other(source.to_string()) }
            }
            error => error,
        })
        .err()
    });
    refused.collect()
}

/// Secrets that everybody on this machine can read. A start does not refuse them (but for the identity):
/// that would end what ran until an upgrade.
pub fn exposed_secrets(config: &Config) -> Vec<String> {
    let told = |(key, place): (&str, PathBuf)| {
        let mode = place.metadata().ok()?.permissions().mode() & 0o777;
        let shown = place.display();
        (mode & 0o007 != 0).then(|| {
            format!("{shown} of {key} is open to everybody on this machine (mode {mode:o}): chmod 600 {shown}")
        })
    };
    in_use(config).into_iter().filter_map(told).collect()
}

const IDENTITY: &str = "server.identity";
const BUCKET: &str = "s3.key_file";

/// The secrets that a start opens, but for those that it makes itself, and where they are.
fn in_use(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let (identity, made) = build::identity_place(config);
    let bucket = config.s3.bucket.is_some() || config.backup.bucket.is_some();
    let mail = config.mail.server.is_some() && config.mail.user.is_some();
    let all = [
        (IDENTITY, Some(identity).filter(|_| !made)),
        (BUCKET, build::bucket_key_place(config).filter(|_| bucket)),
        ("mail.password_file", build::mail_password_place(config).filter(|_| mail)),
        (
            "oidc.client_secret_file",
            build::oidc_secret_place(config).filter(|_| config.oidc.issuer.is_some()),
        ),
    ];
    all.into_iter().filter_map(|(key, place)| Some((key, place?))).collect()
}
