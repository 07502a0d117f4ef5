//! `tests/fuzzing/targets/stored.rs` under libFuzzer.

#![no_main]

use libfuzzer_sys::Corpus;

#[allow(dead_code, reason = "each program fuzzes one of them")]
#[path = "../../fuzzing/targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| -> Corpus {
    if targets::stored::check(data) { Corpus::Keep } else { Corpus::Reject }
});
