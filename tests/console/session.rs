//! Whole consoles on pipes: the one loop that every line has, and its bounds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use carillon::base::{CorrelationId, ManualClock, PostId, SystemClock, Timestamp, WorkspaceId};
use carillon::console::{Model, PLACES, view};
use carillon::domain::access::Write;
use carillon::domain::post::PartDraft;
use carillon::domain::publish::State;
use carillon::service::{BackupSettings, Backups, PostChange, Services, Whence, run_verb};
use carillon::store::rows::Attention;
use carillon::store::{Operator, Table};
use carillon::vault::{Identity, Recipients};
use ratatui::Frame;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{Got, House, Terminal, fill, hello};

fn house() -> House {
    House::new(Arc::new(SystemClock::new()))
}

#[tokio::test]
async fn a_console_shows_moves_does_and_leaves() {
    let house = house();
    let (channel, _) = fill(&house).await;
    let mut terminal = house.terminal().await;
    terminal.wait_for("needs a person").await;
    assert!(terminal.screen.screen().alternate_screen() && terminal.screen.screen().hide_cursor());
    terminal.keys("2").await;
    terminal.wait_for("Rye bread day").await;
    terminal.keys("5").await;
    terminal.wait_for("News").await;
    terminal.keys("p").await;
    terminal.wait_for("done: paused  u undoes it").await;
    terminal.wait_for("paused").await;
    let shown =
        house.verb(("channel", "show"), Some("acme"), json!({ "id": channel.clone() })).await;
    assert_eq!(shown["paused"], true);
    terminal.keys("u").await;
    terminal.wait_for("channel resume").await;
    terminal.keys("y").await;
    terminal.wait_for("done: channel resume").await;
    let shown = house.verb(("channel", "show"), Some("acme"), json!({ "id": channel })).await;
    assert_eq!(shown["paused"], false);
    terminal.keys("q").await;
    let bye = terminal.bye().await;
    assert_eq!((bye.code.as_str(), bye.message.contains("keeps running")), ("left", true));
}

#[tokio::test]
async fn what_waits_for_approval_is_let_out_as_it_was_seen() {
    let house = house();
    let (_, post) = fill(&house).await;
    let id: PostId = post.parse().unwrap();
    house.verb(("workspace", "approvals"), Some("acme"), json!({ "rule": "any_admin" })).await;
    let args = json!({ "name": "tool", "scope": ["publish"] });
    let key = house.verb(("key", "create"), Some("acme"), args).await;
    let correlation = CorrelationId::new(house.services.rng.as_ref());
    let whence = Whence { origin: None, address: None, correlation };
    let key = key["key"].as_str().unwrap();
    let key = house.services.authenticate(key, whence).await.unwrap();
    let all = house.verb(("workspace", "list"), None, json!({})).await;
    let acme: WorkspaceId = all["items"][0]["id"].as_str().unwrap().parse().unwrap();
    let write = async |words: &str| {
        let access = house.services.access::<Write>(&key, acme, correlation).await.unwrap();
        let part = PartDraft { text: words.to_owned(), ..PartDraft::default() };
        let change = PostChange { parts: Some(vec![part]), ..PostChange::default() };
        house.services.change_post(access, id, change).await.unwrap();
    };
    let approval = async || {
        let shown = house.verb(("post", "show"), Some("acme"), json!({ "id": post })).await;
        shown["approval"]["state"].clone()
    };
    write("Rye bread week").await;
    let mut terminal = house.terminal().await;
    terminal.wait_for("needs a person").await;
    terminal.keys("2").await;
    terminal.wait_for("waits: approval").await;
    terminal.keys("d").await;
    terminal.wait_for("may it go out?").await;
    // Rows do not change under a question, and what was seen is another by now.
    write("Rye bread month").await;
    terminal.keys("1").await;
    terminal.wait_for("not done").await;
    assert_eq!(approval().await, "asked");
    terminal.keys("\r").await;
    terminal.wait_for("Rye bread month").await;
    terminal.keys("d1").await;
    terminal.wait_for("done: let out").await;
    assert_eq!(approval().await, "given");
}

