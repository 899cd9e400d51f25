use super::Check;
use super::alarms::CHECKS as ALARMS;
use crate::config::CHECK_IDS;

/// Every check, in the order in which reports show them.
pub const CATALOGUE: &[&Check] = &{
    let mut all = [ABOVE_ALARMS[0]; ABOVE_ALARMS.len() + ALARMS.len() + BELOW_ALARMS.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = match at.checked_sub(ABOVE_ALARMS.len()) {
            None => ABOVE_ALARMS[at],
            Some(alarm) if alarm < ALARMS.len() => &ALARMS[alarm],
            Some(below) => BELOW_ALARMS[below - ALARMS.len()],
        };
        at += 1;
    }
    all
};

// The configuration knows checks by their ids only: `config::CHECK_IDS` must list these.
const _: () = {
    assert!(CATALOGUE.len() == CHECK_IDS.len(), "config/check_id.rs must list each check");
    let mut at = 0;
    while at < CATALOGUE.len() {
        let (id, listed) = (CATALOGUE[at].id.as_bytes(), CHECK_IDS[at].as_bytes());
        assert!(id.len() == listed.len(), "config/check_id.rs must list the checks in this order");
        let mut byte = 0;
        while byte < id.len() {
            assert!(
                id[byte] == listed[byte],
                "config/check_id.rs must list the checks in this order"
            );
            byte += 1;
        }
        at += 1;
    }
};

/// Those that reports show above the alarms'.
const ABOVE_ALARMS: &[&Check] = &[
    &super::trail_multi_region::CHECK,
    &super::trail_is_logging::CHECK,
    &super::trail_kms::CHECK,
    &super::trail_log_validation::CHECK,
    &super::trail_cloudwatch_logs::CHECK,
    &super::declared::TRAIL_INSIGHTS,
    &super::trail_data_events::CHECK,
    &super::trail_selectors_named::CHECK,
    &super::trail_notifies::CHECK,
    &super::declared::TRAIL_TAGS,
    &super::trail_duplicates::CHECK,
    &super::org_trail_identity::CHECK,
    &super::declared::ORG_TRUSTED_ACCESS,
    &super::declared::ORG_DELEGATED_ADMINS,
    &super::org_coverage::CHECK,
    &super::org_delivery_freshness::CHECK,
    &super::org_digest_chain::CHECK,
    &super::org_unmanaged_trails::CHECK,
    &super::org_new_accounts::CHECK,
    &super::org_root_access::CHECK,
    &super::guardrail_scp::CHECK,
    &super::rcp_archive::CHECK,
    &super::bucket_public_access::CHECK,
    &super::declared::BUCKET_OWNERSHIP,
    &super::bucket_tls_only::CHECK,
    &super::declared::BUCKET_ENCRYPTION,
    &super::bucket_policy_source_arn::CHECK,
    &super::bucket_policy_digest_safe::CHECK,
    &super::bucket_cross_account::CHECK,
    &super::declared::BUCKET_VERSIONING,
    &super::bucket_object_lock::CHECK,
    &super::bucket_mfa_delete::CHECK,
    &super::declared::BUCKET_LIFECYCLE,
    &super::bucket_retention_conflict::CHECK,
    &super::declared::BUCKET_ACCESS_LOGGING,
    &super::declared::BUCKET_REPLICATION,
    &super::declared::BUCKET_NOTIFICATIONS,
    &super::declared::KEY_ENABLED,
    &super::declared::KEY_ROTATION,
    &super::key_not_public::CHECK,
    &super::key_policy_scope::CHECK,
    &super::key_single_region::CHECK,
    &super::log_group_encrypted::CHECK,
    &super::log_group_retention::CHECK,
];

/// Those that reports show below the alarms'.
const BELOW_ALARMS: &[&Check] = &[
    &super::neighbors::CONFIG,
    &super::neighbors::GUARDDUTY,
    &super::neighbors::SECURITY_HUB,
    &super::undeclared::CHECK,
    &super::plan_empty::CHECK,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::resources::catalogue::CATALOGUE as RESOURCES;

    /// Files of this folder without a check of their own.
    const OTHERS: [&str; 13] = [
        "catalogue",
        "causes",
        "chains",
        "check",
        "coverage",
        "facts",
        "finding",
        "gather",
        "judge",
        "mod",
        "newest",
        "principals",
        "run",
    ];

    #[test]
    fn every_file_of_a_check_is_in_the_catalogue() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/checks");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                Some(name.strip_suffix(".rs")?.to_owned())
            })
            .filter(|name| !OTHERS.contains(&name.as_str()))
            .collect();
        let source = include_str!("catalogue.rs");
        for file in files {
            assert!(source.contains(&format!("{file}::")), "{file}.rs is not in the catalogue");
        }
    }

    #[test]
    fn ids_are_kebab_case_and_unique() {
        let ids: BTreeSet<&str> = CATALOGUE.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), CATALOGUE.len());
        for id in ids {
            let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            assert!(id.chars().all(fine), "{id}");
        }
    }

    #[test]
    fn every_check_says_why_and_how_to_fix_it() {
        for check in CATALOGUE {
            assert!(check.why.ends_with('.'), "{}", check.id);
            assert!(!check.title.ends_with('.'), "{}", check.id);
            assert!(check.fix.contains("orgtrail ") || check.fix.contains("aws "), "{}", check.id);
            for id in check.resources {
                assert!(RESOURCES.iter().any(|entry| entry.id == *id), "{}: {id}", check.id);
            }
        }
    }
}
