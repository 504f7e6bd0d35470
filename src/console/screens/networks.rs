//! The networks that this program knows: what each asks for, and this installation as an application
//! of those that ask for one. A secret goes in and is never shown.

use super::{Line, Row, Screen, Table, col, full, line, when, wide};
use crate::console::act::{Act, Ask, Command, Confirm, nothing, reads, writes};
use crate::console::canvas::Tone;
use crate::console::model::Model;
use crate::service::AppShown;
use crate::service::shown::NetworkShown;

pub const SCREEN: Screen = Screen {
    name: "networks",
    key: None,
    tab: ("", ""),
    about: "Which networks are there, is our application set and known, and which are paused?",
    table,
    detail,
    pane: 10,
    draw: None,
    enter: Some(enter),
    moves: None,
    keys: &[
        writes('p', "pause, resume", "stop publishing to it for everybody, or let it go on", pause),
        writes('t', "test", "ask the network whether it knows our application", test),
        writes('a', "set up", "set our application there: its id, and its secret", set_up),
        writes('R', "", "give the application another secret, while everything runs", rotate),
        writes('D', "", "forget the application; its name must be typed", remove),
        writes('n', "connect", "connect an account there", connect),
        reads('o', "", "all of it: addresses, scopes, limits", |_, _| Act::Open),
    ],
};

fn asks(of: &NetworkShown) -> String {
    let asked = [
        (of.asks_instance, "its server"),
        (of.asks_identifier, "a name to sign in"),
        (of.asks_token, "a token"),
        (of.asks_url, "an address"),
    ];
    let words: Vec<&str> =
        asked.iter().filter(|(asked, _)| *asked).map(|(_, word)| *word).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// Where it is set, and where it ends: enough to tell two apart.
fn masked(id: &str) -> String {
    let all: Vec<char> = id.chars().collect();
    let shown = (all.len() / 4).min(3);
    let (head, tail) = (all.iter().take(shown), all.iter().skip(all.len() - shown));
    format!("{}\u{2026}{}", head.collect::<String>(), tail.collect::<String>())
}

fn app_of<'a>(model: &'a Model, network: &str) -> Option<&'a AppShown> {
    model.snap.apps.iter().find(|app| app.network == network)
}

/// How it is in a word, and what there is to do.
fn state(of: &NetworkShown, app: Option<&AppShown>) -> (&'static str, Tone, &'static str) {
    match app {
        _ if of.paused => ("\u{25CB} paused", Tone::Warn, "p lets it go on"),
        Some(AppShown { set: false, .. }) => ("\u{25CB} none", Tone::Plain, "enter sets it up"),
        Some(AppShown { tested: Some("refused"), .. }) => {
            ("\u{2717} refused", Tone::Bad, "R: its new secret")
        }
        Some(AppShown { tested: None, .. }) => ("\u{25CF} set", Tone::Plain, "t tests it"),
        _ => ("\u{25CF} ready", Tone::Good, "nothing to do"),
    }
}

/// As what it knows us.
fn known_as(of: &NetworkShown, app: Option<&AppShown>) -> String {
    match app {
        Some(app) => app.client_id.as_deref().map_or("-".to_owned(), |id| {
            let since = app.rotated_at.as_ref().or(app.set_at.as_ref());
            let day = since.and_then(|at| at.get(..10)).unwrap_or_default();
            format!("id {}  {day}", masked(id))
        }),
        None if of.asks_identifier => "a password per channel".to_owned(),
        None if of.asks_instance => "one per server, by itself".to_owned(),
        None if of.asks_token => "a token per channel".to_owned(),
        None => "needs none".to_owned(),
    }
}

fn table(model: &Model) -> Table {
    let row = |of: &NetworkShown| {
        let app = app_of(model, &of.id);
        let (word, tone, next) = state(of, app);
        let channels =
            model.snap.overview.channels.iter().filter(|c| c.it.network == of.id).count();
        Row {
            tone,
            copy: app.map(|app| app.redirect_uri.clone()),
            ..Row::new(
                of.id.clone(),
                vec![
                    word.to_owned(),
                    of.id.clone(),
                    known_as(of, app),
                    next.to_owned(),
                    channels.to_string(),
                    asks(of),
                ],
            )
        }
    };
    let apps = &model.snap.apps;
    let (all, set) = (apps.len(), apps.iter().filter(|app| app.set).count());
    Table {
        title: format!("networks  {}  {set} of {all} applications set", model.snap.networks.len()),
        columns: const {
            &[
                col("STATE", 9),
                col("NETWORK", 14),
                col("APPLICATION", 26),
                col("NEXT", 0),
                wide("CHANNELS", 8),
                wide("ASKS FOR", 24),
            ]
        },
        rows: model.snap.networks.iter().map(row).collect(),
        empty: "",
    }
}