/// As fast as somebody can type, and faster than anything is read.
#[tokio::test]
async fn first_steps_follow_each_other() {
    let house = house();
    let mut terminal = house.terminal().await;
    terminal.wait_for("first steps").await;
    terminal.keys("nBakery\rn").await;
    terminal.wait_for("channel add --network feed --name News -w bakery").await;
    terminal.keys("\r").await;
    terminal.wait_for("network: feed").await;
    terminal.keys("\rn").await;
    terminal.wait_for("post create --channel").await;
}

#[tokio::test]
async fn the_words_of_a_post_are_changed_there() {
    let house = house();
    let (_, post) = fill(&house).await;
    let mut terminal = house.terminal().await;
    terminal.wait_for("needs a person").await;
    terminal.keys("2").await;
    terminal.wait_for("Rye bread day").await;
    terminal.keys("e").await;
    terminal.wait_for("ctrl-s saves").await;
    terminal.keys("\r\x1b[200~with \x1b[201~butter").await;
    terminal.wait_for("with butter").await;
    terminal.keys("\x13").await;
    terminal.wait_for("done: its words are changed").await;
    let shown = house.verb(("post", "show"), Some("acme"), json!({ "id": post })).await;
    assert_eq!(shown["parts"][0]["text"], "Rye bread day\nwith butter");
    // The mouse is taken when somebody wants that, and given back in any case.
    let mouse = |terminal: &Terminal| terminal.screen.screen().mouse_protocol_mode();
    assert_eq!(mouse(&terminal), vt100::MouseProtocolMode::None);
    terminal.keys(":mouse on\r").await;
    terminal.wait_for("a click chooses").await;
    assert_eq!(mouse(&terminal), vt100::MouseProtocolMode::PressRelease);
    terminal.keys("\x1b[<0;28;2M").await;
    terminal.wait_for("[4 Held]").await;
    terminal.screen.process(carillon::console::LEAVE.as_bytes());
    assert_eq!(mouse(&terminal), vt100::MouseProtocolMode::None);
}

#[tokio::test]
async fn who_looks_is_noted_once_in_each_workspace() {
    let house = house();
    fill(&house).await;
    let mut terminal = house.terminal().await;
    terminal.wait_for("needs a person").await;
    terminal.keys("7").await;
    terminal.wait_for("verb=console").await;
    // Another look is no other use.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    terminal.keys("/verb=console\r").await;
    terminal.wait_for("1 fit").await;
}

#[tokio::test]
async fn a_fault_in_drawing_ends_one_console_and_nothing_else() {
    fn faulty(model: &Model, frame: &mut Frame<'_>, look: (bool, bool)) {
        assert!(model.screen().name != "jobs", "drawing has a fault");
        view(model, frame, look);
    }
    let house = House::drawn(Arc::new(SystemClock::new()), faulty);
    fill(&house).await;
    let (mut one, mut two) = (house.terminal().await, house.terminal().await);
    one.wait_for("needs a person").await;
    two.wait_for("needs a person").await;
    one.keys("8").await;
    assert_eq!(one.bye().await.code, "fault");
    two.keys("2").await;
    two.wait_for("Rye bread day").await;
    let status = house.verb(("status", ""), None, json!({})).await;
    assert_eq!(status["store"], "ok");
    assert!(house.metric("carillon_console_ended_total{result=\"fault\"} 1"));
}

