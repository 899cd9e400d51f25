use proptest::prelude::*;

use super::*;

const LOG: &str = "AWSLogs/111111111111/CloudTrail/us-east-2/2015/08/01/111111111111_CloudTrail_us-east-2_20150801T0210Z_Mu0KsOhtH1ar15ZZ.json.gz";
const ORG_DIGEST: &str = "audit/AWSLogs/o-exampleorgid/222222222222/CloudTrail-Digest/eu-west-1/2026/01/02/222222222222_CloudTrail-Digest_eu-west-1_my_org.trail_us-east-1_20260102T030405Z.json.gz";

#[test]
fn a_log_file_is_taken_apart() {
    let key: ObjectKey = LOG.parse().unwrap();
    assert_eq!(key.root(), &Root::default());
    assert_eq!(key.account().as_str(), "111111111111");
    assert_eq!(key.region().as_str(), "us-east-2");
    assert_eq!(key.time(), "2015-08-01T02:10:00Z".parse().unwrap());
    assert_eq!(
        key.kind(),
        &ObjectKind::Log { class: LogClass::Events, unique: "Mu0KsOhtH1ar15ZZ".into() }
    );
    assert_eq!(key.to_string(), LOG);
}

#[test]
fn a_digest_of_a_trail_with_underscores_is_taken_apart() {
    let key: ObjectKey = ORG_DIGEST.parse().unwrap();
    assert_eq!(key.root().prefix.as_deref(), Some("audit"));
    assert_eq!(key.root().org.as_ref().unwrap().as_str(), "o-exampleorgid");
    let ObjectKind::Digest { trail, home_region, backfill } = key.kind() else { panic!() };
    assert_eq!(
        (trail.as_str(), home_region.as_str(), *backfill),
        ("my_org.trail", "us-east-1", false)
    );
    assert_eq!(key.to_string(), ORG_DIGEST);
}

#[test]
fn a_backfill_digest_says_so() {
    let text = ORG_DIGEST.replace(".json.gz", "_backfill.json.gz");
    let key: ObjectKey = text.parse().unwrap();
    assert!(matches!(key.kind(), ObjectKind::Digest { backfill: true, .. }));
    assert_eq!(key.to_string(), text);
}

#[test]
fn every_class_of_log_has_its_folder() {
    for class in LogClass::ALL {
        let text = LOG.replace("CloudTrail", class.folder());
        let key: ObjectKey = text.parse().unwrap();
        assert!(matches!(key.kind(), ObjectKind::Log { class: found, .. } if *found == class));
        assert_eq!(key.to_string(), text);
    }
}

#[test]
fn a_control_tower_prefix_is_a_prefix() {
    let text = format!("o-exampleorgid/{LOG}");
    let key: ObjectKey = text.parse().unwrap();
    assert_eq!(key.root(), &Root { prefix: Some("o-exampleorgid".into()), org: None });
    let root = Root { prefix: None, org: Some("o-exampleorgid".parse().unwrap()) };
    let moved = key.under(&root);
    assert_eq!(moved.to_string(), LOG.replace("AWSLogs/", "AWSLogs/o-exampleorgid/"));
    assert!(moved.is_same_below_root(&key));
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    for (key, part, found) in [
        ("", "the folder", ""),
        ("AWSLogs/111111111111", "the account or organization", "111111111111"),
        ("AWSLogs/11111111111/CloudTrail/", "the account or organization", "11111111111"),
        ("AWSLogs/o-short/111111111111/", "the account or organization", "o-short"),
        (&LOG.replace("/CloudTrail/", "/Config/"), "the kind of object", "Config"),
        (&LOG.replace("/us-east-2/", "/us-east/"), "the Region", "us-east"),
        (
            &LOG.replace(".json.gz", ".json"),
            "the file name",
            "111111111111_CloudTrail_us-east-2_20150801T0210Z_Mu0KsOhtH1ar15ZZ.json",
        ),
        (&LOG.replace("ZZ.json", "Z.json"), "the unique part of the file name", "Mu0KsOhtH1ar15Z"),
        (&LOG.replace("T0210Z", "T2410Z"), "the time in the file name", "20150801T2410Z"),
        (&LOG.replace("T0210Z", "T210Z"), "the time in the file name", "20150801T210Z"),
        (
            &ORG_DIGEST.replace("_us-east-1_", "_global_"),
            "the home Region in the file name",
            "global",
        ),
        (
            &ORG_DIGEST.replace("my_org.trail", "my__trail"),
            "the trail in the file name",
            "my__trail",
        ),
    ] {
        let error = key.parse::<ObjectKey>().unwrap_err();
        assert_eq!((error.part, error.found.as_str()), (part, found), "{key}");
        assert!(key[error.at..].starts_with(found), "{key}");
    }
}

