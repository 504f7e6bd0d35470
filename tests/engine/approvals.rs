//! Approval at the time of publishing: nothing of a post goes out that nobody has let out as it is, however
//! near or late that is, and what waits for it holds nothing else back.

use std::time::Duration;

use carillon::base::{ChannelId, CorrelationId, DeliveryId, PostId, WorkspaceId};
use carillon::domain::access::{
    Approve, Entrust, Grants, HandOut, Manage, Read, Scope as KeyScope, Write,
};
use carillon::domain::approval::ApprovalRule;
use carillon::domain::post::PartDraft;
use carillon::practice::{Act, Matcher};
use carillon::service::shown::PostShown;
use carillon::service::{NewKey, NewPost, PostChange, Principal, When, Whence, Word};

use crate::stage::{KEYED, RECORDS, Stage};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// A workspace that asks an admin, and a key there.
struct Asking {
    stage: Stage,
    key: Principal,
}

impl Asking {
    fn new(seed: u64) -> Self {
        let mut stage = Stage::new(seed);
        let (manage, hand_out) = (
            stage.sim.access::<Manage>(stage.workspace).unwrap(),
            stage.sim.access::<HandOut>(stage.workspace).unwrap(),
        );
        let services = stage.sim.services.clone();
        let key = stage.sim.run(async move {
            let rule = (ApprovalRule::AnyAdmin, "reviewers");
            services.change_approvals(manage, rule).await.unwrap();
            let new = NewKey {
                name: "k".to_owned(),
                scopes: [KeyScope::Publish].into(),
                expires_at: None,
                channels: Grants::All,
                addresses: Vec::new(),
            };
            let made = services.create_key(hand_out, new).await.unwrap().value;
            let correlation = CorrelationId::new(services.rng.as_ref());
            let whence = Whence { origin: None, address: None, correlation };
            services.authenticate(made.key.as_ref().unwrap(), whence).await.unwrap()
        });
        Self { stage, key: key.unwrap() }
    }

    /// The key writes a post, which waits.
    fn post(&mut self, channels: &[ChannelId], texts: &[&str], after: Duration) -> PostShown {
        let due = self.stage.sim.now().plus(after).to_string();
        let part = |text: &&str| PartDraft { text: (*text).to_owned(), ..PartDraft::default() };
        let new = NewPost {
            parts: texts.iter().map(part).collect(),
            channels: channels.to_vec(),
            when: Some(When::At {
                local: due.trim_end_matches('Z').to_owned(),
                zone: "UTC".to_owned(),
            }),
            ..NewPost::default()
        };
        let (services, key, workspace) = self.parts();
        let made = self.stage.sim.run(async move {
            let correlation = CorrelationId::new(services.rng.as_ref());
            let access = services.access::<Write>(&key, workspace, correlation).await.unwrap();
            services.create_post(access, new).await.unwrap().value
        });
        let made = made.unwrap();
        assert_eq!(made.approval.as_ref().unwrap().state, "asked");
        made
    }

    fn parts(&self) -> (carillon::service::Services, Principal, WorkspaceId) {
        (self.stage.sim.services.clone(), self.key.clone(), self.stage.workspace)
    }

    fn reword(&mut self, post: &PostShown, text: &str) {
        let (services, key, workspace) = self.parts();
        let part = PartDraft { text: text.to_owned(), ..PartDraft::default() };
        let change = PostChange { parts: Some(vec![part]), ..PostChange::default() };
        let id: PostId = post.id.parse().unwrap();
        let changed = self.stage.sim.run(async move {
            let correlation = CorrelationId::new(services.rng.as_ref());
            let access = services.access::<Write>(&key, workspace, correlation).await.unwrap();
            services.change_post(access, id, change).await
        });
        changed.unwrap().unwrap();
    }

    fn say(&mut self, post: &PostShown, word: Word) {
        say(&mut self.stage, &post.id, word).unwrap();
    }

    /// State and reason of a post's first delivery, and how often it was tried.
    fn seen(&mut self, post: &PostShown) -> (String, String, u32) {
        let now = self.stage.delivery(&post.deliveries[0].id);
        (now.state, now.reason.unwrap_or_default(), now.parts[0].attempts)
    }
}

fn say(stage: &mut Stage, post: &str, word: Word) -> Result<PostShown, carillon::base::Problem> {
    let access = stage.sim.access::<Approve>(stage.workspace).unwrap();
    let (services, id) = (stage.sim.services.clone(), post.parse().unwrap());
    let said = stage.sim.run(async move {
        services.approve_post(access, (id, None), word, "a word").await.map(|done| done.value)
    });
    said.unwrap()
}

fn waits() -> (String, String, u32) {
    ("scheduled".to_owned(), "approval".to_owned(), 0)
}