#[tokio::test]
async fn there_are_only_so_many_places() {
    let house = house();
    let mut open = Vec::new();
    for _ in 0..PLACES {
        open.push(house.open(1_024).unwrap());
    }
    assert!(house.open(1_024).is_err());
    assert!(house.metric("carillon_console_ended_total{result=\"full\"} 1"));
    assert!(house.metric(&format!("carillon_console_sessions {PLACES}")));
    // A place comes back when its line is gone.
    open.pop();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while house.open(1_024).is_err() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_claimed_size_is_bounded_and_small_ones_come_back() {
    let house = house();
    fill(&house).await;
    let mut terminal = Terminal::on(house.open(64 * 1024).unwrap(), (65_535, 65_535)).await;
    terminal.wait_for("needs a person").await;
    for (cols, rows) in [(5, 3), (0, 0), (65_535, 1), (100, 30)] {
        let size: Vec<u8> = [u16::to_be_bytes(cols), u16::to_be_bytes(rows)].concat();
        terminal.send(2, &size).await;
    }
    terminal.screen = vt100::Parser::new(30.try_into().unwrap(), 100.try_into().unwrap(), 0);
    terminal.keys("2").await;
    terminal.wait_for("Rye bread day").await;
}

#[tokio::test]
async fn who_takes_nothing_is_let_go_and_costs_no_memory() {
    let clock = ManualClock::at(Timestamp::parse("2026-11-22T14:05:09Z").unwrap());
    let house = House::new(Arc::new(clock.clone()));
    // A pipe that takes less than a frame, and nobody who reads.
    let line = house.open(512).unwrap();
    let mut terminal = Terminal::on(line, (80, 24)).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !house.metric("carillon_console_ended_total{result=\"slow\"} 1") {
        clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(tokio::time::Instant::now() < deadline, "{}", house.services.metrics.render());
    }
    while !matches!(terminal.next().await, Got::Gone) {}
}

#[tokio::test]
async fn nonsense_on_the_line_ends_it() {
    let house = house();
    for bytes in
        [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0, 0xff, 0xff, 0xff, 0xff], &[1, 0, 0, 0, 0]]
    {
        let mut line = house.open(1_024).unwrap();
        line.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), line.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(rest, b"");
    }
}

