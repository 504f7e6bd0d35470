//! Media made by code: small files that are right, so that tests can make them wrong.

use std::io::Cursor;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, ImageFormat, Rgb, RgbImage};

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

/// One empty page, with an index of the older form.
pub fn pdf() -> Vec<u8> {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] >>",
    ];
    let mut text = "%PDF-1.4\n".to_owned();
    let mut index = "0000000000 65535 f \n".to_owned();
    for (i, object) in objects.iter().enumerate() {
        index += &format!("{:010} 00000 n \n", text.len());
        text += &format!("{} 0 obj\n{object}\nendobj\n", i + 1);
    }
    let at = text.len();
    let size = objects.len() + 1;
    text += &format!("xref\n0 {size}\n{index}trailer\n<< /Size {size} /Root 1 0 R >>\n");
    (text + &format!("startxref\n{at}\n%%EOF\n")).into_bytes()
}

/// Three pictures, a tenth of a second each.
pub fn gif(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    {
        let mut encoder = GifEncoder::new(&mut bytes);
        encoder.set_repeat(Repeat::Infinite).unwrap();
        for _ in 0..3 {
            let delay = Delay::from_numer_denom_ms(100, 1);
            let picture = picture(width, height).to_rgba8();
            encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay)).unwrap();
        }
    }
    bytes
}

pub fn webp(width: u32, height: u32) -> Vec<u8> {
    encoded(width, height, ImageFormat::WebP)
}

/// A WebP in the extended form, with EXIF and XMP behind its picture.
pub fn webp_with(webp: &[u8], (width, height): (u32, u32), exif: &[u8], xmp: &[u8]) -> Vec<u8> {
    let chunk = |name: &[u8; 4], body: &[u8]| {
        let mut chunk = name.to_vec();
        chunk.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
        chunk.extend(body);
        chunk.extend(vec![0; body.len() % 2]);
        chunk
    };
    let mut head = vec![0x0c, 0, 0, 0];
    for side in [width, height] {
        head.extend(&(side - 1).to_le_bytes()[..3]);
    }
    let mut body = b"WEBP".to_vec();
    body.extend(chunk(b"VP8X", &head));
    body.extend(&webp[12..]);
    body.extend(chunk(b"EXIF", exif));
    body.extend(chunk(b"XMP ", xmp));
    chunk(b"RIFF", &body)
}

/// A film of one track: as an MP4 writer lays it out, with a place in its user data, and bytes
/// that no decoder takes for pictures.
pub fn mp4(brand: &[u8; 4], width: u16, height: u16, seconds: u32) -> Vec<u8> {
    let atom = |kind: &[u8; 4], parts: &[&[u8]]| {
        let body = parts.concat();
        let size = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        [&size[..], kind, &body].concat()
    };
    let zero = |n: usize| vec![0; n];
    let number = |n: u32| n.to_be_bytes();
    let unit = number(0x0001_0000);
    // Turned a quarter: (0, 1, -1, 0).
    let turn = [number(0), unit, zero(4).try_into().unwrap(), number(0xffff_0000), number(0)];
    let matrix = [turn.concat(), zero(12), number(0x4000_0000).to_vec()].concat();
    let even = [unit.to_vec(), zero(12), unit.to_vec(), zero(12), number(0x4000_0000).to_vec()];
    let time = [number(1_000), number(seconds * 1_000)].concat();
    let mvhd = [zero(12), time.clone(), unit.to_vec(), vec![1, 0], zero(10), even.concat()];
    let mvhd = [mvhd.concat(), zero(24), number(2).to_vec()].concat();
    let size = [number(u32::from(width) << 16), number(u32::from(height) << 16)].concat();
    let tkhd = [number(7).to_vec(), zero(8), number(1).to_vec(), zero(4)].concat();
    let tkhd = [tkhd, number(seconds * 1_000).to_vec(), zero(16), matrix, size].concat();
    let mdhd = [zero(12), time, vec![0x55, 0xc4, 0, 0]].concat();
    let hdlr = [zero(8), b"vide".to_vec(), zero(13)].concat();
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let entry = [zero(6), vec![0, 1], zero(16), sides, zero(50)].concat();
    let stsd = atom(b"stsd", &[&zero(4), &number(1), &atom(b"jpeg", &[&entry])]);
    let frames = seconds * 25;
    let stts = atom(b"stts", &[&zero(4), &number(1), &number(frames), &number(40)]);
    let stsc = atom(b"stsc", &[&zero(4), &number(1), &number(1), &number(frames), &number(1)]);
    let stsz = atom(b"stsz", &[&zero(4), &number(4), &number(frames)]);
    let ftyp = atom(b"ftyp", &[brand, &number(512), brand]);
    let moov = |offset: u32| {
        let stco = atom(b"stco", &[&zero(4), &number(1), &number(offset)]);
        let stbl = atom(b"stbl", &[&stsd, &stts, &stsc, &stsz, &stco]);
        let url = atom(b"url ", &[&number(1)]);
        let dref = atom(b"dref", &[&zero(4), &number(1), &url]);
        let vmhd = atom(b"vmhd", &[&number(1), &zero(8)]);
        let minf = atom(b"minf", &[&vmhd, &atom(b"dinf", &[&dref]), &stbl]);
        let mdia = atom(b"mdia", &[&atom(b"mdhd", &[&mdhd]), &atom(b"hdlr", &[&hdlr]), &minf]);
        let trak = atom(b"trak", &[&atom(b"tkhd", &[&tkhd]), &mdia]);
        let place = atom(b"\xa9xyz", &[b"\0\x12\x15\xc7+48.8583+002.2945/"]);
        atom(b"moov", &[&atom(b"mvhd", &[&mvhd]), &trak, &atom(b"udta", &[&place])])
    };
    let before = u32::try_from(ftyp.len() + moov(0).len() + 8).unwrap();
    let data = zero(usize::try_from(frames * 4).unwrap());
    [ftyp, moov(before), atom(b"mdat", &[&data])].concat()
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
