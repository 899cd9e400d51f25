use super::judge::{as_declared, of_key, together};
use super::{Answer, Check, Facts, Framework, Mapping, Severity};

pub(super) const CHECK: Check = Check {
    id: "key-enabled",
    title: "the key is enabled, in the bucket's Region, and not pending deletion",
    severity: Severity::Critical,
    why: "With a disabled key no log arrives and none can be read; with a deleted one they are lost for ever.",
    fix: "orgtrail drift --fix; for a key pending deletion aws kms cancel-key-deletion --key-id ID",
    resources: &["kms-key", "kms-key/alias"],
    mappings: &[
        Mapping { framework: Framework::SecurityHub, id: "KMS.3" },
        Mapping { framework: Framework::Prowler, id: "kms_cmk_not_deleted_unintentionally" },
    ],
    judge,
};

fn judge(facts: &Facts) -> Vec<Answer> {
    let parts = ["kms-key", "kms-key/alias"].map(|id| as_declared(facts, id));
    of_key(facts, together(parts))
}
