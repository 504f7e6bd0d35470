//! The verbs against a running server: what they print, and how they fail.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{Server, carillon, get, host_of};

#[test]
fn a_post_from_nothing_to_published() {
    let mut server = Server::start(&[]);
    let made = server.json(&["workspace", "create", "Acme & Co"]);
    assert_eq!(made["slug"], "acme-co");
    let id = made["id"].as_str().unwrap();
    let key = server.json(&["key", "create", "ci", "--workspace", "acme-co", "--scope", "publish"]);
    assert!(key["key"].as_str().unwrap().starts_with("ck_") && key["id"].is_string());
    let listed = server.json(&["key", "list", "--workspace", id]);
    assert_eq!(listed["items"][0]["id"], key["id"]);
    assert!(listed["items"][0].get("key").is_none(), "a key is shown once");
    let channel = server.json(&["channel", "add", "-w", id, "--network", "feed", "--name", "News"]);
    let channel = channel["id"].as_str().unwrap();
    let post = server.json(&[
        "post",
        "create",
        "-w",
        id,
        "--channel",
        channel,
        "--text",
        "Hello from here",
        "--now",
    ]);
    let delivery = post["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let shown = server.published(id, &delivery);
    assert_eq!(shown["permalink"], server.url(&format!("/feed/{channel}/{delivery}")));
    let table = server.run(&["delivery", "list", "-w", id]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.starts_with("ID ") && table.contains("published"), "{table}");
    let text = String::from_utf8(server.run(&["post", "list", "-w", id]).stdout).unwrap();
    assert!(text.contains("Hello from here") && text.contains("published"), "{text}");
    let status = String::from_utf8(server.run(&["status"]).stdout).unwrap();
    assert!(status.contains("publishing: running") && status.contains("store: ok"), "{status}");
    server.process.terminate();
    assert!(server.process.wait(Duration::from_secs(20)).success());
}

#[test]
fn pausing_a_channel_holds_it_back_and_cancelling_takes_it_off() {
    let mut server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let w = ["-w", "acme"];
    let channel =
        server.json(&["channel", "add", "-w", "acme", "--network", "feed", "--name", "N"]);
    let channel = channel["id"].as_str().unwrap();
    assert_eq!(server.json(&["channel", "pause", channel, "-w", "acme"])["paused"], true);
    let create = ["post", "create", "--channel", channel, "--text", "held back", "--now"];
    let post = server.json(&[&create[..], &w[..]].concat());
    let id = post["id"].as_str().unwrap();
    let shown = server.json(&["post", "show", id, "-w", "acme"]);
    assert_eq!(shown["deliveries"][0]["state"], "scheduled");
    assert_eq!(shown["deliveries"][0]["reason"], "paused");
    let cancelled = server.json(&["post", "cancel", id, "-w", "acme"]);
    assert_eq!(cancelled["deliveries"][0]["state"], "cancelled");
    assert_eq!(server.json(&["channel", "resume", channel, "-w", "acme"])["paused"], false);
    let tested = server.json(&["channel", "test", channel, "-w", "acme"]);
    assert_eq!(tested["state"], "connected");
    assert_eq!(server.json(&["publishing", "pause"])["paused"], true);
    assert_eq!(server.json(&["network", "pause", "mastodon"])["paused"], true);
    assert_eq!(server.json(&["status"])["publishing"], "paused");
    alerts_and_what_is_said_of_them_outlive_a_kill(&mut server);
}

fn alerts_and_what_is_said_of_them_outlive_a_kill(server: &mut Server) {
    let listed = |server: &Server, id: &str| {
        let all = server.json(&["alert", "list"]);
        all["items"].as_array().unwrap().iter().find(|alert| alert["id"] == id).cloned()
    };
    server.json(&["job", "run", "alerts"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let since = loop {
        let paused = listed(server, "paused").unwrap();
        if paused["since"].is_string() {
            break paused["since"].clone();
        }
        assert!(Instant::now() < deadline, "{paused}");
    };
    let said = ["alert", "comment", "paused", "the database moves until noon"];
    assert_eq!(server.json(&said)["comments"][0]["text"], "the database moves until noon");
    let (code, told) = server.fails(&["alert", "comment", "paused", " "]);
    assert!(code == 2 && told.contains("`text`"), "{told}");
    let (code, told) = server.fails(&["alert", "comment", "held", "x"]);
    assert!(code == 2 && told.contains("paused"), "{told}");
    server.json(&["alert", "acknowledge", "paused"]);
    server.kill_and_start(&[]);
    let paused = listed(server, "paused").unwrap();
    assert_eq!((&paused["since"], &paused["state"]), (&since, &"acknowledged".into()));
    assert!(paused["comments"][0]["by"].as_str().unwrap().starts_with("operator:"), "{paused}");
    let table = String::from_utf8(server.run(&["alert", "list"]).stdout).unwrap();
    assert!(table.contains("the database moves until noon (operator:"), "{table}");
    // Over, it is forgotten with all that was said of it; what was done stays on record.
    let deadline = Instant::now() + Duration::from_secs(20);
    while listed(server, "paused").is_some_and(|paused| paused["comments"][0].is_object()) {
        server.json(&["publishing", "resume"]);
        server.json(&["job", "run", "alerts"]);
        std::thread::sleep(Duration::from_millis(50));
        server.json(&["publishing", "pause"]);
        assert!(Instant::now() < deadline);
    }
    let record = server.json(&["event", "installation"]);
    let record = record["items"].as_array().unwrap();
    let kinds: Vec<_> = record.iter().rev().map(|e| e["kind"].as_str().unwrap()).collect();
    let first = ["publishing.paused", "network.paused", "alert.commented", "alert.acknowledged"];
    assert_eq!(&kinds[..4], first, "the second pause of what is paused is none");
    assert_eq!(&kinds[4..6], ["publishing.resumed", "publishing.paused"]);
    let network = &record[record.len() - 2];
    assert_eq!(network["subject"], "mastodon");
    assert!(network["actor"].as_str().unwrap().starts_with("operator:"), "{network}");
}

#[test]
fn mistakes_are_told_with_the_remedy_and_a_code() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    for (args, code, says) in [
        (&["workspace", "create", "Acme", "--slug", "acme"][..], 5, "error[slug_taken]"),
        (&["workspace", "create", ""], 2, "`name`"),
        (&["post", "list", "-w", "nobody"], 3, "error[not_found]"),
        (&["post", "show", "x", "-w", "acme"], 2, "`id`"),
        (&["key", "create", "k", "-w", "acme", "--scope", "root"], 2, "must be one of"),
        (&["key", "create", "k", "-w", "acme"], 2, "`--scope`"),
        (&["channel", "add", "-w", "acme", "--network", "myspace", "--name", "x"], 2, "feed"),
        (
            &["channel", "add", "-w", "acme", "--network", "mastodon", "--name", "x"],
            2,
            "`--instance`",
        ),
        (
            &[
                "channel",
                "add",
                "-w",
                "acme",
                "--network",
                "mastodon",
                "--name",
                "x",
                "--instance",
                "https://127.0.0.1",
            ],
            2,
            "`--instance`",
        ),
        (&["post", "create", "-w", "acme", "--text", "hi"], 2, "`--channel`"),
        (
            &["post", "create", "-w", "acme", "--text", "hi", "--at", "2030-01-01T09:00"],
            2,
            "`--zone`",
        ),
        (&["delivery", "list", "-w", "acme", "--state", "lost"], 2, "scheduled"),
        (&["network", "pause", "myspace"], 2, "mastodon"),
        (&["post", "create"], 2, "--workspace"),
        (&["frobnicate"], 2, "frobnicate"),
    ] {
        let (exit, said) = server.fails(args);
        assert_eq!(exit, code, "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn without_a_server_it_says_how_to_start_one() {
    let output =
        carillon().args(["--socket", "/nonexistent/admin.sock", "status"]).output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("carillon serve"), "{said}");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start(&[]);
    let data = server.folder.path().join("data");
    let mut second = carillon();
    second.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let output = second.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("in use"), "{said}");
    // The first one goes on.
    assert_eq!(server.json(&["status"])["store"], "ok");
}

#[test]
fn settings_that_cannot_be_are_shown_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    std::fs::write(&file, "[publish]\ndedline = \"3s\"\n").unwrap();
    let output = carillon().args(["serve", "--config"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("c.toml:2:1") && said.contains("deadline"), "{said}");
}

#[test]
fn what_waits_for_a_person_is_on_one_screen() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let feed =
        server.json(&["channel", "add", "-w", "acme", "--network", "feed", "--name", "News"]);
    let feed = feed["id"].as_str().unwrap();
    server.json(&["channel", "pause", feed, "-w", "acme"]);
    server.json(&["network", "pause", "mastodon"]);
    let post =
        ["post", "create", "-w", "acme", "--channel", feed, "--text", "-a dash first", "--now"];
    let post = server.json(&post);
    assert_eq!(post["parts"][0]["text"], "-a dash first");
    let status = server.json(&["status"]);
    assert_eq!(status["paused"], json!(["mastodon"]));
    assert_eq!(status["paused_channels"], 1);
    assert_eq!(status["waits_for_a_person"]["held"], 0);
}

#[test]
fn what_has_not_gone_out_is_changed_and_taken_back() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let feed =
        server.json(&["channel", "add", "-w", "acme", "--network", "feed", "--name", "News"]);
    let feed = feed["id"].as_str().unwrap();
    let draft = ["post", "create", "-w", "acme", "--channel", feed, "--text", "First", "--draft"];
    let post = server.json(&draft);
    let id = post["id"].as_str().unwrap();
    let picture = server.folder.path().join("a.png");
    std::fs::write(&picture, support::media::png(40, 30)).unwrap();
    let asset = server.json(&["media", "upload", picture.to_str().unwrap(), "-w", "acme"]);
    let asset = asset["id"].as_str().unwrap();
    server.json(&["post", "edit", id, "-w", "acme", "--text", "First", "--media", asset]);
    let at = ["--at", "2035-03-25T02:30", "--zone", "Europe/Berlin"];
    let edit = ["post", "edit", id, "-w", "acme", "--text", "Second", "--draft", "no"];
    let edited = server.json(&[&edit[..], &at].concat());
    assert_eq!((&edited["parts"][0]["text"], &edited["draft"]), (&"Second".into(), &false.into()));
    assert_eq!(edited["parts"][0]["media"], json!([asset]), "what is not given stays");
    assert_eq!(edited["schedule"]["due"], "2035-03-25T01:30:00.000Z");
    let warning = edited["warnings"][0]["message"].as_str().unwrap();
    assert!(warning.contains("does not exist"), "{warning}");
    let cancelled = server.json(&["post", "cancel", id, "-w", "acme"]);
    assert_eq!(cancelled["deliveries"][0]["parts"][0]["state"], "cancelled");
    let (code, said) = server.fails(&["post", "cancel", id, "-w", "acme"]);
    assert!(code == 5 && said.contains("nothing_to_cancel"), "{code} {said}");
    // Its picture goes when the post has gone.
    let (code, said) = server.fails(&["media", "delete", asset, "-w", "acme"]);
    assert!(code == 5 && said.contains("asset_in_use"), "{code} {said}");
    server.json(&["post", "delete", id, "-w", "acme"]);
    server.json(&["media", "delete", asset, "-w", "acme"]);
    let (_, said) = server.fails(&["post", "show", id, "-w", "acme"]);
    assert!(said.contains("not_found"), "{said}");
}