#[test]
fn what_nobody_let_out_waits_and_goes_out_when_somebody_does() {
    let mut asking = Asking::new(70);
    let channels = [asking.stage.keyed, asking.stage.feed];
    let post = asking.post(&channels, &["waits"], MINUTE);
    let other = asking.stage.post(&[channels[0]], &["an operator's"], 2 * MINUTE);
    asking.stage.sim.pass(10 * MINUTE);
    assert_eq!(asking.seen(&post), waits());
    // Its channel's lane is free, and nobody looks at it again and again.
    assert_eq!(asking.stage.delivery(&other.deliveries[0].id).state, "published");
    assert_eq!(asking.stage.copies().len(), 1);
    asking.say(&post, Word::Approve);
    asking.stage.sim.pass(2 * SECOND);
    assert_eq!(asking.seen(&post).0, "published");
    assert_eq!(asking.stage.delivery(&post.deliveries[1].id).state, "published");
    assert_eq!(asking.stage.copies().len(), 2);
    asking.stage.assert_journal_rule(&["waits"]);
}

#[test]
fn what_was_let_out_before_its_time_goes_out_on_time() {
    let mut asking = Asking::new(71);
    let channel = asking.stage.keyed;
    let post = asking.post(&[channel], &["early"], 10 * MINUTE);
    asking.say(&post, Word::Approve);
    asking.stage.sim.pass(9 * MINUTE);
    assert!(asking.stage.copies().is_empty());
    asking.stage.sim.pass(MINUTE + SECOND);
    assert_eq!(asking.seen(&post).0, "published");
}

/// However long it waits it is nobody's decision but the approver's; and theirs may come too late.
#[test]
fn a_word_that_comes_after_the_grace_leaves_the_post_to_a_person() {
    let mut asking = Asking::new(72);
    let channel = asking.stage.keyed;
    let post = asking.post(&[channel], &["late"], MINUTE);
    asking.stage.sim.pass(180 * MINUTE);
    assert_eq!(asking.seen(&post), waits());
    asking.say(&post, Word::Approve);
    asking.stage.sim.pass(2 * SECOND);
    assert_eq!(asking.seen(&post), ("held".to_owned(), "missed".to_owned(), 0));
    let again = carillon::domain::publish::Decision::SendAgain;
    asking.stage.resolve(&post.deliveries[0].id, again).unwrap();
    asking.stage.sim.pass(2 * SECOND);
    assert_eq!(asking.seen(&post).0, "published");
}

#[test]
fn other_words_need_another_word() {
    let mut asking = Asking::new(73);
    let channel = asking.stage.keyed;
    let post = asking.post(&[channel], &["seen"], 5 * MINUTE);
    asking.say(&post, Word::Approve);
    asking.reword(&post, "not seen");
    asking.stage.sim.pass(6 * MINUTE);
    assert_eq!(asking.seen(&post), waits());
    asking.say(&post, Word::Decline);
    asking.stage.sim.pass(MINUTE);
    assert_eq!(asking.seen(&post), waits());
    asking.reword(&post, "better");
    asking.say(&post, Word::Approve);
    asking.stage.sim.pass(2 * SECOND);
    assert_eq!(asking.seen(&post).0, "published");
    asking.stage.assert_journal_rule(&["better"]);
    assert_eq!(asking.stage.copies().len(), 1);
}

/// A word that was answered is obeyed: at no turn of a run is anything armed after it.
#[test]
fn after_a_decline_was_answered_at_any_turn_nothing_is_armed() {
    let (mut kept, mut sent) = (0, 0);
    for turns in 0..40 {
        let Asking { mut stage, .. } = Asking::new(74);
        let channel = stage.keyed;
        // An operator's own, and so approved.
        let post = stage.post(&[channel], &["root"], MINUTE);
        assert_eq!(post.approval.as_ref().unwrap().state, "given");
        stage.sim.pass(Duration::from_millis(59_999));
        let (approve, read) = (
            stage.sim.access::<Approve>(stage.workspace).unwrap(),
            stage.sim.access::<Read>(stage.workspace).unwrap(),
        );
        let (services, id) = (stage.sim.services.clone(), post.id.parse().unwrap());
        let delivery: DeliveryId = post.deliveries[0].id.parse().unwrap();
        stage.sim.clock.advance(Duration::from_millis(1));
        stage.sim.poll(Some(turns));
        let (said, answered) = stage
            .sim
            .run(async move {
                let said = services.approve_post(approve, (id, None), Word::Decline, "no").await;
                let now = services.delivery(&read, delivery).await.unwrap();
                (said.is_ok(), now.parts[0].attempts)
            })
            .unwrap();
        stage.sim.pass(5 * MINUTE);
        let after = stage.delivery(&post.deliveries[0].id);
        assert_eq!(answered, after.parts[0].attempts, "armed after the answer, {turns} turns");
        assert_eq!(said, answered == 0, "what is on its way is not declined, {turns} turns");
        kept += u32::from(said && after.reason.as_deref() == Some("approval"));
        sent += u32::from(after.state == "published");
    }
    assert!(kept > 0 && sent > 0 && kept + sent == 40, "{kept} {sent}");
}

