//! Events over the API: search, pages, the head, activity, and exports that check themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use carillon::base::CorrelationId;
use carillon::domain::chain::{Fault, Head, What};
use carillon::domain::event::{Actor, Event};
use carillon::service::{NotAnExport, check_export};
use carillon::store::rows::ChainedEvent;
use carillon::store::{Tx, WriteError};
use http::Method;
use serde_json::{Value, json};

use super::harness::House;

/// A house with a few changes in it, a minute apart.
async fn lived_in() -> (House, String) {
    let house = House::new().await;
    let feed = house.new_feed().await;
    house.clock.advance(Duration::from_mins(1));
    let post = house.new_post(&feed, json!({ "now": true })).await;
    house.clock.advance(Duration::from_mins(1));
    house.publish(post["targets"][0]["delivery"].as_str().unwrap()).await;
    house.clock.advance(Duration::from_mins(1));
    let id = post["id"].as_str().unwrap().to_owned();
    house.new_post(&feed, json!({ "at": "2026-12-01T09:00", "zone": "UTC" })).await;
    (house, id)
}

/// A chain is told of once, and no more when it holds again, or is gone.
#[tokio::test]
async fn a_broken_chain_is_an_alert_until_it_holds_again() {
    let (house, _) = lived_in().await;
    let broken = async || {
        house.services.check_chains().await.unwrap();
        let status = house.verb(("status", ""), None, json!({})).await;
        let told = house.verb(("event", "installation"), None, json!({})).await;
        let told = told["items"].as_array().unwrap().len();
        (status["broken_chains"].as_array().unwrap().clone(), told)
    };
    let (scope, number) = (house.scope(), 3_u64);
    let row = house.services.store.read_now(|view| view.get::<ChainedEvent>(&scope, &number));
    let row = row.unwrap().unwrap();
    let put = async |row: ChainedEvent| {
        let put = move |tx: &mut Tx<'_>| {
            Ok::<_, WriteError<carillon::store::Error>>(tx.put(&scope, &number, &row)?)
        };
        house.services.store.write(put).await.unwrap();
    };
    assert_eq!(broken().await, (vec![], 0));
    let mut other = row.clone();
    other.event.kind = "post.nothing".to_owned();
    put(other).await;
    let slug = house.verb(("workspace", "list"), None, json!({})).await["items"][0]["slug"].clone();
    let found = json!(format!("{}, event 4", slug.as_str().unwrap()));
    assert_eq!(broken().await, (vec![found.clone()], 1));
    assert_eq!(broken().await, (vec![found], 1), "it is noted once");
    put(row).await;
    assert_eq!(broken().await, (vec![], 1));
}

/// Writes events that nothing else would.
async fn write(house: &House, kinds: &[(&str, &str)]) {
    let (scope, at) = (house.scope(), carillon::base::Clock::now(&house.clock));
    let correlation = CorrelationId::new(house.services.rng.as_ref());
    let event = |(kind, subject): &(&str, &str)| Event {
        at,
        actor: Actor::System,
        kind: (*kind).to_owned(),
        subject: (*subject).to_owned(),
        data: std::collections::BTreeMap::from([("note".to_owned(), (*subject).to_owned())]),
        correlation,
    };
    let events: Vec<Event> = kinds.iter().map(event).collect();
    let written = house.services.store.write(move |tx| {
        for event in &events {
            tx.append_event(&scope, event.clone())?;
        }
        Ok::<_, WriteError<()>>(())
    });
    written.await.unwrap();
}