#[tokio::test]
async fn a_stop_says_so_and_waits_for_nobody() {
    let house = house();
    let mut terminal = house.terminal().await;
    terminal.wait_for("first steps").await;
    house.stop.cancel();
    assert_eq!(terminal.bye().await.code, "stopped");
    house.tasks.close();
    tokio::time::timeout(Duration::from_secs(10), house.tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn lines_do_the_same_without_drawing() {
    let house = house();
    let (channel, _) = fill(&house).await;
    let plain = carillon::console::Hello { plain: true, ..hello((80, 24)) };
    let mut terminal = Terminal::said(house.open(64 * 1024).unwrap(), &plain).await;
    terminal.wait_for("0 leave").await;
    for (line, answer) in [
        ("5\n", "1:"),
        ("1\n", "do: p pause, resume"),
        ("p\n", "done: paused"),
        ("back\n", "a number opens one"),
        ("menu\n", "1 dashboard"),
    ] {
        terminal.keys(line).await;
        terminal.screen = vt100::Parser::new(60.try_into().unwrap(), 200.try_into().unwrap(), 0);
        terminal.wait_for(answer).await;
    }
    let shown = house.verb(("channel", "show"), Some("acme"), json!({ "id": channel })).await;
    assert_eq!(shown["paused"], true);
    terminal.keys("0\n").await;
    assert_eq!(terminal.bye().await.code, "left");
    // A script that has said all gets every answer, also of what takes a while.
    let mut script = Terminal::said(house.open(64 * 1024).unwrap(), &plain).await;
    script.screen = vt100::Parser::new(60.try_into().unwrap(), 200.try_into().unwrap(), 0);
    script.keys(":workspace create Later\n:channel list -w acme\n\u{4}\nmore").await;
    assert_eq!(script.bye().await.code, "left");
    let text = script.text();
    assert!(text.contains("done: workspace create") && text.contains("name: News"), "{text}");
}

/// What the header counts is what the lists below it show, whatever is written meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_header_counts_what_the_lists_show() {
    static TORN: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());
    static FRAMES: AtomicUsize = AtomicUsize::new(0);
    fn compares(model: &Model, frame: &mut Frame<'_>, look: (bool, bool)) {
        let (status, overview) = (&model.snap.status, &model.snap.overview);
        let failed = overview.attention.iter().filter(|of| of.it.delivery.acknowledged).count();
        assert_eq!(failed, 0);
        let paused = overview.channels.iter().filter(|of| of.it.paused).count();
        let said = status.paused_channels + 1_000 * status.failed;
        let listed = u64::try_from(paused + 1_000 * overview.attention.len()).unwrap();
        FRAMES.fetch_add(1, Ordering::Relaxed);
        if said != listed {
            TORN.lock().unwrap().push((said, listed));
        }
        view(model, frame, look);
    }
    let house = House::drawn(Arc::new(SystemClock::new()), compares);
    let (channel, _) = fill(&house).await;
    let listed = house.verb(("delivery", "list"), Some("acme"), json!({})).await;
    let delivery = listed["items"][0]["id"].as_str().unwrap().parse().unwrap();
    let store = &house.services.store;
    let entered = store.read_now(|view| Operator::new(0).overlook(view, None, 1)).unwrap();
    let scope = entered[0].1;
    let mut terminal = house.terminal().await;
    terminal.wait_for("needs a person").await;
    let until = Instant::now() + Duration::from_secs(4);
    // Broken on purpose: first the one and then the other, as it was once.
    let services = house.services.clone();
    let apart = tokio::spawn(async move {
        let (mut differ, none) = (0, serde_json::Map::new());
        while Instant::now() < until {
            let ask = |named, workspace| {
                let correlation = CorrelationId::new(services.rng.as_ref());
                run_verb(&services, Operator::new(0), named, workspace, &none, correlation)
            };
            let status = ask(("status", ""), None).await.unwrap();
            let listed = ask(("channel", "list"), Some("acme")).await.unwrap();
            let paused = u64::from(listed["items"][0]["paused"] == true);
            differ += usize::from(status["paused_channels"] != paused);
        }
        differ
    });
    let mut rounds = 0;
    while Instant::now() < until {
        let write = store.write::<_, (), _>(move |tx| {
            let row = Attention { state: State::Failed, acknowledged: false };
            match rounds % 2 {
                0 => tx.put(&scope, &delivery, &row)?,
                _ => tx.delete::<Attention>(&scope, &delivery),
            }
            Ok(())
        });
        write.await.unwrap();
        let verb = if rounds % 4 < 2 { "pause" } else { "resume" };
        house.verb(("channel", verb), Some("acme"), json!({ "id": channel.clone() })).await;
        rounds += 1;
        // What is drawn is taken, so that more is drawn.
        while tokio::time::timeout(Duration::ZERO, terminal.next()).await.is_ok() {}
    }
    let (differ, frames) = (apart.await.unwrap(), FRAMES.load(Ordering::Relaxed));
    println!("{rounds} rounds, {frames} frames; {differ} differ when read one after the other");
    assert_eq!(*TORN.lock().unwrap(), []);
    assert!(differ > 0 && frames > 3);
}

#[tokio::test]
async fn members_are_invited_and_suspended_on_their_screen() {
    let house = house();
    fill(&house).await;
    let jon = json!({ "email": "jon@acme.example", "password": "correct horse battery" });
    let jon = house.verb(("user", "create"), None, jon).await["id"].clone();
    let member = json!({ "user": jon, "role": "editor" });
    house.verb(("member", "add"), Some("acme"), member).await;
    let mut terminal = house.terminal().await;
    terminal.wait_for("needs a person").await;
    terminal.keys(":members\r/worksp:acme\r").await;
    terminal.wait_for("jon@acme.example").await;
    terminal.keys("p").await;
    terminal.wait_for("done: suspend jon@acme.example  u undoes it").await;
    terminal.wait_for("suspended").await;
    let shown = async || {
        let named = json!({ "user": jon.clone() });
        house.verb(("member", "show"), Some("acme"), named).await
    };
    assert!(shown().await["suspended_at"].is_string());
    terminal.keys("u").await;
    terminal.wait_for("member restore").await;
    terminal.keys("y").await;
    terminal.wait_for("done: member restore").await;
    assert!(shown().await["suspended_at"].is_null());
    // The link is shown once, so it stays until it is read.
    terminal.keys("izoe@acme.example\re").await;
    terminal.wait_for("https://social.example.com/").await;
    terminal.keys("\x1b").await;
    terminal.wait_for("invited").await;
    let open = house.verb(("invitation", "list"), Some("acme"), json!({})).await;
    assert_eq!(open["items"][0]["email"], "zoe@acme.example");
}

