//! Values that follow from others and are worked out once.

use std::fmt;
use std::sync::OnceLock;

/// What follows from the rest of its owner, once somebody has asked for it. It is no part of the owner: a copy of it starts anew, and
/// it makes no owner different from another.
#[derive(Default)]
pub struct Memo<T>(OnceLock<T>);

impl<T> Memo<T> {
    /// The value, made now if it was not before. What it is made of must not change afterwards.
    pub fn get(&self, make: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(make)
    }
}

impl<T: Default> Clone for Memo<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> PartialEq for Memo<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> fmt::Debug for Memo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}
