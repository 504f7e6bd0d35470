//! What is wrong with an installation and what to do about it. Looks only: must not make, repair
//! or begin anything.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::build::{bucket, identity, identity_place};
use super::reload::marks;
use super::runtime;
use crate::base::{Clock, Timestamp};
use crate::config::Config;
use crate::domain::space::Room;
use crate::store::{Disk, Error as StoreError, Store};

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

fn ok(check: &'static str, seen: impl Into<String>) -> Finding {
    Finding { check, level: Level::Ok, seen: seen.into(), remedy: None }
}

fn warn(check: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { check, level: Level::Warn, seen: seen.into(), remedy: Some(remedy.into()) }
}

fn fail(check: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { check, level: Level::Fail, seen: seen.into(), remedy: Some(remedy.into()) }
}

/// Looks at everything. `status` is what the running server says of itself, if one answers.
pub fn doctor(config: &Config, status: Option<&Value>, clock: &dyn Clock) -> Vec<Finding> {
    let data = &config.server.data;
    let mut found = vec![folder(data)];
    found.extend(space(config));
    found.push(identity_readable(config));
    found.push(database(&data.join("carillon.redb"), status));
    found.extend(media_bucket(config));
    found.push(server(config, status));
    found.push(time(&data.join("carillon.redb"), clock.now()));
    found.push(address(config.server.listen, status));
    found.push(public_url(config));
    found.extend(status.map(held));
    found.extend(status.map(late));
    found
}

fn folder(data: &Path) -> Finding {
    let check = "data folder";
    let shown = data.display();
    let metadata = match std::fs::metadata(data) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            return fail(check, format!("{shown} is no folder"), "name another one (server.data)");
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return warn(check, format!("{shown} is not there yet"), "the first start makes it");
        }
        Err(error) => return fail(check, format!("{shown}: {error}"), "let this user into it"),
    };
    let (mode, owner, me) =
        (metadata.mode() & 0o777, metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != me && me != 0 {
        let seen = format!("{shown} belongs to uid {owner}, and this is uid {me}");
        return fail(check, seen, "run this as the user of the server");
    }
    if mode & 0o027 != 0 {
        let seen = format!("others may look into {shown} (mode {mode:o})");
        return fail(check, seen, format!("chmod 700 {shown}"));
    }
    ok(check, format!("{shown}, mode {mode:o}, owner {owner}"))
}

fn space(config: &Config) -> Option<Finding> {
    let check = "free space";
    let space = Disk::File(config.server.data.join("carillon.redb")).space()?;
    let seen = format!("{} MiB free", space.free / (1024 * 1024));
    Some(match marks(config).room(space) {
        Room::Out => fail(check, seen, "make room now: nothing is sent (store.space_out_mib)"),
        Room::Scarce => {
            let remedy = "make room now: no posts and media are taken in (store.space_scarce_mib)";
            fail(check, seen, remedy)
        }
        Room::Low => warn(check, seen, "make room soon"),
        Room::Ample => ok(check, seen),
    })
}

fn identity_readable(config: &Config) -> Finding {
    let check = "identity";
    let (place, made_when_missing) = identity_place(config);
    let shown = place.display().to_string();
    if made_when_missing && !place.exists() {
        return if config.server.data.join("keyring.age").exists() {
            let remedy = "bring it back from your copy: without it no token can be read";
            fail(check, format!("{shown} is gone, and there is a keyring"), remedy)
        } else {
            warn(check, format!("{shown} is not there yet"), "the first start makes it")
        };
    }
    match identity(config) {
        Ok(_) => ok(check, format!("{shown} can be read; keep a copy elsewhere")),
        Err(error) => fail(check, error.to_string(), "give this user, and nobody else, the file"),
    }
}

fn database(file: &Path, status: Option<&Value>) -> Finding {
    let check = "database";
    if let Some(status) = status {
        return match status.get("store").and_then(Value::as_str) {
            Some("ok") => ok(check, "open in the running server"),
            _ => fail(check, "the running server cannot write it", "look at the disk and the log"),
        };
    }
    if !file.exists() {
        return warn(check, "it is not there yet", "the first start makes it");
    }
    match Store::look(file) {
        Ok(true) => ok(check, "can be opened"),
        Ok(false) => ok(check, "was not closed; the next start repairs that"),
        Err(StoreError::InUse) => {
            let remedy = "name the socket of the server that has it (--socket)";
            warn(check, "it is open in another process that does not answer here", remedy)
        }
        Err(error) => fail(check, error.to_string(), "restore it from a backup"),
    }
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

fn server(config: &Config, status: Option<&Value>) -> Finding {
    let socket = config.server.admin_socket();
    let shown = socket.display();
    match status {
        Some(status) => {
            let version = status.get("version").and_then(Value::as_str).unwrap_or("?");
            ok("server", format!("version {version} answers on {shown}"))
        }
        None => warn("server", format!("nothing answers on {shown}"), "carillon serve"),
    }
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
        let found = doctor(&config(data.path(), &[]), None, &SystemClock::new());
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

    #[test]
    fn what_the_server_says_is_passed_on() {
        let data = tempfile::tempdir().unwrap();
        let config = config(data.path(), &[("server.public_url", "https://x.example")]);
        let status = serde_json::json!({
            "store": "ok", "version": "1", "waits_for_a_person": { "held": 2 }, "late": 101,
            "publishing": "running",
        });
        let found = doctor(&config, Some(&status), &SystemClock::new());
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
        let found = doctor(&config, Some(&failing), &SystemClock::new());
        assert_eq!(level(&found, "database"), Level::Fail);
    }
}
