//! The headers of uploads in stretches: hostile ones are refused, and an upload never says that
//! more is there than was announced.

use axum::body::Body;
use http::HeaderValue;

use super::given::Given;
use super::house::{self, Answer, House};

/// Lines: length, metadata, offset, content type; then the stretch.
pub fn check(data: &[u8]) {
    let mut given = Given(data);
    let lines: [_; 4] = std::array::from_fn(|_| HeaderValue::from_bytes(given.line()));
    let [Ok(length), Ok(metadata), Ok(offset), Ok(kind)] = lines else { return };
    let stretch = given.rest();
    house::with(|house| {
        let announced = [("upload-length", &length), ("upload-metadata", &metadata)];
        let made = ask(house, ("POST", "/media/uploads"), &announced, b"");
        assert_eq!(made.headers.get("tus-resumable").unwrap(), "1.0.0");
        if made.status != 201 {
            return;
        }
        let location = made.headers.get("location").unwrap().to_str().unwrap();
        let (_, id) = location.rsplit_once('/').unwrap();
        let path = format!("/media/uploads/{id}");
        let said: u64 = length.to_str().unwrap().parse().unwrap();
        let sent = [("upload-offset", &offset), ("content-type", &kind)];
        ask(house, ("PATCH", &path), &sent, stretch);
        let shown = ask(house, ("HEAD", &path), &[], b"");
        if shown.status < 300 {
            let there = |name: &str| -> u64 {
                shown.headers.get(name).unwrap().to_str().unwrap().parse().unwrap()
            };
            assert_eq!(there("upload-length"), said);
            assert!(there("upload-offset") <= said.min(stretch.len() as u64));
        }
        ask(house, ("DELETE", &path), &[], b"");
    });
}

fn ask(
    house: &House,
    (method, path): (&str, &str),
    headers: &[(&str, &HeaderValue)],
    body: &[u8],
) -> Answer {
    let mut request = house.request(method, path).unwrap().header("tus-resumable", "1.0.0");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    house::wait(house.ask(request.body(Body::from(body.to_vec())).unwrap()))
}
