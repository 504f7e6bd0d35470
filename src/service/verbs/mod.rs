//! The one table of verbs: noun, verb, right, arguments. The command line, the admin socket and
//! the console's palette read it. Must not render anything.

mod alerts;
mod connections;
mod files;
mod host;
mod members;
mod operate;
mod options;
mod people;
mod plan;
mod posts;
mod run;
mod short;

pub use files::{Download, download, upload};
pub use run::run;

/// One thing an operator can do by name.
#[derive(Debug)]
pub struct Verb {
    pub noun: &'static str,
    /// Empty for a noun that stands alone, such as `status`.
    pub verb: &'static str,
    /// The right it needs inside a workspace; empty for what concerns the installation.
    pub right: &'static str,
    pub about: &'static str,
    pub args: &'static [Arg],
    /// What a table of the answer shows.
    pub columns: &'static [&'static str],
}

#[derive(Debug)]
pub struct Arg {
    pub name: &'static str,
    pub about: &'static str,
    pub kind: ArgKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// Stands without a flag.
    Word,
    Required,
    Optional,
    /// May be given several times.
    Many,
    Flag,
    /// Read from a file or standard input, never from the command line.
    Secret,
    /// A file that is sent; stands without a flag.
    File,
    /// Where the file goes that is the answer; never sent.
    Into,
}

const fn arg(name: &'static str, kind: ArgKind, about: &'static str) -> Arg {
    Arg { name, about, kind }
}

use ArgKind::{File, Flag, Into, Many, Optional, Required, Secret, Word};

const TEXT: Arg = arg("text", Many, "its words; several make a thread");
const AT: Arg = arg("at", Optional, "local time, such as 2026-12-01T09:00");
const ZONE: Arg = arg("zone", Optional, "its time zone, such as Europe/Berlin");
const NOW: Arg = arg("now", Flag, "as soon as possible");
const ID: &[Arg] = &[arg("id", Word, "its id")];
const STATE: &[Arg] = &[
    arg("state", Optional, "only those in this state"),
    arg("limit", Optional, "rows of the page, at most 200"),
    arg("cursor", Optional, "where the page before ended"),
];
const PAGE: &[Arg] = &[
    arg("limit", Optional, "rows of the page, at most 200"),
    arg("cursor", Optional, "where the page before ended"),
];
const ERASED: &[Arg] = &[arg("limit", Optional, "rows of the page, at most 200")];
const HOST: &[&str] = &["id", "name", "origins", "created_at", "revoked_at"];
const PLAN: &[Arg] = &[
    arg("plan", Word, "free, starter, pro or enterprise; default for that of the installation"),
    arg("channels", Optional, "channels instead of the plan's: a number, or unlimited"),
    arg("posts", Optional, "posts a month instead of the plan's: a number, or unlimited"),
    arg("allow", Many, "a feature that the plan may lack: evergreen, rss_autopost or ai"),
    arg("deny", Many, "a feature that the plan may have"),
];
const OPTION: Arg = arg(
    "option",
    Many,
    "an option, see `network show`: NETWORK.NAME=VALUE, CHANNEL.NAME=VALUE for one channel",
);
const MEDIA: Arg = arg("media", Many, "id of a file (`media list`); N:ID for the N-th text");
const POST: &[&str] = &["id", "state", "due", "text"];
const DELIVERY: &[&str] =
    &["id", "state", "reason", "channel_name", "network", "due", "cause", "permalink"];
