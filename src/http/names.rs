//! By which names this server may be asked for. A name that is not its own comes of a proxy that is set up wrong,
//! or of a page that had its own name led here to read what only this machine may. Must not believe
//! `X-Forwarded-Host`: nothing here is made from the name that was asked for.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use http::HeaderValue;
use http::header::HOST;

use super::Peer;

/// The names; any name will do when none is given.
#[derive(Clone, Debug, Default)]
pub struct Names(Option<Arc<BTreeSet<String>>>);

impl Names {
    /// Hosts without ports, as addresses have them.
    pub fn new<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Self {
        let names: BTreeSet<String> = hosts.into_iter().map(plain).collect();
        Self((!names.is_empty()).then(|| names.into()))
    }

    /// Whether a request asks for this server. On the admin socket names say nothing; probes come by address;
    /// and who is on this machine may call it so.
    pub(super) fn know(&self, request: &Request) -> bool {
        let Some(names) = &self.0 else { return true };
        let Some(Peer::Tcp(peer)) = request.extensions().get::<Peer>() else { return true };
        let path = request.uri().path();
        if path.starts_with("/health/") || path == "/metrics" {
            return true;
        }
        let near = peer.ip().to_canonical().is_loopback();
        let ours = |host: &str| names.contains(&plain(host)) || (near && is_this_machine(host));
        // With a whole address in its first line, a request has two.
        let first = request.uri().authority().is_none_or(|it| ours(without_port(it.as_str())));
        let mut hosts = request.headers().get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => first && host.to_str().is_ok_and(|it| ours(without_port(it))),
            _ => false,
        }
    }
}

/// Whether the caller asked for this machine by a name that only it can mean; a proxy that adds no
/// header of its own still passes on the public one.
pub(super) fn names_this_machine(host: &HeaderValue) -> bool {
    is_this_machine(without_port(host.to_str().unwrap_or_default()))
}

fn is_this_machine(host: &str) -> bool {
    let name = host.trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn without_port(host: &str) -> &str {
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    name.map_or(host, |(name, _)| name)
}

fn plain(host: &str) -> String {
    host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(names: &Names, (peer, uri, hosts): (&str, &str, &[&str])) -> bool {
        let mut request = http::Request::get(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let mut request = request.body(axum::body::Body::empty()).unwrap();
        request.extensions_mut().insert(Peer::Tcp(peer.parse().unwrap()));
        names.know(&request)
    }

    #[test]
    fn only_own_names_are_known() {
        const FAR: &str = "203.0.113.5:1";
        const NEAR: &str = "127.0.0.1:1";
        let names = Names::new(["social.example", "192.0.2.7", "[2001:db8::1]"]);
        for asked in [
            (FAR, "/", &["social.example"][..]),
            (FAR, "/", &["SOCIAL.example.:443"]),
            (FAR, "/", &["192.0.2.7:8080"]),
            (FAR, "/", &["[2001:db8::1]:8080"]),
            (NEAR, "/", &["social.example"]),
            (NEAR, "/", &["localhost:8080"]),
            (NEAR, "/", &["[::1]:8080"]),
            (NEAR, "/", &["127.0.0.2"]),
            (FAR, "/health/live", &["10.0.0.9"]),
            (FAR, "/metrics", &["10.0.0.9:8080"]),
            (FAR, "http://social.example/", &["social.example"]),
        ] {
            assert!(known(&names, asked), "{asked:?}");
        }
        for asked in [
            (FAR, "/", &["evil.example"][..]),
            (FAR, "/", &["social.example.evil.example"]),
            (FAR, "/", &["evil.example:social.example"]),
            (FAR, "/", &["social.example@evil.example"]),
            (FAR, "/", &["localhost"]),
            (FAR, "/", &["127.0.0.1"]),
            (FAR, "/", &["192.0.2.8"]),
            (FAR, "/", &[""]),
            (FAR, "/", &[]),
            (FAR, "/", &["social.example", "evil.example"]),
            (FAR, "/", &["social.example", "social.example"]),
            (NEAR, "/", &["evil.example"]),
            (NEAR, "/", &["localhost.evil.example"]),
            (FAR, "http://evil.example/", &["social.example"]),
            (FAR, "http://social.example/", &["evil.example"]),
        ] {
            assert!(!known(&names, asked), "{asked:?}");
        }
        assert!(known(&Names::default(), (FAR, "/", &["anything.example"])));
        assert!(known(&Names::new([]), (FAR, "/", &[])));
    }
}