#[test]
fn workspaces_of_one_name_get_slugs_of_their_own() {
    let server = Server::start(&[]);
    let slug = |name: &str| server.json(&["workspace", "create", name])["slug"].clone();
    assert_eq!([slug("Acme"), slug("Acme"), slug("日本")], ["acme", "acme-2", "workspace"]);
    let (code, said) = server.fails(&["workspace", "create", "Other", "--slug", "acme"]);
    assert!(code == 5 && said.contains("slug_taken"), "{said}");
}

/// `--dry-run` answers as the verb would, and nothing is different afterwards.
#[test]
fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let w = ["-w", "acme"];
    let channel =
        server.json(&["channel", "add", "-w", "acme", "--network", "feed", "--name", "N"]);
    let channel = channel["id"].as_str().unwrap();
    server.json(&["channel", "pause", channel, "-w", "acme"]);
    let create = ["post", "create", "--channel", channel, "--text", "waits", "--now"];
    let post = server.json(&[&create[..], &w[..]].concat());
    let (post, delivery) = (post["id"].as_str().unwrap(), &post["deliveries"][0]["id"]);
    let delivery = delivery.as_str().unwrap();
    let key = server.json(&["key", "create", "ci", "-w", "acme", "--scope", "read"]);
    let everything = || {
        let lists: [&[&str]; 4] =
            [&["workspace", "list"], &["channel", "list"], &["post", "list"], &["key", "list"]];
        let list = |args: &&[&str]| {
            let within: &[&str] = if args[0] == "workspace" { &[] } else { &w };
            server.json(&[args, within].concat()).to_string()
        };
        (lists.iter().map(list).collect::<Vec<_>>(), server.json(&["status"])["paused"].clone())
    };
    let before = everything();
    for args in [
        &["post", "create", "-w", "acme", "--channel", channel, "--text", "x", "--now"][..],
        &["post", "edit", post, "-w", "acme", "--text", "y"],
        &["post", "cancel", post, "-w", "acme"],
        &["channel", "remove", channel, "-w", "acme"],
        &["channel", "resume", channel, "-w", "acme"],
        &["key", "revoke", key["id"].as_str().unwrap(), "-w", "acme"],
        &["workspace", "create", "Other"],
        &["workspace", "pause", "-w", "acme"],
        &["publishing", "pause"],
        &["network", "pause", "feed"],
    ] {
        let answer = server.json(&[args, &["--dry-run"]].concat());
        assert_eq!(answer["dry_run"], true, "{args:?}: {answer}");
        assert_eq!(everything(), before, "{args:?}");
    }
    let removed = server.json(&["channel", "remove", channel, "-w", "acme", "--dry-run"]);
    assert_eq!((&removed["state"], &removed["cancelled"]), (&"removed".into(), &1.into()));
    let said = server.run(&["post", "cancel", post, "-w", "acme", "--dry-run"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("nothing was written"));
    // It refuses what would be refused, and is not offered where more than the database changes.
    let (code, said) = server.fails(&["post", "create", "-w", "acme", "--text", "x", "--dry-run"]);
    assert!(code == 2 && said.contains("`--channel`"), "{said}");
    let again = ["delivery", "resolve", delivery, "-w", "acme", "--as", "drop", "--dry-run"];
    assert!(server.fails(&again).1.contains("error[not_held]"));
    assert_eq!(server.fails(&["channel", "test", channel, "-w", "acme", "--dry-run"]).0, 2);
    // Then it is done, with the same answer.
    let done = server.json(&["channel", "remove", channel, "-w", "acme"]);
    assert_eq!((&done["cancelled"], done.get("dry_run")), (&1.into(), None));
}