const CHANNEL: &[&str] = &["id", "network", "name", "state", "paused", "handle", "url"];
const WORKSPACE: &[&str] = &["id", "slug", "name", "paused"];
const WORKSPACES: &[&str] = &["id", "slug", "name", "paused", "state", "erased_after"];
const ASSET: &[&str] = &["id", "name", "type", "bytes", "width", "height", "alt"];
const ALT: Arg = arg("alt", Optional, "what it shows, for those who do not see it");
const EVENT: &[&str] = &["sequence", "at", "actor", "kind", "subject"];
const ACTIVITY: &[&str] = &["sequence", "at", "actor", "kind", "subject", "params"];
const PERSON: &[Arg] = &[arg("user", Word, "the person's id")];
const GRANTED: Arg = arg(
    "channel",
    Many,
    "limit it to a channel: ID:read, ID:draft or ID:publish; several for several",
);
const MEMBER: &[&str] = &["user", "role", "channels", "joined_at", "suspended_at"];
const KEY: &[&str] = &[
    "id",
    "name",
    "scopes",
    "channels",
    "addresses",
    "created_at",
    "last_used_at",
    "expires_at",
    "revoked_at",
];

const APP: &[&str] =
    &["network", "set", "client_id", "set_at", "tested", "redirect_uri", "webhook_ready"];
const CONNECTION: &[&str] = &["id", "network", "channel", "state", "reason", "expires_at"];
const REFRESHED: &[&str] = &["channel", "network", "result", "code"];
const HOOK: &[&str] = &["id", "network", "received_at", "bytes", "state", "outcome"];
const NETWORK: Arg = arg("network", Word, "which network, see `app list`");
const CLIENT_SECRET: Arg =
    arg("client-secret", Secret, "the secret that the network shows with it");

const ALERT: &[&str] = &["id", "level", "since", "state", "by", "until", "what", "look", "said"];
const ALERT_ID: Arg = arg("id", Word, "what it is called, see `alert list`");

const USER: &[&str] = &["id", "email", "name", "totp", "created_at", "disabled_at"];
const USERS: &[&str] = &["id", "email", "name", "host", "totp", "created_at", "disabled_at"];
const BACKUP: &[&str] = &["name", "made_at", "bytes", "tested", "tested_at", "path"];
const JOB: &[&str] = &["name", "state", "began_at", "next_at", "runs", "failed"];
const JOB_NAME: &[Arg] = &[arg("name", Word, "its name, see `job list`")];
const EMAIL: Arg = arg("email", Word, "their e-mail");
const WHO: Arg = arg("email", Word, "their e-mail or id; an id for whom a host made");
const INVITATION: &[&str] = &["id", "email", "role", "state", "expires_at"];

const fn verb(
    (noun, verb, right): (&'static str, &'static str, &'static str),
    about: &'static str,
    args: &'static [Arg],
    columns: &'static [&'static str],
) -> Verb {
    Verb { noun, verb, right, about, args, columns }
}

