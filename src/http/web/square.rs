//! A QR code as the path of an SVG. Must not hold anything but its squares.

use qrcode::{Color, QrCode};

/// Light modules around it, which readers need.
const MARGIN: usize = 4;

/// Its width in modules, and the dark ones; `None` when the text is too long.
pub(super) fn square(text: &str) -> Option<(usize, String)> {
    let code = QrCode::new(text).ok()?;
    let width = code.width();
    let colors = code.to_colors();
    let dark = colors.iter().enumerate().filter(|(_, color)| **color == Color::Dark);
    let module = |n: usize| format!("M{} {}h1v1h-1z", n % width + MARGIN, n / width + MARGIN);
    let path = dark.map(|(n, _)| module(n)).collect();
    Some((width + 2 * MARGIN, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_square_and_has_its_corners() {
        let (width, path) = square("otpauth://totp/x?secret=JBSWY3DPEHPK3PXP").unwrap();
        assert!(width > 21 + 2 * MARGIN);
        for (x, y) in [(MARGIN, MARGIN), (width - MARGIN - 1, MARGIN), (MARGIN, width - MARGIN - 1)]
        {
            assert!(path.contains(&format!("M{x} {y}h1v1h-1z")), "{x} {y}");
        }
        assert!(
            !path.contains(&format!("M{} {}h", MARGIN + 1, MARGIN + 1)),
            "a ring is light inside"
        );
        assert!(square(&"x".repeat(5_000)).is_none());
    }
}
