//! What is fuzzed, one function for each door that bytes of others come in by. A function takes any bytes and panics when
//! a promise is broken. The same functions run under libFuzzer (`tests/fuzz`).

pub(crate) mod answers;
pub(crate) mod names;
pub(crate) mod notices;
pub(crate) mod secrets;
pub(crate) mod stored;
pub(crate) mod wire;

/// Bytes as numbers, for choices; zeros when they are used up.
pub(crate) struct Choices<'a>(pub(crate) &'a [u8]);

impl Choices<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()].clone()
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }
}

/// Whether `text` contains `part` in any letter case of ASCII.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    text.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
}
