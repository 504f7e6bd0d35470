//! What keys come to: commands in the words of the command line, after as many questions as what
//! they do deserves.

use carillon::base::{Code, Problem};
use carillon::console::{self, Command, Done, Effect, Key, Msg, Popup, Snapshot, Then};
use carillon::service::Overview;
use serde_json::json;

use crate::rig::{self, id, on, press};

/// The commands that were handed over, as they are typed in a shell.
fn typed(effects: &[Effect]) -> Vec<String> {
    let commands = effects.iter().filter_map(|effect| match effect {
        Effect::Run(commands) => Some(commands),
        _ => None,
    });
    commands.flatten().map(Command::typed).collect()
}

#[test]
fn a_held_post_is_decided_after_a_question() {
    let mut model = on("held");
    press(&mut model, "/outcome\r");
    assert_eq!(press(&mut model, "d"), []);
    assert!(matches!(model.popup, Some(Popup::Choose(_))));
    let there = format!("delivery resolve {} --as 'it_is_there' -w acme", id(1_007));
    assert_eq!(typed(&press(&mut model, "1")), [there]);
    // It may be there already: sending it again asks once more, and keeps by default.
    assert_eq!(press(&mut model, "d2"), []);
    assert_eq!(press(&mut model, "\r"), []);
    assert!(model.popup.is_none());
    let again = format!("delivery resolve {} --as 'send_again' -w acme", id(1_007));
    assert_eq!(typed(&press(&mut model, "d2y")), [again]);
}

#[test]
fn what_waits_for_an_account_is_not_sent_into_nothing() {
    let mut model = on("held");
    press(&mut model, "/reconnect\r");
    assert_eq!(press(&mut model, "r"), []);
    assert!(model.toast.as_ref().unwrap().text.contains("connect the channel again first"));
    assert_eq!(press(&mut model, "c"), []);
    assert_eq!(model.screen().name, "channels");
}

#[test]
fn publishing_many_at_once_must_be_typed() {
    let mut model = on("queue");
    press(&mut model, "  !");
    assert_eq!(press(&mut model, "y\r"), [], "y is not the number");
    press(&mut model, "\x7f2");
    let done = typed(&press(&mut model, "\r"));
    assert_eq!(done.len(), 2);
    assert!(done[0].contains("post edit") && done[0].contains("--now"), "{done:?}");
}

/// The queue, where the first so many wait for approval.
fn unapproved(many: usize) -> console::Model {
    let mut snap = rig::snapshot();
    let mut all = (*snap.overview).clone();
    for of in all.queue.iter_mut().take(many) {
        of.it.delivery.reason = Some("approval".to_owned());
    }
    snap.overview = std::sync::Arc::new(all);
    let mut model = rig::model(snap);
    rig::show(&mut model, "queue");
    model
}

#[test]
fn lists_mark_what_waits_for_approval() {
    let mut model = unapproved(1);
    let text = rig::text(&rig::draw(&mut model, (80, 24), (true, true)));
    assert!(text.contains("waits: approval"), "{text}");
    rig::show(&mut model, "calendar");
    let text = rig::text(&rig::draw(&mut model, (80, 24), (true, true)));
    assert!(text.contains("waits: circuit"), "{text}");
    // It is not what goes out next.
    rig::show(&mut model, "dashboard");
    let text = rig::text(&rig::draw(&mut model, (80, 24), (true, true)));
    assert!(!text.contains("14:06:00  mastodon") && text.contains("14:06:00  bluesky"), "{text}");
    let mut none = unapproved(99);
    rig::show(&mut none, "dashboard");
    let text = rig::text(&rig::draw(&mut none, (80, 24), (true, true)));
    assert!(text.contains("all of it waits for approval"), "{text}");
}

