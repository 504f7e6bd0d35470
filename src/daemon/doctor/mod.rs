//! What is wrong with an installation and what to do about it. Looks only: must not make, repair
//! or begin anything.

mod backups;
pub(super) mod data;
mod sign_in;
mod webhooks;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::build::{bucket, mailer, versions};
use super::runtime;
use crate::base::{Clock, Timestamp};
use crate::config::Config;
use crate::networks::Version;

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub level: Level,
    pub seen: String,
    /// What to do; nothing when it is fine.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    Warn,
    Fail,
}

/// How far the clock may stand before the newest thing that was stored.
const CLOCK_SLACK: Duration = Duration::from_mins(5);
/// More overdue than this is not the usual handful of a busy minute.
const LATE: u64 = 100;

pub(super) fn ok(check: &'static str, seen: impl Into<String>) -> Finding {
    Finding { check, level: Level::Ok, seen: seen.into(), remedy: None }
}

pub(super) fn warn(
    check: &'static str,
    seen: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding { check, level: Level::Warn, seen: seen.into(), remedy: Some(remedy.into()) }
}

pub(super) fn fail(
    check: &'static str,
    seen: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding { check, level: Level::Fail, seen: seen.into(), remedy: Some(remedy.into()) }
}

pub(super) use backups::last_backup;

/// Looks at everything. `answer` is what the running server says of itself, if one answers, and the
/// socket on which it does.
pub fn doctor(config: &Config, answer: Option<(&Path, &Value)>, clock: &dyn Clock) -> Vec<Finding> {
    let data = &config.server.data;
    let status = answer.map(|(_, status)| status);
    let mut found = vec![data::folder(data)];
    found.extend(data::files(config));
    found.extend(data::space(config));
    found.push(data::identity_readable(config));
    found.extend(data::keyring(config));
    found.push(data::database(config, status));
    found.push(backups::backups(config, clock.now()));
    found.extend(media_bucket(config));
    found.push(mail(config, clock));
    found.extend(sign_in::sign_in(config));
    found.push(server(config, answer));
    found.push(time(&data.join("carillon.redb"), clock.now()));
    found.push(address(config.server.listen, status));
    found.push(public_url(config));
    found.extend(versions_end(config, clock.now()));
    found.extend(status.map(webhooks::webhooks).unwrap_or_default());
    found.extend(status.map(held));
    found.extend(status.map(late));
    found
}

/// Asks the bucket itself, with the key that a server would use.
fn media_bucket(config: &Config) -> Option<Finding> {
    let check = "media bucket";
    let name = config.s3.bucket.as_ref()?;
    let asked = bucket(config).and_then(|bucket| match bucket {
        Some(bucket) => Ok(runtime()?.block_on(bucket.check())?),
        None => Ok(()),
    });
    Some(match asked {
        Ok(()) => ok(check, format!("{name} answers")),
        Err(error) => {
            let remedy = "look at s3.bucket, s3.endpoint and the key, which must be allowed to \
                          list the bucket and to read, write and delete in it";
            fail(check, error.to_string(), remedy)
        }
    })
}

/// Asks the mail server itself, by the name and password that a server would use.
fn mail(config: &Config, clock: &dyn Clock) -> Finding {
    let check = "mail";
    let remedy = "look at mail.server, mail.user and the password; `carillon mail test EMAIL` writes a \
                  letter of trial";
    let asked = match mailer(config) {
        Ok(None) => {
            let set = "set mail.server and mail.from: owners and admins are written to then about what \
                       failed, what waits for them and what looks suspicious";
            return warn(check, "nobody is written to when something stops", set);
        }
        Ok(Some(mailer)) => {
            runtime().map(|runtime| (runtime.block_on(mailer.check(clock)), mailer))
        }
        Err(error) => Err(error),
    };
    match asked {
        Ok((Ok(()), mailer)) => ok(check, format!("{} answers", mailer.place())),
        Ok((Err(error), mailer)) => fail(check, format!("{}: {error}", mailer.place()), remedy),
        Err(error) => fail(check, error.to_string(), remedy),
    }
}

