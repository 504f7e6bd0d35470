//! Every page that exists, with hostile text wherever somebody can put some, in a real browser: nothing of it runs,
//! nothing of it becomes an element, and no policy had to stop anything. Two pages of the same text without
//! our escaping show that the browser would tell.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use support::Tool;

use super::connections::{at_x, go, new_link, sent_to, set_app};
use super::harness::{Answer, House, PUBLIC_URL, X};
use super::users::pages::{Browser, fields};
use super::users::{ANN, PASSWORD, text, token_of};

/// As long as a name may be. It breaks out of whatever it may stand in, marks the page with an element, and runs.
const NAME: &str = "'></title></style></textarea><img src=x onerror=top.ran(1)><x-canary>CANARY";
const SCRIPT: &str = "<script>top.ran(2)</script><x-canary>CANARY";

fn long() -> String {
    format!(
        "{NAME} {SCRIPT} \"><svg onload=top.ran(3)> javascript:top.ran(4) \
         <a href=\"javascript:top.ran(5)\">x</a> <iframe srcdoc='<script>top.ran(6)</script>'> \
         https://x.example/\"onmouseover=\"top.ran(7) {{{{constructor.constructor('top.ran(8)')()}}}} \
         <base href=//evil.example> <meta http-equiv=refresh content='0;url=//evil.example'>"
    )
}

/// A page as it was answered, under a name.
type Page = (String, Answer);

/// Looks at each page in its frame, and writes down what it finds.
const DRIVER: &str = r"<script>
const runs = []; window.ran = n => runs.push(n);
addEventListener('load', () => setTimeout(() => {
  const look = frame => {
    const page = frame.contentDocument;
    if (!page || !page.body) return { gone: true };
    const all = [...page.querySelectorAll('*')];
    const urls = ['href', 'src', 'action', 'formaction', 'srcdoc', 'data', 'xlink:href'];
    const live = one => urls.some(n => /^\s*(javascript|data|vbscript):/i.test(one.getAttribute(n) || ''));
    const on = one => one.getAttributeNames().some(name => name.startsWith('on'));
    const alien = 'x-canary, script, iframe, object, embed, base, img[src=x], svg[onload], meta[http-equiv]';
    return {
      aliens: page.querySelectorAll(alien).length,
      handlers: all.filter(on).length, live: all.filter(live).length,
      said: (page.body.textContent + all.map(one => one.value || '').join(' ')).includes('CANARY'),
    };
  };
  const found = [...document.querySelectorAll('iframe')].map(frame => [frame.name, look(frame)]);
  document.getElementById('found').textContent = JSON.stringify({ runs, found: Object.fromEntries(found) });
}, 500));
</script>";

/// Answers one connection: the page with all frames, or one of them.
fn serve(mut stream: &TcpStream, pages: &[Page]) -> Option<()> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream);
    reader.read_line(&mut line).ok()?;
    let mut rest = String::new();
    while reader.read_line(&mut rest).ok()? > 2 {
        rest.clear();
    }
    let path = line.split(' ').nth(1)?;
    let (headers, body) = match path.strip_prefix("/page/").and_then(|n| n.parse::<usize>().ok()) {
        None if path == "/" => {
            let frame =
                |n: usize| format!("<iframe name=\"{}\" src=\"/page/{n}\"></iframe>", pages[n].0);
            let frames: String = (0..pages.len()).map(frame).collect();
            let html = format!("<!doctype html>{DRIVER}{frames}<pre id=found></pre>");
            ("content-type: text/html; charset=utf-8\r\n".to_owned(), html.into_bytes())
        }
        None => (String::new(), Vec::new()),
        Some(n) => {
            let page = &pages.get(n)?.1;
            // As they are, but that they may stand in our frame, and that their host is this one.
            let kept = page.headers.iter().filter(|(name, _)| {
                !["x-frame-options", "set-cookie", "content-length"].contains(&name.as_str())
            });
            let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                let value = value.to_str().unwrap().replace("frame-ancestors 'none'", "");
                format!("{name}: {value}\r\n")
            };
            (kept.map(line).collect(), page.text().replace(PUBLIC_URL, "").into_bytes())
        }
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

