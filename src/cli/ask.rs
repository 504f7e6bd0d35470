//! Asking the running server over its admin socket. Must not know verbs.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;

use crate::base::Code;
use crate::http;

/// The answer, or the problem as the server told it.
type Told = Result<Value, Value>;

pub(super) fn ask(socket: &Path, question: &Value) -> Told {
    told(socket, http::ask_admin(socket, question))
}

/// Sends a file along.
pub(super) fn send(socket: &Path, question: &Value, file: &Path) -> Told {
    let open = File::open(file).and_then(|open| {
        let folder = open.metadata()?.is_dir();
        if folder { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(open) }
    });
    let open = open.map_err(|error| no_file(file, &error))?;
    told(socket, http::send_admin(socket, question, open.into()))
}

/// Writes the file that is the answer; null when that is done. No file is written over, and none
/// is left in part.
pub(super) fn fetch(socket: &Path, question: &Value, to: &Path) -> Told {
    if to == Path::new("-") {
        let asked = http::fetch_admin(socket, question, || Ok(io::stdout()));
        return told(socket, asked);
    }
    let mut made = Ok(false);
    let asked = http::fetch_admin(socket, question, || -> io::Result<Box<dyn Write>> {
        let file = File::create_new(to);
        made = file.as_ref().map(|_| true).map_err(|error| no_file(to, error));
        Ok(Box::new(file?))
    });
    let told = told(socket, asked);
    match made {
        Err(problem) => Err(problem),
        Ok(made) => {
            if made && told.is_err() {
                drop(std::fs::remove_file(to));
            }
            told
        }
    }
}

/// A file of the caller's own machine, in the words of the server's problems.
fn no_file(path: &Path, error: &io::Error) -> Value {
    let row = Code::BadRequest.row();
    serde_json::json!({
        "code": row.word,
        "title": row.title,
        "detail": format!("{}: {error}", path.display()),
        "remedy": "Name another file, or make this one readable.",
    })
}

/// Nobody answers there.
pub(super) fn unreachable(socket: &Path, why: &str) -> Value {
    let row = Code::Unreachable.row();
    serde_json::json!({
        "code": row.word,
        "title": row.title,
        "detail": format!("{}: {}: {why}", row.title, socket.display()),
        "remedy": row.remedy,
    })
}

fn told(socket: &Path, asked: impl Future<Output = io::Result<(u16, Bytes)>>) -> Told {
    let unreachable = |why: String| unreachable(socket, &why);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| unreachable(e.to_string()))?;
    let (status, body) = runtime.block_on(asked).map_err(|e| unreachable(e.to_string()))?;
    if body.is_empty() && status < 300 {
        return Ok(Value::Null);
    }
    let answer: Value = serde_json::from_slice(&body)
        .map_err(|_| unreachable("the answer is not JSON".to_owned()))?;
    if status < 300 { Ok(answer) } else { Err(answer) }
}
