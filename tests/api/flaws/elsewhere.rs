//! Flaws that were found in comparable products (reliability-security.md, B16), each with the test
//! that would fail if it were here.

use carillon::media::{self, Blobs};
use http::Method;
use serde_json::{Value, json};

use super::super::harness::{Call, House, INSTANCE, PUBLIC_URL, TOKEN};
use super::{Flaw, held};

const BROWSER: &str = "api::browser::a_browser_runs_nothing_of_what_people_and_networks_write";
const IMPORTS: &str = "cli::import::strangers_can_do_no_harm_and_leave_nothing";
const MATRIX: &str = "api::matrix::everybody_gets_what_the_table_says";
const SECRETS: &str = "cli::secrets::no_secret_is_ever_shown_or_stored_in_clear";

pub const ELSEWHERE: &[Flaw] = &[
    held(
        "1 Postiz CVE-2025-53641: headers of a request lead a request of the server's",
        &[
            "api::flaws::elsewhere::headers_of_a_request_lead_nowhere",
            "api::strangers::a_name_that_is_not_the_servers_own_is_refused",
        ],
    ),
    held(
        "2 Postiz CVE-2026-40168: a fetch for anybody, whose redirect is not looked at",
        &[
            MATRIX,
            IMPORTS,
            "outbound::client::redirects_and_errors_are_answers_and_nothing_is_repeated",
        ],
    ),
    held(
        "3 Postiz CVE-2026-42346: a name that turns private after the look",
        &["outbound::client::a_name_that_turns_private_is_refused"],
    ),
    held(
        "4 Postiz: addresses that pass for public ones",
        &[
            "outbound::guard::addresses_in_urls",
            "outbound::guard::a_guard_that_reads_the_text_is_caught",
        ],
    ),
    held(
        "5 Postiz 23696d297: what an attacker wrote is signed with the key of sessions",
        &[
            "api::flaws::elsewhere::a_secret_is_good_for_one_thing",
            "lib::vault::sign::a_signature_is_for_one_message_purpose_and_installation",
        ],
    ),
    held("6 Postiz 30e8b7770: hashes and tokens in tokens and answers", &[SECRETS]),
    held(
        "7 Postiz 793606226: a path in the name of an upload",
        &["api::flaws::elsewhere::a_name_is_no_path", "api::access::ids_that_are_none_are_missing"],
    ),
    held(
        "8 Postiz 7236213ea: markup in a public page",
        &["api::public::a_page_is_escaped_and_holds_no_script", BROWSER],
    ),
    held("9 Postiz 071143dcb: an upload by address without a guard", &[IMPORTS]),
    held(
        "10 Postiz: one key and vector for all, made from another secret",
        &[
            "lib::vault::seal::nothing_opens_in_another_place",
            "lib::vault::seal::every_changed_or_cut_byte_is_noticed",
        ],
    ),
    held("11 Mixpost dac665d: a download of media without a guard", &[IMPORTS]),
    held(
        "12 Mixpost Lite: no state at all, and words of the address shown as markup",
        &[
            "outbound::oauth::the_authorization_address_holds_all_and_randomness_is_given",
            "api::flaws::elsewhere::words_of_an_address_are_not_shown",
        ],
    ),
    held(
        "13 Vaultwarden CVE-2026-27898: a way to change that forgets whose it is",
        &[MATRIX, "api::matrix::a_handler_that_forgets_to_look_is_caught"],
    ),
    held(
        "14 Vaultwarden CVE-2026-43913: somebody who is only invited acts as an owner",
        &[MATRIX, "api::users::invitations::somebody_with_an_account_accepts_as_themselves"],
    ),
    held(
        "15 Gokapi CVE-2026-28682 and 28683: a stream of everybody's events; SVG with a script",
        &[
            "api::stream::what_happens_is_told_and_gone_on_with",
            "api::stream::it_ends_within_a_second_of_lost_access",
            "api::media::what_is_not_a_picture_is_refused_with_a_word_and_a_remedy",
        ],
    ),
    held("16 Squidex CVE-2026-41172: an asset by any address", &[IMPORTS]),
    held(
        "17 mailcow CVE-2026-7460: markup in a view of administrators",
        &[
            "console::hostile::nothing_from_outside_acts_on_a_terminal",
            "api::users::pages::an_authenticator_is_set_up_on_the_account_page",
            BROWSER,
        ],
    ),
    held(
        "18 NextScripts CVE-2026-3228: markup of a contributor",
        &["api::public::a_page_is_escaped_and_holds_no_script", BROWSER],
    ),
    held(
        "19 COAT, CORF, COSF: a callback for another application, or in another session",
        &[
            "outbound::oauth::the_authorization_address_holds_all_and_randomness_is_given",
            "networks::mastodon_oauth::a_code_is_good_once_for_its_client_and_verifier",
            "api::connections::refusals::an_answer_in_another_browser_is_good_for_nobody",
            "api::connections::refusals::an_answer_is_taken_once",
            "api::connections::refusals::states_that_belong_to_nothing_lead_nowhere",
            "api::oidc::refusals::an_answer_is_taken_once_and_in_the_browser_that_asked",
        ],
    ),
    held(
        "20 a challenge that signs anything; a webhook without a signature that counts",
        &[
            "api::hooks::a_challenge_is_answered_if_it_looks_like_one_and_a_secret_is_set",
            "api::hooks::the_answer_to_a_challenge_signs_no_delivery",
            "api::hooks::only_what_the_network_signed_is_kept",
            "api::hooks::refused::one_challenge_that_is_none_is_an_alert",
            "lib::networks::x::inbound::only_what_looks_like_a_token_is_signed",
        ],
    ),
    held(
        "21 text that acts on a terminal",
        &[
            "console::hostile::nothing_from_outside_acts_on_a_terminal",
            "console::hostile::nothing_that_is_pasted_acts_either",
            "console::hostile::lines_for_screen_readers_are_as_harmless",
        ],
    ),
    held(
        "22 Buffer 2013: tokens in clear, and nothing that stops it",
        &[
            SECRETS,
            "cli::decisions::a_pause_at_any_level_holds_back_until_it_ends",
            "engine::preparing::after_a_pause_was_answered_at_any_turn_nothing_is_armed",
        ],
    ),
    held(
        "23 libraries of a version that is known to fail",
        &["api::flaws::elsewhere::no_library_is_of_a_version_that_is_known_to_fail"],
    ),
];

