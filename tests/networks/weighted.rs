//! The weighted length of texts against the public conformance data of X's library twitter-text, which
//! are in no package and so lie in `twitter_text/`; and against the library itself (npm). Needs node and `npm install twitter-text@3.1.0` in the folder that
//! `CARILLON_TWITTER_TEXT` names; skips without them, unless `CARILLON_REQUIRE_REAL_PARTS=1`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use carillon::base::{Rng as _, SeededRng};
use carillon::domain::text::Counter;
use carillon::domain::weighted::has_address;

/// Pieces that texts are put together from: words, scripts, emoji and addresses, with what stands
/// around them. All kinds of the conformance data are among them.
const PIECES: &[&str] = &[
    "This is a test.",
    " ",
    "\n",
    "caf\u{e9}",
    "cafe\u{301}",
    "\u{306e}\u{3042}",
    "\u{c800}\u{cc00}",
    "\u{430}\u{448}\u{43e}\u{43a}",
    "\u{1F431}",
    "\u{263A}",
    "\u{2764}\u{FE0F}",
    "\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{200D}\u{1F467}",
    "\u{1F44D}\u{1F3FD}",
    "\u{1F1E9}\u{1F1EA}",
    "#\u{FE0F}\u{20E3}",
    "\u{A9}",
    "\u{2122}",
    "\u{2014}",
    "\u{2026}",
    "\u{201C}quoted\u{201D}",
    "http://test.com",
    "https://test.com",
    "test.com",
    "HTTPS://www.ExaMPLE.COM/index.html",
    "https://example.com/path/to/resource?search=foo&lang=en",
    "http://twitter.com/#!/twitter",
    "http://sports.yahoo.com/nfl/news;_ylt=Aom0;ylu=XyZ?slug=ap-superbowlnotebook",
    "http://example.com?foo=$bar.;baz?BAZ&c=d-#top/?stories+",
    "https://www.youtube.com/playlist?list=PL0ZPu8XSRTB7wZzn0mLHMvyzVFeRxbWn-",
    "http://bit.ly/dJpywL",
    "http://example.com/\u{420}\u{443}\u{441}\u{441}\u{43a}\u{438}\u{435}",
    "http://foobar.\u{67e}\u{627}\u{6a9}\u{633}\u{62a}\u{627}\u{646}/",
    "http://\u{43f}\u{440}\u{435}\u{437}\u{438}\u{434}\u{435}\u{43d}\u{442}.\u{440}\u{444}",
    "http://en.wikipedia.org/wiki/Primer_(film)",
    "http://test_underscore.twitter.com",
    "foo.co.jp",
    "www.example.com",
    "example.com/a",
    "x.test.com:8080/a",
    "me@example.com",
    "@user",
    "#tag",
    "$TAG",
    "a.b.c",
    "3.14",
    "e.g.",
    "file.txt",
    "index.html",
    "no.such-domain",
    "(",
    ")",
    ".",
    ",",
    "!",
    "-",
    "/",
    "_",
    ":",
    "'",
];

/// What stands between them. Without it, an address that is glued to another one is cut otherwise
/// by the library, whose expressions look at halves of characters: 93 of 3,000 such texts differed.
const GAPS: [&str; 8] = [" ", "\n", ", ", ". ", "! ", " (", ") ", " \u{2013} "];

fn texts() -> Vec<String> {
    let rng = SeededRng::new(280);
    let piece = || {
        let n = usize::try_from(rng.next_u64() % u64::try_from(PIECES.len()).unwrap()).unwrap();
        PIECES[n]
    };
    let single = PIECES.iter().map(|piece| (*piece).to_owned());
    let pairs = PIECES.iter().flat_map(|a| PIECES.iter().map(move |b| format!("{a} {b}")));
    let mixed = (0..3_000).map(|n| {
        let gap = || GAPS[usize::try_from(rng.next_u64() % 8).unwrap()];
        (0..2 + n % 7).map(|_| [piece(), gap()].concat()).collect::<String>()
    });
    single.chain(pairs).chain(mixed).filter(|text| !text.is_empty()).collect()
}

#[test]
fn texts_weigh_what_the_conformance_data_say() {
    let data: serde_json::Value =
        serde_json::from_str(include_str!("twitter_text/validate.json")).unwrap();
    let cases = data["cases"].as_array().unwrap();
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| {
            let text = case["text"].as_str().unwrap();
            let ours = Counter::Weighted { url: 23 }.count(text);
            let theirs = case["weightedLength"].as_u64().unwrap();
            (u64::try_from(ours).unwrap() != theirs).then_some((text, ours, theirs))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(cases.len(), 24);
}

#[test]
fn texts_weigh_what_the_library_of_x_says() {
    let Some(folder) = std::env::var_os("CARILLON_TWITTER_TEXT") else {
        support::skip("CARILLON_TWITTER_TEXT names no folder with twitter-text");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/networks/weighted.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = command.spawn().unwrap();
    let texts = texts();
    let lines: String = texts.iter().map(|t| serde_json::to_string(t).unwrap() + "\n").collect();
    let mut input = node.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = node.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lengths = String::from_utf8(output.stdout).unwrap();
    let lengths: Vec<usize> = lengths.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(lengths.len(), texts.len());
    let wrong: Vec<_> = texts
        .iter()
        .zip(lengths)
        .map(|(text, length)| (text, length, Counter::Weighted { url: 23 }.count(text)))
        .filter(|(_, theirs, ours)| theirs != ours)
        .collect();
    println!("{} texts, {} of them weigh otherwise", texts.len(), wrong.len());
    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(30)]);
    assert!(texts.iter().filter(|text| has_address(text)).count() > 1_000);
}