#[test]
fn a_folder_that_contradicts_the_file_is_reported() {
    for (key, part) in [
        (LOG.replace("/111111111111/", "/222222222222/"), "the account in the file name"),
        (LOG.replace("/CloudTrail/", "/CloudTrail-Insight/"), "the kind in the file name"),
        (LOG.replace("/us-east-2/", "/us-west-2/"), "the Region in the file name"),
        (LOG.replace("/2015/08/01/", "/2016/08/01/"), "the year"),
        (LOG.replace("/2015/08/01/", "/2015/09/01/"), "the month"),
        (LOG.replace("/2015/08/01/", "/2015/08/02/"), "the day"),
    ] {
        assert_eq!(key.parse::<ObjectKey>().unwrap_err().part, part, "{key}");
    }
}

#[test]
fn a_new_key_cuts_its_time_to_what_the_key_holds() {
    let parsed: ObjectKey = LOG.parse().unwrap();
    let time = "2015-08-01T02:10:59.9Z".parse().unwrap();
    let built = ObjectKey::new(
        Root::default(),
        parsed.account().clone(),
        parsed.region().clone(),
        time,
        parsed.kind().clone(),
    );
    assert_eq!(built.as_ref(), Some(&parsed));
    let kind = ObjectKind::Log { class: LogClass::Events, unique: "short".into() };
    let none = ObjectKey::new(
        Root::default(),
        parsed.account().clone(),
        parsed.region().clone(),
        time,
        kind,
    );
    assert_eq!(none, None);
}

/// Any prefix that a trail may have.
fn prefixes() -> impl Strategy<Value = String> {
    let folder = prop_oneof![
        Just(String::new()),
        Just("AWSLogs".to_owned()),
        Just("o-exampleorgid".to_owned()),
        Just("111111111111".to_owned()),
        Just("env=prod".to_owned()),
        Just("cloud trail".to_owned()),
        "[a-zA-Z0-9!_.*'()-]{1,40}",
        "\\PC{1,20}",
    ];
    let folders = proptest::collection::vec(folder, 1..8).prop_map(|folders| folders.join("/"));
    prop_oneof![folders, "\\PC{1,200}"]
        .prop_filter("a prefix", |text| text.parse::<crate::names::KeyPrefix>().is_ok())
}

fn keys() -> impl Strategy<Value = ObjectKey> {
    let root = (proptest::option::of(prefixes()), proptest::option::of("o-[a-z0-9]{10,32}"))
        .prop_map(|(prefix, org)| Root {
            prefix: prefix.map(Into::into),
            org: org.map(|org| org.parse().unwrap()),
        });
    let kind = prop_oneof![
        (0usize..4, "[a-zA-Z0-9]{16}").prop_map(|(class, unique)| ObjectKind::Log {
            class: LogClass::ALL[class],
            unique: unique.into()
        }),
        (
            "[a-zA-Z0-9]{3}([_.-][a-zA-Z0-9]{1,9}){0,4}",
            "(us|eu|ap)-[a-z]{4,9}-[1-9]",
            any::<bool>()
        )
            .prop_map(|(trail, home, backfill)| ObjectKind::Digest {
                trail: trail.parse().unwrap(),
                home_region: home.parse().unwrap(),
                backfill
            }),
    ];
    (root, "[0-9]{12}", "(us|eu|ap)-[a-z]{4,9}-[1-9]", 0i64..4_102_444_800, kind).prop_map(
        |(root, account, region, second, kind)| {
            ObjectKey::new(
                root,
                account.parse().unwrap(),
                region.parse().unwrap(),
                Timestamp::from_second(second).unwrap(),
                kind,
            )
            .unwrap()
        },
    )
}

proptest! {
    #[test]
    fn printing_and_parsing_are_inverse(key in keys()) {
        let text = key.to_string();
        prop_assert_eq!(text.parse::<ObjectKey>(), Ok(key));
    }

    #[test]
    fn whatever_parses_prints_the_same(
        text in "(a/)?AWSLogs/[01]{12}/CloudTrail(-Digest)?/us-east-1/20[0-9]{2}/[0-9]{2}/[0-9]{2}/[01]{12}_CloudTrail(-Digest)?_us-east-1_[a-zA-Z0-9_+-]{6,40}.json.gz"
    ) {
        if let Ok(key) = text.parse::<ObjectKey>() {
            prop_assert_eq!(key.to_string(), text);
        }
    }

    #[test]
    fn nothing_makes_the_parser_panic(text in "\\PC{0,60}") {
        let _ = text.parse::<ObjectKey>();
        let _ = format!("AWSLogs/{text}").parse::<ObjectKey>();
    }

    #[test]
    fn relocating_keeps_all_below_the_root(key in keys(), prefix in proptest::option::of("[a-z]{1,9}")) {
        let org = Some("o-exampleorgid".parse().unwrap());
        let root = Root { prefix: prefix.as_deref().map(Into::into), org };
        let moved = key.under(&root);
        prop_assert!(moved.is_same_below_root(&key));
        prop_assert_eq!(moved.under(&root), moved.clone());
        prop_assert_eq!(moved.under(key.root()), key);
    }
}