async fn list(house: &House, query: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = house.get(&format!("/events?{query}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        rows.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

fn kinds(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn events_are_found_by_what_they_are() {
    let (house, post) = lived_in().await;
    let all = list(&house, "limit=200").await;
    let numbers: Vec<u64> = all.iter().map(|row| row["sequence"].as_u64().unwrap()).collect();
    let expected: Vec<u64> = (1..=u64::try_from(all.len()).unwrap()).rev().collect();
    assert_eq!(numbers, expected, "newest first, none left out");
    for limit in [1, 2, 3, 7] {
        assert_eq!(list(&house, &format!("limit={limit}")).await, all);
    }
    assert_eq!(kinds(&list(&house, "kind=post.").await), ["post.created"; 2]);
    assert_eq!(list(&house, "kind=post.c&limit=1").await.len(), 2);
    assert_eq!(list(&house, "kind=nothing").await, Vec::<Value>::new());
    let of_post = list(&house, &format!("subject={post}")).await;
    assert_eq!(kinds(&of_post), ["post.created"]);
    let correlation = of_post[0]["correlation_id"].as_str().unwrap();
    let together = list(&house, &format!("correlation={correlation}")).await;
    assert!(kinds(&together).contains(&"delivery.published"), "{together:?}");
    assert!(together.iter().all(|row| row["correlation_id"] == correlation));
    let by_key = list(&house, "actor=key:").await;
    assert_eq!(kinds(&by_key), ["post.created"; 2]);
    assert!(list(&house, "actor=operator").await.len() >= 3);
    let later = list(&house, "from=2026-11-22T09:01:00Z").await;
    let earlier = list(&house, "to=2026-11-22T09:01:00Z").await;
    assert_eq!(later.len() + earlier.len(), all.len());
    assert!(later.len() > 1 && earlier.len() > 1);
    let both = list(&house, "from=2026-11-22T09:01:00Z&to=2026-11-22T09:01:01Z&kind=post").await;
    assert_eq!(both, of_post);
    for (query, said) in [
        ("from=yesterday", "422 invalid_field from"),
        ("correlation=x", "422 invalid_field correlation"),
        ("cursor=!", "422 invalid_field cursor"),
        ("knd=post", "422 invalid_field knd"),
        (&format!("kind={}", "x".repeat(101)), "422 invalid_field kind"),
    ] {
        assert_eq!(house.get(&format!("/events?{query}")).await.said(), said);
    }
    assert_eq!(house.get("/events/1").await.json(), *all.last().unwrap());
    for missing in ["0", "999", "x", "-1", "18446744073709551615", "99999999999999999999"] {
        assert_eq!(house.get(&format!("/events/{missing}")).await.said(), "404 not_found");
    }
}

#[tokio::test]
async fn a_search_looks_at_so_many_rows_for_a_page() {
    let house = House::new().await;
    let batch = vec![("post.changed", "x"); 500];
    for _ in 0..22 {
        write(&house, &batch).await;
    }
    let page = house.get("/events?kind=workspace.created").await.json();
    assert_eq!(page["items"], json!([]));
    let next = page["next"].as_str().unwrap();
    let page = house.get(&format!("/events?kind=workspace.created&cursor={next}")).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["next"], Value::Null);
}

#[tokio::test]
async fn activity_is_what_people_care_about() {
    let (house, post) = lived_in().await;
    house.get("/events/export").await;
    let shown = house.get("/activity").await.json();
    let rows = shown["items"].as_array().unwrap();
    let seen: BTreeSet<&str> = kinds(rows).into_iter().collect();
    let expected =
        ["channel.added", "delivery.published", "key.created", "post.created", "workspace.created"];
    assert_eq!(seen, BTreeSet::from(expected));
    let made = rows.iter().find(|row| row["subject"] == post).unwrap();
    assert_eq!((&made["noun"], &made["at"]), (&json!("post"), &json!("2026-11-22T09:01:00.000Z")));
    let out = rows.iter().find(|row| row["kind"] == "delivery.published").unwrap();
    assert_eq!((&out["actor"], &out["params"]["network"]), (&json!("system"), &json!("feed")));
    assert_eq!(made["correlation_id"], out["correlation_id"]);
    let read = house.new_key(&house.workspace, &["read"]).await;
    let call = |path| house.call(Method::GET, path).key(&read).send();
    assert_eq!(call("/activity?limit=1").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(call("/events").await.said(), "403 forbidden");
}

async fn export(house: &House, query: &str) -> String {
    let answer = house.get(&format!("/events/export?{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

async fn head(house: &House) -> Head {
    house.get("/events/head").await.json()["head"].as_str().unwrap().parse().unwrap()
}

fn verdict(text: &str, noted: Option<Head>) -> Result<Head, Fault> {
    check_export(text.as_bytes(), None, noted).unwrap().verdict
}

#[tokio::test]
async fn an_export_checks_itself_in_either_format() {
    let (house, _) = lived_in().await;
    let wild = ["=1+2", "'=x", "a,b\"c\r\nd", "\tq", "ümläut \u{1f600}", ""];
    for text in wild {
        write(&house, &[("post.changed", text)]).await;
    }
    let (jsonl, before) = (export(&house, "").await, head(&house).await);
    let csv = export(&house, "format=csv").await;
    let now = head(&house).await;
    assert_eq!((verdict(&jsonl, Some(before)), verdict(&csv, Some(before))), (Ok(before), Ok(now)));
    let last: Value = serde_json::from_str(jsonl.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["kind"], &last["data"]["format"]),
        (&json!("event.exported"), &json!("jsonl"))
    );
    assert!(csv.contains("\"'=1+2\"") && csv.contains("\"''=x\"") && !csv.contains(",\"="));
    let listed: Vec<Value> = list(&house, "limit=200").await.into_iter().rev().collect();
    let lines: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, listed[..lines.len()]);

    // A later part goes on from a noted head, and only from that.
    let rest = export(&house, &format!("after={}", before.sequence)).await;
    let joined = check_export(rest.as_bytes(), Some(before), None).unwrap();
    assert!(joined.rows == 2 && joined.verdict.is_ok(), "{joined:?}");
    let missing = Fault { sequence: 1, what: What::Missing };
    assert_eq!(verdict(&rest, None), Err(missing), "it is not all");
    assert_eq!(house.get("/events/export?format=xml").await.said(), "422 invalid_field format");
    assert_eq!(house.get("/events/export?after=-1").await.said(), "422 invalid_field after");
}

#[tokio::test]
async fn what_was_done_to_an_export_is_named_with_its_number() {
    let (house, _) = lived_in().await;
    for format in ["jsonl", "csv"] {
        let text = export(&house, &format!("format={format}")).await;
        let now = head(&house).await;
        let rows: Vec<&str> = text.lines().collect();
        let first = usize::from(format == "csv");
        // The line of event `n`, and the file of other lines.
        let at = |n: usize| first + n - 1;
        let file = |rows: &[&str]| rows.join("\n") + "\n";
        let without = |n: usize| {
            let mut rows = rows.clone();
            rows.remove(at(n));
            file(&rows)
        };
        let edited = |n: usize, from: &str, to: &str| {
            let line = rows[at(n)].replacen(from, to, 1);
            assert_ne!(line, rows[at(n)]);
            let mut rows = rows.clone();
            rows[at(n)] = &line;
            file(&rows)
        };
        let swapped = |a: usize, b: usize| {
            let mut rows = rows.clone();
            rows.swap(at(a), at(b));
            file(&rows)
        };
        let twice = {
            let mut rows = rows.clone();
            rows.insert(at(5), rows[at(3)]);
            file(&rows)
        };
        let tail = file(&rows[..rows.len() - 2]);
        let last = now.sequence;
        for (told, text, sequence, what) in [
            ("cut", without(3), 3, What::Missing),
            ("changed", edited(4, "2026-11-22T09:0", "2026-11-23T09:0"), 4, What::Changed),
            ("another number", edited(4, "4", "44"), 4, What::Missing),
            ("moved", swapped(3, 4), 3, What::Moved),
            ("added", twice, 3, What::Added),
            ("not even a row", edited(4, "at", "\u{0}"), 4, What::Unreadable),
            ("its end cut off", tail.clone(), last - 1, What::CutOff),
        ] {
            let found = verdict(&text, Some(now));
            // A row that was changed may not be one any more.
            let unreadable = Err(Fault { sequence, what: What::Unreadable });
            let expected = Err(Fault { sequence, what });
            assert!(
                found == expected
                    || told == "not even a row" && found == unreadable
                    || format == "csv" && told == "not even a row" && found.is_err(),
                "{format} {told}: {found:?}"
            );
        }
        assert!(verdict(&tail, None).is_ok(), "only a noted head tells");
    }
    assert!(matches!(check_export(&b""[..], None, None), Err(NotAnExport::Empty)));
    for foreign in ["x", "{}\n", "\"a\",\"b\"\n1,2\n", "sequence\n1\n"] {
        let checked = check_export(foreign.as_bytes(), None, None);
        assert!(matches!(checked, Err(NotAnExport::Foreign)), "{foreign}");
    }
    // Rows of another workspace do not belong here, nor does this chain there.
    let theirs = house.new_workspace("Others").await;
    let text = export(&house, "").await.replace(&house.workspace, &theirs);
    let found = check_export(text.as_bytes(), None, None).unwrap().verdict;
    assert_eq!(found.unwrap_err().sequence, 1);
}
