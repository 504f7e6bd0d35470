//! Small pictures of pictures. Decoding is also the last test of a file: one that cannot be decoded
//! is not kept. Must not be run on a task, nor twice at a time: a picture is large in memory.

use std::fs::File;
use std::io::{BufReader, Cursor, Seek as _};

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use sha2::{Digest as _, Sha256};

use super::{Miniature, NotKept, Refusal};
use crate::domain::media::{MediaKind, Shape};

/// The longer side.
const SIDE: u32 = 480;
const QUALITY: u8 = 80;
/// A picture in memory. Not one that would take more is kept: nobody could say what is in it.
const MOST_BYTES: u64 = 256 * 1024 * 1024;
/// Beside it, such as for a colour profile.
const ASIDE_BYTES: u64 = 16 * 1024 * 1024;

/// `None` for what is no picture.
pub(super) fn of(file: &File, shape: &Shape) -> Result<Option<Miniature>, NotKept> {
    let format = match shape.kind {
        MediaKind::Jpeg => ImageFormat::Jpeg,
        MediaKind::Png => ImageFormat::Png,
        MediaKind::Gif => ImageFormat::Gif,
        MediaKind::Webp => ImageFormat::WebP,
        MediaKind::Mp4 | MediaKind::Mov | MediaKind::Pdf => return Ok(None),
    };
    let mut file = file;
    file.rewind()?;
    let unreadable = |_| NotKept::Refused(Refusal::Broken("its picture cannot be decoded"));
    let mut decoder = decoder(BufReader::new(file), format).map_err(unreadable)?;
    let (pixels, bytes) = (shape.pixels(), decoder.total_bytes());
    if bytes > MOST_BYTES {
        let max = MOST_BYTES / (bytes / pixels.max(1)).max(1);
        return Err(NotKept::Refused(Refusal::TooManyPixels { max, actual: pixels }));
    }
    let turned = decoder.orientation().map_err(unreadable)?;
    let mut whole = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    whole.apply_orientation(turned);
    let small = flat(&whole.thumbnail(SIDE.min(whole.width()), SIDE.min(whole.height())));
    let (width, height) = small.dimensions();
    let mut jpeg = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&small).map_err(unreadable)?;
    let jpeg = Bytes::from(jpeg.into_inner());
    Ok(Some(Miniature { object: Sha256::digest(&jpeg).into(), width, height, jpeg }))
}

fn decoder(
    file: BufReader<&File>,
    format: ImageFormat,
) -> image::ImageResult<impl ImageDecoder + '_> {
    let mut reader = ImageReader::with_format(file, format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES + ASIDE_BYTES);
    reader.limits(limits);
    reader.into_decoder()
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
