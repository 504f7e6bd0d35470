//! Small pictures of pictures. Decoding is also the last test of a file: one that cannot be decoded
//! is not kept. Must not be run on a task, nor twice at a time: a picture is large in memory.

use std::fs::File;
use std::io::{BufReader, Cursor, Seek as _};

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, RgbImage};
use sha2::{Digest as _, Sha256};

use super::{Miniature, NotKept, Refusal};
use crate::domain::media::{MediaKind, Shape};

/// The longer side.
const SIDE: u32 = 480;
const QUALITY: u8 = 80;
/// Larger pictures are kept without one: 24 million pixels are 96 MB.
const MOST_PIXELS: u64 = 24_000_000;

/// `None` for what is no picture or too large.
pub(super) fn of(file: &File, shape: &Shape) -> Result<Option<Miniature>, NotKept> {
    let format = match shape.kind {
        MediaKind::Jpeg => ImageFormat::Jpeg,
        MediaKind::Png => ImageFormat::Png,
        MediaKind::Gif => ImageFormat::Gif,
        MediaKind::Webp => ImageFormat::WebP,
        MediaKind::Mp4 | MediaKind::Mov | MediaKind::Pdf => return Ok(None),
    };
    if shape.pixels() > MOST_PIXELS {
        return Ok(None);
    }
    let mut file = file;
    file.rewind()?;
    let unreadable = |_| NotKept::Refused(Refusal::Broken("its picture cannot be decoded"));
    let whole = decode(BufReader::new(file), format).map_err(unreadable)?;
    let small = flat(&whole.thumbnail(SIDE.min(whole.width()), SIDE.min(whole.height())));
    let (width, height) = small.dimensions();
    let mut jpeg = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&small).map_err(unreadable)?;
    let jpeg = Bytes::from(jpeg.into_inner());
    Ok(Some(Miniature { object: Sha256::digest(&jpeg).into(), width, height, jpeg }))
}

fn decode(file: BufReader<&File>, format: ImageFormat) -> image::ImageResult<DynamicImage> {
    let mut reader = ImageReader::with_format(file, format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_PIXELS * 8 + 64 * 1024 * 1024);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let turned = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(turned);
    Ok(picture)
}

/// What can be seen through is laid on white: JPEG knows no other way.
fn flat(picture: &DynamicImage) -> RgbImage {
    let mut pixels = picture.to_rgba8();
    for pixel in pixels.pixels_mut() {
        let [r, g, b, a] = pixel.0.map(u16::from);
        let over = |c: u16| u8::try_from((c * a + 255 * (255 - a)) / 255).unwrap_or(u8::MAX);
        pixel.0 = [over(r), over(g), over(b), u8::MAX];
    }
    DynamicImage::ImageRgba8(pixels).to_rgb8()
}