/// The same while a picture is on its way, which takes long.
#[test]
fn a_decline_while_a_part_is_prepared_keeps_it_in() {
    let Asking { mut stage, .. } = Asking::new(75);
    let pictures = [stage.picture("a tower")];
    stage.fault(KEYED, Matcher::Upload, 1, Act::SlowStart { delay: 20 * SECOND });
    let channel = stage.keyed;
    stage.post_pictures(channel, &pictures, MINUTE);
    stage.sim.pass(MINUTE + 10 * SECOND);
    let post = stage.deliveries().remove(0).post;
    say(&mut stage, &post, Word::Decline).unwrap();
    stage.sim.pass(10 * MINUTE);
    assert!(stage.copies().is_empty());
    let now = stage.deliveries().remove(0);
    assert_eq!((now.reason.as_deref(), now.parts[0].attempts), (Some("approval"), 0), "{now:#?}");
}

/// And while a run that has looked already renews what it signs in with: it is looked at once more where it
/// is armed.
#[test]
fn a_decline_while_a_credential_is_renewed_is_seen_when_it_is_armed() {
    let Asking { mut stage, .. } = Asking::new(78);
    let channel = stage.records;
    let post = stage.post(&[channel], &["root"], 180 * MINUTE);
    stage.sim.pass(179 * MINUTE + 59 * SECOND);
    stage.fault(RECORDS, Matcher::Token, 1, Act::SlowStart { delay: 20 * SECOND });
    stage.sim.pass(10 * SECOND);
    assert!(stage.copies().is_empty(), "it is being renewed");
    say(&mut stage, &post.id, Word::Decline).unwrap();
    stage.sim.pass(10 * MINUTE);
    assert!(stage.copies().is_empty(), "{:?}", stage.copies());
    let now = stage.delivery(&post.deliveries[0].id);
    assert_eq!((now.reason.as_deref(), now.parts[0].attempts), (Some("approval"), 0), "{now:#?}");
}

/// A thread whose root is out goes on: what was let out was the whole of it.
#[test]
fn a_thread_that_has_begun_goes_on_and_cannot_be_declined() {
    let Asking { mut stage, .. } = Asking::new(76);
    let channel = stage.keyed;
    let post = stage.thread(&[channel], &["root", "reply"], (MINUTE, 10)).unwrap();
    stage.sim.pass(2 * MINUTE);
    let refused = say(&mut stage, &post.id, Word::Decline).unwrap_err();
    assert_eq!(refused.code.word(), "nothing_to_approve");
    stage.sim.pass(10 * MINUTE);
    assert_eq!(stage.delivery(&post.deliveries[0].id).state, "published");
}

/// Nothing of it is in memory alone: after a crash it waits as before, and a word is found on the disk.
#[test]
fn a_crash_forgets_neither_the_question_nor_the_answer() {
    let mut asking = Asking::new(77);
    let channel = asking.stage.keyed;
    let post = asking.post(&[channel], &["kept"], MINUTE);
    asking.stage.sim.pass(2 * MINUTE);
    asking.stage.sim.crash().unwrap();
    asking.stage.sim.pass(2 * MINUTE);
    assert_eq!(asking.seen(&post), waits());
    asking.say(&post, Word::Approve);
    asking.stage.sim.crash().unwrap();
    asking.stage.sim.pass(2 * SECOND);
    assert_eq!(asking.seen(&post).0, "published");
    asking.stage.assert_journal_rule(&["kept"]);
}

/// What waits for a word does not wait for ever when its channel is gone, however long ago its time was.
#[test]
fn what_waits_for_a_channel_that_was_removed_is_cancelled() {
    let mut asking = Asking::new(79);
    let channel = asking.stage.keyed;
    let post = asking.post(&[channel], &["too late"], MINUTE);
    asking.stage.sim.pass(26 * 60 * MINUTE);
    assert_eq!(asking.seen(&post), waits());
    let access = asking.stage.sim.access::<Entrust>(asking.stage.workspace).unwrap();
    let services = asking.stage.sim.services.clone();
    let removed =
        asking.stage.sim.run(async move { services.remove_channel(access, channel).await });
    removed.unwrap().unwrap();
    asking.stage.sim.crash().unwrap();
    asking.stage.sim.pass(MINUTE);
    assert_eq!(asking.seen(&post).0, "cancelled");
}

/// What only a person moves is not what the scheduler is late with, when it begins anew either.
#[test]
fn what_waits_for_a_word_makes_no_scheduler_late() {
    let mut asking = Asking::new(80);
    let channel = asking.stage.keyed;
    let post = asking.post(&[channel], &["waits"], MINUTE);
    let declined = asking.post(&[channel], &["declined"], MINUTE);
    asking.say(&declined, Word::Decline);
    asking.stage.sim.pass(50 * MINUTE);
    asking.stage.sim.crash().unwrap();
    asking.stage.sim.pass(SECOND);
    let services = asking.stage.sim.services.clone();
    let metrics = asking.stage.sim.run(async move { services.metrics_text().await }).unwrap();
    for line in ["carillon_scheduler_lag_seconds 0\n", "carillon_timers_overdue 0\n"] {
        assert!(metrics.contains(line), "no {line} in\n{metrics}");
    }
    // It is found again when somebody lets it out.
    asking.say(&post, Word::Approve);
    asking.stage.sim.pass(2 * SECOND);
    assert_eq!(asking.seen(&post).0, "published");
    assert_eq!(asking.seen(&declined), waits());
}
