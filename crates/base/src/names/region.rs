use serde::{Deserialize, Serialize};

use super::NameError;

/// The code of an AWS Region, as in `eu-central-1`.
///
/// Shape: lower-case words and a number joined by hyphens. Codes that are not
/// known yet are accepted: AWS adds Regions faster than tools are released.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(Box<str>);

super::string_name!(Region, "^[a-z]{2,6}(-[a-z]+)+-[0-9]{1,2}$");

/// Regions of the commercial partition that are enabled in every account and
/// cannot be disabled.
///
/// Source: AWS Account Management Reference Guide, "Enable or disable AWS
/// Regions in your account".
const ENABLED_BY_DEFAULT: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Regions of the commercial partition that an account must opt into.
const OPT_IN: [&str; 19] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    "sa-west-1",
];

impl Region {
    /// The Regions that every account of the commercial partition has.
    pub fn enabled_by_default() -> impl Iterator<Item = Self> {
        ENABLED_BY_DEFAULT.iter().map(|code| Self((*code).into()))
    }

    /// The Regions of the commercial partition that are off until opted into.
    pub fn opt_in() -> impl Iterator<Item = Self> {
        OPT_IN.iter().map(|code| Self((*code).into()))
    }

    /// Whether an account must opt into this Region before it can be used.
    ///
    /// Unknown Regions of the commercial partition count as opt-in, as every
    /// Region launched since March 2019 does; other partitions have none.
    #[must_use]
    pub fn is_opt_in(&self) -> bool {
        super::Partition::of(self) == super::Partition::Aws
            && !ENABLED_BY_DEFAULT.contains(&self.as_str())
    }

    fn check(found: &str) -> Result<(), NameError> {
        let parts: Vec<&str> = found.split('-').collect();
        let holds = match parts.as_slice() {
            [area, words @ .., number] => {
                (2..=6).contains(&area.len())
                    && area.bytes().all(|b| b.is_ascii_lowercase())
                    && !words.is_empty()
                    && words.iter().all(|word| {
                        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase())
                    })
                    && (1..=2).contains(&number.len())
                    && number.bytes().all(|b| b.is_ascii_digit())
            }
            _ => false,
        };
        if holds {
            return Ok(());
        }
        Err(NameError::new("a Region", found, "a Region's code, as in `eu-central-1`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_all_partitions_parse() {
        for code in ENABLED_BY_DEFAULT.iter().chain(&OPT_IN).chain(&[
            "cn-north-1",
            "us-gov-west-1",
            "us-isob-east-1",
            "eusc-de-east-1",
        ]) {
            assert!(code.parse::<Region>().is_ok(), "{code}");
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for found in ["", "us", "us-east", "US-EAST-1", "us-east-1a", "us--1", "useast1", "global"]
        {
            assert!(found.parse::<Region>().is_err(), "{found}");
        }
    }

    #[test]
    fn opt_in_is_known_and_assumed_for_new_regions() {
        assert!(!"us-east-1".parse::<Region>().unwrap().is_opt_in());
        assert!("me-south-1".parse::<Region>().unwrap().is_opt_in());
        assert!("eu-north-9".parse::<Region>().unwrap().is_opt_in());
        assert!(!"us-gov-west-1".parse::<Region>().unwrap().is_opt_in());
    }
}
