//! RTC tokens: making one for a recorder (AccessToken2, prefix `007`), and reading what a token that somebody else
//! made is good for (`007`, and the older `006`).
//!
//! Layout as the vendor's own builders write it: integers are little-endian, a string is a 16-bit length and bytes, a
//! map is a 16-bit count and pairs of 16-bit key and 32-bit value. Whether a token is wanted is `material`'s.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

const VERSION_2: &str = "007";
const VERSION_1: &str = "006";
const SERVICE_RTC: u16 = 1;
const PRIVILEGE_JOIN_CHANNEL: u16 = 1;
/// The vendor lets no token live longer, whatever stands in it (vendor guide, tokens).
const LONGEST_LIFE: SignedDuration = SignedDuration::from_hours(24);
/// The vendor's builders draw the salt from 1 to 99999999.
const SALTS: u32 = 99_999_999;
/// Channel of a token that is good for every channel (vendor guide, wildcard tokens).
const ANY_CHANNEL: &str = "*";
/// Far above any real token; what a user gives us must not unpack to gigabytes.
const LARGEST: u64 = 64 * 1024;

/// Why a token can be neither made nor read. Never carries the token or the certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenProblem {
    /// The App ID is not one.
    #[error("cannot make a token: the App ID must be 32 hexadecimal characters")]
    AppId,
    /// The certificate is not one.
    #[error("must be the project's App Certificate, 32 hexadecimal characters")]
    Certificate,
    /// Not a token at all.
    #[error("is not an RTC token; one begins with 007 (or 006)")]
    Foreign,
    /// Begins like a token and cannot be read.
    #[error("begins like an RTC token and is damaged; copy it again")]
    Damaged,
    /// A token for another service of the vendor.
    #[error("is a token for another service of the vendor; an RTC token is needed")]
    NotRtc,
}

/// Whom a token must let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TokenFor<'a> {
    /// App ID.
    pub app_id: &'a str,
    /// Channel name.
    pub channel: &'a str,
    /// RTC uid.
    pub uid: i64,
}

/// Makes a token that lets its uid join its channel and do nothing else, from `issued` for `life` (24 h at most).
///
/// # Errors
/// App ID or certificate is not 32 hexadecimal characters.
pub fn build(
    wanted: &TokenFor<'_>,
    certificate: &str,
    issued: Timestamp,
    life: SignedDuration,
    random: u32,
) -> Result<String, TokenProblem> {
    if !is_id(wanted.app_id) {
        return Err(TokenProblem::AppId);
    }
    if !is_id(certificate) {
        return Err(TokenProblem::Certificate);
    }
    let issued = u32::try_from(issued.as_second()).unwrap_or(u32::MAX);
    let life = u32::try_from(life.min(LONGEST_LIFE).as_secs()).unwrap_or(0);
    let salt = random % SALTS + 1;
    let inner = sign(&info(wanted, issued, life, salt), certificate, issued, salt);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed =
        packed.write_all(&inner).and_then(|()| packed.finish()).expect("writing to memory does not fail");
    Ok(format!("{VERSION_2}{}", STANDARD.encode(packed)))
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The signed part.
fn info(wanted: &TokenFor<'_>, issued: u32, life: u32, salt: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, wanted.app_id.as_bytes());
    for number in [issued, life, salt] {
        out.extend(number.to_le_bytes());
    }
    let (services, privileges) = (1_u16, 1_u16);
    for number in [services, SERVICE_RTC, privileges, PRIVILEGE_JOIN_CHANNEL] {
        out.extend(number.to_le_bytes());
    }
    out.extend(life.to_le_bytes());
    put_bytes(&mut out, wanted.channel.as_bytes());
    put_bytes(&mut out, wanted.uid.to_string().as_bytes());
    out
}

/// The signature and the signed part behind it.
fn sign(info: &[u8], certificate: &str, issued: u32, salt: u32) -> Vec<u8> {
    let by_issue = hmac(&issued.to_le_bytes(), certificate.as_bytes());
    let key = hmac(&salt.to_le_bytes(), &by_issue);
    let mut out = Vec::new();
    put_bytes(&mut out, &hmac(&key, info));
    out.extend(info);
    out
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).expect("App IDs, channel names, uids and signatures are short");
    out.extend(length.to_le_bytes());
    out.extend(bytes);
}

/// What a token says of itself. Its signature is not judged: that takes the certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    app_id: String,
    grant: Grant,
    end: Timestamp,
}

