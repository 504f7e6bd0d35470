//! Golden values of rows about connections; see `goldens`.

use carillon::domain::channel::Account;
use carillon::domain::connection::{App, Bound, Connection, Grant, Heard, Offer, Refused, Stage};
use carillon::domain::event::Actor;
use carillon::domain::hook::{Handled, Hook, Outcome};

use crate::goldens::{at, bytes};
use crate::records::Golden;
use crate::rig::id;

/// The first is as the first version knew it, and the second as the second.
pub fn apps() -> Golden {
    let (client_id, without) = ("app-id".to_owned(), vec!["w_x".to_owned()]);
    let app = App {
        revision: 300,
        client_id,
        secret: bytes(),
        without,
        set_at: at(50),
        rotated_at: None,
        heard: None,
        webhook_secret: None,
    };
    let heard = Some(Heard { at: at(52), known: true });
    let rotated = App { rotated_at: Some(at(51)), heard, ..app.clone() };
    let all = [app, rotated.clone(), App { webhook_secret: Some(bytes()), ..rotated }];
    Golden::global(&all).since(1, &all[..1]).since(2, &all[..2])
}

pub fn hooks() -> Vec<Hook> {
    let hook = Hook {
        network: "x".to_owned(),
        received_at: at(62),
        body: br#"{"a":1}"#.to_vec(),
        marks: vec![[0xab; 32], [0xcd; 32]],
        handled: None,
    };
    let handled = |outcome| Some(Handled { at: at(63), outcome });
    let done = Outcome::ALL.map(|outcome| Hook { handled: handled(outcome), ..hook.clone() });
    [&[hook][..], &done].concat()
}

pub fn grants() -> [Grant; 2] {
    let full = Grant {
        scopes: vec!["a.b".to_owned(), "c".to_owned()],
        lacks: vec!["d".to_owned()],
        at: at(51),
        ends_at: Some(at(52)),
        warned_at: Some(at(53)),
        renewing_since: Some(at(54)),
    };
    [Grant { ends_at: None, warned_at: None, renewing_since: None, ..full.clone() }, full]
}

pub fn connections() -> Vec<Connection> {
    let [grant, _] = grants();
    let account = Account { remote_id: "7".to_owned(), handle: "@ann".to_owned(), url: None };
    let facts = [("k".to_owned(), "v".to_owned())].into();
    let offers = vec![Offer { account, kind: "member".to_owned(), facts }];
    let stages = [
        Stage::Open,
        Stage::Away { state: [0xab; 32], until: at(55), verifier: Some(bytes()) },
        Stage::Granted { offers, until: at(56), sealed: bytes(), grant },
        Stage::Done { channels: vec![id(5)], at: at(57) },
        Stage::Revoked { at: at(58) },
    ];
    let failed = Refused::ALL.map(|why| Stage::Failed { why, at: at(59) });
    let full = Connection {
        id: id(60),
        network: "x".to_owned(),
        channel: Some(id(5)),
        name: Some("Us".to_owned()),
        by: Actor::Operator { uid: 1_000 },
        created_at: at(60),
        expires_at: at(61),
        bound: Bound::Session { user: id(27), session: id(30) },
        stage: Stage::Open,
        former: Some([0xcd; 32]),
    };
    let (bare, bound) = (full.clone(), Bound::Link([0xef; 32]));
    let bare = Connection { channel: None, name: None, former: None, bound, ..bare };
    let browser = Connection { bound: Bound::Browser([0xef; 32]), ..bare.clone() };
    let staged = stages.into_iter().chain(failed);
    let staged = staged.map(|stage| Connection { stage, ..full.clone() });
    [bare, browser].into_iter().chain(staged).collect()
}

// Each of these stops to compile when a variant is added: give it a value above, then name it.
const _: fn(Bound) = |bound| match bound {
    Bound::Link(_) | Bound::Session { .. } | Bound::Browser(_) => {}
};
const _: fn(Stage) = |stage| match stage {
    Stage::Open
    | Stage::Away { .. }
    | Stage::Granted { .. }
    | Stage::Failed { .. }
    | Stage::Done { .. }
    | Stage::Revoked { .. } => {}
};