/// What the browser found on the pages, and what its console said.
fn browse(pages: Vec<Page>) -> (Value, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let pages = Arc::new(pages);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let pages = Arc::clone(&pages);
            std::thread::spawn(move || serve(&stream, &pages));
        }
    });
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-extensions", "--disable-background-networking"])
        .args(["--enable-logging=stderr", "--v=0", "--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://{address}/"))
        .env("HOME", profile.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let found =
        dom.split_once("<pre id=\"found\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let found = found.unwrap_or_else(|| panic!("no page: {dom}\n{said}")).0;
    let found = found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    (serde_json::from_str(&found).unwrap_or_else(|e| panic!("{e}: {found}\n{said}")), said)
}

/// The pages of somebody whose every name is hostile.
async fn account(house: &House, pages: &mut Vec<Page>) {
    let mut stranger = Browser::new(house);
    let mut keep = |name: &str, page: Answer| pages.push((name.to_owned(), page));
    let next = fields(&[("next", &long())]);
    keep("sign-in", stranger.get(&format!("/sign-in?{next}")).await);
    let wrong = fields(&[("email", NAME), ("password", "wrong horse battery"), ("next", SCRIPT)]);
    keep("sign-in again", stranger.post("/sign-in", &wrong).await);

    let link = house.verb(("setup-link", ""), None, json!({})).await;
    let setup = format!("/setup/{}", token_of(&link["link"]));
    keep("set-up", stranger.get(&setup).await);
    let wrong =
        fields(&[("name", NAME), ("email", SCRIPT), ("password", "short"), ("workspace", NAME)]);
    keep("set-up again", stranger.post(&setup, &wrong).await);
    let right =
        fields(&[("name", NAME), ("email", ANN), ("password", PASSWORD), ("workspace", SCRIPT)]);
    let mut ann = Browser::new(house);
    ann.agent = Some(NAME);
    assert_eq!(ann.post(&setup, &right).await.status, 303);
    keep("account", ann.get(&format!("/account?done={}", fields(&[("x", SCRIPT)]))).await);
    let wrong = fields(&[("password", NAME), ("new_password", SCRIPT)]);
    keep("account again", ann.post("/account/password", &wrong).await);
    keep("connect", ann.get(&format!("/workspaces/{}/connect", house.workspace)).await);

    let reset = house.verb(("user", "reset-link"), None, json!({ "email": ANN })).await;
    let reset = format!("/reset/{}", token_of(&reset["link"]));
    keep("reset", stranger.get(&reset).await);
    keep("reset again", stranger.post(&reset, &fields(&[("password", NAME)])).await);
    let invite = json!({ "email": "new@example.org", "role": "editor" });
    let invited = house.post("/invitations", &invite).await.json();
    let invited = format!("/invitations/{}", token_of(&invited["link"]));
    keep("invitation", stranger.get(&invited).await);
    let wrong = fields(&[("name", &long()), ("password", "short")]);
    keep("invitation again", stranger.post(&invited, &wrong).await);
    keep("nowhere", stranger.get(&format!("/invitations/{}", fields(&[("x", NAME)]))).await);
}

/// An account that is connected to a workspace of such a name; and one whose owner calls it so, which is no name
/// of the network's.
async fn connection(house: &House, pages: &mut Vec<Page>) {
    set_app(house).await;
    let mut browser = Browser::new(house);
    let (_, link) = new_link(house, &json!({ "network": "x" })).await;
    pages.push(("link".to_owned(), browser.get(&link).await));
    let confirm = go(house, &mut browser, &link, "username=acme").await;
    pages.push(("confirm".to_owned(), browser.get(&confirm).await));
    let wrong = fields(&[("account", NAME)]);
    pages.push(("confirm again".to_owned(), browser.post(&confirm, &wrong).await));
    let right = browser.post(&confirm, "account=2244994945").await;
    assert_eq!(right.status, 303, "{}", right.text());
    pages.push(("connected".to_owned(), browser.get(&confirm).await));
    house.world.lock().unwrap().add_account(X, NAME, "t-hostile", "users.read").unwrap();
    let (_, link) = new_link(house, &json!({ "network": "x" })).await;
    let refused = go(house, &mut browser, &link, &fields(&[("username", NAME)])).await;
    pages.push(("refused".to_owned(), browser.get(&refused).await));

    // It comes back with an error that anybody can write.
    let (_, link) = new_link(house, &json!({ "network": "x" })).await;
    let away = browser.post(&link, "").await;
    let back = at_x(house, &sent_to(&away), "username=acme");
    let state = url::Url::parse(&format!("https://x.example{back}")).unwrap();
    let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let told = [("state", &*state), ("error", NAME), ("error_description", SCRIPT)];
    let came = browser.get(&format!("/oauth/x/callback?{}", fields(&told))).await;
    let page = if came.status == 303 { browser.get(came.header("location")).await } else { came };
    pages.push(("came back with an error".to_owned(), page));
    let told = [("state", NAME), ("error", NAME), ("error_description", &long())];
    let came = browser.get(&format!("/oauth/x/callback?{}", fields(&told))).await;
    pages.push(("came back with nonsense".to_owned(), came));
}

async fn feed(house: &House, pages: &mut Vec<Page>) {
    let feed = json!({ "network": "feed", "name": NAME });
    let feed = text(&house.post("/channels", &feed).await.json()["id"]);
    let asset =
        house.upload("a.png", "image/png", &support::media::png(4, 3), &long()).await.json();
    let body = json!({
        "parts": [{ "text": long(), "media": [asset["id"]] }], "channels": [feed],
        "schedule": { "now": true }, "tags": [SCRIPT],
    });
    let post = house.post("/posts", &body).await;
    assert_eq!(post.status, 201, "{}", post.text());
    let delivery = text(&post.json()["targets"][0]["delivery"]);
    house.publish(&delivery).await;
    for path in [format!("/feed/{feed}"), format!("/feed/{feed}/{delivery}")] {
        let page = house.bare(Method::GET, &path).send().await;
        assert_eq!(page.status, 200, "{path}");
        pages.push((path.replace(&feed, "F").replace(&delivery, "D"), page));
    }
    pages.push(("home".to_owned(), house.bare(Method::GET, "/").send().await));
}

/// The same text as a page would show that forgot to escape it: with our policy, and with none.
fn controls(pages: &mut Vec<Page>) {
    let like = pages[0].1.headers.clone();
    let body: bytes::Bytes = format!("<!doctype html><title>x</title><p>{NAME} {SCRIPT}").into();
    for (name, policy) in [("unescaped", true), ("unescaped and without a policy", false)] {
        let mut headers = like.clone();
        if !policy {
            headers.remove("content-security-policy");
        }
        pages.push((name.to_owned(), Answer { status: 200, headers, body: body.clone() }));
    }
}

#[tokio::test]
async fn a_browser_runs_nothing_of_what_people_and_networks_write() {
    if !Tool::Program("chromium").available_or_skip() {
        return;
    }
    let mut house = House::new().await;
    // The first is taken over by whoever sets up, under the name that it has.
    house.workspace = house.new_workspace(NAME).await;
    house.key = house.new_key(&house.workspace, &["admin"]).await;
    let mut pages = Vec::new();
    account(&house, &mut pages).await;
    connection(&house, &mut pages).await;
    feed(&house, &mut pages).await;
    for (name, page) in &pages {
        let kind = page.header("content-type");
        assert_eq!(kind, "text/html; charset=utf-8", "{name}: {} {}", page.status, page.text());
    }
    let real = pages.len();
    let hostile = pages.iter().filter(|(_, page)| page.text().contains("CANARY")).count();
    assert!(
        real >= 20 && hostile >= 12,
        "{hostile} of {real} pages have something hostile on them"
    );

    let names: Vec<_> = pages.iter().map(|(name, _)| name.clone()).collect();
    let shown: Vec<_> = pages.iter().map(|(_, page)| page.text().contains("CANARY")).collect();
    let (found, said) = browse(pages);
    assert_eq!(found["runs"], json!([]), "{found}");
    for (name, shown) in names.iter().zip(shown) {
        let expected = json!({ "aliens": 0, "handlers": 0, "live": 0, "said": shown });
        assert_eq!(found["found"][name], expected, "{name}");
    }
    assert!(!said.contains("Content Security Policy"), "a policy had to stop something: {said}");

    // And it would have told.
    let mut pages = Vec::new();
    pages.push(("sign-in".to_owned(), Browser::new(&house).get("/sign-in").await));
    controls(&mut pages);
    let (found, said) = browse(pages);
    for name in ["unescaped", "unescaped and without a policy"] {
        assert!(found["found"][name]["aliens"].as_u64() >= Some(3), "{found}");
    }
    let runs = found["runs"].as_array().unwrap();
    assert!(runs.contains(&json!(1)) && runs.contains(&json!(2)), "{found}");
    assert!(said.contains("Content Security Policy"), "{said}");
}
