use serde::{Deserialize, Serialize};

use super::{AccountId, NameError, Partition, Region};

/// An Amazon Resource Name, taken apart.
///
/// Shape: `arn:partition:service:region:account:resource`; Region and account
/// are empty for some services. Never written by hand: the partition differs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Arn {
    /// The partition, from the second field.
    pub partition: Partition,
    /// The service's namespace: `cloudtrail`, `iam`, `s3`.
    pub service: Box<str>,
    /// The Region, where the resource has one.
    pub region: Option<Region>,
    /// The owning account, where the ARN names one.
    pub account: Option<AccountId>,
    /// All after the fifth colon: `trail/orgtrail`, `role/path/name`.
    pub resource: Box<str>,
}

impl Arn {
    /// The ARN of a resource in one account and Region.
    #[must_use]
    pub fn regional(
        partition: Partition,
        service: &str,
        region: &Region,
        account: &AccountId,
        resource: impl Into<Box<str>>,
    ) -> Self {
        Self {
            partition,
            service: service.into(),
            region: Some(region.clone()),
            account: Some(account.clone()),
            resource: resource.into(),
        }
    }

    /// The ARN of a resource that an account has once, in no Region: IAM's,
    /// Organizations'.
    #[must_use]
    pub fn global(
        partition: Partition,
        service: &str,
        account: &AccountId,
        resource: impl Into<Box<str>>,
    ) -> Self {
        Self {
            partition,
            service: service.into(),
            region: None,
            account: Some(account.clone()),
            resource: resource.into(),
        }
    }

    /// The ARN of a bucket, or of keys in it (`bucket/prefix*`): neither Region
    /// nor account.
    #[must_use]
    pub fn s3(partition: Partition, resource: impl Into<Box<str>>) -> Self {
        Self {
            partition,
            service: "s3".into(),
            region: None,
            account: None,
            resource: resource.into(),
        }
    }

    /// What follows the resource's type: `orgtrail` of `trail/orgtrail`, `name`
    /// of `role/path/name`; the whole resource where it has no type.
    #[must_use]
    pub fn resource_name(&self) -> &str {
        self.resource.rsplit(['/', ':']).next().unwrap_or(&self.resource)
    }

    /// The resource's type: `trail` of `trail/orgtrail`; empty where it has none.
    #[must_use]
    pub fn resource_type(&self) -> &str {
        self.resource.split_once(['/', ':']).map_or("", |(kind, _)| kind)
    }
}

impl std::str::FromStr for Arn {
    type Err = NameError;
    fn from_str(found: &str) -> Result<Self, NameError> {
        let refuse = || {
            NameError::new(
                "an ARN",
                found,
                "`arn:partition:service:region:account:resource`, Region and account possibly empty",
            )
        };
        let mut fields = found.splitn(6, ':');
        let mut field = || fields.next().ok_or_else(refuse);
        if field()? != "arn" {
            return Err(refuse());
        }
        let partition = field()?.parse()?;
        let service: Box<str> = field()?.into();
        let region = match field()? {
            "" => None,
            code => Some(code.parse()?),
        };
        let account = match field()? {
            // Managed policies belong to AWS itself.
            "" | "aws" => None,
            id => Some(id.parse()?),
        };
        let resource: Box<str> = field()?.into();
        if service.is_empty() || resource.is_empty() {
            return Err(refuse());
        }
        Ok(Self { partition, service, region, account, resource })
    }
}

impl std::fmt::Display for Arn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let region = self.region.as_ref().map_or("", Region::as_str);
        let account = match &self.account {
            Some(account) => account.as_str(),
            None if &*self.service == "iam" => "aws",
            None => "",
        };
        let Self { partition, service, resource, .. } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl std::fmt::Debug for Arn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arn({self})")
    }
}

impl TryFrom<String> for Arn {
    type Error = NameError;
    fn try_from(found: String) -> Result<Self, NameError> {
        found.parse()
    }
}

impl From<Arn> for String {
    fn from(arn: Arn) -> String {
        arn.to_string()
    }
}

impl schemars::JsonSchema for Arn {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Arn".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:.+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_round_trip() {
        for text in [
            "arn:aws:cloudtrail:us-east-1:111111111111:trail/orgtrail",
            "arn:aws-cn:iam::111111111111:role/path/name",
            "arn:aws:s3:::acme-log-archive/AWSLogs/*",
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
            "arn:aws:logs:us-east-1:111111111111:log-group:/orgtrail:*",
        ] {
            assert_eq!(text.parse::<Arn>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_resource_has_a_type_and_a_name() {
        let arn: Arn = "arn:aws:iam::111111111111:role/path/name".parse().unwrap();
        assert_eq!((arn.resource_type(), arn.resource_name()), ("role", "name"));
    }

    #[test]
    fn what_is_no_arn_is_refused() {
        for text in [
            "",
            "arn",
            "arn:aws:s3:::",
            "arn:moon:s3:::bucket",
            "urn:aws:s3:::bucket",
            "arn:aws:iam::1111:role/x",
        ] {
            assert!(text.parse::<Arn>().is_err(), "{text}");
        }
    }
}