/// Every verb.
#[rustfmt::skip]
pub const VERBS: &[Verb] = &[
    verb(("status", "", ""), "One screen: is it healthy, what is late, what waits for a person", &[], &[]),
    verb(("alert", "list", ""), "What is wrong now, worst first, and what shows its cause", &[], ALERT),
    verb(("alert", "acknowledge", ""), "Say that it was seen: it bothers nobody until it is worse or over", &[ALERT_ID], ALERT),
    verb(("alert", "silence", ""), "The same for a while, such as a maintenance", &[
        ALERT_ID,
        arg("minutes", Required, "how long, at most 43200 (30 days)"),
    ], ALERT),
    verb(("alert", "reopen", ""), "Take that back", &[ALERT_ID], ALERT),
    verb(("mail", "test", ""), "Write a letter of trial to an address, and say what the mail server answered", &[EMAIL], &[]),
    verb(("alert", "comment", ""), "Say something of it to the other operators; kept until it is over", &[
        ALERT_ID,
        arg("text", Word, "one line, at most 500 characters; the last 20 are kept"),
    ], ALERT),
    verb(("config", "reload", ""), "Read the settings again and apply what can change while it runs", &[], &[]),
    verb(("config", "preview", ""), "What a reload would change, or why it would be refused; nothing changes", &[], &[]),
    verb(("config", "try", ""), "Whether a setting can have this value, and where to say so; nothing changes", &[
        arg("key", Word, "its name, such as publish.deadline"),
        arg("to", Optional, "the value; without it, the default"),
    ], &[]),
    verb(("log", "level", ""), "Change which lines are logged, until the next reload or restart", &[
        arg("level", Word, "such as debug, or info,carillon::engine=debug"),
    ], &[]),
    verb(("backup", "create", ""), "Make a backup that only holders of `backup.recipients` open", &[
        arg("media", Optional, "reference (names only, the default) or copy (their bytes, too)"),
    ], &[]),
    verb(("backup", "list", ""), "Backups in the folder of backups, and in its bucket, newest first", &[], BACKUP),
    verb(("backup", "test", ""), "Restore one for trial, into a folder that goes away, and open it", &[
        arg("name", Word, "its name, see `backup list`"),
        arg("identity", Secret, "what opens it, as age-keygen made it; used once and forgotten"),
    ], &[]),
    verb(("job", "list", ""), "What the server does by itself now and then, and how it went", &[], JOB),
    verb(("job", "run", ""), "Do one round now", JOB_NAME, JOB),
    verb(("job", "pause", ""), "Do no more rounds, until it is resumed or the server starts anew", JOB_NAME, JOB),
    verb(("job", "resume", ""), "Let it go on", JOB_NAME, JOB),
    verb(("job", "stop", ""), "End the round that runs, between two of its steps; what is done stays", JOB_NAME, JOB),
    verb(("publishing", "pause", ""), "Stop publishing everywhere; what is being sent is finished", &[], &[]),
    verb(("publishing", "resume", ""), "Publish again", &[], &[]),
    verb(("network", "list", ""), "The networks that this program knows", &[], &["id", "title", "paused"]),
    verb(("network", "show", ""), "One network, with its limits", &[arg("name", Word, "the network")], &[]),
    verb(("network", "pause", ""), "Stop publishing to a network", &[arg("name", Word, "the network")], &[]),
    verb(("network", "resume", ""), "Publish to it again", &[arg("name", Word, "the network")], &[]),
    verb(("app", "set", ""), "Set this installation's application at a network; counts at once", &[
        NETWORK,
        arg("client-id", Required, "the id that the network gave it"),
        CLIENT_SECRET,
        arg("without", Many, "a scope that the network does not let it ask for"),
    ], APP),
    verb(("app", "list", ""), "Networks that ask for an application, and whether it is set", &[], APP),
    verb(("app", "show", ""), "One, with the address that the network must send people back to", &[NETWORK], APP),
    verb(("app", "test", ""), "Ask the network whether it knows the application", &[NETWORK], APP),
    verb(("app", "rotate", ""), "Give it another secret, while everything runs", &[NETWORK, CLIENT_SECRET], APP),
    verb(("app", "webhook-secret", ""), "Set the secret that the network signs webhooks with, where that is not the client secret", &[
        NETWORK,
        arg("webhook-secret", Secret, "for X: the API key secret (consumer secret) of the app"),
    ], APP),
    verb(("app", "remove", ""), "Forget it; channels stay until their tokens end", &[NETWORK], APP),
    verb(("hook", "list", ""), "Webhooks that networks sent, newest first, and what came of them", &[
        arg("network", Optional, "only those of this network"),
        arg("limit", Optional, "rows of the page, at most 200"),
        arg("cursor", Optional, "where the page before ended"),
    ], HOOK),
    verb(("hook", "show", ""), "One, with what came", ID, HOOK),
    verb(("workspace", "create", ""), "Make a workspace", &[
        arg("name", Word, "what people call it"),
        arg("slug", Optional, "its short name; made from the name when not given"),
    ], WORKSPACE),
    verb(("workspace", "list", ""), "All workspaces; of those that were deleted, how long they can be had back", &[], WORKSPACES),
    verb(("workspace", "pause", "admin"), "Stop publishing for a workspace", &[], WORKSPACE),
    verb(("workspace", "resume", "admin"), "Publish for it again", &[], WORKSPACE),
    verb(("workspace", "delete", "own"), "Shut it at once, and erase it after a day", &[], &[]),
    verb(("workspace", "restore", "own"), "Have it back within that day", &[], WORKSPACE),
    verb(("plan", "show", "read"), "The workspace's plan, and what it uses of it", &[], &[]),
    verb(("plan", "preview", "read"), "What another plan would cut; nothing is changed", PLAN, &[]),
    verb(("plan", "set", "admin"), "Give the workspace a plan. Nothing is deleted: what is over its limits \
        stays and goes out, and more is refused", PLAN, &[]),
    verb(("member", "list", "read"), "The workspace's members", &[], MEMBER),
    verb(("member", "show", "read"), "One member", PERSON, MEMBER),
    verb(("member", "add", "admin"), "Make somebody who has an account a member", &[
        arg("user", Word, "the person's e-mail or id"),
        arg("role", Required, "viewer, editor, admin or owner"),
        GRANTED,
    ], MEMBER),
    verb(("member", "set-role", "admin"), "Change what a member is", &[
        arg("user", Word, "the person's id"),
        arg("role", Word, "viewer, editor, admin or owner"),
    ], MEMBER),
    verb(("member", "limit", "admin"), "Limit a viewer or editor to channels; without any, lift it", &[
        arg("user", Word, "the person's id"),
        GRANTED,
    ], MEMBER),
    verb(("member", "suspend", "admin"), "Give a member nothing at all for a while", PERSON, MEMBER),
    verb(("member", "restore", "admin"), "Take the suspension back", PERSON, MEMBER),
    verb(("member", "remove", "admin"), "End a membership; what they wrote stays", PERSON, MEMBER),
    verb(("workspace", "security", "admin"), "Whether everybody in it must have an authenticator, and what is done about what looks like spam", &[
        arg("totp", Optional, "required or optional"),
        arg("bursts", Optional, "of far too much at once, or a text that many workspaces have: tell, pause (its channels are paused) or approve (its posts wait for somebody's approval)"),
    ], &[]),
    verb(("workspace", "approvals", "admin"), "Whose approval posts wait for before they go out; without anything given, only shown", &[
        arg("rule", Optional, "off, any_admin or reviewers"),
        arg("reviewer", Many, "id of a member who is asked, besides owners; several for several"),
    ], &[]),
    verb(("host", "create", ""), "Let a product embed Carillon for its own people; its key is shown once", &[
        arg("name", Word, "which product"),
        arg("origin", Many, "where its pages are, such as https://crm.example"),
    ], HOST),
    verb(("host", "list", ""), "Products that embed Carillon", &[], HOST),
    verb(("host", "revoke", ""), "End a product's key and its open pages at once; what it made stays", ID, HOST),
    verb(("setup-link", "", ""), "A link that makes the first user; for one use, within 30 minutes", &[], &[]),
    verb(("user", "create", ""), "Make a user, who gets a workspace", &[
        EMAIL,
        arg("name", Optional, "their name; what stands before the @ when not given"),
        arg("admin", Flag, "let them administer the installation, and own the workspaces that nobody belongs to yet"),
        arg("password", Secret, "their password; without one you get a link by which they set it"),
    ], USER),
    verb(("user", "list", ""), "All users, and which host made whom", PAGE, USERS),
    verb(("user", "show", ""), "One user", &[WHO], USER),
    verb(("user", "disable", ""), "Shut a user out, everywhere and at once; says which workspaces are left without an owner", &[WHO], USER),
    verb(("user", "enable", ""), "Let them in again", &[WHO], USER),
    verb(("user", "promote", ""), "Let them set applications of networks, for the whole installation; they are written to about its alerts", &[WHO], USER),
    verb(("user", "demote", ""), "Take that right back", &[WHO], USER),
    verb(("user", "administrators", ""), "Who has that right", &[], USER),
    verb(("user", "reset-link", ""), "A link by which they set a new password; for one use, within a day", &[WHO], &[]),
    verb(("user", "reset-totp", ""), "Take off an authenticator that they have lost", &[WHO], USER),
    verb(("user", "sessions", ""), "Where they are signed in", &[WHO], &["id", "used_at", "ends_at", "address", "agent"]),
    verb(("user", "unlink", ""), "Forget who they are at the identity provider, and end all their sessions; by the next sign-in there they are known anew", &[WHO], &[]),
    verb(("user", "sign-out", ""), "End all their sessions", &[WHO], &[]),
    verb(("user", "erase", ""), "Erase a person for good: account, name and e-mail; what they did stays under an id", &[WHO], &["id", "erased"]),
    verb(("erasure", "list", ""), "Workspaces whose erasure is done, or has begun; those that wait for it are in `workspace list`", ERASED, &["workspace", "deleted_at", "erased_at", "media_left"]),
    verb(("erasure", "show", ""), "The certificate of one: what was erased, and when", &[
        arg("workspace", Word, "the id that it had"),
    ], &[]),
    verb(("invitation", "create", "admin"), "Invite somebody; the link is shown once", &[
        arg("email", Word, "their e-mail"),
        arg("role", Required, "owner, admin, editor or viewer"),
        GRANTED,
    ], INVITATION),
    verb(("invitation", "list", "admin"), "The workspace's invitations, newest first", PAGE, INVITATION),
    verb(("invitation", "revoke", "admin"), "Take an invitation back", ID, INVITATION),
    verb(("key", "create", "admin"), "Make an API key; it is shown once", &[
        arg("name", Word, "what it is for"),
        arg("scope", Many, "read, write (drafts and media), publish, admin or metrics"),
        GRANTED,
        arg("address", Many, "where alone it is good: an address, or a block such as 10.0.0.0/8"),
        arg("expires", Optional, "when it ends, RFC 3339"),
    ], KEY),
    verb(("key", "list", "admin"), "The workspace's keys", &[], KEY),
    verb(("key", "revoke", "admin"), "End a key at once", ID, KEY),
    verb(("channel", "add", "admin"), "Connect an account", &[
        arg("network", Required, "which network, see `network list`"),
        arg("name", Required, "what people call it"),
        arg("instance", Optional, "the server's address, for networks that have many"),
        arg("identifier", Optional, "the name to sign in with, where the token is a password"),
        arg("url", Optional, "the address that a webhook posts to"),
        arg("token", Secret, "an access token; without one you get an address to open. For a webhook \
            its signing secret (whsec_...); without one it is made and shown once"),
    ], CHANNEL),
    verb(("channel", "connect", "admin"), "Complete or renew a connection", &[
        arg("id", Word, "its id"),
        arg("code", Secret, "the code from the address that `channel add` named"),
        arg("token", Secret, "a new access token of the same account, or signing secret of a webhook"),
    ], CHANNEL),
    verb(("channel", "link", "admin"), "Make a link by which somebody connects an account, on the \
        network's own page, without an account here; good once", &[
        arg("network", Optional, "which network, see `app list`"),
        arg("channel", Optional, "id of the channel whose account is to be connected again, instead"),
        arg("name", Optional, "what the new channel is called; else as its account"),
        arg("minutes", Optional, "how long it is good; a day if not given, at most a week"),
    ], CONNECTION),
    verb(("channel", "links", "admin"), "Connections that were begun, newest first", PAGE, CONNECTION),
    verb(("channel", "unlink", "admin"), "Take a link back that nobody has finished", ID, CONNECTION),
    verb(("channel", "refresh", "admin"), "Renew what it signs in with now; nobody has to", ID, REFRESHED),
    verb(("channel", "refresh-due", "admin"), "Do so for all whose time has come, at most 50", &[], REFRESHED),
    verb(("channel", "list", "read"), "The workspace's channels", &[], CHANNEL),
    verb(("channel", "show", "read"), "One channel", ID, CHANNEL),
    verb(("channel", "test", "admin"), "Ask the network whom the channel speaks for", ID, CHANNEL),
    verb(("channel", "pause", "admin"), "Hold back what is due for it", ID, CHANNEL),
    verb(("channel", "resume", "admin"), "Let it go on", ID, CHANNEL),
    verb(("channel", "decide", "publish"), "Decide on all its deliveries that a restore holds", &[
        arg("id", Word, "its id"),
        arg("as", Required, "it_is_there, send_again or drop"),
    ], CHANNEL),
    verb(("channel", "remove", "admin"), "Disconnect it and cancel what waits for it", ID, CHANNEL),
    verb(("post", "create", "write"), "Write a post", &[
        arg("channel", Many, "id of a channel; several for several"),
        TEXT,
        MEDIA,
        AT,
        ZONE,
        NOW,
        arg("draft", Flag, "keep it as a draft"),
        arg("tag", Many, "a tag"),
        OPTION,
    ], POST),
    verb(("post", "edit", "write"), "Change what has not gone out; what is not given stays", &[
        arg("id", Word, "its id"),
        arg("channel", Many, "id of a channel; all that it is to go to"),
        TEXT,
        MEDIA,
        AT,
        ZONE,
        NOW,
        arg("draft", Optional, "yes keeps it as a draft, no schedules it"),
        arg("tag", Many, "a tag; all that it is to have"),
        OPTION,
        arg("unset-option", Many, "an option to take off: NETWORK.NAME, CHANNEL.NAME for one channel"),
    ], POST),
    verb(("post", "list", "read"), "Posts, newest first", &[
        arg("state", Optional, "only those in this state"),
        arg("approval", Optional, "only those that wait for approval (asked), or were given it, or declined"),
        arg("limit", Optional, "rows of the page, at most 200"),
        arg("cursor", Optional, "where the page before ended"),
    ], POST),
    verb(("post", "show", "read"), "One post with its deliveries", ID, POST),
    verb(("post", "approve", "publish"), "Let one out that waits for approval, as it is now", &[
        arg("id", Word, "its id"),
        arg("revision", Optional, "the revision that was seen; refused when it is another by now"),
        arg("note", Optional, "what is said with it"),
    ], POST),
    verb(("post", "decline", "publish"), "Keep one in until it is changed", &[
        arg("id", Word, "its id"),
        arg("revision", Optional, "the revision that was seen; refused when it is another by now"),
        arg("note", Required, "why, for whoever wrote it; one line"),
    ], POST),
    verb(("post", "cancel", "publish"), "Cancel what has not gone out", ID, POST),
    verb(("post", "delete", "write"), "Remove the post here, and cancel what has not gone out", ID, POST),
    verb(("media", "upload", "write"), "Keep a file", &[arg("file", File, "an image, a video or a PDF"), ALT], ASSET),
    verb(("media", "import", "write"), "Keep the file at an address", &[
        arg("url", Word, "a public https address"),
        ALT,
    ], ASSET),
    verb(("media", "list", "read"), "Files, newest first", PAGE, ASSET),
    verb(("media", "show", "read"), "One file, and which networks would take it", ID, ASSET),
    verb(("media", "edit", "write"), "Say what it shows", &[
        arg("id", Word, "its id"),
        arg("alt", Required, "what it shows, for those who do not see it"),
    ], ASSET),
    verb(("media", "delete", "write"), "Remove a file that no post names", ID, ASSET),
    verb(("media", "download", "read"), "Get a file as it is kept", &[
        arg("id", Word, "its id"),
        arg("thumbnail", Flag, "its small picture instead"),
        arg("to", Into, "a file that is not there yet, or - for standard output"),
    ], ASSET),
    verb(("delivery", "list", "read"), "Deliveries, newest first", STATE, DELIVERY),
    verb(("delivery", "show", "read"), "One delivery: attempts, evidence, permalink", ID, DELIVERY),
    verb(("delivery", "resolve", "publish"), "Decide on a held delivery, or try a failed one again", &[
        arg("id", Word, "its id"),
        arg("as", Required, "it_is_there, send_again or drop"),
        arg("url", Optional, "where it is, when it is there"),
    ], DELIVERY),
    verb(("delivery", "acknowledge", "publish"), "Say that a failed one was seen: it waits for nobody any more", ID, DELIVERY),
    verb(("event", "list", "admin"), "The chain of what happened, newest first", &[
        arg("kind", Optional, "how the kind begins, such as post. or suspicious"),
        arg("actor", Optional, "who did it, or how that begins, such as key: or operator:1000"),
        arg("subject", Optional, "the id of what changed"),
        arg("correlation", Optional, "the correlation id of the request that did it"),
        arg("from", Optional, "at this instant or later, RFC 3339"),
        arg("to", Optional, "before this instant"),
        arg("limit", Optional, "rows of the page, at most 200"),
        arg("cursor", Optional, "where the page before ended"),
    ], EVENT),
    verb(("event", "activity", "read"), "What was changed and what became of posts, newest first", PAGE, ACTIVITY),
    verb(("event", "show", "admin"), "One event, with its hashes", &[arg("number", Word, "its number")], EVENT),
    verb(("event", "head", "admin"), "The last event's number and hash, to be noted down elsewhere", &[], &[]),
    verb(("event", "check", "admin"), "Make every hash of the chain again, as it is stored now", &[], &[]),
    verb(("event", "installation", ""), "What was done to the installation as a whole, newest first", PAGE, EVENT),
    verb(("event", "export", "admin"), "Write the chain to a file that `event verify` checks", &[
        arg("format", Optional, "jsonl (the default) or csv"),
        arg("after", Optional, "only those after the event of this number"),
        arg("to", Into, "a file that is not there yet, or - for standard output"),
    ], &[]),
];