#[test]
fn what_waits_for_approval_is_not_promised_to_go_out_now() {
    let drawn = |model: &mut console::Model| rig::text(&rig::draw(model, (80, 24), (true, true)));
    let mut model = unapproved(1);
    press(&mut model, "!");
    let text = drawn(&mut model);
    assert!(
        text.contains("make 1 due now?") && text.contains("But it waits for approval"),
        "{text}"
    );
    assert!(!text.contains("at once"), "{text}");
    press(&mut model, "\x1b  !");
    let text = drawn(&mut model);
    assert!(text.contains("publish 2 now?") && text.contains("But 1 of them waits"), "{text}");
    assert!(text.contains("They go out at once"), "{text}");
}

#[test]
fn what_waits_for_approval_is_let_out_as_it_was_seen_or_declined() {
    let mut model = unapproved(2);
    assert_eq!(press(&mut model, "d"), []);
    let approve = format!("post approve {} --revision '3' -w acme", id(2_001));
    assert_eq!(typed(&press(&mut model, "1")), std::slice::from_ref(&approve));
    assert_eq!(press(&mut model, "d2\r"), [], "nobody is told why");
    press(&mut model, "\x1b");
    let decline = format!("post decline {} --note 'the price' -w acme", id(2_001));
    assert_eq!(typed(&press(&mut model, "d2the price\r")), [decline]);
    // What was declined is not offered anew, nor promised.
    let mut snap = (*model.snap).clone();
    let mut all = (*snap.overview).clone();
    all.queue[0].it.declined = true;
    snap.overview = std::sync::Arc::new(all);
    let mut declined = rig::model(snap);
    rig::show(&mut declined, "queue");
    let text = rig::text(&rig::draw(&mut declined, (80, 24), (true, true)));
    assert!(text.contains(" declined "), "{text}");
    for key in ["d", "!"] {
        declined.toast = None;
        assert_eq!(press(&mut declined, key), []);
        assert!(declined.popup.is_none(), "{key}");
        assert!(declined.toast.as_ref().unwrap().text.contains("Somebody declined it"), "{key}");
    }
    // Several at once are typed.
    assert_eq!(press(&mut model, "  d1y\r"), []);
    let done = typed(&press(&mut model, "\x7f2\r"));
    assert_eq!((done.len(), &done[0]), (2, &approve));
}

#[test]
fn channels_pause_at_once_and_go_after_their_name() {
    let mut model = on("channels");
    press(&mut model, "/acme news\r");
    let pause = format!("channel pause {} -w acme", id(101));
    assert_eq!(typed(&press(&mut model, "p")), [pause]);
    assert_eq!(press(&mut model, "xAcme\r"), [], "not the whole name");
    let remove = format!("channel remove {} -w acme", id(101));
    assert_eq!(typed(&press(&mut model, " news\r")), [remove]);
}

#[test]
fn a_secret_is_neither_shown_nor_named() {
    let mut model = on("channels");
    press(&mut model, "chunter2");
    let text = rig::text(&rig::draw(&mut model, (80, 24), (true, false)));
    assert!(text.contains("*******") && !text.contains("hunter2"), "{text}");
    let done = press(&mut model, "\r");
    assert!(typed(&done)[0].ends_with("--token-file - -w bluefin"), "{done:?}");
}

#[test]
fn the_palette_speaks_the_words_of_the_command_line() {
    let mut model = on("dashboard");
    press(&mut model, ":chan lis");
    let effects = press(&mut model, "\r");
    assert_eq!(effects, [], "it needs a workspace first");
    press(&mut model, "-w acme");
    assert_eq!(typed(&press(&mut model, "\r")), ["channel list -w acme"]);
    press(&mut model, ":channel show acm\t");
    let Some(Popup::Palette { typed: line, .. }) = &model.popup else { panic!() };
    assert_eq!(*line, format!("channel show {} ", id(101)));
    // The workspace is that of the channel.
    assert_eq!(typed(&press(&mut model, "\r")), [format!("channel show {} -w acme", id(101))]);
    for (line, why) in [
        (":channel add --token x\r", "a secret is not typed here"),
        (":media upload x\r", "files are where the shell is"),
        (":post cancel\r", "needs id"),
        (":status now\r", "one word too many"),
    ] {
        assert_eq!(press(&mut model, line), []);
        assert!(model.toast.as_ref().unwrap().text.contains(why), "{line}: {:?}", model.toast);
        press(&mut model, "\x1b");
    }
}