fn find<'a>(model: &'a Model, row: &Row) -> Option<&'a NetworkShown> {
    model.snap.networks.iter().find(|of| of.id == row.id)
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(of) = find(model, row) else { return Vec::new() };
    let app = app_of(model, &of.id);
    let (word, tone, next) = state(of, app);
    let mut lines = vec![
        line("name", of.title.clone()),
        Line { name: "state", text: format!("{word}: {next}"), tone },
    ];
    match app {
        Some(app) => lines.extend(app_lines(model, app)),
        None => lines.push(line("app", known_as(of, None))),
    }
    let media = &of.limits.media;
    lines.extend([
        line("asks for", asks(of)),
        line("text", format!("{} characters, {} parts", of.limits.text_max, of.limits.parts_max)),
        line("media", format!("{} in a part: {}", of.limits.media_max, media.types.join(", "))),
    ]);
    lines.extend(of.hosts.iter().map(|host| line("host", format!("{} {}", host.name, host.url))));
    let option = |option: &crate::service::shown::OptionShown| {
        line("option", format!("{}: {}", option.name, option.about))
    };
    lines.extend(of.options.iter().map(option));
    lines
}

fn app_lines(model: &Model, app: &AppShown) -> Vec<Line> {
    let at = |at: &Option<String>| at.as_ref().map(|at| full(model, at)).unwrap_or_default();
    let mut lines = Vec::new();
    match &app.client_id {
        None => lines.push(line("app", format!("none yet; make one at {}", app.console))),
        Some(id) => {
            lines.push(line("app", format!("id {}, its secret sealed", masked(id))));
            let rotated = app.rotated_at.as_ref();
            let rotated = rotated.map(|at| format!(", another secret {}", when(model, at)));
            lines.push(line("set", at(&app.set_at) + &rotated.unwrap_or_default()));
            lines.push(match app.tested {
                Some("ok") => line("tested", format!("known, {}", at(&app.tested_at))),
                Some(_) => Line {
                    name: "tested",
                    text: format!(
                        "not known, {}: expired, revoked or mistyped. Its page is {}",
                        at(&app.tested_at),
                        app.console
                    ),
                    tone: Tone::Bad,
                },
                None => line("tested", "not yet; t asks the network"),
            });
        }
    }
    lines.push(line("redirect", format!("{}  (y copies)", app.redirect_uri)));
    lines.push(line("scopes", app.scopes.join(" ")));
    lines
}

/// The next step: where an application is missing it is set up, else all of it is shown.
fn enter(model: &Model, rows: &[Row]) -> Act {
    let app = rows.first().and_then(|row| app_of(model, &row.id));
    match app {
        Some(AppShown { set: false, .. }) if !model.readonly => set_up(model, rows),
        _ => Act::Open,
    }
}

fn pause(model: &Model, rows: &[Row]) -> Act {
    let Some(first) = rows.first().and_then(|row| find(model, row)) else {
        return nothing("nothing is chosen");
    };
    let (verb, about) =
        if first.paused { ("resume", "it goes on") } else { ("pause", "paused for everybody") };
    let command = |row: &Row| Command::new(("network", verb), about).with("name", row.id.clone());
    Act::Run(rows.iter().map(command).collect())
}

fn connect(model: &Model, rows: &[Row]) -> Act {
    match rows.first() {
        // On the network's own page, by whoever has the link.
        Some(row) if app_of(model, &row.id).is_some() => {
            Act::Type(format!("channel link --network {} ", row.id))
        }
        Some(row) => Act::Type(format!("channel add --network {} --name ", row.id)),
        None => nothing("nothing is chosen"),
    }
}