#[test]
fn mistakes_name_what_was_typed() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let channel =
        server.json(&["channel", "add", "-w", "acme", "--network", "feed", "--name", "N"]);
    let channel = channel["id"].as_str().unwrap();
    let create = ["post", "create", "-w", "acme", "--channel", channel];
    for (more, says) in [
        (
            &["--text", "x"][..],
            "`--at` must be given, with `--zone`; or give `--now`, or `--draft`",
        ),
        (&["--text", "x", "--at", "tomorrow", "--zone", "Europe/Berlin"], "`--at` must be"),
        (&["--text", "x", "--at", "2030-01-01T09:00", "--zone", "Berlin"], "`--zone`"),
        (&["--text", "x", "--text", &"y".repeat(50_000), "--now"], "`--text[1]`"),
        (&["--now"], "`--text`"),
        (&["--text", "x", "--now", "--tag", ""], "`--tag`"),
    ] {
        let (code, said) = server.fails(&[&create[..], more].concat());
        assert!(code == 2 && said.contains(says), "{more:?}: {said}");
    }
    let (_, said) = server.fails(&["key", "create", "k", "-w", "acme", "--scope", "root"]);
    assert!(said.contains("`--scope`"), "{said}");
    let (code, said) = server.fails(&["workspace", "pause", "acme"]);
    assert!(code == 2 && said.contains("`--workspace acme`"), "{said}");
    let (_, said) = server.fails(&["workspace", "create", "Acme", "acme"]);
    assert!(!said.contains("--workspace"), "{said}");
}