#[test]
fn every_verb_of_the_table_is_found_by_its_words() {
    let mut model = on("dashboard");
    for verb in carillon::service::VERBS {
        let words = format!("{} {}", verb.noun, verb.verb);
        press(&mut model, &format!(":{}", words.trim()));
        let text = rig::text(&rig::draw(&mut model, (120, 40), (true, true)));
        assert!(text.contains(words.trim()), "{words}: {text}");
        press(&mut model, "\x1b");
    }
}

#[test]
fn what_was_done_last_can_be_undone_from_the_events() {
    let mut model = on("channels");
    press(&mut model, "u");
    let Some(Popup::Confirm { .. }) = model.popup else { panic!("no question") };
    let undone = typed(&press(&mut model, "y"));
    assert_eq!(undone, [format!("channel resume {} -w acme", id(1_002))]);
}

#[test]
fn a_refusal_says_what_why_and_what_to_do() {
    let mut model = on("queue");
    let Some(Effect::Run(commands)) = press(&mut model, "m+1h\r").pop() else { panic!() };
    let answers = vec![Err(Problem::new(Code::DeliveryInFlight))];
    console::update(&mut model, Msg::Done(Done { commands, answers, number: 0 }));
    let text = rig::text(&rig::draw(&mut model, (80, 24), (true, true)));
    assert!(text.contains("not done") && text.contains("do: "), "{text}");
    press(&mut model, "\x1b");
    let Some(Effect::Run(commands)) = press(&mut model, "m+1h\r").pop() else { panic!() };
    let answers = vec![Ok(json!({ "id": "x" }))];
    console::update(&mut model, Msg::Done(Done { commands, answers, number: 0 }));
    assert!(model.toast.as_ref().unwrap().text.contains("u undoes it"), "{:?}", model.toast);
}

#[test]
fn rows_do_not_jump_under_a_question() {
    let mut model = on("queue");
    press(&mut model, "x");
    let before = rig::text(&rig::draw(&mut model, (80, 24), (true, true)));
    let mut snap = rig::snapshot();
    let mut all = (*snap.overview).clone();
    all.queue.remove(0);
    snap.overview = std::sync::Arc::new(all);
    console::update(&mut model, Msg::Snapshot(std::sync::Arc::new(snap)));
    assert_eq!(rig::text(&rig::draw(&mut model, (80, 24), (true, true))), before);
    press(&mut model, "\x1b");
    assert_ne!(rig::text(&rig::draw(&mut model, (80, 24), (true, true))), before);
}

#[test]
fn the_cursor_stays_at_its_row() {
    let mut model = on("queue");
    press(&mut model, "jj");
    let cursor = model.place().cursor.clone();
    let mut snap = rig::snapshot();
    let mut all = (*snap.overview).clone();
    all.queue.remove(0);
    snap.overview = std::sync::Arc::new(all);
    console::update(&mut model, Msg::Snapshot(std::sync::Arc::new(snap)));
    assert_eq!((model.place().cursor.clone(), model.place().row), (cursor, 1));
}

#[test]
fn the_first_steps_are_typed_for_whoever_begins() {
    let mut model = rig::model(rig::fresh());
    let text = rig::text(&rig::draw(&mut model, (80, 24), (true, true)));
    assert!(text.contains("first steps") && text.contains("Press n for the next step"), "{text}");
    press(&mut model, "n");
    let made = typed(&press(&mut model, "Bakery\r"));
    assert_eq!(made, ["workspace create Bakery"]);
}

