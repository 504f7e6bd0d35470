//! Connected accounts, and which of them needs a person.

use super::{Line, Row, Screen, Table, col, full, line, wide};
use crate::console::act::{Act, Ask, Command, Confirm, nothing, reads, writes};
use crate::console::canvas::Tone;
use crate::console::model::Model;
use crate::service::Of;
use crate::service::shown::ChannelShown;

pub const SCREEN: Screen = Screen {
    name: "channels",
    key: Some('5'),
    tab: ("Chan", "Channels"),
    about: "Which account is about to need me?",
    table,
    detail,
    pane: 0,
    draw: None,
    enter: None,
    moves: None,
    keys: &[
        writes('p', "pause, resume", "hold back what is due for it, or let it go on", pause),
        writes('t', "test", "ask the network whom it speaks for; posts nothing", |_, rows| {
            each(rows, "test", "tested")
        }),
        writes('c', "connect", "connect it again, with a new token", connect),
        writes('x', "", "disconnect it and cancel what waits for it", remove),
        writes('n', "new", "connect an account", |_, _| {
            Act::Type("channel add --network ".to_owned())
        }),
        reads('f', "", "only those that are not well", bad),
    ],
};

fn health(channel: &ChannelShown) -> (&'static str, Tone) {
    match (channel.state.as_str(), channel.paused) {
        ("reconnect_needed", _) => ("\u{2717} reconnect", Tone::Bad),
        ("connecting", _) => ("! connecting", Tone::Warn),
        (_, true) => ("\u{25CB} paused", Tone::Dim),
        _ => ("\u{25CF} ok", Tone::Good),
    }
}

fn table(model: &Model) -> Table {
    let overview = &model.snap.overview;
    let mut all: Vec<&Of<ChannelShown>> = overview.channels.iter().collect();
    let rank = |of: &Of<ChannelShown>| match health(&of.it).1 {
        Tone::Bad => 0,
        Tone::Warn => 1,
        Tone::Dim => 2,
        _ => 3,
    };
    all.sort_by_key(|of| rank(of));
    let need = all.iter().filter(|of| rank(of) < 2).count();
    let row = |of: &&Of<ChannelShown>| {
        let channel = &of.it;
        let (health, tone) = health(channel);
        let count = |all: &[Of<crate::service::Waiting>]| {
            all.iter()
                .filter(|waiting| waiting.it.delivery.channel == channel.id)
                .count()
                .to_string()
        };
        let account = channel.handle.clone().unwrap_or_else(|| channel.name.clone());
        Row::new(
            channel.id.clone(),
            vec![
                health.to_owned(),
                channel.network.clone(),
                account,
                of.workspace.to_string(),
                count(&overview.queue),
                count(&overview.attention),
                channel.name.clone(),
                channel.instance.clone().unwrap_or_default(),
            ],
        )
        .of(&of.workspace)
        .tone(tone)
    };
    let (n, of) = (all.len(), overview.workspaces.len());
    Table {
        title: format!("channels  {n} in {of} workspaces  {need} need a person"),
        columns: const {
            &[
                col("HEALTH", 12),
                col("NETWORK", 10),
                col("ACCOUNT", 0),
                col("WORKSP.", 10),
                col("QUEUED", 6),
                col("HELD", 4),
                wide("NAME", 20),
                wide("INSTANCE", 24),
            ]
        },
        rows: all.iter().map(row).collect(),
        empty: "No account is connected yet. n connects one; a `feed` needs no account anywhere: \
                `:channel add --network feed --name News -w WORKSPACE`.",
    }
}

fn find<'a>(model: &'a Model, row: &Row) -> Option<&'a Of<ChannelShown>> {
    model.snap.overview.channels.iter().find(|of| of.it.id == row.id)
}