const EVIL: &str = "evil.example";

/// Headers by which products learn where they are, who asks, and where to send something.
const SPOOFED: [(&str, &str); 30] = [
    ("host", EVIL),
    ("forwarded", "for=evil.example;host=evil.example;proto=http"),
    ("x-forwarded-host", EVIL),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-port", "1"),
    ("x-forwarded-server", EVIL),
    ("x-forwarded-prefix", "//evil.example"),
    ("x-forwarded-uri", "//evil.example/"),
    ("x-host", EVIL),
    ("x-real-ip", "127.0.0.1"),
    ("x-client-ip", "127.0.0.1"),
    ("true-client-ip", "127.0.0.1"),
    ("cf-connecting-ip", "127.0.0.1"),
    ("x-original-url", "/admin/run"),
    ("x-rewrite-url", "/admin/run"),
    ("x-original-host", EVIL),
    ("x-http-host-override", EVIL),
    ("x-proxy-host", EVIL),
    ("x-http-method-override", "DELETE"),
    ("x-method-override", "DELETE"),
    ("x-middleware-subrequest", "middleware"),
    ("x-middleware-rewrite", "https://evil.example/"),
    ("x-middleware-next", "https://evil.example/"),
    ("next-url", "https://evil.example/"),
    ("location", "https://evil.example/"),
    ("refresh", "0; url=https://evil.example/"),
    ("referer", "https://evil.example/"),
    ("origin", "https://evil.example"),
    ("via", "1.1 evil.example"),
];

#[tokio::test]
async fn headers_of_a_request_lead_nowhere() {
    let house = House::new().await;
    let connect = json!({
        "network": "mastodon", "name": "Us", "instance": format!("https://{INSTANCE}"),
        "token": TOKEN,
    });
    let (mut n, mut addresses) = (0, Vec::new());
    for (name, value) in SPOOFED {
        n += 1;
        let with = async |call: Call<'_>| call.header(name, value).send().await;
        let made = with(house.call(Method::POST, "/channels").json(&connect)).await;
        assert_eq!(made.status, 201, "{name}: {}", made.text());
        let invite = json!({ "email": format!("m{n}@example.org"), "role": "viewer" });
        let invited = with(house.call(Method::POST, "/invitations").json(&invite)).await;
        let link = invited.json()["link"].as_str().unwrap().to_owned();
        assert!(link.starts_with(&format!("{PUBLIC_URL}/invitations/")), "{name}: {link}");
        for page in ["/sign-in", "/account", "/"] {
            let answer = with(house.bare(Method::GET, page)).await;
            let told = format!("{:?}{}", answer.headers, answer.text());
            assert!(!told.contains(EVIL), "{name}: {page}: {told}");
        }
        // Neither way in nor method is another for it.
        assert_eq!(with(house.bare(Method::GET, "/admin/run")).await.status, 404, "{name}");
        let post = with(house.call(Method::GET, "/posts")).await;
        assert_eq!(post.status, 200, "{name}: {}", post.text());
        addresses = house.asked();
        assert!(addresses.iter().all(|host| host == INSTANCE), "{name}: {addresses:?}");
    }
    assert!(!addresses.is_empty(), "it was asked");
}

