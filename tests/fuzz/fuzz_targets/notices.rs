//! `tests/fuzzing/targets/notices.rs` under libFuzzer.

#![no_main]

#[allow(dead_code, reason = "each program fuzzes one of them")]
#[path = "../../fuzzing/targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::notices::check(data));
