//! Who belongs to which workspace, and as what.

use super::{Line, Row, Screen, Table, col, full, line, when, wide};
use crate::console::act::{Act, Ask, Choose, Command, Confirm, nothing, writes};
use crate::console::canvas::Tone;
use crate::console::model::Model;
use crate::service::{Of, Person};

pub const SCREEN: Screen = Screen {
    name: "members",
    key: None,
    tab: ("", ""),
    about: "Who may do what, and where?",
    table,
    detail,
    pane: 8,
    draw: None,
    enter: None,
    moves: None,
    keys: &[
        writes('i', "invite", "invite somebody by e-mail; the link is shown once", invite),
        writes('e', "role", "make them something else", role),
        writes(
            'p',
            "suspend, restore",
            "give them nothing for a while, or let them in again",
            suspend,
        ),
        writes('P', "", "a link by which they set a new password; shown once", password),
        writes('F', "", "take off an authenticator that they have lost", totp),
        writes('x', "remove", "end the membership, or take the invitation back", remove),
    ],
};

const ROLES: [(char, &str, &str); 4] = [
    ('v', "viewer", "sees everything"),
    ('e', "editor", "writes and publishes"),
    ('a', "admin", "channels, keys, members and settings, too"),
    ('o', "owner", "everything"),
];

fn is_member(person: &Person) -> bool {
    !matches!(person.state, "invited" | "expired")
}

fn table(model: &Model) -> Table {
    let people = &model.snap.overview.people;
    let row = |of: &Of<Person>| {
        let person = &of.it;
        let totp = match (is_member(person), person.totp) {
            (false, _) => "-",
            (true, true) => "totp",
            (true, false) => "none",
        };
        let (mark, tone) = match person.state {
            "active" => ("\u{25CF}", Tone::Plain),
            "suspended" | "disabled" => ("\u{2717}", Tone::Warn),
            "invited" => ("\u{25CB}", Tone::Plain),
            _ => ("\u{25CB}", Tone::Dim),
        };
        let limited = person.channels.map_or_else(|| "all".to_owned(), |n| n.to_string());
        Row {
            copy: Some(person.email.clone()),
            ..Row::new(
                format!("{} {}", of.workspace, person.id),
                vec![
                    person.email.clone(),
                    of.workspace.to_string(),
                    person.role.to_owned(),
                    totp.to_owned(),
                    person.seen.map_or("-".to_owned(), |at| when(model, &at.to_string())),
                    format!("{mark} {}", person.state),
                    limited,
                    person.name.clone(),
                ],
            )
        }
        .of(&of.workspace)
        .tone(tone)
    };
    let shown = people.iter().filter(|of| model.shows(&of.workspace) && is_member(&of.it));
    let (all, without) =
        shown.fold((0, 0), |(all, without), of| (all + 1, without + usize::from(!of.it.totp)));
    Table {
        title: format!("members  {all}  {without} without an authenticator"),
        columns: const {
            &[
                col("E-MAIL", 0),
                col("WORKSP.", 9),
                col("ROLE", 7),
                col("2FA", 5),
                col("SEEN", 10),
                col("STATE", 11),
                wide("CHANNELS", 8),
                wide("NAME", 16),
            ]
        },
        rows: people.iter().map(row).collect(),
        empty: "Nobody belongs to a workspace yet. i invites somebody.",
    }
}

fn find<'a>(model: &'a Model, row: &Row) -> Option<&'a Of<Person>> {
    let (workspace, id) = row.id.split_once(' ')?;
    let people = &model.snap.overview.people;
    people.iter().find(|of| *of.workspace == *workspace && of.it.id == id)
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(of) = find(model, row) else { return Vec::new() };
    let person = &of.it;
    let about = ROLES.iter().find(|(_, role, _)| *role == person.role).map_or("", |role| role.2);
    let channels = match person.channels {
        None => "every channel".to_owned(),
        Some(n) => format!("{n} channels only; carillon member show says which"),
    };
    let state = match person.state {
        "active" => "active",
        "suspended" => "suspended: nothing in this workspace is open to them; p lets them in again",
        "disabled" => "disabled everywhere; carillon user enable lets them in again",
        "invited" => "invited, and has not come yet",
        _ => "the invitation ran out; i makes a new one",
    };
    let mut lines = vec![
        line("who", format!("{} {}", person.email, person.name)),
        line("role", format!("{} of {}: {about}", person.role, of.workspace)),
        line("sees", channels),
        line("state", state),
        line("since", full(model, &person.since.to_string())),
    ];
    if is_member(person) {
        let seen = person.seen.map(|at| full(model, &at.to_string()));
        lines.push(line("seen", seen.unwrap_or_else(|| "is signed in nowhere".to_owned())));
    }
    if is_member(person) {
        lines.push(line("2FA", if person.totp { "an authenticator" } else { "a password only" }));
    }
    lines
}

/// In which workspace somebody new is to be.
fn home(model: &Model, rows: &[Row]) -> Option<String> {
    let only = || match model.snap.overview.workspaces.as_slice() {
        [one] => Some(one.slug.clone()),
        _ => None,
    };
    let row = || rows.first().and_then(|row| row.workspace.clone());
    model.workspace.clone().or_else(row).or_else(only)
}

