//! Golden values of rows about hosts; see `goldens`.

use carillon::domain::host::{EmbedSession, Host};

use crate::goldens::at;
use crate::rig::id;

pub fn hosts() -> [Host; 2] {
    let full = Host {
        id: id(41),
        name: "Our CRM".to_owned(),
        origins: ["https://crm.example", "http://localhost:3000"].map(str::to_owned).into(),
        created_at: at(41),
        revoked_at: Some(at(42)),
    };
    [Host { origins: [].into(), revoked_at: None, ..full.clone() }, full]
}

pub fn embed_sessions() -> [EmbedSession; 2] {
    let full = EmbedSession {
        id: id(30),
        host: id(41),
        user: id(27),
        workspace: id(1),
        origin: "https://crm.example".to_owned(),
        theme: [("accent", "#c2185b"), ("font", "serif")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        created_at: at(43),
        expires_at: at(44),
        token: [0xab; 32],
    };
    [EmbedSession { theme: [].into(), ..full.clone() }, full]
}
