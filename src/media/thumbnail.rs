//! Small pictures of pictures. Decoding is also the last test of a file: one that cannot be decoded
//! is not kept. Must not be run on a task, nor twice at a time: a picture is large in memory.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Seek as _};
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use sha2::{Digest as _, Sha256};

use super::{Miniature, NotKept, Refusal};
use crate::domain::media::{MediaKind, Shape};

/// The longer side.
const SIDE: u32 = 480;
const QUALITY: u8 = 80;
/// A picture in memory, and all that decoding it takes. Not one that needs more is kept: nobody could
/// say what is in it. 50 million pixels take 450 MB when they come as a progressive JPEG.
const MOST_BYTES: u64 = 512 * 1024 * 1024;

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
    let pixels = shape.pixels();
    let needed = decoder.total_bytes().saturating_add(aside(file, shape)?);
    if needed > MOST_BYTES {
        let max = MOST_BYTES / (needed / pixels.max(1)).max(1);
        return Err(NotKept::Refused(Refusal::TooManyPixels { max, actual: pixels }));
    }
    let turned = decoder.orientation().map_err(unreadable)?;
    let whole = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    let mut small = whole.thumbnail(SIDE.min(whole.width()), SIDE.min(whole.height()));
    drop(whole);
    // Only now: to turn a picture is to have it twice.
    small.apply_orientation(turned);
    let small = flat(&small);
    let (width, height) = small.dimensions();
    let mut jpeg = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&small).map_err(unreadable)?;
    let jpeg = Bytes::from(jpeg.into_inner());
    Ok(Some(Miniature { object: Sha256::digest(&jpeg).into(), width, height, jpeg }))
}

/// What decoding takes beside the picture itself, in bytes.
fn aside(file: &File, shape: &Shape) -> io::Result<u64> {
    let each = match shape.kind {
        // Every coefficient, of up to four components, before the first pixel.
        MediaKind::Jpeg if is_progressive(file)? => 8,
        // A canvas, and the frame that is laid on it.
        MediaKind::Webp if shape.frames > 1 => 8,
        MediaKind::Gif => 4,
        _ => 0,
    };
    Ok(shape.pixels().saturating_mul(each))
}

/// Whether its first frame says so: ITU T.81, B.1.1.3. The probe has seen that its segments are whole.
fn is_progressive(file: &File) -> io::Result<bool> {
    let (mut at, mut head) = (2, [0; 4]);
    loop {
        file.read_exact_at(&mut head, at)?;
        let [_, marker, high, low] = head;
        match marker {
            0xc2 | 0xc6 | 0xca | 0xce => return Ok(true),
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => return Ok(false),
            0xd8..=0xda => return Ok(false),
            _ => at += 2 + u64::from(u16::from_be_bytes([high, low])),
        }
    }
}

fn decoder(
    file: BufReader<&File>,
    format: ImageFormat,
) -> image::ImageResult<impl ImageDecoder + '_> {
    let mut reader = ImageReader::with_format(file, format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MOST_BYTES);
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