/// A beginning of an id is enough, as long as only one has it.
#[test]
fn ids_of_channels_posts_and_deliveries_may_be_shortened() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let feed = ["channel", "add", "-w", "acme", "--network", "feed", "--name", "News"];
    let channel = server.json(&feed)["id"].as_str().unwrap().to_owned();
    let first = |id: &str, n: usize| id.get(..n).unwrap().to_owned();
    let write = |text: &str| {
        let create = ["post", "create", "-w", "acme", "--now", "--text", text, "--channel"];
        server.json(&[&create[..], &[&first(&channel, 8)]].concat())
    };
    let post = write("one");
    let id = post["id"].as_str().unwrap();
    assert_eq!(post["deliveries"][0]["channel"], channel);
    let show = |noun: &str, id: &str| server.json(&[noun, "show", id, "-w", "acme"])["id"].clone();
    assert_eq!(show("post", &first(id, 8)), id);
    assert_eq!(show("channel", &first(&channel, 13).to_uppercase()), channel.as_str());
    let delivery = post["deliveries"][0]["id"].as_str().unwrap();
    assert_eq!(show("delivery", &first(delivery, 35)), delivery);
    // Ids begin with the time: two of one minute begin alike, unless it ends between them.
    let other = write("two");
    if first(other["id"].as_str().unwrap(), 8) == first(id, 8) {
        let (code, said) = server.fails(&["post", "show", &first(id, 8), "-w", "acme"]);
        assert!(code == 2 && said.contains("more than one id"), "{said}");
    }
    assert_eq!(show("post", &first(id, 23)), id);
    let (code, said) = server.fails(&["post", "show", "ffffffff", "-w", "acme"]);
    assert!(code == 3 && said.contains("not_found"), "{said}");
    let (code, said) = server.fails(&["post", "show", &first(id, 7), "-w", "acme"]);
    assert!(code == 2 && said.contains("`id`"), "{said}");
    // One that was removed is in nobody's way.
    server.published("acme", delivery);
    server.published("acme", other["deliveries"][0]["id"].as_str().unwrap());
    server.json(&["channel", "remove", &first(&channel, 8), "-w", "acme"]);
    let again = server.json(&feed);
    let again = again["id"].as_str().unwrap();
    assert_eq!(show("channel", &first(again, 8)), again);
}