/// A snapshot that was read before the answer to a step still lacks what that step made.
#[test]
fn a_step_that_was_just_done_is_not_offered_again() {
    let mut model = rig::model(rig::fresh());
    press(&mut model, "n");
    let Some(Effect::Run(commands)) = press(&mut model, "Bakery\r").pop() else { panic!() };
    let offered = |model: &console::Model| match &model.popup {
        Some(Popup::Palette { typed, .. }) => Some(typed.clone()),
        _ => None,
    };
    let look = |answered, made: bool| {
        let mut snap = rig::fresh();
        if made {
            let workspaces = rig::snapshot().overview.workspaces.clone();
            let all = Overview { workspaces, ..(*snap.overview).clone() };
            snap.overview = std::sync::Arc::new(all);
        }
        Msg::Snapshot(std::sync::Arc::new(Snapshot { answered, ..snap }))
    };
    // Not answered yet; answered, and only an older look is there.
    press(&mut model, "n");
    assert_eq!(offered(&model), None);
    let answers = vec![Ok(json!({ "slug": "bakery" }))];
    console::update(&mut model, Msg::Done(Done { commands, answers, number: 7 }));
    press(&mut model, "n");
    assert_eq!(offered(&model), None);
    assert!(model.toast.as_ref().unwrap().text.contains("a moment"));
    console::update(&mut model, look(6, false));
    assert_eq!(offered(&model), None);
    // With the look that has it the next step is offered, as it was asked for.
    console::update(&mut model, look(7, true));
    assert!(offered(&model).unwrap().starts_with("channel add"), "{:?}", offered(&model));
    // Whoever pressed something else meanwhile is asked nothing.
    press(&mut model, "\x1b");
    model.busy = 1;
    press(&mut model, "n2");
    model.busy = 0;
    console::update(&mut model, look(7, true));
    assert_eq!(offered(&model), None);
}

#[test]
fn help_is_filtered_as_one_types_and_runs_what_is_chosen() {
    let mut model = on("queue");
    press(&mut model, "?cancel");
    let text = rig::text(&rig::draw(&mut model, (80, 24), (true, true)));
    assert!(text.contains("cancel the post") && !text.contains("another time"), "{text}");
    press(&mut model, "\r");
    assert!(matches!(model.popup, Some(Popup::Confirm { .. })), "enter runs it");
}

#[test]
fn members_are_invited_changed_and_suspended() {
    let mut model = on("members");
    press(&mut model, "/jon\r");
    let jon = id(5_002);
    assert_eq!(press(&mut model, "e"), []);
    let role = format!("member set-role {jon} admin -w acme");
    assert_eq!(typed(&press(&mut model, "a")), [role]);
    assert_eq!(typed(&press(&mut model, "p")), [format!("member suspend {jon} -w acme")]);
    // Who was suspended is let in again; what ends for good asks first, and keeps by default.
    press(&mut model, "\x1b/lea\r");
    let restore = format!("member restore {} -w acme", id(5_003));
    assert_eq!(typed(&press(&mut model, "p")), [restore]);
    assert_eq!(press(&mut model, "x\r"), []);
    let remove = format!("member remove {} -w acme", id(5_003));
    assert_eq!(typed(&press(&mut model, "xy")), [remove]);
    let reset = format!("user reset-link {}", id(5_003));
    assert_eq!(typed(&press(&mut model, "Py")), [reset]);
    // Who was only invited has no role yet: the invitation is taken back.
    press(&mut model, "\x1b/zoe\r");
    assert_eq!(press(&mut model, "e"), []);
    assert!(model.toast.as_ref().unwrap().text.contains("only who has come"));
    let revoke = format!("invitation revoke {} -w acme", id(5_004));
    assert_eq!(typed(&press(&mut model, "xy")), [revoke]);
    assert_eq!(press(&mut model, "inobody\r"), []);
    let Some(Popup::Ask { wrong: Some(why), .. }) = &model.popup else { panic!("it was taken") };
    assert!(why.contains("type an e-mail"));
    press(&mut model, "\x1b");
    press(&mut model, "inew@acme.example\r");
    let invite = "invitation create new@acme.example --role 'viewer' -w acme";
    assert_eq!(typed(&press(&mut model, "v")), [invite]);
}

