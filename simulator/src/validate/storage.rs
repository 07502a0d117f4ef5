//! `storageConfig` of start and update [API §3.4].

use std::fmt;

use super::{Fields, Refusal};

/// Bytes that the prefix may have, slashes included [API §3.4].
const PREFIX_LIMIT: usize = 128;
const VENDOR_S3: u64 = 1;
const VENDOR_OSS: u64 = 2;
const VENDOR_COS: u64 = 3;
const VENDOR_S3_COMPATIBLE: u64 = 11;

/// Where files go, and with which keys. One real S3 server stands for every vendor, so the vendor's number and region
/// are judged and then not needed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Storage {
    /// Bucket.
    pub bucket: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// Temporary token.
    pub sts_token: Option<String>,
    /// When the temporary token ends, Unix seconds.
    pub sts_expiration: Option<u64>,
    /// Path before the file name: empty, or ending in a slash.
    pub prefix: String,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("bucket", &self.bucket)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Judges `storageConfig`.
pub(super) fn storage(mut fields: Fields<'_>, notes: &mut Vec<String>) -> Result<Storage, Refusal> {
    let vendor = fields.integer("vendor", 0..=11)?.ok_or_else(|| fields.refuse("vendor", "is required"))?;
    let region = fields.integer("region", 0..=99)?.ok_or_else(|| fields.refuse("region", "is required"))?;
    if !region_exists(vendor, region)
        .ok_or_else(|| fields.refuse("vendor", "must be 1, 2, 3, 5, 6, 7, 8 or 11"))?
    {
        return Err(fields.refuse("region", &format!("{region} does not exist for vendor {vendor}")));
    }
    let bucket = fields.required_text("bucket")?.to_owned();
    let access_key = fields.required_text("accessKey")?.to_owned();
    let secret_key = fields.required_text("secretKey")?.to_owned();
    let sts_token = fields.text("stsToken")?.map(str::to_owned);
    let sts_expiration = fields.integer("stsExpiration", 0..=u64::MAX)?;
    if sts_token.is_some() {
        if ![VENDOR_S3, VENDOR_OSS, VENDOR_COS].contains(&vendor) {
            return Err(fields.refuse("stsToken", "is only for vendors 1, 2 and 3"));
        }
        if sts_expiration.is_none() {
            return Err(fields.refuse("stsExpiration", "is required with stsToken"));
        }
    }
    let prefix = prefix(&mut fields)?;
    extension_params(&mut fields, vendor, notes)?;
    fields.note_unknown(notes);
    Ok(Storage { bucket, access_key, secret_key, sts_token, sts_expiration, prefix })
}

fn prefix(fields: &mut Fields<'_>) -> Result<String, Refusal> {
    let parts = fields.list("fileNamePrefix", PREFIX_LIMIT)?.unwrap_or_default();
    let alphanumeric = |part: &String| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
    if !parts.iter().all(alphanumeric) {
        return Err(fields.refuse("fileNamePrefix", "must hold only letters and digits"));
    }
    let prefix: String = parts.iter().map(|part| format!("{part}/")).collect();
    if prefix.len() > PREFIX_LIMIT {
        return Err(fields.refuse("fileNamePrefix", "must not be longer than 128 with its slashes"));
    }
    Ok(prefix)
}

fn extension_params(fields: &mut Fields<'_>, vendor: u64, notes: &mut Vec<String>) -> Result<(), Refusal> {
    let Some(mut params) = fields.object("extensionParams")? else {
        if vendor == VENDOR_S3_COMPATIBLE {
            return Err(fields.refuse("extensionParams", "with an endpoint is required for vendor 11"));
        }
        return Ok(());
    };
    match params.text("sse")? {
        None => {}
        Some("kms" | "aes256") if vendor == VENDOR_S3 => {}
        Some("kms" | "aes256") => return Err(params.refuse("sse", "is only for vendor 1")),
        Some("") => notes.push("extensionParams.sse is empty; leave it out".to_owned()),
        Some(_) => return Err(params.refuse("sse", "must be kms or aes256")),
    }
    match params.text("tag")? {
        None => {}
        Some("") => notes.push("extensionParams.tag is empty; leave it out".to_owned()),
        Some(_) if [VENDOR_S3, VENDOR_OSS].contains(&vendor) => {}
        Some(_) => return Err(params.refuse("tag", "is only for vendors 1 and 2")),
    }
    let endpoint = params.text("endpoint")?.unwrap_or_default();
    if vendor == VENDOR_S3_COMPATIBLE && endpoint.is_empty() {
        return Err(params.refuse("endpoint", "is required for vendor 11"));
    }
    if endpoint.contains("://") || endpoint.contains('/') {
        return Err(params.refuse("endpoint", "must be a host name without a scheme"));
    }
    params.note_unknown(notes);
    Ok(())
}

/// Whether the vendor has that region; nothing if there is no such vendor. Vendors 5, 6 and 11 ignore the region.
fn region_exists(vendor: u64, region: u64) -> Option<bool> {
    match vendor {
        VENDOR_S3 => Some(region <= 25 || region == 28),
        VENDOR_OSS => Some(region <= 27),
        VENDOR_COS => Some(region <= 19),
        5 | 6 | VENDOR_S3_COMPATIBLE => Some(true),
        7 => Some(region <= 15),
        8 => Some(region <= 7),
        _ => None,
    }
}
