//! Codes beside the password: of an authenticator (RFC 6238), and for recovery. Must not decide
//! whether one was used before; `service::users` keeps that.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Totp};

use crate::base::{Rng, Secret, Timestamp};

const SECRET_BYTES: usize = 20;
/// How many recovery codes there are at a time.
pub const RECOVERY_CODES: usize = 10;
const RECOVERY_BYTES: usize = 10;

/// SHA-1, six digits, 30 seconds, one step to either side: what every app does.
pub struct Authenticator {
    secret: Secret<Vec<u8>>,
    totp: Totp,
}

impl Authenticator {
    pub fn new(rng: &dyn Rng) -> Option<Self> {
        // Longer than an id, so that it is drawn when it is made.
        let mut secret = vec![0; SECRET_BYTES];
        rng.fill(&mut secret);
        Self::from_secret(Secret::new(secret))
    }

    /// `None` when it is too short to be one.
    pub fn from_secret(secret: Secret<Vec<u8>>) -> Option<Self> {
        let totp = Builder::new().with_secret(secret.reveal().clone()).with_skew(1).build().ok()?;
        Some(Self { secret, totp })
    }

    /// To be sealed.
    pub fn secret(&self) -> &Secret<Vec<u8>> {
        &self.secret
    }

    /// The secret as people type it.
    pub fn text(&self) -> Secret<String> {
        Secret::new(BASE32_NOPAD.encode(self.secret.reveal()))
    }

    /// The address that apps read from a square, for an account at an installation.
    pub fn address(&self, host: &str, email: &str) -> Secret<String> {
        // A colon ends the issuer's name; percent-encoded it is none.
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let issuer = encode(&format!("Carillon ({host})"));
        let (account, text) = (encode(email), self.text());
        Secret::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}",
            text.reveal()
        ))
    }

    /// The step of the code that fits now, or a step ago, or in a step.
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<u64> {
        self.totp.check(&plain_code(code), now.as_millis() / 1_000)
    }
}

/// A code without what people put into it.
pub fn plain_code(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>().to_lowercase()
}

/// A recovery code: 80 bits, as `xxxxx-xxxxx-xxxxxx`.
pub fn recovery_code(rng: &dyn Rng) -> String {
    // Drawn with more than it needs: short draws come from bytes that wait in memory.
    let mut random = [0; 32];
    rng.fill(&mut random);
    let text = BASE32_NOPAD.encode(&random[..RECOVERY_BYTES]).to_lowercase();
    let (first, rest) = text.split_at(5);
    let (second, third) = rest.split_at(5);
    format!("{first}-{second}-{third}")
}

/// How a recovery code is kept. It has 80 random bits, so one round of a fast hash is enough.
pub fn recovery_hash(code: &str) -> [u8; 32] {
    Sha256::digest(plain_code(code)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededRng;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = Secret::new(b"12345678901234567890".to_vec());
        let authenticator = Authenticator::from_secret(secret).unwrap();
        // Appendix B, the last six digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = seconds / 30;
            assert_eq!(authenticator.step_of(code, at(seconds)), Some(step));
            assert_eq!(authenticator.step_of(code, at(seconds + 30)), Some(step), "a step late");
            assert_eq!(authenticator.step_of(code, at(seconds - 30)), Some(step), "a step early");
            assert_eq!(authenticator.step_of(code, at(seconds + 90)), None);
        }
        assert_eq!(authenticator.step_of(" 287 082 ", at(59)), Some(1));
        for bad in ["", "28708", "2870820", "28708x", "\u{661}\u{661}\u{661}\u{661}\u{661}\u{661}"]
        {
            assert_eq!(authenticator.step_of(bad, at(59)), None, "{bad}");
        }
        assert!(Authenticator::from_secret(Secret::new(vec![1; 3])).is_none());
    }

    #[test]
    fn recovery_codes_are_typed_as_one_likes() {
        let rng = SeededRng::new(1);
        let code = recovery_code(&rng);
        assert_eq!((code.len(), code.matches('-').count()), (18, 2));
        assert_ne!(code, recovery_code(&rng));
        assert_eq!(recovery_hash(&code), recovery_hash(&code.to_uppercase().replace('-', " ")));
    }
}
