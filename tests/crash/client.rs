//! A client that writes posts and files and insists: what was not answered is repeated with the
//! same key until it is.

use std::time::Duration;

use data_encoding::BASE64;
use reqwest::{Method, RequestBuilder};

use serde_json::{Value, json};

/// A post that somebody wrote, and its id once that was acknowledged.
#[derive(Clone, Debug)]
pub struct Written {
    pub texts: Vec<String>,
    pub channels: Vec<String>,
    pub key: String,
    /// A time in UTC; at once without one.
    pub at: Option<String>,
    /// An asset that its first part shows.
    pub picture: Option<String>,
    pub acknowledged: Option<String>,
}

impl Written {
    /// To be sent at once, with words alone.
    pub fn now(texts: &[&str], channels: &[String], key: &str) -> Self {
        Self {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            channels: channels.to_vec(),
            key: key.to_owned(),
            at: None,
            picture: None,
            acknowledged: None,
        }
    }

    pub fn body(&self) -> Value {
        let part = |(i, text): (usize, &String)| match &self.picture {
            Some(picture) if i == 0 => json!({ "text": text, "media": [picture] }),
            _ => json!({ "text": text }),
        };
        json!({
            "parts": self.texts.iter().enumerate().map(part).collect::<Vec<_>>(),
            "channels": self.channels,
            "schedule": match &self.at {
                Some(at) => json!({ "at": at, "zone": "UTC" }),
                None => json!({ "now": true }),
            },
        })
    }
}

/// How a file is brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    Form,
    /// A few KiB at a time: the upload, once it was announced.
    Stretches(Option<String>),
}

/// A file that somebody brings, and its id once that was acknowledged.
#[derive(Clone, Debug)]
pub struct File {
    pub key: String,
    pub bytes: Vec<u8>,
    pub way: Way,
    pub acknowledged: Option<String>,
}

const STRETCH: usize = 4 * 1024;

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pub bearer: String,
}

impl Client {
    pub fn new(bearer: &str) -> Self {
        let http =
            reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { http, bearer: bearer.to_owned() }
    }

    /// One try; an error means that nobody knows.
    pub async fn write(&self, api: &str, workspace: &str, post: &Written) -> Option<String> {
        let answer = self
            .http
            .post(format!("{api}/workspaces/{workspace}/posts"))
            .bearer_auth(&self.bearer)
            .header("idempotency-key", &post.key)
            .header("content-type", "application/json")
            .body(post.body().to_string())
            .send()
            .await
            .ok()?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.ok()?;
        if matches!(status, 429 | 503) {
            return None;
        }
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 201, "{body}");
        Some(body["id"].as_str().unwrap().to_owned())
    }

    /// One try to bring a file, or what is left of it.
    pub async fn bring(&self, api: &str, workspace: &str, file: &mut File) {
        let media = format!("{api}/workspaces/{workspace}/media");
        file.acknowledged = match file.way.clone() {
            Way::Form => self.upload(&media, file).await,
            Way::Stretches(announced) => {
                let announced = match announced {
                    Some(id) => Some(id),
                    None => self.announce(&media, file).await,
                };
                file.way = Way::Stretches(announced.clone());
                match announced {
                    Some(id) => self.stretches(&format!("{media}/uploads/{id}"), file).await,
                    None => None,
                }
            }
        };
    }

    async fn upload(&self, media: &str, file: &File) -> Option<String> {
        let head = format!(
            "--b\r\ncontent-disposition: form-data; name=\"alt\"\r\n\r\n{0}\r\n\
             --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{0}.png\"\r\n\
             content-type: image/png\r\n\r\n",
            file.key
        );
        let body = [head.as_bytes(), &file.bytes, b"\r\n--b--\r\n"].concat();
        let request = self.http.post(media).bearer_auth(&self.bearer).body(body);
        let request = request
            .header("idempotency-key", &file.key)
            .header("content-type", "multipart/form-data; boundary=b");
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.ok()?;
        if status == 503 {
            return None;
        }
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 201, "{body}");
        Some(body["id"].as_str().unwrap().to_owned())
    }

    fn tus(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url).bearer_auth(&self.bearer).header("tus-resumable", "1.0.0")
    }

    async fn announce(&self, media: &str, file: &File) -> Option<String> {
        let pair = |name: &str, value: &str| format!("{name} {}", BASE64.encode(value.as_bytes()));
        let name = format!("{}.png", file.key);
        let metadata = [pair("filename", &name), pair("filetype", "image/png")].join(",");
        let answer = self
            .tus(Method::POST, &format!("{media}/uploads"))
            .header("upload-length", file.bytes.len())
            .header("upload-metadata", metadata)
            .send()
            .await
            .ok()
            .filter(|answer| answer.status() != 503)?;
        assert_eq!(answer.status(), 201);
        let location = answer.headers()["location"].to_str().unwrap();
        Some(location.rsplit('/').next().unwrap().to_owned())
    }

    /// From where the server says it is; its id when all is there.
    async fn stretches(&self, upload: &str, file: &File) -> Option<String> {
        let head = self.tus(Method::HEAD, upload).send().await.ok()?;
        assert_eq!(head.status(), 200, "an announced upload is there");
        let mut at: usize = head.headers()["upload-offset"].to_str().unwrap().parse().unwrap();
        while at < file.bytes.len() {
            let end = file.bytes.len().min(at + STRETCH);
            let patch = self
                .tus(Method::PATCH, upload)
                .header("upload-offset", at)
                .header("content-type", "application/offset+octet-stream")
                .body(file.bytes[at..end].to_vec())
                .send();
            let answer = patch.await.ok().filter(|answer| answer.status() != 503)?;
            assert_eq!(answer.status(), 204, "{at} of {}", file.bytes.len());
            at = end;
        }
        upload.rsplit('/').next().map(str::to_owned)
    }

    pub async fn bytes(&self, url: &str) -> Vec<u8> {
        let answer = self.http.get(url).bearer_auth(&self.bearer).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        answer.bytes().await.unwrap().to_vec()
    }

    pub async fn post(&self, url: &str, body: &Value) -> (u16, Value) {
        let request = self.http.post(url).bearer_auth(&self.bearer);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    pub async fn get(&self, url: &str) -> (u16, Value) {
        self.try_get(url).await.unwrap()
    }

    /// One try; an error when there is no answer in time.
    pub async fn try_get(&self, url: &str) -> reqwest::Result<(u16, Value)> {
        let answer = self.http.get(url).bearer_auth(&self.bearer).send().await?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }
}
