//! Golden values of rows about people; see `goldens`.

use carillon::domain::access::{ChannelGrant, Grants, Role};
use carillon::domain::user::{
    Ended, Identity, Invitation, LinkTo, Proofs, SealedAuthenticator, Session, User,
};
use carillon::store::rows::Link;

use crate::goldens::{actors, at, bytes};
use crate::rig::id;

pub fn users() -> [User; 2] {
    let full = User {
        id: id(27),
        revision: 300,
        email: "ann@example.org".to_owned(),
        name: "Ann \u{2665}".to_owned(),
        created_at: at(31),
        disabled_at: Some(at(32)),
    };
    [User { disabled_at: None, ..full.clone() }, full]
}

/// The last one cannot be told in version 1.
pub fn proofs() -> [Proofs; 4] {
    let authenticator =
        SealedAuthenticator { sealed: bytes(), confirmed_at: Some(at(33)), last_step: u64::MAX };
    let begun = SealedAuthenticator { confirmed_at: None, last_step: 0, ..authenticator.clone() };
    let full = Proofs {
        password: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned()),
        password_at: at(34),
        authenticator: Some(authenticator),
        recovery: vec![[0xab; 32], [0xcd; 32]],
        identity: None,
    };
    let pending = Proofs { authenticator: Some(begun), ..full.clone() };
    let bare = Proofs { password: None, authenticator: None, recovery: vec![], ..full.clone() };
    let identity =
        Identity { hash: [0xef; 32], shown: "ann@example.org".to_owned(), linked_at: at(42) };
    let linked = Proofs { password: None, identity: Some(identity), ..full.clone() };
    [full, pending, bare, linked]
}

pub fn sessions() -> [Session; 2] {
    let full = Session {
        id: id(30),
        user: id(27),
        created_at: at(35),
        used_at: at(36),
        proved_at: at(37),
        agent: "Browser/1.0".to_owned(),
        address: "192.0.2.1".to_owned(),
        token: [0xab; 32],
        former: Some([0xcd; 32]),
        rotated_at: at(38),
    };
    [Session { former: None, ..full.clone() }, full]
}

pub fn links() -> [Link; 4] {
    let to = [
        LinkTo::SetUp,
        LinkTo::Invitation { workspace: id(1), invitation: id(31) },
        LinkTo::Reset { user: id(27), password_at: at(34) },
        LinkTo::Connect { workspace: id(1), connection: id(60) },
    ];
    to.map(|to| Link { expires_at: at(39), to })
}

pub fn invitations() -> Vec<Invitation> {
    let [key, operator, system, user, _] = actors();
    let all = [
        (key, None),
        (operator, Some(Ended::Accepted { by: id(27), at: at(40) })),
        (system, Some(Ended::Revoked { at: at(41) })),
        (user, None),
    ];
    let one = |(by, ended)| Invitation {
        id: id(31),
        email: "ben@example.org".to_owned(),
        role: Role::Editor,
        channels: Grants::Only([(id(5), ChannelGrant::Draft)].into()),
        by,
        created_at: at(42),
        expires_at: at(43),
        ended,
        token: [0xef; 32],
    };
    all.map(one).to_vec()
}

// Each of these stops to compile when a variant is added: give it a value above, then name it.
const _: fn(LinkTo) = |to| match to {
    LinkTo::SetUp | LinkTo::Invitation { .. } | LinkTo::Reset { .. } | LinkTo::Connect { .. } => {}
};
const _: fn(Ended) = |ended| match ended {
    Ended::Accepted { .. } | Ended::Revoked { .. } => {}
};
