//! Values of approvals, and of the rule that asks for them.

use carillon::domain::approval::{Approval, ApprovalRule};
use carillon::domain::post::Post;
use carillon::domain::user::{BurstAct, DoorRule};
use data_encoding::HEXLOWER;

use crate::goldens::{self, actors, at};
use crate::records::Golden;
use crate::rig::id;

/// Posts at every stage of approval.
pub fn posts() -> Vec<Post> {
    let [_, _, _, by, _] = actors();
    let approvals = [
        Approval::Unneeded,
        Approval::Asked { since: at(27), why: "suspicious.burst".to_owned() },
        Approval::Given { by: by.clone(), at: at(28), digest: [0xcd; 32] },
        Approval::Declined { by, at: at(300), note: "no".to_owned() },
    ];
    goldens::posts()
        .into_iter()
        .zip(approvals)
        .map(|(post, approval)| Post { approval, ..post })
        .collect()
}

pub fn door_rules() -> Golden {
    let (pause, tell) = (older(BurstAct::Pause), older(BurstAct::Tell));
    Golden::scoped(&asking()).since(2, &pause).since(1, &tell)
}

/// As they were before anybody could be asked for approval.
fn older(bursts: BurstAct) -> [DoorRule; 2] {
    let approvals = ApprovalRule::Off;
    [true, false].map(|totp_required| DoorRule {
        totp_required,
        bursts,
        approvals: approvals.clone(),
    })
}

fn asking() -> [DoorRule; 3] {
    let named = ApprovalRule::Reviewers([id(27), id(28)].into());
    let acts = BurstAct::ALL.into_iter();
    let mut all = acts.zip([ApprovalRule::Off, ApprovalRule::AnyAdmin, named]);
    [true, false, true].map(|totp_required| {
        let (bursts, approvals) = all.next().unwrap();
        DoorRule { totp_required, bursts, approvals }
    })
}

// Each of these stops to compile when a variant is added: give it a value above, then name it.
const _: fn(Approval) = |approval| match approval {
    Approval::Unneeded
    | Approval::Asked { .. }
    | Approval::Given { .. }
    | Approval::Declined { .. } => {}
};
const _: fn(ApprovalRule) = |rule| match rule {
    ApprovalRule::Off | ApprovalRule::AnyAdmin | ApprovalRule::Reviewers(_) => {}
};
const _: fn(BurstAct) = |act| match act {
    BurstAct::Tell | BurstAct::Pause | BurstAct::Approve => {}
};

/// What was approved before an upgrade is approved after it: the form that is hashed is no stored form.
#[test]
fn a_digest_stays_what_it_is() {
    let posts = goldens::posts();
    let digests = posts.iter().map(|post| HEXLOWER.encode(&post.digest()[..8])).take(3);
    let digests: Vec<_> = digests.collect();
    assert_eq!(digests, ["7bee93761a42475e", "7bee93761a42475e", "374708fff7719dd5"]);
}
