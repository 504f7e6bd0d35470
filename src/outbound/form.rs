//! `multipart/form-data` (RFC 7578) whose files are streamed. Must not hold a whole file.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::HeaderValue;

use super::{Body, Pieces};

/// One file of a form: how long it is, and how to read it.
#[derive(Clone)]
pub struct File {
    pub name: String,
    pub mime: &'static str,
    pub bytes: u64,
    pub open: Arc<dyn Fn() -> Pieces + Send + Sync>,
}

/// A form that is being filled.
pub struct Form {
    boundary: String,
    bytes: u64,
    pieces: Vec<Piece>,
}

#[derive(Clone)]
enum Piece {
    Text(Bytes),
    File(Arc<dyn Fn() -> Pieces + Send + Sync>),
}

impl Form {
    /// `secret` is letters and digits that no field or file holds by chance.
    pub fn new(secret: &str) -> Self {
        Self { boundary: format!("carillon-{secret}"), bytes: 0, pieces: Vec::new() }
    }

    fn push(&mut self, text: String) {
        self.bytes = self.bytes.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        self.pieces.push(Piece::Text(Bytes::from(text)));
    }

    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        let boundary = &self.boundary;
        let head =
            format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n");
        self.push(format!("{head}{value}\r\n"));
        self
    }

    #[must_use]
    pub fn file(mut self, name: &str, file: File) -> Self {
        let boundary = &self.boundary;
        let (shown, mime) = (plain(&file.name), file.mime);
        self.push(format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"; \
             filename=\"{shown}\"\r\ncontent-type: {mime}\r\n\r\n"
        ));
        self.bytes = self.bytes.saturating_add(file.bytes);
        self.pieces.push(Piece::File(file.open));
        self.push("\r\n".to_owned());
        self
    }

    /// The value of `Content-Type`, and the body.
    pub fn finish(mut self) -> (Option<HeaderValue>, Body) {
        self.push(format!("--{}--\r\n", self.boundary));
        let kind = format!("multipart/form-data; boundary={}", self.boundary);
        let pieces = self.pieces;
        let open = move || {
            let each = pieces.clone().into_iter().map(|piece| match piece {
                Piece::Text(text) => stream::iter([Ok(text)]).boxed(),
                Piece::File(open) => open(),
            });
            stream::iter(each).flatten().boxed()
        };
        let body = Body::Stream { bytes: self.bytes, open: Arc::new(open) };
        (HeaderValue::try_from(kind).ok(), body)
    }
}

/// A file name that cannot break out of its quotes.
fn plain(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' };
    name.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_as_long_as_it_says_and_can_be_read_twice() {
        let open = || stream::iter([Ok(Bytes::from_static(b"ab")), Ok(Bytes::from_static(b"c"))]);
        let file = File {
            name: "a \"b\"\r\n.png".to_owned(),
            mime: "image/png",
            bytes: 3,
            open: Arc::new(move || open().boxed()),
        };
        let (kind, body) =
            Form::new("k1").text("description", "caf\u{e9}").file("file", file).finish();
        assert_eq!(kind.unwrap(), "multipart/form-data; boundary=carillon-k1");
        let Body::Stream { bytes, .. } = &body else { panic!("it is streamed") };
        let first = futures_util::FutureExt::now_or_never(body.collect()).unwrap().unwrap();
        let again = futures_util::FutureExt::now_or_never(body.collect()).unwrap().unwrap();
        assert_eq!((u64::try_from(first.len()).unwrap(), &first), (*bytes, &again));
        let text = String::from_utf8(first.to_vec()).unwrap();
        let wanted = "--carillon-k1\r\ncontent-disposition: form-data; name=\"description\"\r\n\r\n\
                      caf\u{e9}\r\n--carillon-k1\r\ncontent-disposition: form-data; name=\"file\"; \
                      filename=\"a__b___.png\"\r\ncontent-type: image/png\r\n\r\nabc\r\n\
                      --carillon-k1--\r\n";
        assert_eq!(text, wanted);
    }
}
