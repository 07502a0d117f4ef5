//! The vendor's words as they may be shown: stable from call to call, short, and without secrets.
//!
//! They end in conditions, events and logs. What changes from call to call would make the object wake itself for ever,
//! and the vendor echoes parts of our request in some answers.

/// Longest text, in bytes: it stands inside a message of at most 1 KiB.
const LONGEST: usize = 300;
/// What is looked at of a text: masking something huge would only cost time.
const LONGEST_RAW: usize = 4096;
/// Shortest run of letters and digits that is taken for an id.
const SHORTEST_ID: usize = 16;
/// Shortest run of digits that is taken for a time in milliseconds; a uid has ten at most.
const SHORTEST_COUNTER: usize = 12;
const SECRET: &str = "***";
const CHANGING: &str = "…";

/// Knows the secrets of one request.
pub struct Redactor {
    /// As sent, and as JSON escapes them; the longest first, for one may be a part of another.
    secrets: Vec<String>,
}

impl Redactor {
    /// One that masks these.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all: Vec<String> =
            secrets.into_iter().flat_map(spellings).filter(|s| !s.is_empty()).collect();
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.dedup();
        Self { secrets: all }
    }

    /// `raw` made fit to be shown: no control characters, secrets masked, ids, times and addresses left out, at most
    /// 300 bytes. Empty if nothing safe is left.
    pub fn words(&self, raw: &str) -> String {
        let clean = one_line(cut(raw, LONGEST_RAW));
        let masked = self.secrets.iter().fold(clean, |text, secret| mask(&text, secret));
        let stable = without_changing(&masked);
        let short = cut(&stable, LONGEST).trim_end();
        // A secret can be made anew by what is masked around it, or be part of a mask.
        match self.secrets.iter().any(|secret| find(short, secret).is_some()) {
            true => String::new(),
            false => short.to_owned(),
        }
    }
}

fn spellings(secret: &str) -> Vec<String> {
    let in_json = serde_json::Value::from(secret).to_string();
    // The longest texts are cut before they are masked: a secret may lose its tail there, and in `one_line` its
    // control characters.
    vec![secret.to_owned(), in_json[1..in_json.len() - 1].to_owned(), one_line(secret)]
}

/// White space and control characters become single spaces.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_whitespace() || c.is_control() {
            true if out.is_empty() || out.ends_with(' ') => {}
            true => out.push(' '),
            false => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn cut(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

/// Where `secret` stands, in any letter case of ASCII.
fn find(text: &str, secret: &str) -> Option<usize> {
    text.as_bytes().windows(secret.len()).position(|window| window.eq_ignore_ascii_case(secret.as_bytes()))
}

fn mask(text: &str, secret: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = find(rest, secret) {
        out.push_str(&rest[..start]);
        out.push_str(SECRET);
        rest = &rest[start + secret.len()..];
    }
    out + rest
}

/// Leaves out what looks like an id, a time or an address.
fn without_changing(text: &str) -> String {
    let joins = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.' | '/' | '+' | '=');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = &rest[..rest.find(|c| !joins(c)).unwrap_or(rest.len())];
        let other = &rest[run.len()..];
        let other = &other[..other.find(joins).unwrap_or(other.len())];
        let bare = run.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        match is_changing(bare) {
            true => out.push_str(&run.replacen(bare, CHANGING, 1)),
            false => out.push_str(run),
        }
        out.push_str(other);
        rest = &rest[run.len() + other.len()..];
    }
    out
}

fn is_changing(run: &str) -> bool {
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    let letters = run.bytes().filter(u8::is_ascii_alphabetic).count();
    let separators = run.len() - digits - letters;
    let id = run.len() >= SHORTEST_ID && digits > 0 && letters > 0;
    let counter = letters == 0 && digits >= SHORTEST_COUNTER;
    // 2026-07-01, 10:00:00, 192.0.2.1:443
    let time_or_address = letters == 0 && digits >= 4 && separators >= 2;
    id || counter || time_or_address
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy as _, any, prop, prop_assert, proptest};

    use super::*;

    fn words(raw: &str) -> String {
        Redactor::new([]).words(raw)
    }

    #[test]
    fn what_the_vendor_really_says_stays_as_it_is() {
        for said in [
            "request_hash mismatch!",
            "Acquire: invalid resourceExpiredHour value!",
            "failed to find worker",
            "no Route matched with those values",
            "API rate limit exceeded",
            "invalid_channel_name",
            "post method api body check failed!",
            "captureInterval must be in [5,3600], uid 4294967295",
        ] {
            assert_eq!(words(said), said);
        }
    }

    #[test]
    fn what_changes_from_call_to_call_is_left_out() {
        for (said, shown) in [
            ("request id 4eb720f0-8da7-11e9-a43e-53f411c2761f failed", "request id … failed"),
            ("at 2026-07-01 10:00:00.123", "at … …"),
            ("at 2026-07-01T10:00:00Z.", "at …."),
            ("upstream 192.0.2.17:8443 is down", "upstream … is down"),
            ("ts=1560408533119", "…"),
            ("(sid 38f8e3cfdc474cd56fc1ceba380d7e1a)", "(sid …)"),
        ] {
            assert_eq!(words(said), shown);
        }
    }

    #[test]
    fn lines_and_control_characters_become_single_spaces() {
        assert_eq!(words("  a\r\n\tb\u{0}\u{1b}[31mc  "), "a b [31mc");
    }

    #[test]
    fn the_length_is_bounded_on_a_character() {
        let long = words(&"ü ".repeat(10_000));
        assert!(long.len() <= LONGEST && long.len() > LONGEST - 4, "{}", long.len());
        assert!(long.ends_with('ü'));
    }

    #[test]
    fn secrets_are_masked_in_every_spelling() {
        let redactor = Redactor::new(["AKIA-key", "p\"w\\d", "AKIA-key/longer", ""]);
        assert_eq!(redactor.words("bad akia-KEY here"), "bad *** here");
        assert_eq!(redactor.words("bad AKIA-key/longer here"), "bad *** here");
        assert_eq!(redactor.words(r#"body {"secretKey":"p\"w\\d"}"#), r#"body {"secretKey":"***"}"#);
        assert_eq!(redactor.words(r#"is p"w\d"#), "is ***");
        // A secret that the mask itself contains leaves nothing.
        assert_eq!(Redactor::new(["*"]).words("a * b"), "");
    }

    proptest! {
        #[test]
        fn words_never_contain_a_secret(
            secrets in prop::collection::vec("\\PC{1,12}", 0..4),
            around in prop::collection::vec(any::<String>(), 5),
            joint in "[ \\x00-\\x1f…*]{0,3}",
        ) {
            let redactor = Redactor::new(secrets.iter().map(String::as_str));
            let raw = around.iter().zip(secrets.iter().cycle().map(String::as_str).chain(["", "", "", "", ""]))
                .fold(String::new(), |text, (around, secret)| format!("{text}{around}{joint}{secret}"));
            let words = redactor.words(&raw);
            for secret in &secrets {
                prop_assert!(!words.contains(secret.as_str()), "{secret:?} in {words:?}");
            }
            prop_assert!(words.len() <= LONGEST && !words.chars().any(char::is_control));
        }

        #[test]
        fn words_are_as_stable_as_their_text(raw in any::<String>().prop_map(|s| s + " id 4eb720f08da711e9a43e")) {
            let other = raw.replace("4eb720f08da711e9a43e", "0123456789abcdef0123");
            prop_assert!(words(&raw) == words(&other));
        }
    }
}
