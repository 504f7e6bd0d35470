//! Records and blobs: write, read, list, delete (networks.md 10.3). Must not answer from anything
//! but what was stored.

use data_encoding::BASE32_NOPAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::super::journal::{Effect, Moment};
use super::super::{Answer, Request};
use super::session::may_act;
use super::{
    Account, Outcome, Refusal, Server, Standing, input, lexicon, parameters, required, text,
};
use crate::base::Timestamp;

/// The one collection that is played.
pub(super) const POSTS: &str = "app.bsky.feed.post";
/// networks.md 10.4.
const BLOB_BYTES: usize = 2_000_000;
const LIST_DEFAULT: usize = 50;
const LIST_MAX: usize = 100;

pub(super) struct Post {
    pub value: Value,
    cid: String,
    pub at: Timestamp,
    pub edited: bool,
    /// Counts the writes of the server.
    pub number: u64,
}

pub(super) struct Blob {
    did: String,
    pub mime: String,
    pub size: usize,
}

impl Post {
    pub(super) fn text(&self) -> &str {
        self.value["text"].as_str().unwrap_or_default()
    }
}

pub(super) fn uri(did: &str, key: &str) -> String {
    format!("at://{did}/{POSTS}/{key}")
}

/// Account and record key of a post's address.
pub(super) fn place(uri: &str) -> Option<(&str, &str)> {
    let (did, rest) = uri.strip_prefix("at://")?.split_once('/')?;
    Some((did, rest.strip_prefix(POSTS)?.strip_prefix('/')?))
}

/// Looks like the real ones, which hash the record's DAG-CBOR form: equal for equal contents.
fn cid(codec: u8, content: &[u8]) -> String {
    let mut bytes = vec![0x01, codec, 0x12, 0x20];
    bytes.extend_from_slice(&Sha256::digest(content));
    format!("b{}", BASE32_NOPAD.encode(&bytes).to_lowercase())
}

/// The fields in the order of their names, so that equal records have equal hashes.
fn record_cid(value: &Value) -> String {
    fn canonical(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut fields: Vec<_> = map.iter().collect();
                fields.sort_by_key(|(name, _)| *name);
                fields.into_iter().map(|(name, value)| (name.clone(), canonical(value))).collect()
            }
            Value::Array(items) => items.iter().map(canonical).collect(),
            other => other.clone(),
        }
    }
    cid(0x71, canonical(value).to_string().as_bytes())
}

/// The type that the bytes have, whatever the header says: so does the reference server.
fn sniffed(bytes: &[u8]) -> Option<&'static str> {
    let marks: [(&[u8], _); 4] = [
        (b"\x89PNG", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"GIF8", "image/gif"),
        (b"RIFF", "image/webp"),
    ];
    marks.into_iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, mime)| mime)
}

impl Server {
    /// The caller's own repository, named by DID or handle.
    fn own_repo(
        &self,
        m: &Moment<'_>,
        request: &Request,
        input: &Map<String, Value>,
    ) -> Result<&Account, Refusal> {
        let caller = self.caller(m, request)?;
        let nobody = || Refusal::new(403, "AccountNotFound", "Account not found");
        let account = self.find(text(input, "repo")?).ok_or_else(nobody)?;
        may_act(account)?;
        if account.did != caller {
            let message = "Authentication Required";
            return Err(Refusal::new(401, "AuthenticationRequired", message));
        }
        Ok(account)
    }