#[test]
fn jobs_are_run_and_paused() {
    let mut model = on("jobs");
    press(&mut model, "/backup\r");
    assert_eq!(typed(&press(&mut model, "!")), ["job run backup"]);
    assert_eq!(typed(&press(&mut model, "p")), ["job pause backup"]);
    press(&mut model, "\x1b/media\r");
    assert_eq!(typed(&press(&mut model, "p")), ["job resume media"]);
    press(&mut model, "\x1b/publisher\r");
    assert_eq!(press(&mut model, "!"), []);
    assert!(model.toast.as_ref().unwrap().text.contains("runs all the time"));
}

#[test]
fn times_are_shown_and_typed_by_the_clock_that_was_chosen() {
    let mut model = on("queue");
    let shown = |model: &mut carillon::console::Model| {
        rig::text(&rig::draw(model, (80, 24), (true, false)))
    };
    assert!(shown(&mut model).contains("14:05:09Z") && shown(&mut model).contains("14:06:00"));
    press(&mut model, "zMars/Olympus\r");
    let Some(Popup::Ask { wrong: Some(why), .. }) = &model.popup else { panic!("it was taken") };
    assert!(why.contains("no such time zone"));
    press(&mut model, "\x1bzEurope/Berlin\r");
    let text = shown(&mut model);
    assert!(text.contains("15:05:09 CET") && text.contains("15:06:00"), "{text}");
    // A time is typed by the same clock, and goes with its zone: no hour is lost on the way.
    press(&mut model, "/pumpkin\r");
    press(&mut model, "m");
    assert!(shown(&mut model).contains("(Europe/Berlin)"));
    let moved = typed(&press(&mut model, "17:30\r"));
    assert!(moved[0].contains("--at '2026-11-22T17:30:00' --zone 'Europe/Berlin'"), "{moved:?}");
    rig::show(&mut model, "calendar");
    assert!(shown(&mut model).contains("CET"));
    press(&mut model, "z\r");
    assert!(shown(&mut model).contains("14:05:09Z"));
}

#[test]
fn all_words_of_a_post_are_asked_for_before_they_are_changed() {
    let mut model = on("held");
    press(&mut model, "/jam\r");
    assert_eq!(typed(&press(&mut model, "e")), [format!("post show {} -w acme", id(2_007))]);
    // One that has words of its own on this channel is not changed by half.
    let Some(Effect::Run(commands)) = press(&mut model, "e").pop() else { panic!("nothing") };
    let Then::Words { delivery } = &commands[0].then else { panic!("{commands:?}") };
    let own = json!({
        "deliveries": [{ "id": delivery, "channel": "c" }], "parts": [],
        "variants": { "c": { "parts": [{ "text": "own" }] } },
    });
    let done = Done { commands, answers: vec![Ok(own)], number: 0 };
    console::update(&mut model, Msg::Done(done));
    assert!(model.popup.is_none());
    assert!(model.toast.as_ref().unwrap().text.contains("words of its own"));
}

/// Somebody who sits there from the start is led to what became wrong, not to what was there first.
#[test]
fn the_first_screen_keeps_to_what_is_worst_until_somebody_moves() {
    let mut model = rig::model(rig::fresh());
    console::update(&mut model, Msg::Snapshot(std::sync::Arc::new(rig::snapshot())));
    press(&mut model, "\r");
    assert_eq!(model.screen().name, "channels", "one must be connected again");
    press(&mut model, "1j");
    let chosen = model.place().cursor.clone();
    console::update(&mut model, Msg::Snapshot(std::sync::Arc::new(rig::snapshot())));
    assert_eq!(model.place().cursor, chosen);
}

