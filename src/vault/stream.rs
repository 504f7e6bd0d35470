//! Age streams for what leaves the installation: encrypted to recipients whose identities are kept
//! elsewhere, a piece at a time. Must not keep what passes through.

use std::io::{self, BufRead, Read, Write};

use super::{Identity, VaultError};

/// Whoever holds one of their identities can open what is encrypted to them.
#[derive(Clone, Default)]
pub struct Recipients(Vec<age::x25519::Recipient>);

impl Recipients {
    /// From `age1...` texts, as `age-keygen` shows them.
    pub fn parse(texts: &[String]) -> Result<Self, VaultError> {
        let one = |text: &String| {
            text.trim().parse().map_err(|_| VaultError::BadRecipient { text: text.clone() })
        };
        texts.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn each(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.iter().map(|one| -> &dyn age::Recipient { one })
    }

    /// All of it at once.
    pub(super) fn encrypt(&self, text: &[u8]) -> io::Result<Vec<u8>> {
        let mut sealing = self.seal(Vec::new())?;
        sealing.write_all(text)?;
        sealing.finish()
    }

    /// What is written goes to `out`, encrypted.
    pub fn seal<W: Write>(&self, out: W) -> io::Result<Sealing<W>> {
        let encryptor = age::Encryptor::with_recipients(self.each()).map_err(io::Error::other)?;
        encryptor.wrap_output(out).map(Sealing)
    }
}

impl Identity {
    /// The recipient that this identity opens for.
    pub fn recipients(&self) -> Recipients {
        Recipients(vec![self.0.to_public()])
    }

    /// Reads what is encrypted in `from`. What was cut off, changed or moved in it is an error.
    pub fn open<R: BufRead>(&self, from: R) -> Result<impl Read, VaultError> {
        let identity: &dyn age::Identity = &self.0;
        let decryptor = age::Decryptor::new_buffered(from).map_err(|_| VaultError::NotEncrypted)?;
        decryptor.decrypt(std::iter::once(identity)).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => VaultError::NotForIdentity,
            _ => VaultError::NotEncrypted,
        })
    }
}

/// A stream on its way; without [`Sealing::finish`] it cannot be opened.
pub struct Sealing<W: Write>(age::stream::StreamWriter<W>);

impl<W: Write> Sealing<W> {
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_recipients_open_it_and_only_whole() {
        let mut ours = [(); 3].map(|()| Identity(age::x25519::Identity::generate()));
        let texts = [0, 1].map(|n| ours[n].0.to_public().to_string());
        let recipients = Recipients::parse(&texts).unwrap();
        let text = vec![7; 200_000];
        let sealed = recipients.encrypt(&text).unwrap();
        let read = |identity: &Identity, sealed: &[u8]| {
            let mut read = Vec::new();
            identity.open(sealed)?.read_to_end(&mut read).map_err(|_| VaultError::NotEncrypted)?;
            Ok::<_, VaultError>(read)
        };
        assert!(ours[..2].iter().all(|one| read(one, &sealed).unwrap() == text));
        let stranger = ours.last_mut().unwrap();
        assert!(matches!(read(stranger, &sealed), Err(VaultError::NotForIdentity)));
        for length in [0, 10, sealed.len() / 2, sealed.len() - 1] {
            assert!(read(&ours[0], &sealed[..length]).is_err(), "{length}");
        }
        assert!(Recipients::parse(&["age1nonsense".to_owned()]).is_err());
    }
}
