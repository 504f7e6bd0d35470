//! The parts of a `multipart/form-data` body (RFC 7578). Must not know what they are for.

use bytes::Bytes;

pub(super) struct Part {
    pub name: String,
    /// `None` for a plain field.
    pub mime: Option<String>,
    pub bytes: Bytes,
}

pub(super) fn boundary(content_type: &str) -> Option<String> {
    let rest = content_type.strip_prefix("multipart/form-data")?;
    let boundary = rest.split(';').find_map(|p| p.trim().strip_prefix("boundary="))?;
    Some(boundary.trim_matches('"').to_owned())
}

/// The parts between the boundary lines; what is malformed is left out.
pub(super) fn split(body: &Bytes, boundary: &str) -> Vec<Part> {
    let mark = format!("\r\n--{boundary}");
    // The first boundary has no line break before it, and the first part starts behind it.
    let first = format!("--{boundary}\r\n");
    let mut parts = Vec::new();
    let Some(start) = find(body, first.as_bytes()) else {
        return parts;
    };
    let mut rest = body.slice(start + first.len()..);
    while let Some(end) = find(&rest, mark.as_bytes()) {
        parts.extend(parse_part(&rest.slice(..end)));
        let next = (end + mark.len() + 2).min(rest.len());
        rest = rest.slice(next..);
    }
    parts
}

fn parse_part(part: &Bytes) -> Option<Part> {
    let split = find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(part.get(..split)?).ok()?;
    let (mut name, mut is_file, mut mime) = (None, false, None);
    for line in head.lines() {
        let (key, value) = line.split_once(':')?;
        if key.eq_ignore_ascii_case("content-type") {
            mime = Some(value.trim().to_owned());
        } else if key.eq_ignore_ascii_case("content-disposition") {
            let mut fields = value.split(';').map(str::trim);
            is_file = value.contains("filename");
            name = fields
                .find_map(|f| f.strip_prefix("name="))
                .map(|n| n.trim_matches('"').to_owned());
        }
    }
    let plain = "application/octet-stream".to_owned();
    Some(Part {
        name: name?,
        mime: is_file.then(|| mime.unwrap_or(plain)),
        bytes: part.slice(split + 4..),
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multipart_body_gives_fields_and_files() {
        let body = Bytes::from_static(
            b"--xx\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\nA cat\r\n\
            --xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\
            Content-Type: image/png\r\n\r\n\x89PNG\r\n\r\nrest\r\n--xx--\r\n",
        );
        let parts = split(&body, "xx");
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].name.as_str(), &parts[0].mime), ("description", &None));
        assert_eq!(&parts[0].bytes[..], b"A cat");
        assert_eq!(parts[1].mime.as_deref(), Some("image/png"));
        assert_eq!(&parts[1].bytes[..], b"\x89PNG\r\n\r\nrest");
        for cut in 0..body.len() {
            drop(split(&body.slice(..cut), "xx"));
        }
    }
}
