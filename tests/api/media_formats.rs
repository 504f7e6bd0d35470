//! Every format: what is read from it, what is taken out of it, what is refused; and what programs
//! that others wrote say to the files that are kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use carillon::media::{Blobs, Bounds, Settings};
use serde_json::{Value, json};
use support::Tool;
use support::media::{exif, gif, jpeg, jpeg_with, mp4, pdf, png, png_with, webp, webp_with};

use super::harness::House;

const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>Ann was here</x:xmpmeta>";

/// Name, type and bytes of a file of each format that tells where, when and by whom it was made.
fn tellers() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let block = exif(6);
    let app1 = [b"Exif\0\0", &block[..]].concat();
    let mut moving = gif(40, 30);
    let end = moving.len() - 1;
    let comment = b"\x21\xfe\x0cAnn was here\0\x21\xff\x0bXMP DataXMP\x03Ann\0";
    moving.splice(end..end, comment.iter().copied());
    vec![
        ("a.jpg", "image/jpeg", jpeg_with(&jpeg(40, 30), &[(0xe1, &app1), (0xe1, XMP)])),
        ("a.png", "image/png", png_with(&png(40, 30), &[(b"eXIf", &block), (b"tEXt", XMP)])),
        ("a.gif", "image/gif", moving),
        ("a.webp", "image/webp", webp_with(&webp(40, 30), (40, 30), &block, XMP)),
        ("a.mp4", "video/mp4", mp4(b"isom", 40, 30, 2)),
        ("a.mov", "video/quicktime", mp4(b"qt  ", 40, 30, 2)),
    ]
}

async fn keep(house: &House, name: &str, mime: &str, bytes: &[u8]) -> (Value, Bytes) {
    let made = house.upload(name, mime, bytes, "").await;
    assert_eq!(made.status, 201, "{name}: {}", made.text());
    let asset = made.json();
    let file = house.get(&format!("/media/{}/file", asset["id"].as_str().unwrap())).await;
    assert_eq!((file.status, file.header("content-type")), (200, mime));
    (asset, file.body)
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|at| at == needle)
}

#[tokio::test]
async fn every_format_is_measured_and_kept_without_what_it_tells() {
    let house = House::new().await;
    for (name, mime, bytes) in tellers() {
        let told = [&b"Ann"[..], b"Acm", b"+48.8583"];
        assert!(told.iter().any(|needle| holds(&bytes, needle)), "{name} tells something");
        let (asset, kept) = keep(&house, name, mime, &bytes).await;
        for needle in told {
            assert!(!holds(&kept, needle), "{name}: {}", String::from_utf8_lossy(needle));
        }
        let turned = if name == "a.gif" { [40, 30, 0] } else { [30, 40, 90] };
        let read = ["width", "height", "rotation"].map(|field| asset[field].as_u64().unwrap());
        assert_eq!(read, turned, "{name}");
        let (frames, duration) = match name {
            "a.gif" => (3, json!(300)),
            "a.mp4" | "a.mov" => (50, json!(2_000)),
            _ => (1, Value::Null),
        };
        assert_eq!(
            (&asset["frames"], &asset["duration_ms"]),
            (&json!(frames), &duration),
            "{name}"
        );
        let video = mime.starts_with("video/");
        assert_eq!(asset["video_codec"] == "jpeg", video, "{name}");
        assert_eq!(asset["thumbnail"].is_null(), video, "{name}");
        // What is kept can be kept again and stays what it is.
        let (again, same) = keep(&house, name, mime, &kept).await;
        assert_eq!((&again["sha256"], same), (&asset["sha256"], kept), "{name}");
    }
}

