//! The JSON of the network's entities. Must not change state.

use serde_json::{Value, json};

use super::media::{IMAGE_BYTES, MIME_TYPES, VIDEO_BYTES};
use super::statuses::Status;
use super::{Account, Server, Settings};
use crate::base::Timestamp;

/// When every practice account was opened.
const OPENED: Timestamp = Timestamp::from_millis(1_704_067_200_000);

/// RFC 8414, plus the endpoint that registers applications.
pub(super) fn discovery(settings: &Settings) -> Value {
    let base = &settings.base_url;
    json!({
        "issuer": format!("{base}/"),
        "service_documentation": "https://docs.joinmastodon.org/",
        "authorization_endpoint": format!("{base}/oauth/authorize"),
        "token_endpoint": format!("{base}/oauth/token"),
        "app_registration_endpoint": format!("{base}/api/v1/apps"),
        "revocation_endpoint": format!("{base}/oauth/revoke"),
        "scopes_supported": Server::scopes(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    })
}

/// networks.md 11.2 and 11.4.
fn configuration(settings: &Settings) -> Value {
    json!({
        "accounts": { "max_featured_tags": 10, "max_pinned_statuses": 5 },
        "statuses": {
            "max_characters": settings.max_characters,
            "max_media_attachments": super::media::PER_STATUS,
            "characters_reserved_per_url": settings.reserved_per_url,
        },
        "media_attachments": {
            "supported_mime_types": MIME_TYPES,
            "description_limit": super::media::DESCRIPTION_CHARS,
            "image_size_limit": IMAGE_BYTES,
            "image_matrix_limit": 33_177_600,
            "video_size_limit": VIDEO_BYTES,
            "video_frame_rate_limit": 120,
            "video_matrix_limit": 8_294_400,
        },
        "polls": {
            "max_options": 4,
            "max_characters_per_option": 50,
            "min_expiration": 300,
            "max_expiration": 2_629_746,
        },
    })
}

impl Server {
    pub(super) fn instance_v2(&self) -> Value {
        let mut configuration = configuration(&self.settings);
        if let Some(map) = configuration.as_object_mut() {
            map.insert("urls".to_owned(), json!({ "streaming": null }));
            map.insert("translation".to_owned(), json!({ "enabled": false }));
        }
        json!({
            "domain": self.host,
            "title": self.settings.title,
            "version": self.settings.version,
            "source_url": "https://github.com/mastodon/mastodon",
            "description": "A practice network: nothing leaves this machine.",
            "usage": { "users": { "active_month": self.accounts.len() } },
            "thumbnail": { "url": format!("{}/thumbnail.png", self.settings.base_url) },
            "icon": [],
            "languages": ["en"],
            "configuration": configuration,
            "registrations": {
                "enabled": false, "approval_required": false, "message": null, "url": null,
            },
            "api_versions": { "mastodon": 2 },
            "contact": { "email": "", "account": null },
            "rules": [],
        })
    }

    pub(super) fn instance_v1(&self) -> Value {
        json!({
            "uri": self.host,
            "title": self.settings.title,
            "short_description": "A practice network: nothing leaves this machine.",
            "description": "",
            "email": "",
            "version": self.settings.version,
            "urls": { "streaming_api": null },
            "stats": {
                "user_count": self.accounts.len(),
                "status_count": self.statuses.len(),
                "domain_count": 0,
            },
            "thumbnail": null,
            "languages": ["en"],
            "registrations": false,
            "approval_required": false,
            "invites_enabled": false,
            "configuration": configuration(&self.settings),
            "contact_account": null,
            "rules": [],
        })
    }

    pub(super) fn account(&self, account: &Account) -> Value {
        let base = &self.settings.base_url;
        let day = |at: Timestamp| at.to_jiff().strftime("%F").to_string();
        let picture = |name: &str| format!("{base}/{name}/original/missing.png");
        json!({
            "id": account.id.to_string(),
            "username": account.username,
            "acct": account.username,
            "display_name": account.username,
            "locked": false,
            "bot": false,
            "discoverable": true,
            "indexable": false,
            "group": false,
            "created_at": OPENED,
            "note": "",
            "url": format!("{base}/@{}", account.username),
            "uri": format!("{base}/users/{}", account.username),
            "avatar": picture("avatars"),
            "avatar_static": picture("avatars"),
            "header": picture("headers"),
            "header_static": picture("headers"),
            "followers_count": 0,
            "following_count": 0,
            "statuses_count": account.statuses_count,
            "last_status_at": account.last_status_at.map(day),
            "hide_collections": null,
            "noindex": false,
            "emojis": [],
            "roles": [],
            "fields": [],
        })
    }

    pub(super) fn credential_account(&self, account: &Account) -> Value {
        let mut body = self.account(account);
        if let Some(map) = body.as_object_mut() {
            let source = json!({
                "privacy": "public",
                "sensitive": false,
                "language": null,
                "note": "",
                "fields": [],
                "follow_requests_count": 0,
            });
            map.insert("source".to_owned(), source);
        }
        body
    }

    pub(super) fn status_url(&self, status: &Status) -> String {
        let base = &self.settings.base_url;
        format!("{base}/@{}/{}", self.username(status.account), status.id)
    }

    pub(super) fn status(&self, status: &Status) -> Value {
        let base = &self.settings.base_url;
        let parent = status.in_reply_to_id.and_then(|id| self.statuses.get(&id));
        let account = self.accounts.get(&status.account).map(|a| self.account(a));
        // Replies are younger, so only later ids are looked at.
        let replies = self.statuses.range(status.id..).map(|(_, s)| s.in_reply_to_id);
        let app = status.app.as_ref().and_then(|id| self.apps.get(id));
        json!({
            "id": status.id.to_string(),
            "created_at": status.created_at,
            "edited_at": status.edited_at,
            "in_reply_to_id": status.in_reply_to_id.map(|id| id.to_string()),
            "in_reply_to_account_id": parent.map(|p| p.account.to_string()),
            "sensitive": status.sensitive,
            "spoiler_text": status.spoiler_text,
            "visibility": status.visibility,
            "language": status.language,
            "uri": format!("{base}/users/{}/statuses/{}", self.username(status.account), status.id),
            "url": self.status_url(status),
            "replies_count": replies.filter(|to| *to == Some(status.id)).count(),
            "reblogs_count": 0,
            "favourites_count": 0,
            "favourited": false,
            "reblogged": false,
            "muted": false,
            "bookmarked": false,
            "pinned": false,
            "content": self.content(&status.text),
            "filtered": [],
            "reblog": null,
            "application": app.map(|a| json!({ "name": a.name, "website": a.website })),
            "account": account,
            "media_attachments": status.media.iter().filter_map(|id| self.attachment(*id))
                .collect::<Vec<_>>(),
            "mentions": self.mentions(&status.text),
            "tags": self.tags(&status.text),
            "emojis": [],
            "card": null,
            "poll": null,
        })
    }
}

/// Where the document that names the program is.
pub(super) fn nodeinfo_index(settings: &Settings) -> Value {
    let schema = "http://nodeinfo.diaspora.software/ns/schema/2.0";
    json!({ "links": [{ "rel": schema, "href": format!("{}/nodeinfo/2.0", settings.base_url) }] })
}

pub(super) fn nodeinfo(settings: &Settings) -> Value {
    json!({
        "version": "2.0",
        "software": { "name": settings.software, "version": settings.version },
        "protocols": ["activitypub"],
        "services": { "inbound": [], "outbound": [] },
        "openRegistrations": false,
        "usage": { "users": {} },
        "metadata": {},
    })
}
