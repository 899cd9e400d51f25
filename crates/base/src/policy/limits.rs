use super::PolicyDocument;

/// What a policy is attached to, which decides how large it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// A bucket's policy: 20 KB.
    Bucket,
    /// A KMS key's policy: 32 KB.
    Key,
    /// An SNS topic's policy: 30 KB.
    Topic,
    /// An SQS queue's policy: 8,192 bytes.
    Queue,
    /// Who may assume a role: 2,048 characters unless the quota was raised.
    RoleTrust,
    /// The inline permissions of a role: 10,240 characters.
    RolePermissions,
    /// A service control policy: 10,240 characters, 5,120 until May 2026.
    ServiceControl,
}

/// A policy larger than AWS accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {kind} would have {found} characters, AWS accepts {limit}")]
pub struct TooLarge {
    /// What the policy is for.
    pub kind: &'static str,
    /// Its size as compact JSON.
    pub found: usize,
    /// The largest size that AWS accepts.
    pub limit: usize,
}

impl PolicyKind {
    /// Refuses a document that AWS would refuse for its size.
    pub fn check(self, document: &PolicyDocument) -> Result<(), TooLarge> {
        let (kind, limit) = match self {
            Self::Bucket => ("bucket policy", 20 * 1024),
            Self::Key => ("key policy", 32 * 1024),
            Self::Topic => ("topic policy", 30 * 1024),
            Self::Queue => ("queue policy", 8_192),
            Self::RoleTrust => ("trust policy of the role", 2_048),
            Self::RolePermissions => ("permission policy of the role", 10_240),
            Self::ServiceControl => ("service control policy", 10_240),
        };
        let found = document.to_json().chars().count();
        if found > limit { Err(TooLarge { kind, found, limit }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Statement;

    #[test]
    fn a_policy_past_the_limit_is_refused_with_both_numbers() {
        let readers = (0..600).map(|n| format!("arn:aws:iam::{n:012}:role/reader"));
        let document = PolicyDocument::new(vec![Statement::allow("A").principals(readers)]);
        let error = PolicyKind::Bucket.check(&document).unwrap_err();
        assert_eq!(error.limit, 20_480);
        assert!(error.to_string().contains("20480"), "{error}");
        assert_eq!(PolicyKind::Key.check(&document), Ok(()));
    }
}