#[test]
fn the_words_of_a_post_are_written_on_several_lines() {
    let shown = |model: &mut console::Model| rig::text(&rig::draw(model, (80, 24), (true, true)));
    let mut model = rig::writing("queue", "scheduled", &["Rye bread\nday", "second part"]);
    let first = shown(&mut model);
    for seen in ["Rye bread", "day", "---", "second part_", "13 + 11 characters", "ctrl-s saves"] {
        assert!(first.contains(seen), "{seen}: {first}");
    }
    // What was typed is not lost by one key, nor by a refusal.
    press(&mut model, "\r\rand more");
    assert_eq!(press(&mut model, "\x1b"), []);
    assert!(shown(&mut model).contains("esc again drops what you typed"));
    let Some(Effect::Run(commands)) = press(&mut model, "!\x13").pop() else { panic!("unsaved") };
    let said = &commands[0];
    assert_eq!((said.noun, said.verb), ("post", "edit"));
    assert_eq!(said.args["text"], json!(["Rye bread\nday", "second part\n\nand more!"]));
    assert!(said.args.get("media").is_none(), "its media stay");
    assert!(model.popup.is_none());
    let answers = vec![Err(Problem::new(Code::DeliveryInFlight))];
    let done = Done { commands, answers, number: 0 };
    console::update(&mut model, Msg::Done(done));
    let again = shown(&mut model);
    assert!(again.contains("and more!") && again.contains("being sent"), "{again}");
    let Some(Effect::Run(commands)) = press(&mut model, "\x13").pop() else { panic!("unsaved") };
    let done = Done { commands, answers: vec![Ok(json!({}))], number: 0 };
    console::update(&mut model, Msg::Done(done));
    assert!(model.popup.is_none());
    assert_eq!(model.toast.as_ref().unwrap().text, "done: its words are changed");
    // Nothing was changed: nothing is asked.
    let mut model = rig::writing("queue", "scheduled", &["Rye bread day"]);
    press(&mut model, "\x1b");
    assert!(model.popup.is_none());
    // What was refused is written anew, with its media and tags.
    let mut model = rig::writing("held", "failed", &["one", "two"]);
    assert!(shown(&mut model).contains("sends it at once"));
    let Some(Effect::Run(commands)) = press(&mut model, " more\x13").pop() else { panic!() };
    let said = &commands[0];
    assert_eq!((said.noun, said.verb), ("post", "create"));
    assert_eq!(said.args["text"], json!(["one", "two more"]));
    assert_eq!(said.args["media"], json!(["1:m-1", "2:m-1"]));
    assert_eq!((&said.args["tag"], &said.args["now"]), (&json!(["autumn"]), &json!(true)));
}

#[test]
fn a_click_chooses_and_the_wheel_scrolls_when_the_mouse_is_on() {
    let mut model = on("queue");
    let wheel = |model: &mut console::Model, key: Key| console::update(model, Msg::Key(key));
    assert_eq!(press(&mut model, ":mouse on\r"), [Effect::Mouse(true)]);
    assert!(model.mouse);
    let drawn = rig::text(&rig::draw(&mut model, (80, 24), (true, true)));
    // The third row of the list, by its place on the screen.
    let rows: Vec<_> = drawn.lines().collect();
    let y = u16::try_from(rows.iter().position(|row| row.contains("DUE")).unwrap() + 3).unwrap();
    wheel(&mut model, Key::Click(20, y));
    assert_eq!((model.place().row, model.place().open), (2, false));
    wheel(&mut model, Key::Click(20, y));
    assert!(model.place().open, "a second click opens it");
    press(&mut model, "\x1b");
    wheel(&mut model, Key::WheelUp);
    assert_eq!(model.place().row, 0);
    wheel(&mut model, Key::WheelDown);
    assert_eq!(model.place().row, 3);
    // The frame, an empty place and what lies under a question are no rows.
    for at in [(0, 0), (0, 23), (79, 22), (500, 500)] {
        wheel(&mut model, Key::Click(at.0, at.1));
        assert_eq!((model.place().row, model.screen().name), (3, "queue"), "{at:?}");
    }
    press(&mut model, "x");
    wheel(&mut model, Key::Click(20, y));
    assert!(matches!(model.popup, Some(Popup::Confirm { .. })) && model.place().row == 3);
    press(&mut model, "\x1b");
    // Another screen, by its name in the second line.
    let x = u16::try_from(rows[1].find("Jobs").unwrap()).unwrap();
    wheel(&mut model, Key::Click(x, 1));
    assert_eq!(model.screen().name, "jobs");
    assert_eq!(press(&mut model, ":mouse\r"), [Effect::Mouse(false)]);
    assert!(!model.mouse);
}