    /// `createRecord` and `putRecord`.
    pub(super) fn write(&mut self, m: &mut Moment<'_>, request: &Request, create: bool) -> Outcome {
        let known: &[&str] = if create {
            &["repo", "collection", "rkey", "validate", "record", "swapCommit"]
        } else {
            &["repo", "collection", "rkey", "validate", "record", "swapRecord", "swapCommit"]
        };
        let input = input(request, known)?;
        let did = self.own_repo(m, request, &input)?.did.clone();
        let collection = text(&input, "collection")?;
        if collection != POSTS {
            return Err(Refusal::invalid(format!("{collection} is not played here")));
        }
        let key = match input.get("rkey") {
            None if create => lexicon::tid(m.now, self.writes),
            _ => text(&input, "rkey")?.to_owned(),
        };
        if !lexicon::is_tid(&key) {
            return Err(Refusal::invalid(format!(
                "Invalid record key for {POSTS}: Invalid TID string (got {key:?}) at $"
            )));
        }
        let record = input.get("record").cloned().unwrap_or_default();
        lexicon::check_post(&record)
            .map_err(|why| Refusal::invalid(format!("Invalid {POSTS} record: {why}")))?;
        self.check_references(&did, &record)?;
        let cid = record_cid(&record);
        let now = self.posts.get(&(did.clone(), key.clone())).map(|post| post.cid.clone());
        if create && now.is_some() {
            // networks.md 10.6: no name of its own, and a status that could mean anything.
            return Err(Refusal::new(500, "InternalServerError", "Internal Server Error"));
        }
        let mut answer = json!({ "uri": uri(&did, &key), "cid": cid, "validationStatus": "valid" });
        if now.as_ref() == Some(&cid) {
            // The same record again is no write, whatever it was to be swapped with.
            return Ok(Answer::json(200, &answer));
        }
        if let Some(expected) = input.get("swapRecord")
            && expected.as_str() != now.as_deref()
        {
            let was = now.unwrap_or_else(|| "null".to_owned());
            return Err(Refusal::new(400, "InvalidSwap", format!("Record was at {was}")));
        }
        answer["commit"] = self.store(m, request, (did, key), (record, cid));
        Ok(Answer::json(200, &answer))
    }

    fn store(
        &mut self,
        m: &mut Moment<'_>,
        request: &Request,
        place: (String, String),
        (value, cid): (Value, String),
    ) -> Value {
        self.writes += 1;
        let (did, key) = &place;
        let id = uri(did, key);
        let text = value["text"].as_str().unwrap_or_default().to_owned();
        let before = self.posts.get(&place);
        let effect = match before {
            Some(_) => Effect::StatusEdited { id, text },
            None => Effect::StatusCreated {
                id,
                text,
                in_reply_to_id: value["reply"]["parent"]["uri"].as_str().map(str::to_owned),
                idempotency_key: Some(key.clone()),
                correlation: request.header("x-correlation-id").map(str::to_owned),
            },
        };
        m.note(self.handle_of(did), effect);
        let post = Post {
            at: before.map_or(m.now, |post| post.at),
            edited: before.is_some(),
            value,
            cid,
            number: self.writes,
        };
        self.posts.insert(place, post);
        json!({ "cid": record_cid(&json!(self.writes)), "rev": lexicon::tid(m.now, self.writes) })
    }

    /// Stricter than the reference server, which takes any reference: what is replied to must
    /// stand there, in this version, and in this thread (networks.md 10.3 (5)); a blob must have
    /// been uploaded by the same account.
    fn check_references(&self, did: &str, record: &Value) -> Result<(), Refusal> {
        let stands = |reference: &Value| {
            let (did, key) = place(reference["uri"].as_str()?)?;
            let post = self.posts.get(&(did.to_owned(), key.to_owned()))?;
            (reference["cid"].as_str() == Some(&post.cid)).then_some(post)
        };
        if let Some(reply) = record.get("reply") {
            let (Some(_), Some(parent)) = (stands(&reply["root"]), stands(&reply["parent"])) else {
                return Err(Refusal::invalid("reply: no such record, or another version of it"));
            };
            let root = match parent.value.get("reply") {
                Some(of_parent) => &of_parent["root"]["uri"],
                None => &reply["parent"]["uri"],
            };
            if *root != reply["root"]["uri"] {
                return Err(Refusal::invalid("reply: root is not the root of parent"));
            }
        }
        for image in record["embed"]["images"].as_array().into_iter().flatten() {
            let cid = image["image"]["ref"]["$link"].as_str().unwrap_or_default();
            let blob = self.blobs.get(cid).filter(|blob| blob.did == did);
            let missing =
                || Refusal::new(400, "BlobNotFound", format!("Could not find blob: {cid}"));
            let blob = blob.ok_or_else(missing)?;
            let told = &image["image"];
            if told["mimeType"].as_str() != Some(&blob.mime) || told["size"] != json!(blob.size) {
                return Err(Refusal::new(400, "InvalidMimeType", "the blob is another one"));
            }
        }
        Ok(())
    }