#[tokio::test]
async fn an_application_is_set_there_and_its_secret_is_nowhere() {
    let house = house();
    fill(&house).await;
    let mut terminal = house.terminal().await;
    terminal.wait_for("needs a person").await;
    terminal.keys(":networks\r/network:x\r").await;
    terminal.wait_for("enter sets it up").await;
    terminal.keys("\r").await;
    terminal.wait_for("/oauth/x/callback").await;
    terminal.keys("my-client-id\r").await;
    terminal.wait_for("client secret").await;
    terminal.keys("my-client-secret\r").await;
    terminal.wait_for("done: our application at x is set").await;
    terminal.wait_for("t tests it").await;
    let app = house.verb(("app", "show"), None, json!({ "network": "x" })).await;
    assert_eq!((&app["set"], &app["client_id"]), (&json!(true), &json!("my-client-id")));
    terminal.keys("o").await;
    terminal.wait_for("its secret sealed").await;
    assert!(!terminal.text().contains("my-client"), "{}", terminal.text());
    // On every screen until somebody has seen it: nobody is written to when something stops.
    terminal.wait_for("carillon  ! nobody is told  due 0").await;
    // An alert is seen by one, and durably so for everybody.
    house.verb(("alert", "acknowledge"), None, json!({ "id": "untold" })).await;
    terminal.keys("6").await;
    terminal.wait_for("there is no backup").await;
    terminal.wait_for("carillon  ● healthy  due 0").await;
    terminal.keys("a").await;
    terminal.wait_for("done: seen: there is no backup  u undoes it").await;
    terminal.wait_for("0 open, 2 seen").await;
    let listed = async || house.verb(("alert", "list"), None, json!({})).await["items"].clone();
    assert_eq!(listed().await[0]["state"], "acknowledged");
    assert_eq!(listed().await[0]["by"], "operator:1000");
    assert_eq!(house.services.follow_alerts().await.unwrap().lapsed, 0, "it is still so");
    terminal.keys("uy").await;
    terminal.wait_for("1 open, 1 seen").await;
    terminal.keys("csoon there is\r").await;
    terminal.wait_for("done: commented on: there is no backup").await;
    terminal.wait_for("operator:1000: soon there is").await;
    assert_eq!(listed().await[0]["comments"][0]["text"], "soon there is");
    terminal.wait_for("1 open, 1 seen").await;
    assert_eq!(listed().await[0]["state"], "open");
    terminal.keys("Tann@example.org\r").await;
    terminal.wait_for("no mail server").await;
    terminal.keys("\x1b").await;
    // One that is over is forgotten, so that the next one is news.
    house.verb(("publishing", "pause"), None, json!({})).await;
    house.verb(("alert", "silence"), None, json!({ "id": "paused", "minutes": "60" })).await;
    house.verb(("publishing", "resume"), None, json!({})).await;
    assert_eq!(house.services.follow_alerts().await.unwrap().lapsed, 1);
    house.verb(("publishing", "pause"), None, json!({})).await;
    let paused = listed().await;
    assert_eq!((&paused[0]["id"], &paused[0]["state"]), (&json!("paused"), &json!("open")));
}

