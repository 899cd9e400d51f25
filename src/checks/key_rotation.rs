use super::judge::{as_declared, of_key};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

pub(super) const CHECK: Check = Check {
    id: "key-rotation",
    title: "the key is rotated as declared",
    severity: Severity::High,
    why: "A key that is never rotated encrypts more and more under one secret.",
    fix: "orgtrail drift --fix",
    resources: &["kms-key/rotation"],
    mappings: &[
        Mapping { framework: Framework::Cis, id: "3.6" },
        Mapping { framework: Framework::SecurityHub, id: "KMS.4" },
        Mapping { framework: Framework::Config, id: "cmk-backing-key-rotation-enabled" },
        Mapping { framework: Framework::Prowler, id: "kms_cmk_rotation_enabled" },
        Mapping { framework: Framework::Checkov, id: "CKV_AWS_7" },
    ],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    of_key(facts, as_declared(facts, "kms-key/rotation"))
}