fn invite(model: &Model, rows: &[Row]) -> Act {
    let Some(workspace) = home(model, rows) else {
        return nothing("into which workspace? :go workspaces, enter on it, and i here again");
    };
    Act::Ask(Ask {
        title: format!("invite into {workspace}"),
        lines: vec!["Their e-mail? What they may do is asked next.".to_owned()],
        secret: false,
        rows: vec![Row::default().of(&workspace)],
        then: |_, rows, typed| {
            if !typed.contains('@') {
                return nothing("type an e-mail; esc keeps everything as it is");
            }
            let about = format!("invited {typed}");
            let command = Command::new(("invitation", "create"), about).with("email", typed);
            let commands: Vec<_> = rows.iter().map(|row| command.clone().of(row)).collect();
            choose(format!("{typed} is to be"), &commands)
        },
    })
}

/// Asks for a role, which completes these commands.
fn choose(title: String, commands: &[Command]) -> Act {
    let option = |(key, role, about): (char, &str, &str)| {
        let with = commands.iter().map(|command| command.clone().with("role", role));
        (key, format!("{role}: {about}"), Act::Run(with.collect()))
    };
    Act::Choose(Choose { title, lines: Vec::new(), options: ROLES.map(option).into() })
}

/// The chosen who are members.
fn members<'a>(model: &'a Model, rows: &'a [Row]) -> Vec<(&'a Row, &'a Person)> {
    let found = rows.iter().filter_map(|row| Some((row, &find(model, row)?.it)));
    found.filter(|(_, person)| is_member(person)).collect()
}

fn role(model: &Model, rows: &[Row]) -> Act {
    let chosen = members(model, rows);
    let Some((_, first)) = chosen.first() else {
        return nothing("only who has come has a role; x takes an invitation back");
    };
    let title = match chosen.len() {
        1 => format!("{} is {} and is to be", first.email, first.role),
        n => format!("these {n} are to be"),
    };
    let command = |(row, person): &(&Row, &Person)| {
        let about = format!("changed the role of {}", person.email);
        Command::new(("member", "set-role"), about).of(row).with("user", person.id.clone())
    };
    choose(title, &chosen.iter().map(command).collect::<Vec<_>>())
}

fn suspend(model: &Model, rows: &[Row]) -> Act {
    let chosen = members(model, rows);
    let Some((_, first)) = chosen.first() else {
        return nothing("only who has come can be suspended; x takes an invitation back");
    };
    let verb = if first.state == "suspended" { "restore" } else { "suspend" };
    let command = |(row, person): &(&Row, &Person)| {
        let about = format!("{verb} {}", person.email);
        Command::new(("member", verb), about).of(row).with("user", person.id.clone())
    };
    Act::Run(chosen.iter().map(command).collect())
}

/// Something that is done to one person everywhere, and asked before.
fn everywhere(model: &Model, rows: &[Row], verb: &'static str, what: &str, why: &str) -> Act {
    let chosen = members(model, rows);
    let Some((_, person)) = chosen.first() else {
        return nothing("only who has come has an account");
    };
    let about = format!("{what} {}", person.email);
    // By the id: whom a host made may have the e-mail of somebody else.
    let command = Command::new(("user", verb), about.clone()).with("email", person.id.clone());
    Act::Confirm(Confirm {
        title: format!("{about}?"),
        lines: vec![command.typed(), String::new(), why.to_owned()],
        yes: "do it".to_owned(),
        name: None,
        commands: vec![command],
    })
}

fn password(model: &Model, rows: &[Row]) -> Act {
    let why = "Whoever has the link sets the password, once and within a day. It is shown once.";
    everywhere(model, rows, "reset-link", "a password link for", why)
}

fn totp(model: &Model, rows: &[Row]) -> Act {
    let why = "From then on their password alone lets them in, until they set one up again.";
    everywhere(model, rows, "reset-totp", "take off the authenticator of", why)
}

fn remove(model: &Model, rows: &[Row]) -> Act {
    let found: Vec<_> = rows.iter().filter_map(|row| Some((row, &find(model, row)?.it))).collect();
    let Some((_, first)) = found.first() else { return nothing("nothing is chosen") };
    let command = |(row, person): &(&Row, &Person)| {
        let (noun, verb, name) = if is_member(person) {
            ("member", "remove", "user")
        } else {
            ("invitation", "revoke", "id")
        };
        let about = format!("{noun} {verb} {}", person.email);
        Command::new((noun, verb), about).of(row).with(name, person.id.clone())
    };
    let title = match found.len() {
        1 => format!("{} is to have nothing here any more?", first.email),
        n => format!("these {n} are to have nothing here any more?"),
    };
    let mut lines: Vec<String> = found
        .iter()
        .map(|(row, person)| {
            let workspace = row.workspace.clone().unwrap_or_default();
            format!("{}  {} of {workspace}", person.email, person.role)
        })
        .collect();
    lines.extend([String::new(), "At the next request. What they wrote stays.".to_owned()]);
    let commands = found.iter().map(command).collect();
    Act::Confirm(Confirm { title, lines, yes: "end it".to_owned(), name: None, commands })
}