#[tokio::test]
async fn every_format_is_refused_when_it_is_cut_or_something_is_put_behind_it() {
    let house = House::new().await;
    for (name, mime, bytes) in tellers() {
        for end in [12, bytes.len() / 2, bytes.len() - 1] {
            let cut = house.upload(name, mime, &bytes[..end], "").await;
            assert_eq!(cut.said(), "422 invalid_field file", "{name} {end}");
        }
        for behind in [&b"PK\x03\x04 a zip"[..], b"<html><script>x</script>", b"%PDF-1.7 more"] {
            let two = [&bytes[..], behind].concat();
            let two = house.upload(name, mime, &two, "").await;
            assert_eq!(two.said(), "422 invalid_field file", "{name}");
        }
        // Any byte changed: never a fault of ours.
        for at in (0..bytes.len().min(3_000)).step_by(7) {
            let mut odd = bytes.clone();
            odd[at] ^= 0xff;
            let answer = house.upload(name, mime, &odd, "").await;
            assert!(answer.status < 500, "{name} at {at}: {}", answer.text());
        }
    }
}

/// Decoders stop where the picture stops: a second stretch of it is shown to nobody.
#[tokio::test]
async fn a_picture_in_two_places_is_refused() {
    let house = House::new().await;
    let right = png(40, 30);
    let more = png_with(&right, &[(b"tEXt", b"a\0b"), (b"IDAT", b"PK\x03\x04 a zip")]);
    let (more, end) = (&more[33..33 + more.len() - right.len()], right.len() - 12);
    assert_eq!(&right[end + 4..end + 8], b"IEND");
    let two = [&right[..end], more, &right[end..]].concat();
    assert_eq!(refusal(&house, "a.png", "image/png", &two).await, "broken_file");
    assert_eq!(refusal(&house, "a.png", "image/png", &right).await, "");
}

/// Files that say that they are much larger than they are.
fn bombs() -> [(&'static str, &'static str, Vec<u8>); 3] {
    let wide = 30_000_u16.to_be_bytes();
    let mut photo = jpeg(8, 8);
    let sof = photo.windows(2).position(|at| at == [0xff, 0xc0]).unwrap();
    photo[sof + 5..sof + 9].copy_from_slice(&[wide, wide].concat());
    let mut drawing = gif(8, 8);
    drawing[6..10].copy_from_slice(&[0xff; 4]);
    let film = mp4(b"isom", 30_000, 30_000, 1);
    [("a.jpg", "image/jpeg", photo), ("a.gif", "image/gif", drawing), ("a.mp4", "video/mp4", film)]
}

