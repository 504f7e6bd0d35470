//! Backups: whether there are any, and whether the last is young enough. Must not read into one.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::super::build;
use super::data::opened;
use super::{Finding, fail, ok, warn};
use crate::base::Timestamp;
use crate::config::Config;
use crate::service::{BackupShown, list_backups_in};

const CHECK: &str = "backups";
const DAY: Duration = Duration::from_hours(24);

pub(super) fn backups(config: &Config, now: Timestamp) -> Finding {
    let Ok(settings) = build::backups(config) else {
        return fail(CHECK, "a recipient is no public key", "carillon config check");
    };
    let folder = settings.folder.display();
    if !settings.is_set() {
        let remedy = "make an identity elsewhere (age-keygen), then: carillon config set \
                      backup.recipients age1... and backup.every 24h";
        return warn(CHECK, "none are made: nobody is named who could open one", remedy);
    }
    let last = match newest(config) {
        Ok(last) => last,
        Err(error) => {
            let remedy = "let the user of the server into it, or name another (backup.folder)";
            return fail(CHECK, format!("{folder}: {error}"), remedy);
        }
    };
    let Some(last) = last else {
        return warn(CHECK, format!("none in {folder} yet"), "carillon backup create");
    };
    let (age, seen) = (now.since(last.made_at), said(&last, now));
    if age > settings.patience() {
        let remedy = "carillon backup create; if backup.every is set, look into the log for why \
                      none was made";
        return warn(CHECK, seen, remedy);
    }
    if same_disk(&settings.folder, &config.server.data) {
        return ok(CHECK, format!("{seen}; on the disk of the data, so keep copies elsewhere"));
    }
    ok(CHECK, seen)
}

/// What an upgrade wants to know: whether there is one of today.
pub(in super::super) fn last_backup(config: &Config, now: Timestamp) -> Finding {
    let remedy = "carillon backup create, with the release that runs now; keep it elsewhere";
    match newest(config) {
        Err(error) => {
            let seen = format!("{}: {error}", build::backup_folder(config).display());
            fail(CHECK, seen, "let this user into the folder (backup.folder)")
        }
        Ok(None) => warn(CHECK, "there is none", remedy),
        Ok(Some(last)) if now.since(last.made_at) > DAY => warn(CHECK, said(&last, now), remedy),
        Ok(Some(last)) => ok(CHECK, said(&last, now)),
    }
}

/// The last backup of this installation; of any, while its keyring does not open.
fn newest(config: &Config) -> std::io::Result<Option<BackupShown>> {
    let folder = build::backup_folder(config);
    let installation = opened(config).and_then(Result::ok).map(|ring| ring.installation());
    Ok(list_backups_in(&folder, installation.as_deref())?.into_iter().next())
}

/// When it was made, for people.
fn said(last: &BackupShown, now: Timestamp) -> String {
    let age = now.since(last.made_at);
    let hours = age.as_secs() / 3_600;
    let ago = if age > DAY.saturating_mul(2) {
        format!("{} days", hours / 24)
    } else {
        format!("{hours} h")
    };
    format!("the last is of {} ({ago} ago)", last.made_at)
}

fn same_disk(one: &Path, other: &Path) -> bool {
    let disk = |path: &Path| std::fs::metadata(path).ok().map(|metadata| metadata.dev());
    disk(one).is_some() && disk(one) == disk(other)
}