fn server(config: &Config, answer: Option<(&Path, &Value)>) -> Finding {
    let Some((socket, status)) = answer else {
        let socket = config.server.admin_socket();
        return warn(
            "server",
            format!("nothing answers on {}", socket.display()),
            "carillon serve",
        );
    };
    let version = status.get("version").and_then(Value::as_str).unwrap_or("?");
    ok("server", format!("version {version} answers on {}", socket.display()))
}

fn time(file: &Path, now: Timestamp) -> Finding {
    let check = "clock";
    let modified = std::fs::metadata(file).ok().map(|m| (m.mtime(), m.mtime_nsec()));
    let newest = modified.and_then(|(seconds, nanos)| {
        let nanos = i32::try_from(nanos).ok()?;
        Timestamp::from_jiff(jiff::Timestamp::new(seconds, nanos).ok()?)
    });
    match newest {
        Some(newest) if newest.since(now) > CLOCK_SLACK => {
            let seen = format!("it is {now} here, and something was stored at {newest}");
            fail(check, seen, "set the clock (timedatectl); posts go out by it")
        }
        Some(_) => ok(check, format!("{now}, after all that is stored")),
        None => ok(check, now.to_string()),
    }
}

fn address(listen: SocketAddr, status: Option<&Value>) -> Finding {
    let check = "listen address";
    if status.is_none()
        && let Err(error) = TcpListener::bind(listen)
    {
        let seen = format!("{listen}: {error}");
        return fail(check, seen, "stop what listens there, or choose another (server.listen)");
    }
    if listen.ip().is_loopback() {
        ok(check, format!("{listen}, for this machine only"))
    } else {
        let seen = format!("{listen} is open to others, without TLS");
        warn(check, seen, "listen on 127.0.0.1 and let a proxy do TLS")
    }
}

fn public_url(config: &Config) -> Finding {
    let check = "public address";
    let set = "set server.public_url to the https address of the proxy";
    let Some(url) = &config.server.public_url else {
        return warn(check, "not set: links in posts and feeds name this machine", set);
    };
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || !name.contains('.'),
        Some(url::Host::Ipv4(ip)) => !is_public(ip.into()),
        Some(url::Host::Ipv6(ip)) => !is_public(ip.into()),
        None => true,
    };
    if local {
        warn(check, format!("{url} cannot be reached from outside"), set)
    } else if url.scheme() != "https" {
        warn(check, format!("{url} is not https"), set)
    } else {
        ok(check, url.to_string())
    }
}

/// Networks whose calls name a version, each with its end.
fn versions_end(config: &Config, now: Timestamp) -> Vec<Finding> {
    let found = |(version, set): (&'static Version, &str)| {
        let check = "network version";
        let (title, ending) = (version.network, version.ending(set)?);
        let by = if ending.is_known { "until" } else { "at least until" };
        let seen = format!("{title} takes {set} {by} {}", ending.on);
        let remedy = || {
            format!(
                "update Carillon, or set {} to a newer one; after that day nothing goes out \
                     to {title}",
                version.setting()
            )
        };
        Some(match ending.days_left(now) {
            0 => fail(check, format!("{title} took {set} until {}", ending.on), remedy()),
            _ if ending.is_near(now) => warn(check, seen, remedy()),
            _ => ok(check, seen),
        })
    };
    versions(config).into_iter().filter_map(found).collect()
}

fn is_public(ip: IpAddr) -> bool {
    let private = match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    !(private || ip.is_loopback() || ip.is_unspecified())
}

fn count(status: &Value, name: &str) -> u64 {
    status.pointer(name).and_then(Value::as_u64).unwrap_or(0)
}

fn held(status: &Value) -> Finding {
    match count(status, "/waits_for_a_person/held") {
        0 => ok("held deliveries", "none"),
        n => {
            let remedy = "carillon delivery list --state held -w WORKSPACE, then delivery resolve";
            warn("held deliveries", format!("{n} wait for a person"), remedy)
        }
    }
}

