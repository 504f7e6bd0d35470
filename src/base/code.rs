//! The table of error codes: stable word, HTTP status, exit code, and what to do.
//! Must not be reordered into meaning: faces look codes up by their word.

use std::fmt;

/// Names a row of [`CODES`]; the word never changes once released.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Code {
    BadRequest,
    InvalidField,
    Unauthenticated,
    PlanLimit,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    DeliveryInFlight,
    DeliveryFinished,
    NothingToCancel,
    NothingToApprove,
    NotHeld,
    NothingToAcknowledge,
    SlugTaken,
    ChannelInUse,
    AssetInUse,
    MediaFull,
    UploadOffset,
    UploadBusy,
    TusVersion,
    IdempotencyMismatch,
    StaleRevision,
    TooLarge,
    TooSlow,
    UnsupportedMediaType,
    ChannelRefused,
    AddressRefused,
    NetworkUnreachable,
    SettingsRefused,
    DiskFull,
    Overloaded,
    RateLimited,
    StoreUnavailable,
    MediaUnavailable,
    BackupNotSet,
    BackupFailed,
    MailNotSet,
    MailFailed,
    BackupUnusable,
    Stopping,
    Unreachable,
    SignInRefused,
    CodeNeeded,
    TooManyAttempts,
    PersonNeeded,
    TotpNeeded,
    TotpSet,
    EmailTaken,
    OtherEmail,
    SignInFirst,
    SetUpDone,
    CrossSite,
    Misdirected,
    AlreadyMember,
    LastOwner,
    StepUpNeeded,
    AppMissing,
    AppRefused,
    ConnectionOver,
    OidcUnreachable,
    OidcRefused,
    OidcNoAccount,
    OidcOnly,
    HookUnsigned,
    Internal,
}

/// One row: the word, its status and exit code, a title, and the remedy.
pub struct CodeRow {
    pub code: Code,
    pub word: &'static str,
    pub status: u16,
    /// 1 failed, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 server not reachable.
    pub exit: u8,
    pub title: &'static str,
    pub remedy: &'static str,
}

const fn row(
    code: Code,
    word: &'static str,
    (status, exit): (u16, u8),
    title: &'static str,
    remedy: &'static str,
) -> CodeRow {
    CodeRow { code, word, status, exit, title, remedy }
}

