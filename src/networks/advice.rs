//! What a person does next about a failure, by its stable code. The one table for all networks;
//! must not hold what a network said, which is kept beside the code.

/// The next step in words for whoever runs the accounts; `None` for a code that nobody acts on.
pub fn next_step(code: &str) -> Option<&'static str> {
    STEPS.iter().find(|(known, _)| *known == code).map(|(_, step)| *step)
}

#[rustfmt::skip]
const STEPS: &[(&str, &str)] = &[
    // The account.
    ("unauthorized", "Connect the account again; the network does not take its access any more."),
    ("token_expired", "Connect the account again; its access has ended."),
    ("token_invalid", "Connect the account again; the network does not know its access."),
    ("token_revoked", "Connect the account again; somebody has withdrawn the access, in the account's settings or by changing the password."),
    ("account_checkpoint", "Sign in to the account at the network itself and do what it asks for there; then connect it again."),
    ("account_suspended", "Sign in to the account at the network itself; it says there why the account is suspended."),
    ("account_deactivated", "Activate the account at the network itself; then connect it again."),
    ("account_not_found", "The account is not on that server any more; connect it where it is now."),
    ("not_an_app_password", "Make an app password in the account's settings and connect with that."),
    ("token_not_active_yet", "Nothing: a new access works after a few seconds, and it is tried again."),
    ("token_form", "Paste the access token; for a page, organization:NUMBER:TOKEN with the number in the page's address."),
    ("four_keys_needed", "Paste the app's API key, API key secret, access token and access token secret in one line with colons between them."),
    // The app.
    ("credits_depleted", "Buy credits in the network's developer console, then resume the network here; what waits goes on by itself."),
    ("app_not_approved", "In the network's developer console, give the app access to posting (for X: attach it to a project that may use API v2)."),
    ("app_read_only", "In the network's developer console, set the app's permissions to read and write, make new tokens, and connect again."),
    ("scope_missing", "Connect the account again and permit everything that is asked for; a page also needs a role that may post."),
    ("not_authorized", "The account may not do this; check its role and the app's permissions, then connect it again."),
    ("unsupported_authentication", "Connect the account with a token of a user; a token of the app alone cannot post."),
    ("version_sunset", "Update Carillon, or set the network's version to one that it still takes; until then nothing goes out there."),
    // The words and the media.
    ("duplicate_content", "The same words are out on this account already. Look there; to post it again, change the words."),
    ("text_required", "Give the post some words; without any, nobody could tell whether it is out already."),
    ("too_many_cashtags", "Leave at most one $TAG in the text."),
    ("reply_not_allowed", "The network did not let a reply follow. The parts before it are out; post the rest as one of its own, or try again later."),
    ("not_permitted", "The network refuses this text for this account. Make it shorter or simpler and try again; if that fails, look at the account itself."),
    ("policy", "The network's rules forbid it for this account; what it said is beside this. Look at the account there."),
    ("destination_gone", "What it replies to, or where it should go, is not there any more. Post it as one of its own."),
    ("parent_unknown", "What it replies to is not there any more. Post it as one of its own."),
    ("parent_missing", "The server does not show what it replies to. Post it as one of its own."),
    ("validation", "The network refuses the post as it is; what it said names the reason. Change that and try again."),
    ("chunk_too_large", "Try again; if it comes back, make the file smaller."),
    ("media_processing_failed", "The network cannot use the file: save it in another form (MP4 with H.264 and AAC, or JPEG), or make it shorter."),
    ("media_refused", "The network cannot use the file: save it in another form or make it smaller."),
    ("media_not_ready", "Nothing: it is tried again when the network is done with the file."),
    ("no_words", "The post has no such part any more, or a file is gone; write it anew."),
    // What passes.
    ("rate_limited", "Nothing: it goes out when the network takes posts again."),
    ("usage_capped", "The app's monthly allowance is used up; raise it in the network's developer console, or wait for the next month."),
    ("network_error", "Nothing, unless it stays: the network has trouble of its own."),
    ("no_answer", "Nothing: Carillon finds out whether it is there before it does anything else."),
    ("unreachable", "Nothing, unless it stays: the network could not be reached."),
    ("attempts_used_up", "The network had trouble for too long. Look whether it is well again, then try again."),
    ("unreadable_answer", "Nothing: Carillon finds out whether it is there before it does anything else."),
    ("not_json", "Check the address of the server; something else answers there."),
    ("redirected", "Check the address of the server; it sends callers elsewhere."),
    ("address_refused", "The address may not be called from here; an operator can list its host."),
    ("missing", "Connect the channel again; something that it needs is missing."),
    ("refused", "The network refuses it; what it said is beside this."),
    ("listing_too_long", "So much was posted since that it cannot be found by looking; look at the account and decide."),
    ("no_listing", "The network shows no list to look at; look at the account and decide."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_one_step_that_is_a_sentence() {
        let mut seen = std::collections::BTreeSet::new();
        for (code, step) in STEPS {
            assert!(seen.insert(code), "{code} twice");
            assert!(step.ends_with('.') && step.len() > 30, "{code}: {step}");
        }
        assert_eq!(next_step("no such code"), None);
    }
}
