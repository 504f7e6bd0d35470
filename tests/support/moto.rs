//! A server of S3 from `PyPI`, which checks signatures as Amazon does. Must leave no process behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::Duration;

use crate::{Carillon, Tool};

/// A running `moto_server` with one bucket and one key that may do all in it.
pub struct Moto {
    _process: Carillon,
    /// Host and port.
    pub address: String,
    pub key_id: String,
    pub secret: String,
}

pub const BUCKET: &str = "carillon-media";

impl Moto {
    /// `None`, after a skip, when it is not on this machine.
    pub fn start() -> Option<Self> {
        if !Tool::Program("moto_server").available_or_skip()
            || !Tool::PythonModule("boto3").available_or_skip()
        {
            return None;
        }
        // The four requests of this function are taken unsigned; all later ones are checked.
        let mut process = Carillon::start(
            Command::new("sh")
                .args(["-c", "exec moto_server -H 127.0.0.1 -p 0 2>&1"])
                .env("INITIAL_NO_AUTH_ACTION_COUNT", "4"),
        );
        let line = process.wait_for(" * Running on http://", Duration::from_secs(60));
        let address = line.rsplit('/').next().unwrap().trim().to_owned();
        let iam = |form: &str| {
            let form = format!("{form}&UserName=carillon&Version=2010-05-08");
            unsigned(&address, "POST / HTTP/1.1", "iam", &form)
        };
        iam("Action=CreateUser");
        let made = iam("Action=CreateAccessKey");
        let policy = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A\
                      %22Allow%22%2C%22Action%22%3A%22s3%3A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%7D";
        iam(&format!("Action=PutUserPolicy&PolicyName=all&PolicyDocument={policy}"));
        unsigned(&address, &format!("PUT /{BUCKET} HTTP/1.1"), "s3", "");
        let [key_id, secret] = ["AccessKeyId", "SecretAccessKey"].map(|name| {
            let (_, rest) =
                made.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("{made}"));
            rest.split('<').next().unwrap().to_owned()
        });
        Some(Self { _process: process, address, key_id, secret })
    }

    /// The lines of a key file.
    pub fn key_lines(&self) -> String {
        let (id, secret) = (&self.key_id, &self.secret);
        format!("AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n")
    }

    /// Names and lengths of what is in the bucket, by Amazon's own client.
    pub fn objects(&self) -> Vec<(String, u64)> {
        let script = "import boto3, sys\n\
            s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')\n\
            for o in s3.list_objects_v2(Bucket=sys.argv[2]).get('Contents', []):\n\
            \x20   print(o['Key'], o['Size'])";
        let listed = self.boto(script, &[]);
        let listed = String::from_utf8(listed.stdout).unwrap();
        let pair = |line: &str| {
            let (name, size) = line.split_once(' ').unwrap();
            (name.to_owned(), size.parse().unwrap())
        };
        listed.lines().map(pair).collect()
    }

    /// The bytes of an object, by Amazon's own client.
    pub fn object(&self, name: &str) -> Vec<u8> {
        let script = "import boto3, sys\n\
            s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')\n\
            got = s3.get_object(Bucket=sys.argv[2], Key=sys.argv[3])\n\
            sys.stdout.buffer.write(got['Body'].read())";
        self.boto(script, &[name]).stdout
    }

    fn boto(&self, script: &str, args: &[&str]) -> Output {
        let output = Command::new("python3")
            .args(["-c", script, &format!("http://{}", self.address), BUCKET])
            .args(args)
            .env("AWS_ACCESS_KEY_ID", &self.key_id)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }
}

/// A request that says which service it is for and is not signed; its whole answer.
fn unsigned(address: &str, line: &str, service: &str, form: &str) -> String {
    let scope = format!("Credential=x/20260101/us-east-1/{service}/aws4_request");
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "{line}\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\
         authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=x\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{line} {form}: {answer}");
    answer
}