/// Every code, in the order of [`Code`].
#[rustfmt::skip]
pub const CODES: &[CodeRow] = &[
    row(Code::BadRequest, "bad_request", (400, 2), "The request could not be read",
        "Send well-formed JSON (or query parameters) as the OpenAPI document describes."),
    row(Code::InvalidField, "invalid_field", (422, 2), "A field has a value that cannot be accepted",
        "Correct what is named and send it again; nothing was stored."),
    row(Code::Unauthenticated, "unauthenticated", (401, 4), "A valid key is needed",
        "Send `Authorization: Bearer KEY` with a key that is neither expired nor revoked."),
    row(Code::PlanLimit, "plan_limit", (402, 4), "The workspace's plan has no room for this",
        "Cancel, move or remove what is named under `params`, or have the workspace given a larger plan; nothing was changed."),
    row(Code::Forbidden, "forbidden", (403, 4), "You may not do that here",
        "It takes what is named under `params`: a role, a key's scope, or a grant for the channel. Ask an admin of the workspace."),
    row(Code::NotFound, "not_found", (404, 3), "There is no such thing here",
        "Check the id; it may be of another workspace, or deleted."),
    row(Code::MethodNotAllowed, "method_not_allowed", (405, 2), "This address does not take that method",
        "Use one of the methods listed in the `Allow` header."),
    row(Code::DeliveryInFlight, "delivery_in_flight", (409, 5), "A delivery of this post is being sent",
        "Wait until it is published; if it is held, decide on it (resolve), then try again."),
    row(Code::DeliveryFinished, "delivery_finished", (409, 5), "The delivery is over and cannot change",
        "Look at what became of it; to post again, make a new post."),
    row(Code::NothingToCancel, "nothing_to_cancel", (409, 5), "Nothing of this post waits to go out",
        "Look at its deliveries; what is published stays published."),
    row(Code::NothingToApprove, "nothing_to_approve", (409, 5), "This post waits for nobody's approval",
        "Look at its `approval`: one that was declined waits to be changed, one that is out cannot be stopped any more."),
    row(Code::NotHeld, "not_held", (409, 5), "The delivery is not held, so there is nothing to decide",
        "Look at its state; only a held delivery waits for a person."),
    row(Code::NothingToAcknowledge, "nothing_to_acknowledge", (409, 5), "The delivery did not fail",
        "Only failed and partial ones are acknowledged; for a held one use `delivery resolve`."),
    row(Code::SlugTaken, "slug_taken", (409, 5), "That name is already in use",
        "Choose another name or slug."),
    row(Code::ChannelInUse, "channel_in_use", (409, 5), "Posts are still waiting for this channel",
        "Cancel or move them first, or pause the channel."),
    row(Code::AssetInUse, "asset_in_use", (409, 5), "A post needs this asset",
        "Take it out of the post named under `params`, or delete that post; what a feed shows stays."),
    row(Code::MediaFull, "media_full", (413, 1), "There is no space left for media",
        "Delete assets that no post needs, or have the operator raise `media.workspace_mib`."),
    row(Code::UploadOffset, "upload_offset", (409, 5), "The upload goes on at another byte",
        "Ask for its `Upload-Offset` (HEAD) and go on there."),
    row(Code::UploadBusy, "upload_busy", (423, 5), "Another request is writing to this upload",
        "Wait a few seconds, ask for its `Upload-Offset` (HEAD) and go on there."),
    row(Code::TusVersion, "tus_version", (412, 2), "This speaks tus 1.0.0",
        "Send `Tus-Resumable: 1.0.0`."),
    row(Code::IdempotencyMismatch, "idempotency_mismatch", (422, 5), "This `Idempotency-Key` was used for another request",
        "Use a new key for a new request; keys are remembered for 24 hours."),
    row(Code::StaleRevision, "stale_revision", (412, 5), "It was changed by someone else in the meantime",
        "Read it again and repeat the change with the new `ETag`."),
    row(Code::TooLarge, "too_large", (413, 2), "The request is too large",
        "Stay below the limit named under `params`."),
    row(Code::TooSlow, "request_timeout", (408, 1), "The request did not arrive in time",
        "Send the whole body without a pause, over a better line if need be."),
    row(Code::UnsupportedMediaType, "unsupported_media_type", (415, 2), "The body is of a type that is not taken here",
        "Send `Content-Type: application/json`, or `application/offset+octet-stream` to go on with an upload."),
    row(Code::ChannelRefused, "channel_refused", (422, 1), "The network refused these credentials",
        "Check the token and its scopes, or connect the account again."),
    row(Code::AddressRefused, "address_refused", (422, 2), "That address may not be called from here",
        "Use a public https address, or have the operator list the host in `outbound.allow`."),
    row(Code::NetworkUnreachable, "network_unreachable", (502, 1), "The network could not be reached",
        "Try again later; nothing was changed."),
    row(Code::SettingsRefused, "settings_refused", (422, 2), "The settings cannot be used; the old ones still count",
        "Correct what `carillon config check` shows, then reload again."),
    row(Code::DiskFull, "disk_full", (507, 1), "The server's disk is nearly full, so nothing more is taken in",
        "Have the operator make room (`carillon status`); what is scheduled stays and goes out."),
    row(Code::Overloaded, "overloaded", (503, 1), "Too much is going on at once",
        "Repeat the request after the seconds given in `Retry-After`."),
    row(Code::RateLimited, "rate_limited", (429, 1), "This key asks too often",
        "Repeat the request after the seconds given in `Retry-After`, and ask less often than `RateLimit-Policy` says."),
    row(Code::StoreUnavailable, "store_unavailable", (503, 1), "The database cannot be written at the moment",
        "Look at the disk and the log; repeat the request with the same `Idempotency-Key`."),
    row(Code::MediaUnavailable, "media_unavailable", (503, 1), "Media cannot be kept or read at the moment",
        "Look at `carillon doctor` and the log; repeat the request with the same `Idempotency-Key`."),
    row(Code::BackupNotSet, "backup_not_set", (409, 5), "Nobody is named who could open a backup",
        "Make an identity elsewhere (`age-keygen`) and set `backup.recipients` to its public key."),
    row(Code::BackupFailed, "backup_failed", (503, 1), "The backup could not be made",
        "Look at what is said under `params` and at the log; the backups before it are untouched."),
    row(Code::MailNotSet, "mail_not_set", (409, 5), "This installation has no mail server",
        "Set `mail.server` and `mail.from`, and start it again."),
    row(Code::MailFailed, "mail_failed", (502, 1), "The mail server did not take it",
        "Look at what is said under `params`, at `mail.server`, `mail.user` and the password; `carillon mail test EMAIL` tries again."),
    row(Code::BackupUnusable, "backup_unusable", (422, 1), "The backup could not be restored for trial",
        "Look at what is said under `params`. If it is the backup and not the identity, make another one and test that."),
    row(Code::Stopping, "stopping", (503, 1), "The server is stopping",
        "Repeat the request once it is up again."),
    row(Code::Unreachable, "server_unreachable", (503, 6), "The server does not answer on its admin socket",
        "Start it with `carillon serve`, or name its socket with `--socket PATH`."),
    row(Code::SignInRefused, "sign_in_refused", (401, 4), "The e-mail, the password or the code is not right",
        "Try again; an operator makes a link for a new password (`carillon user reset-link EMAIL`)."),
    row(Code::CodeNeeded, "code_needed", (401, 4), "A code is needed, too",
        "Send six digits of the authenticator as `code`, or one of the recovery codes."),
    row(Code::TooManyAttempts, "too_many_attempts", (429, 1), "Too many attempts failed; the next one must wait",
        "Try again after the seconds given in `Retry-After`; a device that was signed in before need not wait."),
    row(Code::PersonNeeded, "person_needed", (403, 4), "Only a person may do that",
        "Sign in (`POST /api/v1/sessions`) and send the token of the session; a key is no person."),
    row(Code::TotpNeeded, "totp_needed", (403, 4), "This workspace asks for an authenticator",
        "Set one up on your account page, or with `POST /api/v1/me/totp`; then repeat the request."),
    row(Code::TotpSet, "totp_set", (409, 5), "An authenticator is set up already",
        "Take it off first (`DELETE /api/v1/me/totp`), then set up another."),
    row(Code::EmailTaken, "email_taken", (409, 5), "Somebody has an account with this e-mail",
        "Sign in with it, or use another address."),
    row(Code::OtherEmail, "other_email", (403, 4), "The invitation is for another address",
        "Sign in with the account that it is for."),
    row(Code::SignInFirst, "sign_in_first", (409, 5), "There is an account with this address",
        "Sign in with it, then accept the invitation."),
    row(Code::SetUpDone, "set_up_done", (409, 5), "There is a user already",
        "Make more with `carillon user create` (`--admin` for one who administers the installation), or invite them."),
    row(Code::CrossSite, "cross_site", (403, 4), "The form was sent from another site",
        "Open the page here and send it from there."),
    row(Code::Misdirected, "misdirected", (421, 2), "This server is not known by that name",
        "Ask for it by the host of its public address; its operator can add names to `http.hosts`."),
    row(Code::AlreadyMember, "already_member", (409, 5), "That person is a member already",
        "Change their role or their channels instead."),
    row(Code::LastOwner, "last_owner", (409, 5), "A workspace cannot be without an owner",
        "Make somebody else an owner first."),
    row(Code::StepUpNeeded, "step_up_needed", (403, 4), "This asks for a fresh proof that it is you",
        "Give your password (and code) once more for this session, or prove it at the identity provider from your account page; then repeat the request. A page inside another product is none: sign in here."),
    row(Code::AppMissing, "app_missing", (409, 5), "This network asks for an application of your own first",
        "Have the operator make one there and set it: `carillon app show NETWORK` says how."),
    row(Code::AppRefused, "app_refused", (422, 2), "The network does not know this application",
        "Compare id and secret with what the network shows, and set them again (`carillon app set`)."),
    row(Code::ConnectionOver, "connection_over", (409, 5), "This connection cannot go on",
        "It is done, taken back, too old, or something changed meanwhile; begin a new one."),
    row(Code::OidcUnreachable, "oidc_unreachable", (502, 1), "The identity provider cannot be used right now",
        "Try again in a while; the log says what is wrong, and so does `carillon doctor`."),
    row(Code::OidcRefused, "oidc_refused", (403, 4), "What the identity provider answered was not taken",
        "Begin again on the sign-in page, and stay in one browser."),
    row(Code::OidcNoAccount, "oidc_no_account", (403, 4), "Nobody here is known by that",
        "Ask an admin of a workspace for an invitation to the e-mail that the identity provider has of you."),
    row(Code::OidcOnly, "oidc_only", (403, 4), "Passwords are not taken here",
        "Sign in at the identity provider, in a browser; programs use keys. An operator can let passwords in again (`oidc.passwords`)."),
    row(Code::HookUnsigned, "hook_unsigned", (401, 4), "The network has not signed this, or nothing is set to check that with",
        "Whoever runs this: compare the secret with the network's and set it again; `carillon app show NETWORK` says whether there is one."),
    row(Code::Internal, "internal", (500, 1), "Something went wrong inside",
        "Report it with the correlation id; the log has the cause."),
];

impl Code {
    /// The row of this code.
    pub fn row(self) -> &'static CodeRow {
        // The test below holds the table to the order of the enum.
        CODES.get(self as usize).unwrap_or(&CODES[CODES.len() - 1])
    }

    pub fn word(self) -> &'static str {
        self.row().word
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_codes_and_words_differ() {
        let mut words = std::collections::BTreeSet::new();
        for (i, row) in CODES.iter().enumerate() {
            assert_eq!(row.code as usize, i, "{}", row.word);
            assert!(words.insert(row.word), "{} twice", row.word);
            assert!((400..=599).contains(&row.status));
            assert!(row.title.len() > 5 && row.remedy.ends_with('.'));
        }
        assert_eq!(CODES.len(), Code::Internal as usize + 1);
    }
}
