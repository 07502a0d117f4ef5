//! Region names of the storage vendors, and the numbers that Agora gives them (`storageConfig.region`).
//!
//! Owns the tables of the vendor's reference. Whether a vendor has regions at all is the schema's rule.

use crate::api::spec::StorageVendor;

/// A region name that no table knows.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "storage.region `{value}` is not a region of {vendor:?} that Agora has a number for; it must be one of: {}. \
     For a newer region set storage.regionCode to the number in Agora's reference instead",
    known.join(", ")
)]
pub struct UnknownRegion {
    /// The storage vendor.
    pub vendor: StorageVendor,
    /// What was given.
    pub value: String,
    /// Names that are known, in the order of Agora's numbers.
    pub known: Vec<&'static str>,
}

/// One region: the storage vendor's own name, Agora's number, and other spellings that people meet.
struct Region(&'static str, i32, &'static [&'static str]);

/// Agora's number of a region, by the storage vendor's own name or by Agora's spelling of it, in any letter case and
/// with `_` for `-`.
///
/// # Errors
/// The name is in no table of that vendor. Vendors without regions know no name at all.
pub fn region_number(vendor: StorageVendor, name: &str) -> Result<i32, UnknownRegion> {
    let wanted = name.trim().to_ascii_lowercase().replace('_', "-");
    let wanted = match vendor {
        // The host names and the SDKs of OSS carry the prefix, its console does not.
        StorageVendor::AliyunOSS => wanted.strip_prefix("oss-").unwrap_or(&wanted),
        _ => &wanted,
    };
    let table = table(vendor);
    table
        .iter()
        .find(|region| region.0 == wanted || region.2.contains(&wanted))
        .map(|region| region.1)
        .ok_or_else(|| UnknownRegion {
            vendor,
            value: name.to_owned(),
            known: table.iter().map(|region| region.0).collect(),
        })
}

fn table(vendor: StorageVendor) -> &'static [Region] {
    match vendor {
        StorageVendor::AmazonS3 => AMAZON_S3,
        StorageVendor::AliyunOSS => ALIYUN_OSS,
        StorageVendor::TencentCOS => TENCENT_COS,
        StorageVendor::HuaweiOBS => HUAWEI_OBS,
        StorageVendor::BaiduBOS => BAIDU_BOS,
        StorageVendor::AzureBlob | StorageVendor::GoogleCloudStorage | StorageVendor::S3Compatible => &[],
    }
}

/// `vendor` 1. 17 and 23 are in older references only, 28 in one page of 2024.
const AMAZON_S3: &[Region] = &[
    Region("us-east-1", 0, &[]),
    Region("us-east-2", 1, &[]),
    Region("us-west-1", 2, &[]),
    Region("us-west-2", 3, &[]),
    Region("eu-west-1", 4, &[]),
    Region("eu-west-2", 5, &[]),
    Region("eu-west-3", 6, &[]),
    Region("eu-central-1", 7, &[]),
    Region("ap-southeast-1", 8, &[]),
    Region("ap-southeast-2", 9, &[]),
    Region("ap-northeast-1", 10, &[]),
    Region("ap-northeast-2", 11, &[]),
    Region("sa-east-1", 12, &[]),
    Region("ca-central-1", 13, &[]),
    Region("ap-south-1", 14, &[]),
    Region("cn-north-1", 15, &[]),
    Region("cn-northwest-1", 16, &[]),
    Region("us-gov-west-1", 17, &[]),
    Region("af-south-1", 18, &[]),
    Region("ap-east-1", 19, &[]),
    Region("ap-northeast-3", 20, &[]),
    Region("eu-north-1", 21, &[]),
    Region("me-south-1", 22, &[]),
    Region("us-gov-east-1", 23, &[]),
    Region("ap-southeast-3", 24, &[]),
    Region("eu-south-1", 25, &[]),
    Region("il-central-1", 28, &[]),
];

/// `vendor` 2. For 26 and 27 the English reference prints another name than the Chinese one.
const ALIYUN_OSS: &[Region] = &[
    Region("cn-hangzhou", 0, &[]),
    Region("cn-shanghai", 1, &[]),
    Region("cn-qingdao", 2, &[]),
    Region("cn-beijing", 3, &[]),
    Region("cn-zhangjiakou", 4, &[]),
    Region("cn-huhehaote", 5, &[]),
    Region("cn-shenzhen", 6, &[]),
    Region("cn-hongkong", 7, &[]),
    Region("us-west-1", 8, &[]),
    Region("us-east-1", 9, &[]),
    Region("ap-southeast-1", 10, &[]),
    Region("ap-southeast-2", 11, &[]),
    Region("ap-southeast-3", 12, &[]),
    Region("ap-southeast-5", 13, &[]),
    Region("ap-northeast-1", 14, &[]),
    Region("ap-south-1", 15, &[]),
    Region("eu-central-1", 16, &[]),
    Region("eu-west-1", 17, &[]),
    Region("eu-east-1", 18, &[]),
    Region("ap-southeast-6", 19, &[]),
    Region("cn-heyuan", 20, &[]),
    Region("cn-guangzhou", 21, &[]),
    Region("cn-chengdu", 22, &[]),
    Region("cn-nanjing", 23, &[]),
    Region("cn-fuzhou", 24, &[]),
    Region("cn-wulanchabu", 25, &[]),
    Region("ap-northeast-2", 26, &["cn-northeast-2"]),
    Region("ap-southeast-7", 27, &["cn-southeast-7"]),
];

/// `vendor` 3.
const TENCENT_COS: &[Region] = &[
    Region("ap-beijing-1", 0, &[]),
    Region("ap-beijing", 1, &[]),
    Region("ap-shanghai", 2, &[]),
    Region("ap-guangzhou", 3, &[]),
    Region("ap-chengdu", 4, &[]),
    Region("ap-chongqing", 5, &[]),
    Region("ap-shenzhen-fsi", 6, &[]),
    Region("ap-shanghai-fsi", 7, &[]),
    Region("ap-beijing-fsi", 8, &[]),
    Region("ap-hongkong", 9, &[]),
    Region("ap-singapore", 10, &[]),
    Region("ap-mumbai", 11, &[]),
    Region("ap-seoul", 12, &[]),
    Region("ap-bangkok", 13, &[]),
    Region("ap-tokyo", 14, &[]),
    Region("na-siliconvalley", 15, &[]),
    Region("na-ashburn", 16, &[]),
    Region("na-toronto", 17, &[]),
    Region("eu-frankfurt", 18, &[]),
    Region("eu-moscow", 19, &[]),
];

/// `vendor` 7.
const HUAWEI_OBS: &[Region] = &[
    Region("cn-north-1", 0, &[]),
    Region("cn-north-4", 1, &[]),
    Region("cn-east-2", 2, &[]),
    Region("cn-east-3", 3, &[]),
    Region("cn-south-1", 4, &[]),
    Region("cn-southwest-2", 5, &[]),
    Region("ap-southeast-1", 6, &[]),
    Region("ap-southeast-2", 7, &[]),
    Region("ap-southeast-3", 8, &[]),
    Region("af-south-1", 9, &[]),
    Region("sa-argentina-1", 10, &[]),
    Region("sa-peru-1", 11, &[]),
    Region("na-mexico-1", 12, &[]),
    Region("sa-brazil-1", 13, &[]),
    Region("la-south-2", 14, &[]),
    Region("sa-chile-1", 15, &[]),
];

/// `vendor` 8: the ids in the host names of BOS, and the city names that Agora prints. 0 is in older references only.
const BAIDU_BOS: &[Region] = &[
    Region("bj", 0, &["beijing"]),
    Region("bd", 1, &["baoding"]),
    Region("su", 2, &["suzhou"]),
    Region("gz", 3, &["guangzhou"]),
    Region("hkg", 4, &["hongkong"]),
    Region("sin", 5, &["singapore"]),
    Region("fwh", 6, &["wuhan"]),
    Region("fsh", 7, &["shanghai"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_either_spelling_have_agoras_number() {
        use StorageVendor::{AliyunOSS, AmazonS3, BaiduBOS, HuaweiOBS, TencentCOS};
        for (vendor, name, number) in [
            (AmazonS3, "us-east-1", 0),
            (AmazonS3, "US_EAST_1", 0),
            (AmazonS3, "cn-northwest-1", 16),
            (AmazonS3, "eu-south-1", 25),
            (AmazonS3, "IL_CENTRAL_1", 28),
            (AliyunOSS, "cn-hangzhou", 0),
            (AliyunOSS, "oss-cn-hangzhou", 0),
            (AliyunOSS, "CN_Beijing", 3),
            (AliyunOSS, "oss_cn_wulanchabu", 25),
            (AliyunOSS, "ap-northeast-2", 26),
            (AliyunOSS, "CN_Northeast_2", 26),
            (AliyunOSS, "CN_Southeast_7", 27),
            (TencentCOS, "ap-beijing-1", 0),
            (TencentCOS, "ap-beijing", 1),
            (TencentCOS, "AP_Shenzhen_FSI", 6),
            (TencentCOS, "eu-moscow", 19),
            (HuaweiOBS, "cn-north-4", 1),
            (HuaweiOBS, "LA_South_2", 14),
            (HuaweiOBS, "sa-chile-1", 15),
            (BaiduBOS, "bj", 0),
            (BaiduBOS, "gz", 3),
            (BaiduBOS, "Wuhan", 6),
            (BaiduBOS, "fsh", 7),
        ] {
            assert_eq!(region_number(vendor, name), Ok(number), "{vendor:?} {name}");
        }
    }

    #[test]
    fn no_name_and_no_number_stands_twice_in_a_table() {
        for table in [AMAZON_S3, ALIYUN_OSS, TENCENT_COS, HUAWEI_OBS, BAIDU_BOS] {
            let mut names: Vec<&str> =
                table.iter().flat_map(|region| region.2.iter().copied().chain([region.0])).collect();
            let mut numbers: Vec<i32> = table.iter().map(|region| region.1).collect();
            let (all_names, all_numbers) = (names.len(), numbers.len());
            names.sort_unstable();
            names.dedup();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!((names.len(), numbers.len()), (all_names, all_numbers));
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        let refused = region_number(StorageVendor::HuaweiOBS, "us-east-1").unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("`us-east-1`") && text.contains("HuaweiOBS"), "{text}");
        assert!(text.contains("cn-north-4") && text.contains("regionCode"), "{text}");
        assert!(region_number(StorageVendor::AzureBlob, "us-east-1").is_err());
        // The prefix belongs to OSS alone.
        assert!(region_number(StorageVendor::AmazonS3, "oss-us-east-1").is_err());
    }
}
