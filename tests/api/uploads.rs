//! Uploads in stretches: what the protocol asks for, what is refused, and what becomes of uploads
//! that nobody ends.

use std::path::Path;
use std::time::Duration;

use carillon::media::{Blobs, Settings};
use data_encoding::BASE64;
use http::Method;
use support::media::png;

use super::harness::{Answer, Call, House};

async fn house(folder: &Path, settings: Settings) -> House {
    House::keeping(Blobs::on_disk(folder, settings).unwrap()).await
}

fn tus<'h>(house: &'h House, method: Method, path: &str) -> Call<'h> {
    house.call(method, path).header("tus-resumable", "1.0.0")
}

/// Announces a file; the answer, and the address within the workspace.
async fn announce(house: &House, bytes: usize, metadata: &[(&str, &str)]) -> (Answer, String) {
    let pair = |(name, value): &(&str, &str)| format!("{name} {}", BASE64.encode(value.as_bytes()));
    let metadata: Vec<_> = metadata.iter().map(pair).collect();
    let call = tus(house, Method::POST, "/media/uploads")
        .header("upload-length", &bytes.to_string())
        .header("upload-metadata", &metadata.join(","));
    let answer = call.send().await;
    let id = answer.header("location").rsplit('/').next().unwrap().to_owned();
    (answer, format!("/media/uploads/{id}"))
}

fn stretch<'h>(house: &'h House, path: &str, at: usize, bytes: &[u8]) -> Call<'h> {
    tus(house, Method::PATCH, path)
        .header("upload-offset", &at.to_string())
        .raw("application/offset+octet-stream", bytes.to_vec())
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("arriving")).unwrap().count()
}

#[tokio::test]
async fn a_picture_in_stretches_becomes_an_asset_with_the_last_byte() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path(), Settings::default()).await;
    let picture = png(40, 30);
    let named = [("filename", "caf\u{e9}.png"), ("filetype", "image/png"), ("alt", "Stripes")];
    let (made, path) = announce(&house, picture.len(), &named).await;
    assert_eq!((made.status, made.header("tus-resumable")), (201, "1.0.0"), "{}", made.text());
    assert_eq!(made.header("upload-expires"), "Mon, 23 Nov 2026 09:00:00 GMT");
    assert_eq!(made.header("location"), house.call(Method::GET, &path).path);
    let head = tus(&house, Method::HEAD, &path).send().await;
    let told = ["upload-offset", "upload-length", "cache-control"].map(|name| head.header(name));
    assert_eq!(told, ["0", &picture.len().to_string(), "no-store"]);
    assert!(head.header("upload-metadata").starts_with("filename "));

    let first = stretch(&house, &path, 0, &picture[..100]).send().await;
    assert_eq!((first.status, first.header("upload-offset")), (204, "100"));
    let asset = path.replace("/uploads", "");
    assert_eq!(house.get(&asset).await.said(), "404 not_found");
    let rest = stretch(&house, &path, 100, &picture[100..]).send().await;
    assert_eq!(
        (rest.status, rest.header("upload-offset")),
        (204, picture.len().to_string().as_str())
    );
    let shown = house.get(&asset).await.json();
    assert_eq!((&shown["name"], &shown["alt"]), (&"caf\u{e9}.png".into(), &"Stripes".into()));
    assert_eq!(house.get(&format!("{asset}/file")).await.body, picture);
    assert_eq!(files(folder.path()), 0);
    // A client that lost the last answer finds the upload whole.
    let head = tus(&house, Method::HEAD, &path).send().await;
    assert_eq!(head.header("upload-offset"), picture.len().to_string());
    let again = stretch(&house, &path, 100, &picture[100..]).send().await;
    assert_eq!(again.said(), "409 upload_offset");
    assert_eq!(tus(&house, Method::DELETE, &path).send().await.status, 204);
    assert_eq!(house.get(&asset).await.status, 200, "the asset stays");
    assert_eq!(house.delete(&asset).await.status, 204);
}

