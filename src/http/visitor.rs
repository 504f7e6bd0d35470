//! Who comes, apart from any right: the address and the program of a request, and the person whose
//! session it carries. Must not believe a header that did not come from a proxy of ours.

use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::header::{HeaderName, USER_AGENT};
use http::request::Parts;

use super::extract::{Caller, Correlation, bearer};
use super::places::Country;
use super::problem::Refusal;
use super::{Face, Peer, Shared};
use crate::base::{Code, CorrelationId, Net, Problem};
use crate::service::{SignedIn, Visitor};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Longer chains of proxies there are none.
const HOPS: usize = 16;

/// Where the request comes from.
pub(super) struct Visit(pub Visitor);

impl FromRequestParts<Shared> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let Correlation(correlation) = Correlation::from_request_parts(parts, face).await?;
        let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let address = address(parts, face);
        Ok(Self(Visitor { address, agent: agent.unwrap_or_default().to_owned(), correlation }))
    }
}

/// From where a key is shown.
pub(super) struct Place {
    pub address: Option<IpAddr>,
    pub correlation: CorrelationId,
}

impl FromRequestParts<Shared> for Place {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let Correlation(correlation) = Correlation::from_request_parts(parts, face).await?;
        Ok(Self { address: sure_address(parts, face), correlation })
    }
}

/// From which address a request comes, as far as that is known.
pub(super) fn address(parts: &Parts, face: &Face) -> Option<IpAddr> {
    let Some(Peer::Tcp(peer)) = parts.extensions.get::<Peer>() else { return None };
    Some(first_stranger(peer.ip(), &parts.headers, &face.settings.proxies))
}

/// The same where a right hangs on it: `None` also when a proxy of ours named nobody that can be read, so that its
/// own address is taken for nobody's.
pub(super) fn sure_address(parts: &Parts, face: &Face) -> Option<IpAddr> {
    let Some(Peer::Tcp(peer)) = parts.extensions.get::<Peer>() else { return None };
    chain(peer.ip(), &parts.headers, &face.settings.proxies).ok()
}

/// From which country a request comes, if a setting names the header for it and a proxy of ours sent it.
pub(super) fn country(parts: &Parts, face: &Face) -> Option<Country> {
    let name = face.settings.country.as_ref()?;
    let Some(Peer::Tcp(peer)) = parts.extensions.get::<Peer>() else { return None };
    face.settings.proxies.iter().find(|net| net.contains(peer.ip()))?;
    let mut values = parts.headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    // Proxies say XX, or T1, where they do not know.
    let country =
        Country::try_from(value.as_bytes()).ok()?.map(|letter| letter.to_ascii_uppercase());
    let known = country.iter().all(u8::is_ascii_uppercase) && country != *b"XX";
    known.then_some(country)
}

/// Of the chain that proxies wrote down, the address that the last of them that is ours saw; or that proxy, where
/// it wrote what cannot be read.
fn first_stranger(peer: IpAddr, headers: &HeaderMap, proxies: &[Net]) -> IpAddr {
    chain(peer, headers, proxies).unwrap_or_else(|proxy| proxy)
}

/// The same; `Err` with the proxy that wrote what cannot be read.
fn chain(peer: IpAddr, headers: &HeaderMap, proxies: &[Net]) -> Result<IpAddr, IpAddr> {
    let ours = |ip: &IpAddr| proxies.iter().any(|net| net.contains(*ip));
    let mut seen = peer;
    // By bytes: a line that is no text as a whole may end in what a proxy of ours added.
    let lines = headers.get_all(FORWARDED_FOR).iter();
    let chain: Vec<&[u8]> = lines.flat_map(|line| line.as_bytes().split(|b| *b == b',')).collect();
    for hop in chain.iter().rev().take(HOPS) {
        if !ours(&seen) {
            break;
        }
        seen = std::str::from_utf8(hop).ok().and_then(written).ok_or(seen)?;
    }
    Ok(seen)
}

/// An address as proxies write it: some with the port.
fn written(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    hop.trim_matches(['[', ']']).parse().ok().or_else(with_port)
}

/// A person, by the token of a session. A key is not one.
pub(super) struct Person {
    pub who: SignedIn,
    pub visitor: Visitor,
}

impl FromRequestParts<Shared> for Person {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, face).await?;
        if caller.principal.user().is_none() {
            return Err(Problem::new(Code::PersonNeeded).into());
        }
        let token = bearer(&parts.headers).ok_or_else(|| Problem::new(Code::Unauthenticated))?;
        let who = face.services.signed_in(token).await?;
        let Visit(visitor) = Visit::from_request_parts(parts, face).await?;
        Ok(Self { who, visitor })
    }
}

/// A person if the request carries a token, else a stranger.
pub(super) struct MaybePerson {
    pub who: Option<SignedIn>,
    pub visitor: Visitor,
}

impl FromRequestParts<Shared> for MaybePerson {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, face: &Shared) -> Result<Self, Refusal> {
        if parts.headers.contains_key(http::header::AUTHORIZATION) {
            let Person { who, visitor } = Person::from_request_parts(parts, face).await?;
            return Ok(Self { who: Some(who), visitor });
        }
        let Visit(visitor) = Visit::from_request_parts(parts, face).await?;
        Ok(Self { who: None, visitor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_proxies_are_believed() {
        let proxies: Vec<Net> =
            ["127.0.0.0/8", "10.0.0.0/8"].map(|net| net.parse().unwrap()).into();
        for (peer, chain, seen) in [
            ("127.0.0.1", "", "127.0.0.1"),
            ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
            ("127.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
            ("127.0.0.1", "198.51.100.7, 10.0.0.9", "198.51.100.7"),
            ("127.0.0.1", "198.51.100.7, nonsense", "127.0.0.1"),
            ("127.0.0.1", "[2001:db8::1]", "2001:db8::1"),
            ("127.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
            ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("127.0.0.1", "\u{ff}, 198.51.100.7", "198.51.100.7"),
            ("127.0.0.1", "198.51.100.7, \u{ff}", "127.0.0.1"),
            ("127.0.0.1", "unknown", "127.0.0.1"),
            ("203.0.113.5", "198.51.100.7", "203.0.113.5"),
        ] {
            let mut headers = HeaderMap::new();
            if !chain.is_empty() {
                let value = http::HeaderValue::from_bytes(chain.as_bytes()).unwrap();
                headers.insert(FORWARDED_FOR, value);
            }
            let found = first_stranger(peer.parse().unwrap(), &headers, &proxies);
            assert_eq!(found, seen.parse::<IpAddr>().unwrap(), "{peer} {chain}");
            let sure = super::chain(peer.parse().unwrap(), &headers, &proxies).is_ok();
            let readable =
                !["nonsense", "unknown", "7, \u{ff}"].iter().any(|bad| chain.ends_with(bad));
            assert_eq!(sure, readable, "{peer} {chain}");
        }
    }
}
