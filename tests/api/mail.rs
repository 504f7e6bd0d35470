//! People are written to about what needs them: whom it concerns, not more often than every ten minutes, and
//! once, whatever the mail server does meanwhile.

use std::sync::Mutex;
use std::time::Duration;

use carillon::domain::publish::Event;
use carillon::outbound::mail::{MailSettings, Mailer};
use carillon::service::Watch;
use serde_json::json;
use support::smtp::{Mail, Smtp};

use super::harness::House;
use super::users::account;

const OWNER: &str = "owner@example.org";
const ADMIN: &str = "admin@example.org";
const MINUTE: Duration = Duration::from_mins(1);

struct Post {
    house: House,
    smtp: Smtp,
    feed: String,
    /// Deliveries that are two days late.
    late: Mutex<Vec<String>>,
}

impl Post {
    /// A workspace with one member of each role.
    async fn office() -> Self {
        let smtp = Smtp::start();
        let mut house = House::new().await;
        let server = format!("smtp://{}", smtp.address);
        let settings = MailSettings { server: &server, login: None, from: "c@carillon.example" };
        house.services.mail = Some(Mailer::new(&settings).unwrap());
        for (email, role) in [
            (OWNER, "owner"),
            (ADMIN, "admin"),
            ("editor@example.org", "editor"),
            ("viewer@example.org", "viewer"),
        ] {
            account(&house, email).await;
            let args = json!({ "user": email, "role": role });
            house.verb(("member", "add"), Some(&house.workspace), args).await;
        }
        let feed = house.new_feed().await;
        let mut late = Vec::new();
        for _ in 0..8 {
            let at = json!({ "at": "2026-11-23T09:00", "zone": "UTC" });
            let post = house.new_post(&feed, at).await;
            late.push(post["deliveries"][0]["id"].as_str().unwrap().to_owned());
        }
        house.clock.advance(Duration::from_hours(72));
        Self { house, smtp, feed, late: Mutex::new(late) }
    }

    /// Lets a post miss its time, so that a person must decide.
    async fn miss(&self) {
        let delivery = self.late.lock().unwrap().pop().unwrap();
        self.house.happen(&delivery, Event::Wake).await;
    }

    /// A key that tries what it may not, until that is suspicious.
    async fn be_denied(&self) {
        let key = self.house.new_key(&self.house.workspace, &["read"]).await;
        for _ in 0..25 {
            let call = self.house.call(http::Method::POST, "/posts").key(&key);
            assert_eq!(call.send().await.status, 403);
        }
        self.house.services.judge(self.house.scope(), None).await.unwrap();
    }

    async fn tell(&self) -> carillon::service::Telling {
        self.house.services.write_letters(self.house.scope(), None).await.unwrap()
    }