/// The application of the first of these rows; else why there is none to do something with.
fn chosen<'a>(model: &'a Model, rows: &[Row]) -> Result<&'a AppShown, &'static str> {
    let row = rows.first().ok_or("nothing is chosen")?;
    app_of(model, &row.id).ok_or("this network asks for no application of ours")
}

fn set<'a>(model: &'a Model, rows: &[Row]) -> Result<&'a AppShown, &'static str> {
    let app = chosen(model, rows)?;
    if app.set { Ok(app) } else { Err("there is no application yet; enter sets it up") }
}

fn test(model: &Model, rows: &[Row]) -> Act {
    set(model, rows).map_or_else(nothing, |app| {
        let about = format!("the test of our application at {}", app.network);
        let network = app.network.clone();
        Act::Run(vec![Command::new(("app", "test"), about).with("network", network)])
    })
}

fn set_up(model: &Model, rows: &[Row]) -> Act {
    let app = match chosen(model, rows) {
        Ok(app) => app,
        Err(why) => return nothing(why),
    };
    let mut lines = vec![
        format!("1 Make an application at {}", app.console),
        "2 Tell it to send people back to".to_owned(),
        format!("    {}", app.redirect_uri),
        format!("3 Scopes: {}", app.scopes.join(" ")),
        "4 Type the client id that it shows.".to_owned(),
    ];
    if app.set {
        lines.push("The application before is forgotten; channels of it connect anew.".to_owned());
    }
    Act::Ask(Ask {
        title: format!("set up {}", app.network),
        lines,
        secret: false,
        rows: vec![Row::new(app.network.clone(), Vec::new())],
        then: |_, rows, typed| match (typed, rows.first()) {
            ("", _) | (_, None) => nothing("type the client id; esc keeps everything as it is"),
            (typed, Some(row)) => ask_secret(&row.id, Some(typed)),
        },
    })
}

fn rotate(model: &Model, rows: &[Row]) -> Act {
    set(model, rows).map_or_else(nothing, |app| ask_secret(&app.network, None))
}

/// Asks for a secret: of this id, or of the one that is set.
fn ask_secret(network: &str, client_id: Option<&str>) -> Act {
    let title = match client_id {
        Some(_) => format!("set up {network}"),
        None => format!("another secret for {network}"),
    };
    Act::Ask(Ask {
        title,
        lines: vec![
            "The client secret that it shows? It is sealed, and shown nowhere.".to_owned(),
            "It counts at once; t then asks the network whether it knows it.".to_owned(),
        ],
        secret: true,
        rows: vec![Row::new(network, client_id.into_iter().map(str::to_owned).collect())],
        then: |_, rows, typed| {
            let Some(row) = rows.first().filter(|_| !typed.is_empty()) else {
                return nothing("type the secret; esc keeps everything as it is");
            };
            let command = match row.cells.first() {
                Some(id) => {
                    let about = format!("our application at {} is set", row.id);
                    Command::new(("app", "set"), about).with("client-id", id.clone())
                }
                None => Command::new(("app", "rotate"), format!("{} has another secret", row.id)),
            };
            let network = row.id.clone();
            Act::Run(vec![command.with("network", network).with("client-secret", typed)])
        },
    })
}

fn remove(model: &Model, rows: &[Row]) -> Act {
    let app = match set(model, rows) {
        Ok(app) => app,
        Err(why) => return nothing(why),
    };
    let channels =
        model.snap.overview.channels.iter().filter(|c| c.it.network == app.network).count();
    let about = format!("our application at {} is forgotten", app.network);
    let command = Command::new(("app", "remove"), about).with("network", app.network.clone());
    Act::Confirm(Confirm {
        title: format!("forget our application at {}?", app.network),
        lines: vec![
            command.typed(),
            String::new(),
            format!("{channels} channels go on until their tokens end; none is connected anew."),
            "There is no undo: id and secret must be typed again.".to_owned(),
        ],
        yes: "forget it".to_owned(),
        name: Some(app.network.clone()),
        commands: vec![command],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_told_from_others_and_never_shown_whole() {
        for (id, shown) in [
            ("bWk4x9_RoQ77zzoQ", "bWk\u{2026}zoQ"),
            ("4411", "4\u{2026}1"),
            ("abc", "\u{2026}"),
            ("", "\u{2026}"),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", "\u{e9}\u{2026}\u{e9}"),
        ] {
            assert_eq!(masked(id), shown);
        }
    }
}