/// What only one network knows: for every channel of the post that is of that network, or for one.
#[test]
fn options_of_networks_are_typed_changed_and_taken_off() {
    let (server, practice, _) = Server::demo();
    let listed = server.json(&["channel", "list", "-w", "demo"]);
    let channel = |name: &str| {
        let mut all = listed["items"].as_array().unwrap().iter();
        all.find(|channel| channel["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let [a, b] = ["Bakery on practice-a", "Bakery on practice-b"].map(&channel);
    let [c, feed] = ["Bakery on practice-c", "Bakery news"].map(&channel);
    let create = ["post", "create", "-w", "demo", "--text", "With options", "--channel", &a];
    let create = [&create[..], &["--channel", &b, "--channel", &c]].concat();
    // Their ids were made at once: so much of one is its own.
    let own = format!("{}.visibility=private", b.get(..30).unwrap());
    let typed = [
        ["--option", &own],
        ["--option", "mastodon.visibility=unlisted"],
        ["--option", "mastodon.sensitive=yes"],
        ["--option", "bluesky.label=nudity"],
    ];
    let draft = server.json(&[&create[..], &["--draft"], &typed.concat()].concat());
    let options = |post: &Value, channel: &str| post["variants"][channel]["options"].clone();
    assert_eq!(options(&draft, &a), json!({ "visibility": "unlisted", "sensitive": true }));
    assert_eq!(options(&draft, &b), json!({ "visibility": "private", "sensitive": true }));
    assert_eq!(options(&draft, &c), json!({ "label": "nudity" }));
    let id = draft["id"].as_str().unwrap();
    let edit = ["post", "edit", id, "-w", "demo"];
    let food = ["--option", "mastodon.spoiler_text=soup = food", "--unset-option"];
    let edited = server.json(&[&edit[..], &food, &["mastodon.sensitive"]].concat());
    let expected = json!({ "visibility": "unlisted", "spoiler_text": "soup = food" });
    assert_eq!(options(&edited, &a), expected);
    assert_eq!(options(&edited, &c), json!({ "label": "nudity" }), "what is not given stays");
    let off = server.json(&[&edit[..], &["--unset-option", "bluesky.label"]].concat());
    assert!(off["variants"].get(&c).is_none(), "{off}");
    // It goes out so.
    let released = server.json(&[&edit[..], &["--draft", "no", "--now"]].concat());
    let mut deliveries = released["deliveries"].as_array().unwrap().iter();
    let delivery = deliveries.find(|delivery| delivery["channel"] == a.as_str()).unwrap();
    server.published("demo", delivery["id"].as_str().unwrap());
    let (_, _, page) = get(host_of(&practice), "/", &[]);
    assert!(page.contains("soup = food"), "{page}");

    let twice = ["--option", "mastodon.language=en", "--option", "mastodon.language=fr"];
    for (more, says) in [
        (&["--option", "visibility=public"][..], "`--option` must be NETWORK.NAME=VALUE"),
        (&["--option", "mastodon.visibility"], "`--option` must be NETWORK.NAME=VALUE"),
        (&["--option", "mastodon.visibility="], "`--option mastodon.visibility` must not be empty"),
        (&["--option", "mastodon.visibilty=public"], "must be one of: mastodon.visibility"),
        (&["--option", "mastodon.visibility=all"], "`--option mastodon.visibility` must be one of"),
        (&["--option", "mastodon.sensitive=perhaps"], "must be one of: yes, no"),
        (&["--option", "x.made_with_ai=yes"], "`--option x.made_with_ai` is for no channel"),
        (&twice, "`--option mastodon.language` is given twice"),
        (
            &["--option", "bluesky.card_url=https://a.example"],
            "`--option bluesky.card_title` is required",
        ),
    ] {
        let (exit, said) = server.fails(&[&create[..], &["--now"], more].concat());
        assert!(exit == 2 && said.contains(says), "{more:?}: {said}");
        assert_eq!(said.matches(says).count(), 1, "{more:?}: {said}");
    }
    let to_feed = ["post", "create", "-w", "demo", "--text", "x", "--now", "--channel", &feed];
    let (_, said) = server.fails(&[&to_feed[..], &["--option", "feed.title=x"]].concat());
    assert!(said.contains("its network has no options"), "{said}");
}

#[test]
fn what_cannot_be_written_is_no_success() {
    let server = Server::start(&[]);
    server.json(&["workspace", "create", "Acme"]);
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for args in [
        &["workspace", "list"][..],
        &["workspace", "list", "--json"],
        &["status"],
        &["--help"],
        &["completions", "bash"],
        &["config", "example"],
    ] {
        let mut command = carillon();
        command.arg("--socket").arg(server.socket()).args(args);
        let output = command.stdout(full()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("standard output cannot be written"), "{args:?}: {said}");
    }
}

/// On a terminal of 80 columns; through a pipe everything is there.
#[test]
fn tables_fit_the_terminal_that_they_are_shown_on() {
    let server = Server::start(&[]);
    let name = "A workspace with a long name, which is more than there is room for beside ids";
    server.json(&["workspace", "create", name, "--slug", "acme"]);
    server.json(&["channel", "add", "-w", "acme", "--network", "feed", "--name", name]);
    let piped = server.run(&["channel", "list", "-w", "acme"]).stdout;
    let piped = String::from_utf8(piped).unwrap();
    assert!(piped.lines().any(|line| line.chars().count() > 120), "{piped}");
    if !support::Tool::Program("script").available_or_skip() {
        return;
    }
    let program = env!("CARGO_BIN_EXE_carillon");
    let socket = server.socket().display();
    let line = format!("stty cols 80; {program} --socket {socket} channel list -w acme");
    let output = std::process::Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<&str> = shown.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    assert!(rows.iter().any(|row| row.starts_with("ID ")), "{shown}");
    assert!(rows.iter().all(|row| row.chars().count() <= 80), "{shown}");
    assert!(rows.iter().any(|row| row.contains('\u{2026}')), "{shown}");
}
