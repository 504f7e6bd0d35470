//! Media made by code: small files that are right, so that tests can make them wrong.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

/// A picture that has no two equal pixels beside each other.
fn picture(width: u32, height: u32) -> DynamicImage {
    let pixel = |x: u32, y: u32| {
        let byte = |n: u32| u8::try_from(n % 256).unwrap();
        Rgb([byte(x * 7), byte(y * 5), byte(x + y)])
    };
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, pixel))
}

fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture(width, height).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    encoded(width, height, ImageFormat::Jpeg)
}

pub fn png(width: u32, height: u32) -> Vec<u8> {
    encoded(width, height, ImageFormat::Png)
}

/// An EXIF block as a camera writes it: which way up, who made it, and where.
pub fn exif(orientation: u8) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value].concat()
    };
    let gps = 8 + 2 + 3 * 12 + 4;
    let [maker, place] = [[b'A', b'c', b'm', 0], [0, 0, 0, gps]];
    let mut block = b"MM\0*\0\0\0\x08\0\x03".to_vec();
    block.extend(entry(0x010f, 2, 4, maker));
    block.extend(entry(0x0112, 3, 1, [0, orientation, 0, 0]));
    block.extend(entry(0x8825, 4, 1, place));
    block.extend([0; 4]);
    block.extend(b"\0\x02");
    block.extend(entry(1, 2, 2, [b'N', 0, 0, 0]));
    let degrees = u8::try_from(block.len() + 12 + 4).unwrap();
    block.extend(entry(2, 5, 3, [0, 0, 0, degrees]));
    block.extend([0; 4]);
    for (n, d) in [(48_u32, 1_u32), (51, 1), (30, 1)] {
        block.extend(n.to_be_bytes());
        block.extend(d.to_be_bytes());
    }
    block
}

/// A JPEG with segments put right behind its start.
pub fn jpeg_with(jpeg: &[u8], segments: &[(u8, &[u8])]) -> Vec<u8> {
    let mut whole = jpeg[..2].to_vec();
    for (marker, body) in segments {
        let length = u16::try_from(body.len() + 2).unwrap();
        whole.extend([0xff, *marker]);
        whole.extend(length.to_be_bytes());
        whole.extend(*body);
    }
    whole.extend(&jpeg[2..]);
    whole
}

/// A PNG with chunks put behind its header.
pub fn png_with(png: &[u8], chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut whole = png[..33].to_vec();
    for (name, body) in chunks {
        let named = [&name[..], body].concat();
        whole.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        whole.extend(&named);
        whole.extend(crc32(&named).to_be_bytes());
    }
    whole.extend(&png[33..]);
    whole
}

/// PNG, annex D.
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