#[tokio::test]
async fn a_chain_is_checked_and_a_file_of_it_is_handed_over() {
    let house = house();
    fill(&house).await;
    let mut terminal = house.terminal().await;
    terminal.wait_for("needs a person").await;
    terminal.keys("7V").await;
    terminal.wait_for("whole: true").await;
    terminal.keys("\r").await;
    terminal.keys("E").await;
    terminal.wait_for("saved: /kept/here").await;
    let file = String::from_utf8(terminal.file.clone()).unwrap();
    let (name, lines) = file.split_once('\n').unwrap();
    assert!(name.starts_with("carillon-events-acme-"), "{name}");
    let checked = carillon::service::check_export(lines.as_bytes(), None, None).unwrap();
    assert!(checked.verdict.is_ok() && checked.rows > 3, "{checked:?}");
}

/// Somebody stops the round after its first step: what is left is for the next one.
#[tokio::test]
async fn a_round_of_steps_is_stopped_between_two_of_them() {
    let clock = ManualClock::at(Timestamp::parse("2026-11-22T14:05:09Z").unwrap());
    let house = House::new(Arc::new(clock.clone()));
    fill(&house).await;
    let deleted = house.verb(("workspace", "delete"), Some("acme"), json!({})).await;
    let id: WorkspaceId = deleted["workspace"].as_str().unwrap().parse().unwrap();
    let rows = || {
        let mut rows = 0;
        let all = house.services.store.dump(|table, key, _| {
            let record = matches!(table, Table::Events | Table::Erasures);
            rows += usize::from(!record && key.starts_with(id.as_bytes()));
            Ok::<(), ()>(())
        });
        all.unwrap().unwrap();
        rows
    };
    clock.advance(Duration::from_hours(25));
    let (jobs, before) = (&house.services.jobs, rows());
    jobs.begins("erasure", house.services.now());
    let mut changes = house.services.store.changes();
    let stop = async {
        // Not what was written before: that may be told of only now.
        while !changes.recv().await.unwrap().tables.contains(&Table::Erasures) {}
        let said = house.verb(("job", "stop"), None, json!({ "name": "erasure" })).await;
        assert_eq!(said["state"], "stopping");
    };
    let (erased, ()) = tokio::join!(house.services.erase_deleted(), stop);
    assert_eq!(erased, Ok(0));
    jobs.rests("erasure", house.services.now(), house.services.now());
    let (_, job) = jobs.all().into_iter().find(|(name, _)| *name == "erasure").unwrap();
    assert!(job.rounds[0].stopped);
    assert!(0 < rows() && rows() < before, "{} of {before}", rows());
    jobs.begins("erasure", house.services.now());
    assert_eq!(house.services.erase_deleted().await, Ok(1));
    assert_eq!(rows(), 0, "but for its record");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_stopped_between_two_tables_and_leaves_nothing() {
    let house = house();
    fill(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::load_or_create(&folder.path().join("offline.txt")).unwrap();
    let recipient = format!("{identity:?}");
    let recipient = recipient.trim_start_matches("Identity(").trim_end_matches(')').to_owned();
    let settings = BackupSettings {
        folder: folder.path().join("backups"),
        recipients: Recipients::parse(&[recipient]).unwrap(),
        shelf: None,
        keep: 1,
        every: None,
    };
    let backups = Arc::new(Backups::new(settings));
    let services = Services { backups, ..house.services.clone() };
    let jobs = &services.jobs;
    jobs.begins("backup", services.now());
    house.verb(("job", "stop"), None, json!({ "name": "backup" })).await;
    assert!(services.make_due_backup("backup").await.unwrap().is_none());
    jobs.rests("backup", services.now(), services.now());
    assert!(jobs.all().iter().any(|(name, job)| *name == "backup" && job.rounds[0].stopped));
    let left = || std::fs::read_dir(folder.path().join("backups")).unwrap().count();
    assert_eq!(left(), 0, "nothing that is half done");
    jobs.begins("backup", services.now());
    assert!(services.make_due_backup("backup").await.unwrap().is_some());
    assert_eq!(left(), 1);
}