/// Why a house refuses a file; empty when it keeps it.
async fn refusal(house: &House, name: &str, mime: &str, bytes: &[u8]) -> String {
    let answer = house.upload(name, mime, bytes, "").await;
    answer.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn pictures_that_are_larger_than_they_may_be_are_refused_before_they_are_unpacked() {
    let house = House::new().await;
    let refused =
        async |name: &str, mime: &str, bytes: &[u8]| refusal(&house, name, mime, bytes).await;
    for (name, mime, bomb) in bombs() {
        assert_eq!(refused(name, mime, &bomb).await, "too_many_pixels", "{name}");
    }
    let mut heic = mp4(b"heic", 8, 8, 1);
    assert_eq!(refused("a.mp4", "video/mp4", &heic).await, "not_media");
    heic[8..12].copy_from_slice(b"isom");
    let fragment = [&heic[..], b"\0\0\0\x08moof"].concat();
    assert_eq!(refused("a.mp4", "video/mp4", &fragment).await, "fragmented_film");
}

#[tokio::test]
async fn a_document_is_kept_whole_and_given_to_be_opened_by_whoever_wants_it() {
    let house = House::new().await;
    let right = pdf();
    let (asset, kept) = keep(&house, "Menu.pdf", "application/pdf", &right).await;
    assert_eq!(&kept[..], &right[..]);
    let shape = ["width", "height", "frames"].map(|field| asset[field].as_u64().unwrap());
    assert_eq!(shape, [0, 0, 1]);
    assert_eq!((&asset["thumbnail"], &asset["duration_ms"]), (&Value::Null, &Value::Null));
    let fits = |network: &str| asset["fitness"][network]["fits"].as_bool().unwrap();
    assert!(fits("linkedin") && !fits("x") && !fits("mastodon") && !fits("feed"), "{asset}");
    let path = format!("/media/{}/file", asset["id"].as_str().unwrap());
    let file = house.get(&path).await;
    assert!(file.header("content-disposition").starts_with("attachment; "), "{file:?}");
    let at = |needle: &[u8]| right.windows(needle.len()).position(|w| w == needle).unwrap();
    let cut = |end: &[u8]| right[..at(end)].to_vec();
    let replaced = |old: &str, new: &str| {
        String::from_utf8(right.clone()).unwrap().replace(old, new).into_bytes()
    };
    for (what, bytes, code) in [
        ("cut", cut(b"startxref"), "broken_file"),
        ("no place", cut(b"%%EOF"), "broken_file"),
        ("only a head", b"%PDF-1.4\n".to_vec(), "broken_file"),
        ("no version", replaced("%PDF-1.4", "%PDF-x.4"), "broken_file"),
        ("far place", replaced("startxref\n", "startxref\n9"), "broken_file"),
        ("wrong place", replaced("startxref\n", "startxref\n1%"), "broken_file"),
        ("two files", [&right[..], b"PK\x03\x04"].concat(), "trailing_data"),
        ("locked", replaced("/Root 1 0 R", "/Root 1 0 R /Encrypt 4 0 R"), "locked_file"),
        ("no picture", [b"%PDF-", &png(4, 3)[..]].concat(), "broken_file"),
    ] {
        assert_eq!(refusal(&house, "a.pdf", "application/pdf", &bytes).await, code, "{what}");
    }
    assert_eq!(refusal(&house, "a.png", "image/png", &right).await, "type_mismatch");
    let spaced = [&right[..], b"\r\n  \0"].concat();
    assert_eq!(refusal(&house, "a.pdf", "application/pdf", &spaced).await, "");
}

/// A house without bounds, on purpose: nothing that would be unpacked goes past what memory there is,
/// and a film, which is not, goes in, which the test above would see.
#[tokio::test]
async fn without_bounds_memory_is_the_bound() {
    let bounds = Bounds { pixels: u64::MAX, animation_pixels: u64::MAX };
    let house = House::keeping(Blobs::in_memory(Settings { bounds, ..Settings::default() })).await;
    let [photo, drawing, film] = bombs();
    for (name, mime, bomb) in [photo, drawing] {
        assert_ne!(refusal(&house, name, mime, &bomb).await, "", "{name}");
    }
    assert_eq!(refusal(&house, film.0, film.1, &film.2).await, "");
}

/// However large a picture says that it is: what cannot be decoded is not kept, or it would be said to
/// fit and go out.
#[tokio::test]
async fn a_large_picture_is_looked_at_like_a_small_one() {
    let house = House::new().await;
    let mut drawing = png(8, 8);
    let side = 6_000_u32.to_be_bytes();
    drawing[16..24].copy_from_slice(&[side, side].concat());
    let sum = support::media::crc32(&drawing[12..29]).to_be_bytes();
    drawing[29..33].copy_from_slice(&sum);
    assert_eq!(refusal(&house, "a.png", "image/png", &drawing).await, "broken_file");
    let whole = png(6_000, 4_100);
    assert_eq!(refusal(&house, "a.png", "image/png", &whole).await, "");
}

/// A file in the folder of the test's own output.
fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn said(program: &str, args: &[&str], path: &Path) -> Value {
    let output = Command::new(program).args(args).arg(path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{program}: {e}: {text}"))
}

#[tokio::test]
async fn exiftool_finds_nothing_that_tells() {
    if !Tool::Program("exiftool").available_or_skip() {
        return;
    }
    let house = House::new().await;
    for (name, mime, bytes) in tellers() {
        let before = said("exiftool", &["-j", "-n"], &written(&format!("before_{name}"), &bytes));
        let tells = |tags: &Value| {
            let words = ["GPSLatitude", "GPSCoordinates", "Make", "Comment", "XMP", "Author"];
            let tags = tags[0].as_object().unwrap().clone();
            words.iter().filter(|word| tags.keys().any(|tag| tag.contains(*word))).count()
        };
        assert!(tells(&before) > 0 || name == "a.png", "{name}: {before}");
        let (asset, kept) = keep(&house, name, mime, &bytes).await;
        let after = said("exiftool", &["-j", "-n"], &written(&format!("after_{name}"), &kept));
        assert_eq!(tells(&after), 0, "{name}: {after}");
        assert_eq!(after[0]["MIMEType"], mime);
        assert!(after[0].get("Warning").is_none(), "{name}: {after}");
        let turned = after[0]["Orientation"] == 6 || after[0]["Rotation"] == 90;
        assert_eq!(turned, asset["rotation"] == 90, "{name}: {after}");
    }
}

#[tokio::test]
async fn ffprobe_measures_the_same() {
    if !Tool::Program("ffprobe").available_or_skip() {
        return;
    }
    let house = House::new().await;
    let args = ["-v", "error", "-of", "json", "-show_streams", "-show_format"];
    for (name, mime, bytes) in tellers().into_iter().filter(|(_, mime, _)| mime.starts_with('v')) {
        let (asset, kept) = keep(&house, name, mime, &bytes).await;
        let probed = said("ffprobe", &args, &written(&format!("probed_{name}"), &kept));
        let stream = &probed["streams"][0];
        assert_eq!((&stream["width"], &stream["height"]), (&asset["height"], &asset["width"]));
        assert_eq!(stream["codec_tag_string"], asset["video_codec"]);
        assert_eq!(stream["nb_frames"], asset["frames"].to_string());
        let seconds: f64 = probed["format"]["duration"].as_str().unwrap().parse().unwrap();
        assert!((seconds - 2.0).abs() < 0.001, "{probed}");
        assert!(probed["format"]["tags"].get("location").is_none(), "{probed}");
    }
}

#[tokio::test]
async fn films_of_ffmpeg_are_kept_whole_and_refused_in_fragments() {
    if !Tool::Program("ffmpeg").available_or_skip() {
        return;
    }
    let house = House::new().await;
    let film = |name: &str, flags: &[&str]| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=25"])
            .args(["-t", "2", "-c:v", "mpeg4"])
            .args(flags)
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(path).unwrap()
    };
    let whole = film("whole.mp4", &["-movflags", "+faststart"]);
    let (asset, _) = keep(&house, "whole.mp4", "video/mp4", &whole).await;
    assert_eq!((&asset["width"], &asset["duration_ms"]), (&json!(64), &json!(2_000)));
    let pieces = film("pieces.mp4", &["-movflags", "+frag_keyframe+empty_moov", "-g", "1"]);
    let late = film("late.mp4", &["-movflags", "+frag_keyframe"]);
    for bytes in [pieces, late] {
        let refused = house.upload("a.mp4", "video/mp4", &bytes, "").await.json();
        let error = &refused["errors"][0];
        assert_eq!(error["code"], "fragmented_film", "{refused}");
        assert!(error["message"].as_str().unwrap().contains("-c copy"), "{refused}");
    }
}

/// Fuzzing found it: a chunk that promises one byte more than there is. The file is refused; the folder of media
/// is not said to have failed.
#[tokio::test]
async fn a_picture_that_promises_more_than_it_has_is_refused() {
    let house = House::new().await;
    let bytes = include_bytes!("../../fuzz/seeds/media/webp_beyond");
    let refused = house.upload("a.webp", "image/webp", bytes, "").await;
    assert_eq!(refused.said(), "422 invalid_field file", "{}", refused.text());
    assert!(refused.text().contains("it ends too early"), "{}", refused.text());
}