    /// Public, whatever token comes along.
    pub(super) fn get_record(&self, request: &Request) -> Outcome {
        let parameters = parameters(request, &["repo", "collection", "rkey", "cid"])?;
        let key = required(&parameters, "rkey")?;
        let account = self.readable(required(&parameters, "repo")?)?;
        let place = (account.did.clone(), key.to_owned());
        let post = self
            .posts
            .get(&place)
            .filter(|_| required(&parameters, "collection").is_ok_and(|c| c == POSTS));
        let id = uri(&account.did, key);
        let missing =
            || Refusal::new(400, "RecordNotFound", format!("Could not locate record: {id}"));
        let post = post.ok_or_else(missing)?;
        Ok(Answer::json(200, &json!({ "uri": id, "cid": post.cid, "value": post.value })))
    }

    /// An account whose records are shown. The refusal has no name of its own, unlike that of a
    /// record which is not there.
    fn readable(&self, repo: &str) -> Result<&Account, Refusal> {
        let account = self.find(repo).filter(|account| account.standing == Standing::Active);
        account.ok_or_else(|| Refusal::invalid("Could not locate record"))
    }

    pub(super) fn list_records(&self, request: &Request) -> Outcome {
        let known = ["repo", "collection", "limit", "cursor", "reverse"];
        let parameters = parameters(request, &known)?;
        let account = self.readable(required(&parameters, "repo")?)?;
        let limit = parameters.get("limit").and_then(|n| n.parse().ok()).unwrap_or(LIST_DEFAULT);
        let cursor = parameters.get("cursor");
        let mut mine: Vec<_> = (self.posts.iter())
            .filter(|((did, key), _)| *did == account.did && cursor.is_none_or(|c| key < c))
            .collect();
        mine.reverse();
        mine.truncate(limit.min(LIST_MAX));
        let shown = |((did, key), post): &(&(String, String), &Post)| json!({ "uri": uri(did, key), "cid": post.cid, "value": post.value });
        let mut answer = json!({ "records": mine.iter().map(shown).collect::<Vec<_>>() });
        if let Some(((_, key), _)) = mine.last() {
            answer["cursor"] = json!(key);
        }
        Ok(Answer::json(200, &answer))
    }

    pub(super) fn delete_record(&mut self, m: &mut Moment<'_>, request: &Request) -> Outcome {
        let input = input(request, &["repo", "collection", "rkey", "swapRecord", "swapCommit"])?;
        let did = self.own_repo(m, request, &input)?.did.clone();
        let key = text(&input, "rkey")?.to_owned();
        let id = uri(&did, &key);
        let handle = self.handle_of(&did).to_owned();
        // What is not there is deleted already.
        if self.posts.remove(&(did, key)).is_some() {
            m.note(&handle, Effect::StatusDeleted { id });
        }
        Ok(Answer::json(200, &json!({})))
    }

    pub(super) fn upload_blob(&mut self, m: &mut Moment<'_>, request: &Request) -> Outcome {
        let did = self.caller(m, request)?;
        may_act(self.accounts.get(&did).ok_or_else(|| Refusal::invalid("no such account"))?)?;
        let Some(mime) = sniffed(&request.body).map(str::to_owned) else {
            return Err(Refusal::new(400, "InvalidMimeType", "Only images are played here"));
        };
        let size = request.body.len();
        if size > BLOB_BYTES {
            return Err(Refusal::new(413, "PayloadTooLarge", "request entity too large"));
        }
        let cid = cid(0x55, &request.body);
        let blob = json!({
            "$type": "blob", "ref": { "$link": cid }, "mimeType": mime, "size": size,
        });
        let effect = Effect::MediaUploaded { id: cid.clone(), mime: mime.clone(), bytes: size };
        m.note(self.handle_of(&did), effect);
        self.blobs.insert(cid, Blob { did, mime, size });
        Ok(Answer::json(200, &json!({ "blob": blob })))
    }
}