fn late(status: &Value) -> Finding {
    let check = "late deliveries";
    if status.get("publishing").and_then(Value::as_str) == Some("paused") {
        return warn(check, "publishing is paused everywhere", "carillon publishing resume");
    }
    match count(status, "/late") {
        n if n > LATE => warn(check, format!("{n} overdue"), "look at the log and at pauses"),
        n => ok(check, format!("{n} overdue")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::base::{ManualClock, SystemClock};
    use crate::store::{Disk, Options, Store};
    use crate::vault::{Identity, Keyring};

    fn config(data: &Path, more: &[(&str, &str)]) -> Config {
        let mut flags = vec![("server.data".to_owned(), data.to_string_lossy().into_owned())];
        flags.push(("server.listen".to_owned(), "127.0.0.1:0".to_owned()));
        flags.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        Config::load(None, std::iter::empty(), &flags).unwrap()
    }

    fn level(found: &[Finding], check: &str) -> Level {
        let finding = found.iter().find(|finding| finding.check == check);
        finding.unwrap_or_else(|| panic!("no {check} in {found:#?}")).level
    }

    #[test]
    fn an_empty_folder_is_no_fault() {
        let data = tempfile::tempdir().unwrap();
        std::fs::set_permissions(data.path(), Permissions::from_mode(0o700)).unwrap();
        // Of a version that does not end.
        let config = config(data.path(), &[("networks.linkedin.version", "209912")]);
        let found = doctor(&config, None, &SystemClock::new());
        let failed = |f: &&Finding| f.level == Level::Fail && f.check != "free space";
        assert_eq!(found.iter().find(failed), None);
        assert_eq!(level(&found, "server"), Level::Warn);
        assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "it only looks");
    }

    #[test]
    fn each_fault_is_found_and_comes_with_a_remedy() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("keyring.age"), "x").unwrap();
        std::fs::write(data.path().join("carillon.redb"), "no database").unwrap();
        std::fs::set_permissions(data.path(), Permissions::from_mode(0o755)).unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().map(|at| (taken, at.to_string())).unwrap();
        let config = config(
            data.path(),
            &[("server.listen", &taken.1), ("server.public_url", "http://10.0.0.1")],
        );
        let long_ago = ManualClock::at(Timestamp::parse("2020-01-01T00:00:00Z").unwrap());
        let found = doctor(&config, None, &long_ago);
        for check in ["data folder", "identity", "database", "clock", "listen address"] {
            assert_eq!(level(&found, check), Level::Fail, "{found:#?}");
        }
        assert_eq!(level(&found, "public address"), Level::Warn);
        assert!(found.iter().all(|f| (f.level == Level::Ok) == f.remedy.is_none()), "{found:#?}");
    }

    /// A folder in which a server could start.
    async fn started() -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        std::fs::set_permissions(data.path(), Permissions::from_mode(0o700)).unwrap();
        let identity = Identity::load_or_create(&data.path().join("identity.txt")).unwrap();
        let rng = crate::base::SystemRng::default();
        Keyring::open_or_create(&data.path().join("keyring.age"), &identity, &rng).unwrap();
        let disk = Disk::File(data.path().join("carillon.redb"));
        Store::open(disk, Options::default()).unwrap().close().await.unwrap();
        data
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_stops_a_start_is_found_before_it() {
        let look = |data: &Path| doctor(&config(data, &[]), None, &SystemClock::new());
        let data = started().await;
        let at = |name: &str| data.path().join(name);
        let fine = look(data.path());
        for check in ["data folder", "data files", "identity", "keyring", "database"] {
            assert_eq!(level(&fine, check), Level::Ok, "{fine:#?}");
        }
        let mode = |name: &str, mode| {
            std::fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        };
        mode("carillon.redb", 0o400);
        assert_eq!(level(&look(data.path()), "data files"), Level::Fail);
        mode("carillon.redb", 0o600);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(at("carillon.redb"), Some(12_345), None).unwrap();
            let found = look(data.path());
            assert_eq!(level(&found, "data files"), Level::Fail, "{found:#?}");
            std::os::unix::fs::chown(at("carillon.redb"), Some(0), None).unwrap();
        }
        let other = started().await;
        std::fs::copy(other.path().join("identity.txt"), at("identity.txt")).unwrap();
        assert_eq!(level(&look(data.path()), "keyring"), Level::Fail);
        // Cut off inside its pages, and inside its head.
        let whole = std::fs::read(at("carillon.redb")).unwrap();
        for length in [whole.len() - 1, whole.len() / 2, 5_000, 100] {
            std::fs::write(at("carillon.redb"), &whole[..length]).unwrap();
            let found = look(data.path());
            assert_eq!(level(&found, "database"), Level::Fail, "{length}: {found:#?}");
        }
        std::fs::write(at("carillon.redb"), &whole).unwrap();
        assert_eq!(level(&look(data.path()), "database"), Level::Ok);
        let open = Store::open(Disk::File(at("carillon.redb")), Options::default()).unwrap();
        assert_eq!(level(&look(data.path()), "database"), Level::Fail, "somebody has it");
        drop(open);
        std::fs::remove_file(at("carillon.redb")).unwrap();
        assert_eq!(level(&look(data.path()), "database"), Level::Fail, "its slots are there");
    }

    #[test]
    fn backups_that_are_missing_old_or_out_of_reach_are_found() {
        let data = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(&data.path().join("offline.txt")).unwrap();
        let recipient = format!("{identity:?}");
        let recipient = recipient.trim_start_matches("Identity(").trim_end_matches(')');
        let backups = data.path().join("backups");
        let clock = ManualClock::at(Timestamp::parse("2026-12-01T12:00:00Z").unwrap());
        let look = |more: &[(&str, &str)]| {
            let found = doctor(&config(data.path(), more), None, &clock);
            let found = found.into_iter().find(|finding| finding.check == "backups").unwrap();
            (found.level, found.seen)
        };
        let set = [("backup.recipients", recipient), ("backup.every", "12h")];
        assert_eq!(look(&[]).0, Level::Warn, "nobody could open one");
        assert_eq!(look(&set).0, Level::Warn, "none yet");
        std::fs::write(&backups, "no folder").unwrap();
        assert_eq!(look(&set).0, Level::Fail);
        std::fs::remove_file(&backups).unwrap();
        std::fs::create_dir(&backups).unwrap();
        let old = backups.join("carillon-20261130T110000Z-0123456789abcdef.age");
        std::fs::write(&old, "x").unwrap();
        let (level, seen) = look(&set);
        assert!(level == Level::Warn && seen.contains("(25 h ago)"), "{seen}");
        assert_eq!(look(&[("backup.recipients", recipient)]).0, Level::Ok, "nobody said how often");
        std::fs::rename(old, backups.join("carillon-20261201T110000Z-0123456789abcdef.age"))
            .unwrap();
        assert_eq!(look(&set).0, Level::Ok);
    }

    #[test]
    fn the_end_of_a_network_s_version_is_told_before_it_comes() {
        let data = tempfile::tempdir().unwrap();
        let look = |version: &str, day: &str| {
            let clock = ManualClock::at(Timestamp::parse(&format!("{day}T12:00:00Z")).unwrap());
            let config = config(data.path(), &[("networks.linkedin.version", version)]);
            let found = doctor(&config, None, &clock);
            level(&found, "network version")
        };
        assert_eq!(look("202603", "2027-01-14"), Level::Ok);
        assert_eq!(look("202603", "2027-01-15"), Level::Warn);
        assert_eq!(look("202603", "2027-03-16"), Level::Fail);
        assert_eq!(look("202607", "2027-03-16"), Level::Ok);
    }

    #[test]
    fn what_the_server_says_is_passed_on() {
        let data = tempfile::tempdir().unwrap();
        let config = config(data.path(), &[("server.public_url", "https://x.example")]);
        let status = serde_json::json!({
            "store": "ok", "version": "1", "waits_for_a_person": { "held": 2 }, "late": 101,
            "publishing": "running",
        });
        let socket = Path::new("/run/of-another/admin.sock");
        let found = doctor(&config, Some((socket, &status)), &SystemClock::new());
        let server = found.iter().find(|finding| finding.check == "server").unwrap();
        assert!(server.seen.ends_with("/run/of-another/admin.sock"), "{server:?}");
        for (check, expected) in [
            ("database", Level::Ok),
            ("server", Level::Ok),
            ("public address", Level::Ok),
            ("held deliveries", Level::Warn),
            ("late deliveries", Level::Warn),
        ] {
            assert_eq!(level(&found, check), expected, "{found:#?}");
        }
        let failing = serde_json::json!({ "store": "failing" });
        let found = doctor(&config, Some((socket, &failing)), &SystemClock::new());
        assert_eq!(level(&found, "database"), Level::Fail);
    }
}
