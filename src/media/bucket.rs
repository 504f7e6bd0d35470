//! Objects in a bucket of S3 or of a server that speaks like it. Must not say a key, nor repeat what
//! a server answers: that may hold what was signed.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig};
use zeroize::Zeroizing;

use super::Error;
use crate::base::Secret;

/// A bucket, and how to speak to the server that has it.
pub struct Bucket {
    pub name: String,
    /// Amazon's when there is none.
    pub endpoint: Option<String>,
    pub region: String,
    /// Whether the bucket is named in the path rather than in the host.
    pub path_style: bool,
    pub key: BucketKey,
}

/// Who asks.
pub struct BucketKey {
    id: String,
    secret: Secret<String>,
}

const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
/// A file of two lines is no longer.
pub const KEY_FILE_BYTES: u64 = 4_096;

impl BucketKey {
    /// Reads the two lines `AWS_ACCESS_KEY_ID=...` and `AWS_SECRET_ACCESS_KEY=...`, among others.
    pub fn parse(lines: &Secret<String>) -> Option<Self> {
        let value = |name: &str| {
            let mut lines = lines.reveal().lines();
            let value = lines.find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
            let value = value.trim().trim_matches('"');
            (!value.is_empty()).then(|| Zeroizing::new(value.to_owned()))
        };
        let (id, secret) = (value(ID)?, value(SECRET)?);
        Some(Self { id: id.to_string(), secret: Secret::new(secret.to_string()) })
    }
}

/// How long a request may take to begin, and to go on; a whole one takes what its bytes take.
const CONNECT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_mins(5);

pub(super) fn open(bucket: &Bucket) -> Result<Arc<dyn ObjectStore>, Error> {
    let client = ClientOptions::new()
        .with_connect_timeout(CONNECT)
        .with_read_timeout(SILENCE)
        .with_timeout(WHOLE);
    let retry = RetryConfig {
        max_retries: 2,
        retry_timeout: Duration::from_secs(15),
        ..RetryConfig::default()
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_region(&bucket.region)
        .with_virtual_hosted_style_request(!bucket.path_style)
        .with_access_key_id(&bucket.key.id)
        .with_secret_access_key(bucket.key.secret.reveal())
        .with_client_options(client)
        .with_retry(retry);
    if let Some(endpoint) = &bucket.endpoint {
        let plain = endpoint.starts_with("http://");
        builder = builder.with_endpoint(endpoint.trim_end_matches('/')).with_allow_http(plain);
    }
    Ok(Arc::new(builder.build()?))
}

impl Bucket {
    /// Whether it answers to its key.
    pub async fn check(&self) -> Result<(), Error> {
        answers(open(self)?.as_ref()).await
    }
}

/// Asks for an object that is not there.
pub(super) async fn answers(objects: &dyn ObjectStore) -> Result<(), Error> {
    match objects.get_range(&"nothing".into(), 0..1).await {
        // A bucket that is not there is not found either.
        Err(error @ object_store::Error::NotFound { .. }) => {
            let error = Error::from(error);
            if error.to_string().contains("NoSuchBucket") { Err(error) } else { Ok(()) }
        }
        answer => answer.map(drop).map_err(Error::from),
    }
}

/// What an object store says, without the answer that it quotes; of that only the code.
pub(super) fn told(error: &object_store::Error) -> String {
    let whole = error.to_string();
    let Some((before, answer)) = whole.split_once('<') else { return whole };
    let code = answer.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map_or("an answer in XML", |(code, _)| code);
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).take(60).collect();
    format!("{}{code}", before.trim_end_matches(['"', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_two_lines() {
        let parse = |text: &str| BucketKey::parse(&Secret::new(text.to_owned()));
        let key = parse("# s3\nAWS_SECRET_ACCESS_KEY=\"b=/c\"\n AWS_ACCESS_KEY_ID = a \n");
        assert!(key.is_none(), "a space before the sign is no such line");
        let key = parse("# s3\nAWS_SECRET_ACCESS_KEY=\"b=/c\"\n AWS_ACCESS_KEY_ID= a \n");
        let key = key.unwrap();
        assert_eq!((key.id.as_str(), key.secret.reveal().as_str()), ("a", "b=/c"));
        assert!(parse("AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=\n").is_none());
    }

    #[test]
    fn of_an_answer_only_the_code_is_told() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>AKIA</StringToSign>";
        let source = format!("403 Forbidden: {body}").into();
        let error = object_store::Error::Generic { store: "S3", source };
        let told = told(&error);
        assert!(told.ends_with("403 Forbidden: SignatureDoesNotMatch"), "{told}");
    }
}
