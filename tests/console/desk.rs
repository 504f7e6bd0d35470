//! Applications of networks, alerts, files and jobs: what an operator's desk has besides posts.

use carillon::console::{self, Command, Effect, Kept, Msg, Popup, Save};
use carillon::domain::event::Actor;
use carillon::service::Round;
use carillon::store::rows::{AlertComment, AlertMark, OpenAlert};

use crate::rig::{self, at, on, press};

/// The commands that were handed over, as they are typed in a shell.
fn typed(effects: &[Effect]) -> Vec<String> {
    let commands = effects.iter().filter_map(|effect| match effect {
        Effect::Run(commands) => Some(commands),
        _ => None,
    });
    commands.flatten().map(Command::typed).collect()
}

fn text(model: &mut console::Model) -> String {
    rig::text(&rig::draw(model, (80, 24), (true, true)))
}

#[test]
fn an_application_is_seen_tested_rotated_and_forgotten() {
    let mut model = on("networks");
    let text_now = text(&mut model);
    for seen in ["2 of 3 applications set", "86k~7x2", "2026-11-20", "refused", "enter sets it up"]
    {
        assert!(text_now.contains(seen), "{seen}: {text_now}");
    }
    assert!(!text_now.contains("86kq03f1xx77x2") && !text_now.contains("bWk4x9RoQ77zzoQ"));
    press(&mut model, "/network:x\r");
    press(&mut model, "o");
    let all = text(&mut model);
    assert!(all.contains("not known") && all.contains("expired, revoked or mistyped"), "{all}");
    assert!(all.contains("https://social.example.com/oauth/x/callback"), "{all}");
    press(&mut model, "\x1b");
    assert_eq!(typed(&press(&mut model, "t")), ["app test x"]);
    // Its new secret is typed blind, and is in no word that is shown.
    press(&mut model, "Rhunter2");
    let blind = text(&mut model);
    assert!(blind.contains("*******") && !blind.contains("hunter2"), "{blind}");
    let done = press(&mut model, "\r");
    assert_eq!(typed(&done), ["app rotate x --client-secret-file -"]);
    let Some(Effect::Run(commands)) = done.first() else { panic!("{done:?}") };
    assert_eq!(commands[0].args["client-secret"], "hunter2");
    assert_eq!(press(&mut model, "Dy\r"), [], "not its name");
    assert_eq!(typed(&press(&mut model, "\x7fx\r")), ["app remove x"]);
}

#[test]
fn an_application_is_set_up_step_by_step() {
    let mut model = on("networks");
    press(&mut model, "/pinterest\r");
    assert_eq!(press(&mut model, "R"), []);
    assert!(model.toast.as_ref().unwrap().text.contains("enter sets it up"));
    press(&mut model, "\r");
    let steps = text(&mut model);
    for step in ["developers.pinterest.example", "oauth/pinterest/callback", "offline.access"] {
        assert!(steps.contains(step), "{step}: {steps}");
    }
    assert_eq!(press(&mut model, "\r"), [], "an id is needed");
    assert_eq!(press(&mut model, "1488\r\r"), [], "and a secret");
    let done = typed(&press(&mut model, "s3cret\r"));
    assert_eq!(done, ["app set --client-id '1488' pinterest --client-secret-file -"]);
    // A network that asks for none says so; one that only looks is shown, and nothing is asked.
    press(&mut model, "\x1b/feed\r");
    assert_eq!(press(&mut model, "t"), []);
    assert!(model.toast.as_ref().unwrap().text.contains("asks for no application"));
    let mut model = on("networks");
    model.readonly = true;
    press(&mut model, "/pinterest\r\r");
    assert!(model.place().open && model.popup.is_none());
}

#[test]
fn a_console_that_only_looks_makes_no_links() {
    let mut model = on("dashboard");
    model.readonly = true;
    for line in [":setup-link\r", ":alert acknowledge held\r", ":app test x\r"] {
        assert_eq!(press(&mut model, line), [], "{line}");
        press(&mut model, "\x1b\x1b");
    }
    for (line, runs) in [(":alert list\r", "alert list"), (":status\r", "status")] {
        assert_eq!(typed(&press(&mut model, line)), [runs]);
    }
}