/// For whom it is.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Grant {
    /// Version 2 spells them out; an empty uid stands for every uid.
    Named { channel: Vec<u8>, uid: Vec<u8> },
    /// Version 1 has check sums of them.
    Summed { channel: u32, uid: u32 },
}

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    /// It is none, is damaged, or is for another service.
    pub fn parse(text: &str) -> Result<Self, TokenProblem> {
        match text.split_at_checked(VERSION_2.len()) {
            Some((VERSION_2, packed)) => Self::parse_2(packed),
            Some((VERSION_1, rest)) => Self::parse_1(rest).ok_or(TokenProblem::Damaged),
            Some(_) | None => Err(TokenProblem::Foreign),
        }
    }

    /// When it ends: the earliest of its own end, the end of the right to join, and the vendor's limit of 24 hours.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    /// What about it differs from `wanted`, and the wanted value; `None` if it fits.
    pub fn differs(&self, wanted: &TokenFor<'_>) -> Option<(&'static str, String)> {
        let uid = wanted.uid.to_string();
        let (channel_fits, uid_fits) = match &self.grant {
            Grant::Named { channel, uid: own } => (
                channel == ANY_CHANNEL.as_bytes() || channel == wanted.channel.as_bytes(),
                own.is_empty() || own == b"0" || own == uid.as_bytes(),
            ),
            Grant::Summed { channel, uid: own } => {
                (*channel == crc32(wanted.channel), *own == crc32("") || *own == crc32(&uid))
            }
        };
        match () {
            () if !self.app_id.eq_ignore_ascii_case(wanted.app_id) => {
                Some(("App ID", wanted.app_id.to_owned()))
            }
            () if !channel_fits => Some(("channel", wanted.channel.to_owned())),
            () if !uid_fits => Some(("uid", uid)),
            () => None,
        }
    }

    fn parse_2(packed: &str) -> Result<Self, TokenProblem> {
        let inner = unpack(packed).ok_or(TokenProblem::Damaged)?;
        let mut reader = Reader(&inner);
        reader.bytes().ok_or(TokenProblem::Damaged)?;
        let mut head = || Some((reader.text()?, reader.u32()?, reader.u32()?, reader.u32()?, reader.u16()?));
        let (app_id, issued, life, _salt, services) = head().ok_or(TokenProblem::Damaged)?;
        // Services stand in the order of their numbers, RTC first. Others have fields of their own, so none behind
        // another one could be found.
        let mut service = || match (services, reader.u16()?) {
            (1.., SERVICE_RTC) => Some(Some((reader.map()?, reader.bytes()?, reader.bytes()?))),
            _ => Some(None),
        };
        let (rights, channel, uid) = service().ok_or(TokenProblem::Damaged)?.ok_or(TokenProblem::NotRtc)?;
        let join = rights.into_iter().find(|(right, _)| *right == PRIVILEGE_JOIN_CHANNEL);
        // 0: no end of its own.
        let join = join.map(|(_, seconds)| seconds).filter(|seconds| *seconds > 0).unwrap_or(life);
        let seconds = i64::from(life.min(join)).min(LONGEST_LIFE.as_secs());
        let end = Timestamp::from_second(i64::from(issued) + seconds).map_err(|_| TokenProblem::Damaged)?;
        Ok(Self { app_id, grant: Grant::Named { channel: channel.to_vec(), uid: uid.to_vec() }, end })
    }

    /// Version 1: App ID, then base64 of signature, check sums of channel and uid, and the message: salt, end, and
    /// rights with an end each, all in Unix seconds.
    fn parse_1(rest: &str) -> Option<Self> {
        let (app_id, packed) = rest.split_at_checked(32)?;
        let inner = STANDARD.decode(packed).ok()?;
        let mut reader = Reader(&inner);
        reader.bytes()?;
        let (channel, uid) = (reader.u32()?, reader.u32()?);
        let mut message = Reader(reader.bytes()?);
        let (_salt, end) = (message.u32()?, message.u32()?);
        let join = message.map()?.into_iter().find(|(right, _)| *right == PRIVILEGE_JOIN_CHANNEL);
        let join = join.map(|(_, end)| end).filter(|end| *end > 0).unwrap_or(end);
        Some(Self {
            app_id: app_id.to_owned(),
            grant: Grant::Summed { channel, uid },
            end: Timestamp::from_second(i64::from(end.min(join))).ok()?,
        })
    }
}

fn crc32(text: &str) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(text.as_bytes());
    sum.sum()
}

fn unpack(packed: &str) -> Option<Vec<u8>> {
    let packed = STANDARD.decode(packed).ok()?;
    let mut inner = Vec::new();
    ZlibDecoder::new(packed.as_slice()).take(LARGEST).read_to_end(&mut inner).ok()?;
    Some(inner)
}

/// Reads from the front; `None` where too little is left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn map(&mut self) -> Option<Vec<(u16, u32)>> {
        (0..self.u16()?).map(|_| Some((self.u16()?, self.u32()?))).collect()
    }
}

#[cfg(test)]
mod tests;
