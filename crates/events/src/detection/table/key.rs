use super::{CLOUD_LOG, call_rules};
use crate::detection::facts::Kind;
use crate::detection::rule::{About, Calls};

const KEY: About = About::Resource(Kind::Key);

pub(super) const CALLS: &[Calls] = call_rules! {
    "key-disabled" Critical "kms.amazonaws.com" ["DisableKey"]
        about KEY;
        techniques &["T1685.002", "T1562.008", "T1485"];
        title "A key of the trail was disabled";
        why "CloudTrail cannot deliver logs, and nobody can read those that are encrypted with the key.";
        fix "Enable the key (`orgtrail apply`); deliveries that failed are repeated for 30 days.";
    "key-deletion-scheduled" Critical "kms.amazonaws.com"
        ["ScheduleKeyDeletion", "DeleteImportedKeyMaterial"]
        about KEY;
        techniques &["T1685.002", "T1562.008", "T1485"];
        title "The deletion of a key of the trail was scheduled";
        why "The key is unusable at once, and once it is deleted, no log that it encrypts can ever be read again.";
        fix "Cancel the deletion (`aws kms cancel-key-deletion`) and enable the key at once.";
    "key-policy-changed" High "kms.amazonaws.com" ["PutKeyPolicy"] applied true
        about KEY;
        techniques CLOUD_LOG;
        title "The policy of a key of the trail was changed";
        why "The policy decides whether CloudTrail can encrypt logs, and who reads them.";
        fix "Compare the policy with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "key-grant-created" Medium "kms.amazonaws.com" ["CreateGrant"]
        about KEY;
        techniques &["T1098", "T1530"];
        title "A grant of a key of the trail was created";
        why "A grant lets its grantee decrypt logs, beside the key's policy.";
        fix "Check who the grantee is (`aws kms list-grants`), and revoke the grant if it is not expected.";
    "key-rotation-disabled" Low "kms.amazonaws.com" ["DisableKeyRotation"] applied true
        about KEY;
        techniques CLOUD_LOG;
        title "Rotation of a key of the trail was disabled";
        why "Without rotation, a key's material is used for ever.";
        fix "Compare the key with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "key-alias-changed" High "kms.amazonaws.com" ["UpdateAlias", "DeleteAlias"]
        about KEY;
        techniques CLOUD_LOG;
        title "The alias of a key of the trail was changed";
        why "The alias can point to someone else's key, with which logs are then encrypted.";
        fix "Compare the key with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
};
