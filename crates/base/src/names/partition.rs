use serde::{Deserialize, Serialize};

use super::{NameError, Region};

/// A partition of AWS: accounts, Regions and ARNs of one never mix with
/// another's.
///
/// Source: the AWS SDKs' `partitions.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Partition {
    /// The commercial Regions.
    Aws,
    /// China: `cn-north-1`, `cn-northwest-1`.
    AwsCn,
    /// AWS GovCloud (US).
    AwsUsGov,
    /// The European Sovereign Cloud.
    AwsEusc,
    /// US isolated, top secret.
    AwsIso,
    /// US isolated, secret.
    AwsIsoB,
    /// EU isolated.
    AwsIsoE,
    /// US isolated F.
    AwsIsoF,
}

const ALL: [(Partition, &str, &str, &str); 8] = [
    (Partition::AwsCn, "aws-cn", "amazonaws.com.cn", "cn-"),
    (Partition::AwsUsGov, "aws-us-gov", "amazonaws.com", "us-gov-"),
    (Partition::AwsEusc, "aws-eusc", "amazonaws.eu", "eusc-"),
    (Partition::AwsIsoB, "aws-iso-b", "sc2s.sgov.gov", "us-isob-"),
    (Partition::AwsIsoF, "aws-iso-f", "csp.hci.ic.gov", "us-isof-"),
    (Partition::AwsIsoE, "aws-iso-e", "cloud.adc-e.uk", "eu-isoe-"),
    (Partition::AwsIso, "aws-iso", "c2s.ic.gov", "us-iso-"),
    // Last: its Regions have no prefix of their own.
    (Partition::Aws, "aws", "amazonaws.com", ""),
];

impl Partition {
    /// The partition that a Region belongs to.
    #[must_use]
    pub fn of(region: &Region) -> Self {
        ALL.iter()
            .find(|(.., prefix)| region.as_str().starts_with(prefix))
            .map_or(Self::Aws, |(partition, ..)| *partition)
    }

    /// The partition as it stands in ARNs: `aws-us-gov`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The suffix of the partition's endpoints: `amazonaws.com.cn`.
    #[must_use]
    pub fn dns_suffix(self) -> &'static str {
        self.row().2
    }

    /// The Region that Organizations and Account Management live in, and that has their events.
    ///
    /// Source: the endpoint rules of the AWS SDKs.
    #[must_use]
    pub fn leading_region(self) -> &'static str {
        match self {
            Self::Aws => "us-east-1",
            Self::AwsCn => "cn-northwest-1",
            Self::AwsUsGov => "us-gov-west-1",
            Self::AwsEusc => "eusc-de-east-1",
            Self::AwsIso => "us-iso-east-1",
            Self::AwsIsoB => "us-isob-east-1",
            Self::AwsIsoE => "eu-isoe-west-1",
            Self::AwsIsoF => "us-isof-south-1",
        }
    }

    /// Whether CloudTrail accepts delegated administrators here: not in China.
    #[must_use]
    pub fn has_cloudtrail_delegated_administrators(self) -> bool {
        self != Self::AwsCn
    }

    fn row(self) -> &'static (Self, &'static str, &'static str, &'static str) {
        ALL.iter().find(|(partition, ..)| *partition == self).unwrap_or(&ALL[ALL.len() - 1])
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Partition {
    type Err = NameError;
    fn from_str(found: &str) -> Result<Self, NameError> {
        ALL.iter().find(|(_, name, ..)| *name == found).map(|(partition, ..)| *partition).ok_or_else(
            || {
                NameError::new(
                    "a partition",
                    found,
                    "one of aws, aws-cn, aws-us-gov, aws-eusc, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f",
                )
            },
        )
    }
}

impl TryFrom<String> for Partition {
    type Error = NameError;
    fn try_from(found: String) -> Result<Self, NameError> {
        found.parse()
    }
}

impl From<Partition> for &'static str {
    fn from(partition: Partition) -> Self {
        partition.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_tells_its_partition() {
        for (region, partition) in [
            ("us-east-1", Partition::Aws),
            ("cn-north-1", Partition::AwsCn),
            ("us-gov-west-1", Partition::AwsUsGov),
            ("us-iso-east-1", Partition::AwsIso),
            ("us-isob-east-1", Partition::AwsIsoB),
            ("eusc-de-east-1", Partition::AwsEusc),
        ] {
            assert_eq!(Partition::of(&region.parse().unwrap()), partition, "{region}");
        }
    }

    #[test]
    fn names_round_trip() {
        for (partition, name, ..) in ALL {
            assert_eq!(name.parse::<Partition>().unwrap(), partition);
            assert_eq!(partition.to_string(), name);
        }
    }
}