    fn to(&self, whom: &str) -> Vec<Mail> {
        self.smtp.mails().into_iter().filter(|mail| mail.to == whom).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_and_admins_are_told_of_what_concerns_them_in_one_letter() {
    let post = Post::office().await;
    assert_eq!(post.tell().await.wait, None);
    assert_eq!(post.smtp.mails(), [], "that people came and a channel was added is no trouble");
    post.be_denied().await;
    post.miss().await;
    post.miss().await;
    post.tell().await;
    let (owner, admin) = (post.to(OWNER), post.to(ADMIN));
    assert_eq!((owner.len(), admin.len(), post.smtp.mails().len()), (1, 1, 2), "nobody else");
    let subject = owner[0].header("Subject").unwrap();
    assert!(subject.starts_with("Acme: The key") && subject.ends_with("And 2 more."), "{subject}");
    assert_eq!(owner[0].header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(owner[0].from, "c@carillon.example");
    let missed = "A post to Feed";
    assert_eq!(owner[0].data.matches(missed).count(), 2, "{}", owner[0].data);
    assert!(!admin[0].data.contains("The key"), "who answers for it is told: {}", admin[0].data);
    assert_eq!(admin[0].data.matches(missed).count(), 3, "two, and one in the subject");

    // Once; and what happens within ten minutes waits for one letter.
    post.miss().await;
    let telling = post.tell().await;
    assert_eq!((telling.wait, post.smtp.mails().len()), (Some(10 * MINUTE), 2));
    post.house.clock.advance(4 * MINUTE);
    post.miss().await;
    assert_eq!(post.tell().await.wait, Some(6 * MINUTE));
    post.house.clock.advance(6 * MINUTE);
    post.tell().await;
    assert_eq!(post.to(ADMIN).len(), 2);
    assert_eq!(post.to(ADMIN)[1].data.matches(missed).count(), 3);
    post.house.clock.advance(60 * MINUTE);
    assert_eq!(post.tell().await.wait, None);
    assert_eq!(post.smtp.mails().len(), 4);
    // Who is suspended, or cannot sign in, hears no more.
    let list = post.house.get("/members").await.json();
    let admin = list["items"].as_array().unwrap().iter().find(|m| m["role"] == "admin").unwrap();
    let args = json!({ "user": admin["user"] });
    post.house.verb(("member", "suspend"), Some(&post.house.workspace), args).await;
    post.house.verb(("user", "disable"), None, json!({ "email": OWNER })).await;
    post.miss().await;
    post.tell().await;
    assert_eq!(post.smtp.mails().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_owed_until_it_is_taken_and_given_to_nobody_twice() {
    let post = Post::office().await;
    post.tell().await;
    post.miss().await;
    post.smtp.down(Some("421 closing"));
    let failed = post.house.services.write_letters(post.house.scope(), None).await.unwrap_err();
    assert!(failed.to_string().contains("mail server"), "{failed}");
    assert_eq!(post.smtp.mails(), []);
    // It is back, and puts off one of the two.
    post.smtp.down(None);
    post.smtp.answer(ADMIN, "451 come back later");
    let telling = post.tell().await;
    assert!(telling.owed && telling.wait.is_some());
    assert_eq!((post.to(OWNER).len(), post.to(ADMIN).len()), (1, 0));
    assert!(post.tell().await.wait.is_some(), "not at once");
    // What happens meanwhile keeps nobody else waiting longer than always.
    post.miss().await;
    post.house.clock.advance(5 * MINUTE);
    assert!(post.tell().await.owed);
    assert_eq!(post.to(OWNER).len(), 1);
    post.house.clock.advance(5 * MINUTE);
    assert!(post.tell().await.owed);
    assert_eq!((post.to(OWNER).len(), post.to(ADMIN).len()), (2, 0));
    assert_eq!(post.to(OWNER)[1].data.matches("A post to").count(), 2, "of what is new");
    // Whoever was put off gets all of it, once.
    post.smtp.answer(ADMIN, "");
    post.house.clock.advance(5 * MINUTE);
    assert!(!post.tell().await.owed);
    assert_eq!((post.to(OWNER).len(), post.to(ADMIN).len()), (2, 1));
    assert_eq!(post.to(ADMIN)[0].data.matches("A post to").count(), 3, "two, and the subject");
    post.house.clock.advance(60 * MINUTE);
    assert_eq!(post.tell().await.wait, None);
    post.miss().await;
    post.tell().await;
    assert_eq!((post.to(OWNER).len(), post.to(ADMIN).len()), (3, 2));

    // One that a server refuses for good is not tried again.
    post.smtp.answer(OWNER, "550 no such user");
    post.house.clock.advance(10 * MINUTE);
    post.miss().await;
    let telling = post.tell().await;
    assert_eq!((telling.owed, post.to(OWNER).len(), post.to(ADMIN).len()), (false, 3, 3));
    post.house.clock.advance(60 * MINUTE);
    assert_eq!(post.tell().await.wait, None);
    assert_eq!(post.smtp.mails().len(), 6);
    // And one that is put off for a day is given up.
    post.smtp.answer(OWNER, "452 mailbox full");
    post.miss().await;
    for _ in 0..24 {
        assert!(post.tell().await.owed);
        post.house.clock.advance(60 * MINUTE);
    }
    assert!(!post.tell().await.owed);
    post.smtp.answer(OWNER, "");
    post.house.clock.advance(60 * MINUTE);
    assert_eq!((post.tell().await.wait, post.to(OWNER).len()), (None, 3));
}

/// Names are anybody's: none becomes a line of the head.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_does_not_write_the_head_of_a_letter() {
    let post = Post::office().await;
    let name = "A\r\nBcc: evil@example.org\r\n\r\nB \u{202e}";
    let renamed = json!({ "name": name });
    let answer = post.house.patch(&format!("/channels/{}", post.feed), &renamed).await;
    assert!(answer.status == 200 || answer.status == 422, "{}", answer.text());
    post.miss().await;
    post.tell().await;
    let all = post.smtp.mails();
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|mail| mail.header("Bcc").is_none() && mail.to != "evil@example.org"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_trial_says_what_the_server_said() {
    let post = Post::office().await;
    let test = async |house: &House, to: &str| {
        house.try_verb(("mail", "test"), None, json!({ "email": to })).await
    };
    let taken = test(&post.house, ANYBODY).await.unwrap();
    assert_eq!((&taken["result"], &taken["server"]), (&json!("taken"), &json!(post.smtp.address)));
    assert_eq!(post.to(ANYBODY).len(), 1);
    post.smtp.answer(ANYBODY, "550 no such user \u{1b}[31m here");
    let refused = test(&post.house, ANYBODY).await.unwrap_err();
    let said = format!("{refused:?}");
    assert!(said.contains("no such user") && !said.contains('\u{1b}'), "{said}");
    assert!(test(&post.house, "nobody").await.is_err());
    let bare = House::new().await;
    assert!(format!("{:?}", test(&bare, ANYBODY).await.unwrap_err()).contains("MailNotSet"));
}

const ANYBODY: &str = "anybody@example.org";

#[tokio::test(flavor = "multi_thread")]
async fn that_nobody_is_told_of_alerts_is_an_alert() {
    let untold = async |house: &House| {
        let all = house.verb(("alert", "list"), None, json!({})).await;
        let one = all["items"].as_array().unwrap().iter().find(|alert| alert["id"] == "untold");
        one.map(|alert| alert["what"].as_str().unwrap().to_owned())
    };
    let said = |why: &str| Some(format!("nobody is told when something stops: {why}"));
    assert_eq!(untold(&House::new().await).await, said("no mail server is set"));
    let post = Post::office().await;
    let house = &post.house;
    assert_eq!(untold(house).await, said("nobody is an administrator"));
    account(house, BOSS).await;
    house.verb(("user", "promote"), None, json!({ "email": BOSS })).await;
    assert_eq!(untold(house).await, None);
    house.verb(("user", "disable"), None, json!({ "email": BOSS })).await;
    assert_eq!(untold(house).await, said("nobody is an administrator"));
}

/// Who runs the installation is told once of what is wrong, unless somebody has seen it.
#[tokio::test(flavor = "multi_thread")]
async fn administrators_are_told_of_an_alert_once_while_it_lasts() {
    let post = Post::office().await;
    let house = &post.house;
    account(house, BOSS).await;
    house.verb(("user", "promote"), None, json!({ "email": BOSS })).await;
    let mut watch = Watch::default();
    assert_eq!(
        (look(house, &mut watch, 0).await, look(house, &mut watch, 5).await),
        (0, 0),
        "that there is no backup is a note"
    );
    post.miss().await;
    assert_eq!(
        (look(house, &mut watch, 0).await, look(house, &mut watch, 1).await),
        (0, 0),
        "what ends by itself wakes nobody"
    );
    assert_eq!((look(house, &mut watch, 1).await, look(house, &mut watch, 1).await), (1, 0));
    let letters = post.to(BOSS);
    assert_eq!(letters.len(), 1);
    let subject = letters[0].header("Subject").unwrap();
    assert_eq!(subject, "Carillon: 1 post waits for a decision");
    assert!(letters[0].data.contains("carillon delivery list"), "{}", letters[0].data);
    // More of it is the same alert, and so it is after a restart.
    post.miss().await;
    assert_eq!((look(house, &mut watch, 5).await, look(house, &mut watch, 5).await), (0, 0));
    let mut again = Watch::default();
    assert_eq!(look(house, &mut again, 10).await, 0);
    // Another one that somebody has seen already is not written about.
    house.verb(("publishing", "pause"), None, json!({})).await;
    assert_eq!(look(house, &mut watch, 1).await, 0);
    house.verb(("alert", "acknowledge"), None, json!({ "id": "paused" })).await;
    assert_eq!((look(house, &mut watch, 5).await, post.to(BOSS).len()), (0, 1));
    house.verb(("alert", "reopen"), None, json!({ "id": "paused" })).await;
    // Over for an hour, it is news the next time; a server that is down loses nothing.
    house.verb(("publishing", "resume"), None, json!({})).await;
    assert_eq!((look(house, &mut watch, 30).await, look(house, &mut watch, 40).await), (0, 0));
    house.verb(("publishing", "pause"), None, json!({})).await;
    post.smtp.down(Some("421 closing"));
    assert_eq!(look(house, &mut watch, 1).await, 0);
    house.clock.advance(2 * MINUTE);
    assert!(house.services.write_alarms(&mut watch).await.is_err());
    post.smtp.down(None);
    assert_eq!(look(house, &mut watch, 0).await, 1);
    assert_eq!(
        post.to(BOSS)[1].header("Subject").unwrap(),
        "Carillon: publishing is paused everywhere"
    );
}

/// So many minutes later; about how many alerts was written.
async fn look(house: &House, watch: &mut Watch, minutes: u32) -> usize {
    house.clock.advance(minutes * MINUTE);
    house.services.write_alarms(watch).await.unwrap()
}

const BOSS: &str = "boss@example.org";