#[test]
fn an_alert_is_acknowledged_silenced_and_open_again() {
    let mut model = on("alerts");
    let first = text(&mut model);
    assert!(first.contains("does not know our application: x"), "{first}");
    press(&mut model, "/decision\r");
    assert_eq!(typed(&press(&mut model, "a")), ["alert acknowledge held"]);
    assert_eq!(press(&mut model, "A2\r"), [], "of what?");
    assert_eq!(typed(&press(&mut model, "h\r")), ["alert silence held --minutes '120'"]);
    assert_eq!(press(&mut model, "o"), [], "it is open");
    assert_eq!(press(&mut model, "c\r"), [], "nothing is said");
    let done = press(&mut model, "X is told\r");
    assert_eq!(typed(&done), ["alert comment held 'X is told'"]);
    press(&mut model, "\x1b");
    assert_eq!(typed(&press(&mut model, "Tann@x.org\r")), ["mail test ann@x.org"]);
    press(&mut model, "\x1b");
    // Seen: it is last, says by whom, and is not on the first screen any more.
    let open = text(&mut model).lines().position(|line| line.contains("wait for a decision"));
    let mut snap = rig::snapshot();
    let mark = AlertMark {
        by: Actor::Operator { uid: 1_000 },
        at: at("2026-11-22T13:41:00Z"),
        count: 4,
        until: None,
    };
    snap.alerts.marks.insert("held".to_owned(), mark.clone());
    let comment = |text: &str| AlertComment {
        by: Actor::Operator { uid: 0 },
        at: at("2026-11-22T13:59:00Z"),
        text: text.to_owned(),
    };
    let comments = vec![comment("first"), comment("X is told\u{1b}[2J")];
    let kept = OpenAlert { since: at("2026-11-22T09:02:00Z"), comments };
    snap.alerts.open.insert("held".to_owned(), kept);
    console::update(&mut model, Msg::Snapshot(std::sync::Arc::new(snap)));
    let seen = text(&mut model);
    let last = seen.lines().position(|line| line.contains("wait for a decision"));
    assert!(open < last && seen.contains("1 seen") && seen.contains("seen 13:41:00"), "{seen}");
    press(&mut model, "/decision\r");
    let detail = text(&mut model);
    for seen in [
        "by operator:1000",
        "carillon delivery list",
        "2026-11-22 09:02:00 UTC, 5 h ago",
        "13:59:00 operator:0: X is told",
        "operator:0: first",
    ] {
        assert!(detail.contains(seen), "{seen}: {detail}");
    }
    assert_eq!(typed(&press(&mut model, "o")), ["alert reopen held"]);
    rig::show(&mut model, "dashboard");
    assert!(!text(&mut model).contains("wait for a decision"));
    // Worse than it was then: that is news.
    let mut snap = rig::snapshot();
    snap.alerts.marks.insert("held".to_owned(), AlertMark { count: 3, ..mark });
    console::update(&mut model, Msg::Snapshot(std::sync::Arc::new(snap)));
    assert!(text(&mut model).contains("wait for a decision"));
    assert_eq!(typed(&press(&mut model, "a")).len(), 1, "from there, too");
}

#[test]
fn that_nobody_is_told_stands_on_every_screen_until_it_is_seen() {
    let header = |until: Option<&str>| {
        let mut snap = rig::snapshot();
        snap.status.circuits.clear();
        snap.status.nobody_is_told = Some("no mail server is set".to_owned());
        let mark = until.map(|until| AlertMark {
            by: Actor::Operator { uid: 1_000 },
            at: at("2026-11-22T13:41:00Z"),
            count: 1,
            until: Some(at(until)),
        });
        snap.alerts.marks.extend(mark.map(|mark| ("untold".to_owned(), mark)));
        let mut model = rig::model(snap);
        rig::show(&mut model, "jobs");
        text(&mut model).lines().next().unwrap().contains("! nobody is told")
    };
    assert!(header(None));
    assert!(!header(Some("2027-11-22T00:00:00Z")), "it is silenced");
    assert!(header(Some("2026-11-22T13:42:00Z")), "that is over");
}

#[test]
fn what_was_silenced_is_undone_without_its_minutes() {
    let mut model = on("alerts");
    let Some(Effect::Run(commands)) = press(&mut model, "A1d\r").pop() else { panic!("nothing") };
    let answers = vec![Ok(serde_json::json!({}))];
    console::update(&mut model, Msg::Done(console::Done { commands, answers, number: 0 }));
    assert!(model.toast.as_ref().unwrap().text.contains("u undoes it"), "{:?}", model.toast);
    press(&mut model, "u");
    let Some(Popup::Confirm { confirm, .. }) = &model.popup else { panic!("no question") };
    let back: Vec<String> = confirm.commands.iter().map(Command::typed).collect();
    assert_eq!(back.len(), 1);
    assert!(back[0].starts_with("alert reopen ") && !back[0].contains("minutes"), "{back:?}");
}

#[test]
fn what_the_log_lists_is_saved_and_only_that() {
    let mut model = on("logs");
    press(&mut model, "/circuit\r");
    let saved = press(&mut model, "E");
    let [Effect::Save(Save::Text { name, text })] = saved.as_slice() else { panic!("{saved:?}") };
    assert_eq!(name, "carillon-log-20261122T140509Z.txt");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("2026-11-22T14:05:09.000Z WARN engine the circuit is open"), "{text}");
    // One at a time, until the terminal says what became of it.
    assert_eq!(press(&mut model, "E"), []);
    console::update(&mut model, Msg::Kept(Kept::Not("/: no room\u{1b}[2J".to_owned())));
    let toast = model.toast.clone().unwrap().text;
    assert!(toast.contains("not saved: /: no room") && !toast.contains('\u{1b}'), "{toast}");
    assert_eq!(press(&mut model, "E").len(), 1);
    console::update(&mut model, Msg::Kept(Kept::At("here/a.txt".to_owned())));
    assert_eq!(model.toast.as_ref().unwrap().text, "saved: here/a.txt");
}