/// A claim that somebody signed elsewhere, or nobody.
fn forged(algorithm: &str) -> String {
    let piece = |value: Value| data_encoding::BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let claims =
        json!({ "id": 1, "isSuperAdmin": true, "role": "owner", "exp": 9_999_999_999_u64 });
    format!("{}.{}.{}", piece(json!({ "alg": algorithm, "typ": "JWT" })), piece(claims), "")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What a host's backend asks with.
fn embed() -> Value {
    json!({
        "user": { "id": "u", "email": "u@crm.example", "name": "U" },
        "workspace": { "id": "w", "name": "W" }, "role": "owner", "origin": "https://crm.example",
    })
}

/// One of each secret that this program hands out, and two that it never would.
async fn secrets(house: &House) -> Vec<(&'static str, String)> {
    let last = |link: &Value| text(link).rsplit('/').next().unwrap().to_owned();
    let set_up = last(&house.verb(("setup-link", ""), None, json!({})).await["link"]);
    let page = format!("/setup/{set_up}");
    assert_eq!(house.bare(Method::GET, &page).send().await.status, 200, "before there is anybody");
    let host = json!({ "name": "CRM", "origin": ["https://crm.example"] });
    let host = text(&house.verb(("host", "create"), None, host).await["key"]);
    let page = house.bare(Method::POST, "/api/v1/embed-sessions").key(&host).json(&embed());
    let page = text(&page.send().await.json()["token"]);
    let invitation = json!({ "email": "new@example.org", "role": "viewer" });
    let invitation = last(&house.post("/invitations", &invitation).await.json()["link"]);
    let login = json!({ "email": "ann@example.org", "password": "correct horse battery" });
    house.verb(("user", "create"), None, login.clone()).await;
    let opened = house.bare(Method::POST, "/api/v1/sessions").json(&login).send().await.json();
    let reset = json!({ "email": "ann@example.org" });
    let reset = last(&house.verb(("user", "reset-link"), None, reset).await["link"]);
    let metrics = house.new_key(&house.workspace, &["metrics"]).await;
    // In this order: the new password ends the session.
    vec![
        ("a key", house.key.clone()),
        ("a session", text(&opened["token"])),
        ("the mark of a device", text(&opened["device"])),
        ("a page in a host", page),
        ("a host", host),
        ("an invitation", invitation),
        ("a new password", reset),
        ("the first user", set_up),
        ("metrics", metrics),
        ("unsigned claims", forged("none")),
        ("claims with an empty signature", forged("HS256")),
    ]
}

/// Every place where a secret is taken.
fn uses<'h>(house: &'h House, secret: &str) -> Vec<(&'static str, Call<'h>)> {
    let bearer = |path: &str| house.bare(Method::GET, path).key(secret);
    let page = |folder: &str| house.bare(Method::GET, &format!("/{folder}/{secret}"));
    let cookie = |name: &str| {
        house.bare(Method::GET, "/account").header("cookie", &format!("{name}={secret}"))
    };
    let accept = json!({ "token": secret, "name": "N", "password": "one two three four five" });
    let set = json!({ "token": secret, "password": "one two three four five" });
    let open = house.bare(Method::POST, "/api/v1/embed-sessions").key(secret).json(&embed());
    vec![
        ("posts", bearer(&format!("/api/v1/workspaces/{}/posts", house.workspace))),
        ("me", bearer("/api/v1/me")),
        ("this page", bearer("/api/v1/embed-sessions/current")),
        ("metrics", bearer("/metrics")),
        ("open a page", open),
        ("cookie", cookie("__Host-carillon_session")),
        ("cookie of a device", cookie("__Host-carillon_device")),
        ("page of a first user", page("setup")),
        ("page of an invitation", page("invitations")),
        ("page of a reset", page("reset")),
        ("reset", house.bare(Method::POST, "/api/v1/password-resets").json(&set)),
        ("accept", house.bare(Method::POST, "/api/v1/invitations/accept").json(&accept)),
    ]
}

