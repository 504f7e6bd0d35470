//! A value that can change while the program runs. Must not be a place for anything but settings.

use std::sync::{Arc, PoisonError, RwLock};

/// A handle to a value that everybody reads anew; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Live<T>(Arc<RwLock<T>>);

impl<T: Copy> Live<T> {
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(value)))
    }

    pub fn get(&self) -> T {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}