/// Verbs that change nothing but the database, and can be tried with `--dry-run`. Not those that
/// make a secret: one that opens nothing must not be shown.
const REHEARSED: &[(&str, &[&str])] = &[
    ("publishing", &["pause", "resume"]),
    ("network", &["pause", "resume"]),
    ("workspace", &["create", "pause", "resume", "approvals"]),
    ("plan", &["set"]),
    ("member", &["add", "set-role", "limit", "suspend", "restore", "remove"]),
    ("key", &["revoke"]),
    ("channel", &["pause", "resume", "remove"]),
    ("post", &["create", "edit", "approve", "decline", "cancel", "delete"]),
    ("delivery", &["resolve", "acknowledge"]),
];

/// The noun that an argument of a verb names: what it can be completed with.
pub fn noun_named(noun: &str, arg: &str) -> Option<&'static str> {
    match (noun, arg) {
        ("channel", "id") | (_, "channel") => Some("channel"),
        ("post", "id") => Some("post"),
        ("delivery", "id") => Some("delivery"),
        ("key", "id") => Some("key"),
        ("job", "name") => Some("job"),
        ("backup", "name") => Some("backup"),
        ("alert", "id") => Some("alert"),
        ("network", "name") | ("channel" | "app", "network") => Some("network"),
        _ => None,
    }
}

impl Verb {
    /// Whether it can be tried without writing.
    pub fn can_rehearse(&self) -> bool {
        REHEARSED.iter().any(|(noun, verbs)| *noun == self.noun && verbs.contains(&self.verb))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_named_once_and_explain_themselves() {
        let mut seen = std::collections::BTreeSet::new();
        for verb in VERBS {
            assert!(seen.insert((verb.noun, verb.verb)), "{} {}", verb.noun, verb.verb);
            assert!(!verb.about.is_empty() && verb.args.iter().all(|a| !a.about.is_empty()));
        }
        let named: usize = REHEARSED.iter().map(|(_, verbs)| verbs.len()).sum();
        assert_eq!(VERBS.iter().filter(|verb| verb.can_rehearse()).count(), named);
    }
}
