//! Hashing passwords: argon2id, two at a time, off the threads that answer. Must not know whose
//! password it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _};
use icu_normalizer::ComposingNormalizerBorrowed;
use tokio::sync::Semaphore;

use crate::base::{Code, Problem, Rng, Secret};

/// What one hash costs; it is stored with each, so it can be raised: whoever signs in with an older
/// one gets a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub memory_kib: u32,
    pub passes: u32,
}

impl Default for Cost {
    /// OWASP's second choice: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2 }
    }
}

/// At a time. A flood of sign-ins costs no more memory than these take.
const PLACES: usize = 2;
/// Waiting for a place; one more is told to come back.
const QUEUE: usize = 32;
const SALT_BYTES: usize = 17;

/// All the hashing of this process.
pub struct Passwords {
    params: Params,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    hashed: AtomicU64,
}

/// What looking at a password came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub right: bool,
    /// The hash was made at another cost than is asked for now.
    pub outdated: bool,
}

/// One who waits; leaves when dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new(Cost::default())
    }
}

impl Passwords {
    /// A cost that argon2 does not take is as good as the default.
    pub fn new(cost: Cost) -> Self {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None).unwrap_or_default();
        let places = Arc::new(Semaphore::new(PLACES));
        Self { params, places, waiting: AtomicUsize::new(0), hashed: AtomicU64::new(0) }
    }

    /// Hashes made so far.
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// A new hash, as a PHC string.
    pub(super) async fn hash(
        &self,
        rng: &dyn Rng,
        password: &Secret<String>,
    ) -> Result<String, Problem> {
        let mut salt = [0; SALT_BYTES];
        rng.fill(&mut salt);
        let (password, params) = (copy(password), self.params.clone());
        let made = self.work(move || {
            let hasher = Argon2::from(params);
            hasher
                .hash_password_with_salt(password.reveal().as_bytes(), &salt)
                .map(|hash| hash.to_string())
        });
        made.await?.map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            Problem::new(Code::Internal)
        })
    }

    /// Whether it is the password of `stored`. Without one it takes as long, and is wrong.
    pub(super) async fn check(
        &self,
        password: &Secret<String>,
        stored: Option<&str>,
    ) -> Result<Verdict, Problem> {
        let parsed = stored.and_then(|text| PasswordHash::new(text).ok());
        let known = parsed.is_some();
        let Some(hash) = parsed.or_else(|| self.nobodys()) else {
            return Err(Problem::new(Code::Internal));
        };
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        let outdated =
            Params::try_from(&hash).map_or(true, |made| cost(&made) != cost(&self.params));
        let password = copy(password);
        let fits = self
            .work(move || Argon2::default().verify_password(password.reveal().as_bytes(), &hash));
        let fits = fits.await?.is_ok();
        Ok(Verdict { right: known && fits, outdated })
    }

    /// A hash of no password: nobody knows what gives 32 zero bytes.
    fn nobodys(&self) -> Option<PasswordHash> {
        let text =
            format!("$argon2id$v=19$m={},t={},p=1", self.params.m_cost(), self.params.t_cost());
        let mut hash = PasswordHash::new(&text).ok()?;
        hash.salt = argon2::password_hash::phc::Salt::new(&[0; SALT_BYTES]).ok();
        hash.hash = Output::new(&[0; Params::DEFAULT_OUTPUT_LEN]).ok();
        Some(hash)
    }

    /// Does it when there is a place.
    async fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waits = Waiting(&self.waiting);
        if waiting >= QUEUE + PLACES {
            return Err(Problem::new(Code::Overloaded));
        }
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| Problem::new(Code::Stopping))?;
        drop(waits);
        self.hashed.fetch_add(1, Ordering::Relaxed);
        // Whoever asked may go; the place is taken until the work is done.
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            job()
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "a password could not be hashed");
            Problem::new(Code::Internal)
        })
    }
}

/// A copy in one form: the same letters can come as other code points from another keyboard
/// (RFC 8265, 4.2: NFC).
fn copy(password: &Secret<String>) -> Secret<String> {
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(password.reveal());
    Secret::new(composed.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededRng;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_hash_names_its_cost_and_is_told_when_that_is_old() {
        let (rng, cheap) = (SeededRng::new(1), Passwords::new(Cost { memory_kib: 64, passes: 1 }));
        let stored = cheap.hash(&rng, &secret("one two three")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        assert_ne!(stored, cheap.hash(&rng, &secret("one two three")).await.unwrap());
        let check = |passwords: &'static Passwords, text: &'static str| {
            let stored = stored.clone();
            async move { passwords.check(&secret(text), Some(&stored)).await.unwrap() }
        };
        let cheap: &'static Passwords = Box::leak(Box::new(cheap));
        let dear: &'static Passwords =
            Box::leak(Box::new(Passwords::new(Cost { memory_kib: 128, passes: 1 })));
        assert_eq!(check(cheap, "one two three").await, Verdict { right: true, outdated: false });
        assert_eq!(check(cheap, "one two four").await, Verdict { right: false, outdated: false });
        // Another keyboard writes the same letters in more code points.
        let composed = cheap.hash(&rng, &secret("caf\u{e9} au lait")).await.unwrap();
        let same = cheap.check(&secret("cafe\u{301} au lait"), Some(&composed)).await.unwrap();
        assert!(same.right);
        assert_eq!(check(dear, "one two three").await, Verdict { right: true, outdated: true });
    }

    #[tokio::test]
    async fn nobody_costs_as_much_as_somebody() {
        let passwords = Passwords::new(Cost { memory_kib: 64, passes: 1 });
        for stored in [None, Some(""), Some("plain"), Some("$argon2id$v=19$m=64,t=1,p=1")] {
            let before = passwords.hashed();
            let verdict = passwords.check(&secret("x"), stored).await.unwrap();
            assert!(!verdict.right, "{stored:?}");
            assert_eq!(passwords.hashed(), before + 1, "{stored:?}");
        }
    }

    #[tokio::test]
    async fn a_flood_is_sent_away() {
        let passwords = Arc::new(Passwords::new(Cost { memory_kib: 64, passes: 1 }));
        let places = Arc::clone(&passwords.places).acquire_many_owned(2).await.unwrap();
        let ask = || {
            let passwords = Arc::clone(&passwords);
            async move { passwords.check(&secret("x"), None).await }
        };
        let mut all: Vec<_> = (0..QUEUE + PLACES).map(|_| Box::pin(ask())).collect();
        for one in &mut all {
            assert!(futures_util::poll!(one.as_mut()).is_pending());
        }
        let more = ask().await.unwrap_err();
        assert_eq!(more.code, Code::Overloaded);
        drop(all.split_off(4));
        drop(places);
        for one in all {
            assert!(one.await.is_ok());
        }
        assert!(ask().await.is_ok());
        assert_eq!(passwords.waiting.load(Ordering::Relaxed), 0);
    }
}
