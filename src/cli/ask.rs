//! Asking the running server over its admin socket. Must not know verbs.

use std::path::Path;

use serde_json::Value;

use crate::base::Code;
use crate::http;

/// The answer, or the problem as the server told it.
pub(super) fn ask(socket: &Path, question: &Value) -> Result<Value, Value> {
    let unreachable = |why: String| {
        let row = Code::Unreachable.row();
        serde_json::json!({
            "code": row.word,
            "title": row.title,
            "detail": format!("{}: {}: {why}", row.title, socket.display()),
            "remedy": row.remedy,
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| unreachable(e.to_string()))?;
    let (status, body) = runtime
        .block_on(http::ask_admin(socket, question))
        .map_err(|e| unreachable(e.to_string()))?;
    let answer: Value = serde_json::from_slice(&body)
        .map_err(|_| unreachable("the answer is not JSON".to_owned()))?;
    if status < 300 { Ok(answer) } else { Err(answer) }
}
