//! RTC tokens (AccessToken2, prefix `007`) as a recorder presents them [API §17]. Owns their verification; building
//! them is done by tests alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes that a token may unpack to; real ones have about 200.
const INNER_LIMIT: usize = 16 * 1024;
const RTC_SERVICE: u16 = 1;
const JOIN_CHANNEL: u16 = 1;

/// What a token has to be for.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// App ID.
    pub app_id: &'a str,
    /// Channel name.
    pub cname: &'a str,
    /// Recorder uid.
    pub uid: u32,
}

/// What a token is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It lets the recorder in until a time, Unix seconds.
    Good {
        /// When.
        until: u64,
    },
    /// It did once.
    Expired,
    /// It does not, and why.
    Wrong(&'static str),
}

/// Judges a token at a time (Unix seconds).
pub fn verify(token: &str, app_certificate: &str, claim: Claim<'_>, now: u64) -> Verdict {
    match join_end(token, app_certificate, claim) {
        Ok(until) if until <= now => Verdict::Expired,
        Ok(until) => Verdict::Good { until },
        Err(why) => Verdict::Wrong(why),
    }
}

/// When the right to join ends, Unix seconds.
fn join_end(token: &str, app_certificate: &str, claim: Claim<'_>) -> Result<u64, &'static str> {
    if token.is_empty() {
        return Err("none was sent");
    }
    let packed = token.strip_prefix("007").ok_or("does not begin with 007")?;
    let zipped = STANDARD.decode(packed).map_err(|_| "is not base64")?;
    let inner = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&zipped, INNER_LIMIT)
        .map_err(|_| "cannot be decompressed")?;
    let mut reader = Reader(&inner);
    let signature = reader.bytes()?.to_vec();
    let signed = reader.0;

    let app_id = reader.text()?;
    let issued = reader.number()?;
    let expires = reader.number()?;
    let salt = reader.number()?;
    let services = reader.short()?;

    let key = hmac(&issued.to_le_bytes(), app_certificate.as_bytes());
    let key = hmac(&salt.to_le_bytes(), &key);
    let mut check = mac(&key);
    check.update(signed);
    check.verify_slice(&signature).map_err(|_| "is not signed with the App Certificate")?;
    if app_id != claim.app_id {
        return Err("is for another App ID");
    }
    if services == 0 || reader.short()? != RTC_SERVICE {
        // Services stand in ascending order, and RTC is the first.
        return Err("has no RTC service");
    }
    let privileges = reader.privileges()?;
    let (cname, uid) = (reader.text()?, reader.text()?);
    if cname != claim.cname {
        return Err("is for another channel");
    }
    // An empty uid is a token for everybody.
    if !uid.is_empty() && uid != claim.uid.to_string() {
        return Err("is for another uid");
    }
    let join = privileges.iter().find(|(key, _)| *key == JOIN_CHANNEL).map(|(_, seconds)| *seconds);
    let seconds = join.ok_or("does not give the right to join")?;
    let lives = if seconds == 0 { expires } else { seconds.min(expires) };
    Ok(u64::from(issued) + u64::from(lives))
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = mac(key);
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Little-endian numbers, and strings after their length.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (head, tail) = self.0.split_at_checked(length).ok_or("ends too early")?;
        self.0 = tail;
        Ok(head)
    }

    fn short(&mut self) -> Result<u16, &'static str> {
        let bytes = self.take(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn number(&mut self) -> Result<u32, &'static str> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.short()?;
        self.take(usize::from(length))
    }

    fn text(&mut self) -> Result<&'a str, &'static str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "holds text that is not UTF-8")
    }

    fn privileges(&mut self) -> Result<Vec<(u16, u32)>, &'static str> {
        let count = self.short()?;
        (0..count).map(|_| Ok((self.short()?, self.number()?))).collect()
    }
}
