//! Request bodies: from JSON to what the service works with, after the rules of the vendor's reference [API §§2-6].
//! Owns what a body may be; what then happens is the service's.

mod acquire;
mod fields;
mod recording;
mod start;
mod stop;
mod storage;
mod subscription;
mod update;

pub(crate) use acquire::channel_name_is_valid;
pub use acquire::{Acquire, acquire};
pub use fields::{Fields, Refusal};
pub use recording::{Profile, Recording, StreamTypes};
pub use start::{Start, Task, start};
pub use stop::{Stop, stop};
pub use storage::Storage;
pub use subscription::{Selection, Subscription};
pub use update::{Update, update};

/// The two keys that every body of a session's call carries: the channel name as sent, and the recorder uid.
fn identity(fields: &mut Fields<'_>) -> Result<(String, u32), Refusal> {
    let cname = fields.required_text("cname")?.to_owned();
    let uid = fields.required_text("uid")?;
    Ok((cname, parse_uid(uid).ok_or_else(|| fields.refuse("uid", UID_RULE))?))
}

const UID_RULE: &str = "must be a decimal string from \"1\" to \"4294967295\"";

/// A uid as a decimal string without sign, blanks or leading zeros, and not zero [API §2].
fn parse_uid(text: &str) -> Option<u32> {
    text.parse::<u32>().ok().filter(|uid| *uid != 0 && uid.to_string() == text)
}