fn detail(model: &Model, row: &Row) -> Vec<Line> {
    let Some(of) = find(model, row) else { return Vec::new() };
    let channel = &of.it;
    let (words, tone) = health(channel);
    let mut lines = vec![Line { name: "health", text: words.to_owned(), tone }];
    let why = match (channel.state.as_str(), channel.paused) {
        ("reconnect_needed", _) => {
            "The network takes its token no more. c connects it with a new one; what it holds then goes on."
        }
        ("connecting", _) => "Open the address below, then c with the code that is shown there.",
        (_, true) => "Paused: what is due waits. p lets it go on.",
        _ => "Nothing is to be done.",
    };
    lines.push(line("do", why));
    lines.extend(channel.reason.iter().map(|why| line("because", why.clone())));
    lines.extend(channel.authorize_url.iter().map(|url| line("open", url.clone())));
    lines.push(line("name", channel.name.clone()));
    lines.push(line("account", channel.handle.clone().unwrap_or_default()));
    lines.extend(channel.instance.iter().map(|at| line("instance", at.clone())));
    lines.extend(channel.url.iter().map(|at| line("page", at.clone())));
    lines.push(line("since", full(model, &channel.created_at)));
    let limits = &channel.limits;
    let takes = format!(
        "{} characters, {} parts, {} files each",
        limits.text_max, limits.parts_max, limits.media_max
    );
    lines.push(line("takes", takes));
    for limit in &channel.rate_limits {
        lines.push(line(
            "limit",
            format!(
                "no {} until {} (for this {})",
                limit.calls,
                full(model, &limit.until),
                limit.counts
            ),
        ));
    }
    if let Some(grace) = channel.grace_minutes {
        lines.push(line("late", format!("{grace} min are allowed")));
    }
    lines.push(line("id", channel.id.clone()));
    lines
}

fn each(rows: &[Row], verb: &'static str, about: &str) -> Act {
    let command =
        |row: &Row| Command::new(("channel", verb), about).of(row).with("id", row.id.clone());
    Act::Run(rows.iter().map(command).collect())
}

fn pause(model: &Model, rows: &[Row]) -> Act {
    let all: Vec<_> = rows.iter().filter_map(|row| find(model, row)).collect();
    let Some(first) = all.first() else { return nothing("nothing is chosen") };
    let (verb, about) =
        if first.it.paused { ("resume", "it goes on") } else { ("pause", "paused") };
    each(rows, verb, about)
}

fn connect(model: &Model, rows: &[Row]) -> Act {
    let Some(of) = rows.first().and_then(|row| find(model, row)) else {
        return nothing("nothing is chosen");
    };
    let code = of.it.state == "connecting";
    let mut lines = vec![format!("{} {}", of.it.network, of.it.name)];
    lines.push(if code {
        format!(
            "Open {} and type the code that it shows.",
            of.it.authorize_url.clone().unwrap_or_default()
        )
    } else {
        "Paste a new token of the same account (an app password for Bluesky). It is not shown, \
         kept sealed, and tested at once."
            .to_owned()
    });
    Act::Ask(Ask {
        title: "connect".to_owned(),
        lines,
        secret: true,
        rows: rows.iter().take(1).cloned().collect(),
        then: |model, rows, typed| {
            let Some(row) = rows.first() else { return nothing("nothing is chosen") };
            if typed.is_empty() {
                return nothing("nothing was typed; esc keeps everything as it is");
            }
            let code = find(model, row).is_some_and(|of| of.it.state == "connecting");
            let command = Command::new(("channel", "connect"), "connected")
                .of(row)
                .with("id", row.id.clone());
            Act::Run(vec![command.with(if code { "code" } else { "token" }, typed)])
        },
    })
}

fn remove(model: &Model, rows: &[Row]) -> Act {
    let all: Vec<_> = rows.iter().filter_map(|row| Some((row, find(model, row)?))).collect();
    if all.is_empty() {
        return nothing("nothing is chosen");
    }
    let mut lines: Vec<String> = all
        .iter()
        .map(|(row, of)| {
            let queued = row.cells.get(4).cloned().unwrap_or_default();
            format!("{} {}  {queued} queued", of.it.network, of.it.name)
        })
        .collect();
    lines.extend([
        String::new(),
        "What waits for it is cancelled; what is out stays. This cannot be undone.".to_owned(),
    ]);
    let command = |(row, _): &(&Row, &Of<ChannelShown>)| {
        Command::new(("channel", "remove"), "disconnected").of(row).with("id", row.id.clone())
    };
    Act::Confirm(Confirm {
        title: format!("disconnect {}?", all.len()),
        lines,
        yes: "disconnect".to_owned(),
        // A name is typed for one: it takes its queue with it.
        name: all.first().map(|(_, of)| of.it.name.clone()).filter(|_| all.len() == 1),
        commands: all.iter().map(command).collect(),
    })
}

fn bad(_: &Model, _: &[Row]) -> Act {
    nothing("type / and then !ok")
}
