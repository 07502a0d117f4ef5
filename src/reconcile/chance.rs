//! Randomness, drawn in one place: jitter, the nonce of a claim, the salt of a token.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand::distr::{Distribution, StandardUniform};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A source of random numbers. Cheap to clone.
#[derive(Clone, Default)]
pub struct Chance(Option<Arc<Mutex<StdRng>>>);

impl Chance {
    /// The same numbers each time, for a run that is to be repeated. Without a seed (`default`) they come from the system.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// The next number.
    pub fn draw<T>(&self) -> T
    where
        StandardUniform: Distribution<T>,
    {
        match &self.0 {
            Some(seeded) => seeded.lock().unwrap_or_else(PoisonError::into_inner).random(),
            None => rand::random(),
        }
    }
}

/// Shows no state: it would tell the numbers to come.
impl fmt::Debug for Chance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Chance").field("seeded", &self.0.is_some()).finish()
    }
}
