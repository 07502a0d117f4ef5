//! What a test shows beyond that it passed: counts, told although the test runner keeps the output of what passes.

use std::fmt::Display;
use std::io::Write as _;

/// Tells one line of evidence.
pub fn evidence(line: impl Display) {
    // Not by `eprintln!`, which the test runner catches. A closed stderr is nothing to fail for.
    let _told = writeln!(std::io::stderr().lock(), "evidence: {line}");
}
