//! Every bound in one place. Must not hold a network's limits; those are capabilities in `networks`.

use std::time::Duration;

/// JSON body of an API request.
pub const BODY_BYTES: usize = 256 * 1024;
/// Characters of one part before any network's own limit is looked at.
pub const TEXT_CHARS: usize = 40_000;
/// All that a person writes about one post, variants included: it is one row of the store.
pub const POST_BYTES: usize = 48 * 1024;
pub const PARTS_PER_POST: usize = 50;
pub const CHANNELS_PER_POST: usize = 100;
pub const TAGS_PER_POST: usize = 50;
pub const TAG_CHARS: usize = 100;
pub const MEDIA_PER_PART: usize = 20;
/// A later part may wait at most a week after the one before it.
pub const DELAY_MINUTES: u32 = 7 * 24 * 60;
/// What a picture shows, in words; no network takes more.
pub const ALT_CHARS: usize = 10_000;
pub const FILE_NAME_CHARS: usize = 200;
pub const NAME_CHARS: usize = 100;
pub const SLUG_CHARS: usize = 63;
pub const URL_BYTES: usize = 2_048;
pub const TOKEN_BYTES: usize = 4_096;
/// Live streams at a time, in all and of one caller; they hold a connection each.
pub const STREAMS: usize = 256;
pub const STREAMS_EACH: usize = 8;
/// Rows of one page of a list.
pub const PAGE_DEFAULT: usize = 50;
pub const PAGE_MAX: usize = 200;
/// Rows that one list request may look at while filtering; past it the page ends with a cursor.
pub const SCAN_MAX: usize = 10_000;
/// Rows that one request may change on the side, such as deliveries of a channel that goes.
pub const SWEEP_MAX: usize = 10_000;
/// An address that mail goes to (RFC 5321, 4.5.3.1.3, without its brackets).
pub const EMAIL_BYTES: usize = 254;
/// Where one person is signed in at a time; one more ends the one that was used least.
pub const SESSIONS_PER_USER: usize = 50;
/// What is kept of what a browser calls itself.
pub const AGENT_CHARS: usize = 200;
/// The name by which a host knows something of its own.
pub const EXTERNAL_ID_CHARS: usize = 200;
/// Products that embed this installation, also those that were revoked.
pub const HOSTS: usize = 200;
/// Invitations of a workspace that nobody has answered yet.
pub const INVITATIONS_OPEN: usize = 200;
/// Connections of a workspace that can still be gone on with.
pub const CONNECTIONS_OPEN: usize = 200;
/// Id or secret of an application.
pub const APP_BYTES: usize = 512;
/// One webhook that a network sends: it is one row of the store, with its marks.
pub const HOOK_BYTES: usize = 60 * 1024;
/// Scopes that it may not ask for.
pub const APP_SCOPES: usize = 20;
/// Addresses, and blocks of them, that one key may be limited to.
pub const ADDRESSES_PER_KEY: usize = 16;
pub const IDEMPOTENCY_KEY_CHARS: usize = 255;
pub const IDEMPOTENCY_LIFE: Duration = Duration::from_hours(24);
/// Attempts and readings kept with a delivery; older ones are in the events.
pub const NOTES_PER_DELIVERY: usize = 40;

/// Largest answer of a network that is read.
pub const ANSWER_BYTES: usize = 1024 * 1024;

/// Where a reverse proxy is likely to be: loopback and private blocks (RFC 6890).
pub const PROXIES: [&str; 6] =
    ["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1", "fc00::/7"];

/// Store: key, value, and one batch of the writer.
pub const KEY_BYTES: usize = 1_024;
pub const VALUE_BYTES: usize = 64 * 1024;
pub const BATCH_JOBS: usize = 1_024;
pub const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Changes that wait for their tables: about 80 bytes of memory each, and the more of them, the
/// fewer pages each costs (tests/bench).
pub const STAGED_ROWS: usize = 65_536;

/// The wheel's share of the timer table.
pub const WHEEL_ENTRIES: usize = 65_536;
pub const WHEEL_WINDOW: Duration = Duration::from_mins(15);
/// No sleep is longer, so that a jump of the wall clock is seen.
pub const SLEEP_MAX: Duration = Duration::from_secs(30);