#[tokio::test]
async fn a_secret_is_good_for_one_thing() {
    let house = House::new().await;
    let mut good = Vec::new();
    for (what, secret) in secrets(&house).await {
        for (used, call) in uses(&house, &secret) {
            let answer = call.send().await;
            if answer.status < 300 {
                good.push(format!("{what}: {used}"));
            } else {
                assert!(answer.status < 500 && !answer.text().contains(&secret), "{what}: {used}");
            }
        }
    }
    let expected = [
        "a host: open a page",
        "a key: posts",
        "a new password: page of a reset",
        "a new password: reset",
        "a page in a host: this page",
        // Ann is no member of the house's workspace.
        "a session: cookie",
        "a session: me",
        "an invitation: accept",
        "an invitation: page of an invitation",
        "metrics: metrics",
    ];
    good.sort();
    assert_eq!(good, expected);
}

#[tokio::test]
async fn a_name_is_no_path() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let blobs = Blobs::on_disk(&kept, media::Settings::default()).unwrap();
    let house = House::keeping(blobs).await;
    for (n, name) in [
        "../../../evil.png",
        "..\\\\..\\\\evil.png",
        "/etc/evil.png",
        "a/../../evil.png",
        "%2e%2e%2fevil.png",
        "....//....//evil.png",
        "C:\\\\evil.png",
        ".",
        "..",
    ]
    .into_iter()
    .enumerate()
    {
        let side = u32::try_from(n).unwrap() + 2;
        let made = house.upload(name, "image/png", &support::media::png(side, side), "").await;
        assert_eq!(made.status, 201, "{name}: {}", made.text());
        let made = made.json();
        let shown = made["name"].as_str().unwrap();
        assert!(!shown.contains(['/', '\\']) && shown != ".." && shown != ".", "{name}: {shown}");
        let path = format!("/media/{}/file", made["id"].as_str().unwrap());
        let file = house.get(&path).await;
        let said = file.header("content-disposition");
        assert!(file.status == 200 && !said.contains("..") && !said.contains('/'), "{said}");
    }
    let ends = house.upload("a.png%00.txt", "image/png", &support::media::png(9, 9), "").await;
    assert_eq!(ends.said(), "422 invalid_field file", "no end stands for another");
    let beside: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(beside.len(), 1, "nothing lies beside it: {beside:?}");
    for path in ["..%2f..%2fcarillon.redb", "%2e%2e/%2e%2e/carillon.redb", "..%5c..%5cx", "%00"] {
        for end in ["/file", "/thumbnail", ""] {
            let answer = house.get(&format!("/media/{path}{end}")).await;
            assert_eq!(answer.status, 404, "{path}{end}");
        }
    }
}

#[tokio::test]
async fn words_of_an_address_are_not_shown() {
    let house = House::new().await;
    let feed = house.new_feed().await;
    let markup = "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E";
    let feed = format!("/feed/{feed}");
    let names = ["error", "error_description", "message", "next", "state", "code", "q", "flash"];
    for page in ["/", "/sign-in", "/account", "/setup/x", "/invitations/x", "/reset/x", &feed] {
        for name in names {
            let path = format!("{page}?{name}={markup}");
            let answer = house.bare(Method::GET, &path).send().await;
            assert!(!answer.text().contains("onerror"), "{path}: {}", answer.text());
            assert!(answer.status < 500, "{path}");
        }
        let answer = house.bare(Method::GET, &format!("{page}/{markup}")).send().await;
        assert!(answer.status == 404 && !answer.text().contains("<img"), "{page}");
    }
}

/// Floors of what `Cargo.lock` holds; cargo-deny reads the advisories themselves.
#[test]
fn no_library_is_of_a_version_that_is_known_to_fail() {
    let lock = std::fs::read_to_string(support::repo_root().join("Cargo.lock")).unwrap();
    let version = |name: &str| -> Option<Vec<u64>> {
        let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        let (text, _) = rest.split_once('"')?;
        Some(text.split('.').map(|piece| piece.parse().unwrap()).collect())
    };
    for (name, floor) in [("h2", [0, 4, 16]), ("bytes", [1, 11, 1])] {
        let found = version(name).unwrap();
        assert!(found.as_slice() >= floor.as_slice(), "{name} {found:?}");
    }
    for never in ["russh", "rsa", "hickory-proto"] {
        assert_eq!(version(never), None, "{never} is not among what this is made of");
    }
}