#[tokio::test]
async fn the_protocol_is_held_to() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_bytes: 1_000, workspace_bytes: 2_500, ..Settings::default() };
    let house = house(folder.path(), settings).await;
    let asked = house.bare(Method::OPTIONS, &house.call(Method::GET, "/media/uploads").path);
    let asked = asked.send().await;
    let told = ["tus-version", "tus-extension", "tus-max-size"].map(|name| asked.header(name));
    assert_eq!((asked.status, told), (204, ["1.0.0", "creation,expiration,termination", "1000"]));

    let (_, path) = announce(&house, 1_000, &[]).await;
    let bare = house.call(Method::HEAD, &path).send().await;
    assert_eq!((bare.status, bare.header("tus-version")), (412, "1.0.0"));
    let old = house.call(Method::DELETE, &path).header("tus-resumable", "0.2.2").send().await;
    assert_eq!(old.said(), "412 tus_version");
    let call = stretch(&house, &path, 0, b"x").header("content-type", "image/png");
    assert_eq!(call.send().await.said(), "415 unsupported_media_type");
    assert_eq!(stretch(&house, &path, 1, b"x").send().await.said(), "409 upload_offset");
    let more = stretch(&house, &path, 0, &[0; 1_001]).send().await;
    assert_eq!(more.said(), "413 too_large");
    // Nothing of it is kept.
    let pieces = stretch(&house, &path, 0, &[0; 400]).send().await;
    assert_eq!((pieces.status, pieces.header("upload-offset")), (204, "400"));
    let more = stretch(&house, &path, 400, &[0; 601]).send().await;
    assert_eq!(more.said(), "413 too_large");
    let at = house.call(Method::HEAD, &path).header("tus-resumable", "1.0.0").send().await;
    assert_eq!((at.status, at.header("upload-offset")), (200, "400"));
    let none = format!("/media/uploads/{}", house.workspace);
    assert_eq!(stretch(&house, &none, 0, b"x").send().await.said(), "404 not_found");

    for (bytes, said) in [(0, "422 invalid_field Upload-Length"), (1_001, "413 too_large")] {
        assert_eq!(announce(&house, bytes, &[]).await.0.said(), said);
    }
    let bad = tus(&house, Method::POST, "/media/uploads").header("upload-length", "10");
    for metadata in ["alt *", "alt /w==", "alt YQ==,alt YQ=="] {
        let answer = bad.clone().header("upload-metadata", metadata).send().await;
        assert_eq!(answer.said(), "422 invalid_field Upload-Metadata", "{metadata}");
    }
    let unsaid = tus(&house, Method::POST, "/media/uploads").send().await;
    assert_eq!(unsaid.said(), "422 invalid_field Upload-Length");

    // What is to come counts: 1,000 of 2,500 are spoken for.
    let (second, other) = announce(&house, 1_000, &[]).await;
    assert_eq!(second.status, 201);
    assert_eq!(announce(&house, 501, &[]).await.0.said(), "413 media_full");
    assert_eq!(tus(&house, Method::DELETE, &other).send().await.status, 204);
    assert_eq!(tus(&house, Method::HEAD, &other).send().await.said(), "404 not_found");
    let key = tus(&house, Method::POST, "/media/uploads").header("idempotency-key", "k");
    let key = key.header("upload-length", "501");
    let (once, twice) = (key.clone().send().await, key.send().await);
    assert_eq!(once.header("location"), twice.header("location"));
    assert_eq!((once.status, twice.header("idempotency-replayed")), (201, "true"));
}

#[tokio::test]
async fn bad_files_and_forgotten_ones_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let house = house(folder.path(), Settings::default()).await;
    let svg = b"<svg onload=alert(1)>";
    let (_, path) = announce(&house, svg.len(), &[("filename", "a.png")]).await;
    let refused = stretch(&house, &path, 0, svg).send().await;
    assert_eq!(refused.said(), "422 invalid_field file");
    assert_eq!(refused.json()["errors"][0]["code"], "not_media");
    assert_eq!(tus(&house, Method::HEAD, &path).send().await.said(), "404 not_found");
    assert_eq!(files(folder.path()), 0);

    let (_, forgotten) = announce(&house, 1_000, &[]).await;
    assert_eq!(stretch(&house, &forgotten, 0, &[0; 400]).send().await.status, 204);
    let (_, given_up) = announce(&house, 1_000, &[]).await;
    assert_eq!(stretch(&house, &given_up, 0, &[0; 400]).send().await.status, 204);
    assert_eq!(files(folder.path()), 2);
    assert_eq!(tus(&house, Method::DELETE, &given_up).send().await.status, 204);
    assert_eq!(files(folder.path()), 1);
    assert_eq!(house.services.remove_stale_uploads().await.unwrap(), 0);
    house.clock.advance(Duration::from_hours(25));
    assert_eq!(tus(&house, Method::HEAD, &forgotten).send().await.said(), "404 not_found");
    assert_eq!(house.services.remove_stale_uploads().await.unwrap(), 1);
    assert_eq!(files(folder.path()), 0);
    assert_eq!(house.get("/media").await.json(), serde_json::json!({ "items": [] }));
}