#[test]
fn a_chain_is_checked_and_saved_where_one_looks_at_it() {
    let mut model = on("events");
    assert_eq!(typed(&press(&mut model, "V")), ["event check -w acme"]);
    let name = "carillon-events-acme-20261122T140509Z.jsonl".to_owned();
    let save = Effect::Save(Save::Events { name, workspace: "acme".to_owned() });
    assert_eq!(press(&mut model, "E"), [save]);
}

#[test]
fn a_job_shows_how_its_rounds_went() {
    let mut snap = rig::snapshot();
    let round = |minute: u32, failed: Option<&str>| Round {
        began_at: at(&format!("2026-11-22T13:{minute}:00Z")),
        took: std::time::Duration::from_millis(14),
        failed: failed.map(str::to_owned),
        stopped: minute == 30,
    };
    snap.jobs[0].1.rounds = [round(50, Some("no room")), round(40, None), round(30, None)].into();
    let mut model = rig::model(snap);
    rig::show(&mut model, "jobs");
    press(&mut model, "/backup\r\r");
    let shown = text(&mut model);
    assert!(shown.contains("13:50:00") && shown.contains("failed: no room"), "{shown}");
    assert!(shown.contains("13:40:00") && shown.contains("well"), "{shown}");
    assert!(shown.contains("stopped by somebody"), "{shown}");
    assert_eq!(typed(&press(&mut model, "x")), ["job stop backup"]);
}

#[test]
fn a_setting_is_checked_and_said_where_it_goes() {
    let mut model = on("settings");
    press(&mut model, "/grace\r");
    assert_eq!(press(&mut model, "d"), []);
    assert!(model.toast.as_ref().unwrap().text.contains("default already"));
    let done = press(&mut model, "e2h\r");
    assert_eq!(typed(&done), ["config try publish.grace --to '2h'"]);
    let answer = |model: &mut console::Model, mut done: Vec<Effect>, answer: serde_json::Value| {
        let Some(Effect::Run(commands)) = done.pop() else { panic!("nothing") };
        let answers = vec![Ok(answer)];
        console::update(model, Msg::Done(console::Done { commands, answers, number: 0 }))
    };
    let shell = "carillon config set publish.grace 2h --config c.toml";
    let tried = serde_json::json!({
        "key": "publish.grace", "value": "\"2h\"", "was": "\"1h\"", "from": "default",
        "shell": shell, "then": "carillon config reload",
    });
    answer(&mut model, done, tried);
    let shown = text(&mut model);
    for seen in ["publish.grace = \"2h\" can be used", shell, "does not write its own settings"] {
        assert!(shown.contains(seen), "{seen}: {shown}");
    }
    assert_eq!(press(&mut model, "y"), [Effect::Copy(shell.to_owned())]);
    // The level of the log counts at once, too.
    press(&mut model, "\x1b/public\r");
    let done = press(&mut model, "d");
    assert_eq!(typed(&done), ["config try server.public_url"]);
    let tried = serde_json::json!({
        "key": "log.level", "value": "\"debug\"", "was": "\"info\"", "from": "variable X",
        "shell": "carillon config set", "then": "", "but": "variable X wins",
    });
    answer(&mut model, done, tried);
    assert!(text(&mut model).contains("But variable X wins."));
    assert_eq!(typed(&press(&mut model, "l")), ["log level debug"]);
    assert_eq!(typed(&press(&mut model, "C")), ["config preview"]);
    model.readonly = true;
    assert_eq!(press(&mut model, "e"), []);
}

#[test]
fn a_backup_is_restored_for_trial_with_an_identity_that_is_seen_nowhere() {
    let mut model = on("backups");
    let first = text(&mut model);
    assert!(first.contains("6 h ago") && first.contains("ok, 2026-11-22 08:05:00"), "{first}");
    press(&mut model, "tAGE-SECRET-KEY-1XYZ");
    let blind = text(&mut model);
    assert!(blind.contains("********") && !blind.contains("XYZ"), "{blind}");
    let done = press(&mut model, "\r");
    let name = "carillon-20261122T020000Z.age";
    assert_eq!(typed(&done), [format!("backup test {name} --identity-file -")]);
    let Some(Effect::Run(commands)) = done.first() else { panic!("{done:?}") };
    assert_eq!(commands[0].args["identity"], "AGE-SECRET-KEY-1XYZ");
    // What came of it is read, not passed over.
    let answers = vec![Ok(serde_json::json!({ "tested": "ok", "rows": 1_204 }))];
    let commands = commands.clone();
    console::update(&mut model, Msg::Done(console::Done { commands, answers, number: 0 }));
    assert!(text(&mut model).contains("rows: 1204"));
}
