//! Chains that lie elsewhere than they were written, and beside others.

use orgtrail::archive::key::ObjectKey;
use orgtrail::archive::verify::chain::Window;
use orgtrail::archive::verify::finding::{FindingKind, Severity};
use orgtrail::archive::verify::place::OrgOwner;
use orgtrail::archive::verify::run::Request;
use orgtrail::report::verification::{Subject, aws_cli};

use crate::forge::{Bucket, Chain};
use crate::verified::{at, kinds, only, period, six_hours, verified, verified_with};

#[test]
fn a_relocated_archive_is_proven_where_it_is() {
    let (bucket, _) = six_hours();
    for prefix in [None, Some("archive/logs")] {
        let moved = bucket.relocated("o-exampleorgid", prefix);
        let all = verified(&moved);
        assert_eq!(kinds(&all), []);
        assert_eq!((all.scopes[0].chains[0].valid, all.scopes[0].chains[0].relocated), (6, 6));
        let declared: ObjectKey = moved.objects.keys().next().unwrap().parse().unwrap();
        let all = verified_with(&moved, |request| request.declared = Some(declared.root().clone()));
        assert_eq!(kinds(&all), []);
    }
    // Somewhere else than the mapping says, it is authentic and not in place.
    let moved = bucket.relocated("o-exampleorgid", Some("elsewhere"));
    let all = verified_with(&moved, |request| {
        let wanted: ObjectKey = bucket
            .relocated("o-exampleorgid", None)
            .objects
            .keys()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        request.declared = Some(wanted.root().clone());
    });
    let found = all.all_findings().find(|f| f.kind == FindingKind::DigestMoved).unwrap();
    assert!(found.found.as_ref().unwrap().ends_with("it is authentic there"));
}

#[test]
fn a_digest_in_anothers_place_is_moved() {
    let (mut bucket, chain) = six_hours();
    let old = bucket.objects[&chain.digests[1]].clone();
    bucket.objects.insert(chain.digests[3].clone(), old);
    let all = verified(&bucket);
    let moved: Vec<_> = all.all_findings().filter(|f| f.severity == Severity::Broken).collect();
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].kind, FindingKind::DigestMoved);
    assert_eq!(moved[0].key.as_deref(), Some(chain.digests[3].as_str()));
}

#[test]
fn swapped_digests_are_both_moved() {
    let (mut bucket, chain) = six_hours();
    let (a, b) =
        (bucket.objects[&chain.digests[1]].clone(), bucket.objects[&chain.digests[2]].clone());
    bucket.objects.insert(chain.digests[1].clone(), b);
    bucket.objects.insert(chain.digests[2].clone(), a);
    let all = verified(&bucket);
    let broken: Vec<_> =
        all.all_findings().filter(|f| f.severity == Severity::Broken).map(|f| f.kind).collect();
    assert_eq!(broken, [FindingKind::DigestMoved; 2]);
}

#[test]
fn a_foreign_digest_does_not_hide_the_chain_behind_it() {
    let (mut bucket, chain) = six_hours();
    let copy = bucket.objects[&chain.digests[1]].clone();
    let between = chain.digests[2].replace("T110000Z", "T113000Z");
    assert_ne!(between, chain.digests[2]);
    bucket.objects.insert(between.clone(), copy);
    let all = verified(&bucket);
    let found = only(&all);
    assert_eq!((found.kind, found.key.as_deref()), (FindingKind::DigestMoved, Some(&*between)));
    assert_eq!(all.scopes[0].proven, [period(0, 6)]);
}

#[test]
fn organizations_and_accounts_are_verified_together_and_selected() {
    let (mut bucket, _) = six_hours();
    let root = orgtrail::archive::key::Root {
        prefix: Some("o-exampleorgid".into()),
        org: Some("o-exampleorgid".parse().unwrap()),
    };
    for (account, region) in [("222222222222", "eu-west-1"), ("333333333333", "us-east-1")] {
        let mut chain = Chain {
            root: root.clone(),
            account: account.to_owned(),
            region: region.to_owned(),
            trail: "org".to_owned(),
            ..Chain::new()
        };
        chain.hours(&mut bucket, 2, 1, 1);
    }
    let all = verified(&bucket);
    assert_eq!(kinds(&all), []);
    assert_eq!(all.scopes.len(), 3);
    let scopes = |change: fn(&mut Request)| verified_with(&bucket, change).scopes.len();
    assert_eq!(scopes(|r| r.selection.accounts = ["222222222222".parse().unwrap()].into()), 1);
    assert_eq!(scopes(|r| r.selection.regions = ["us-east-1".parse().unwrap()].into()), 2);
    assert_eq!(scopes(|r| r.prefix = "o-exampleorgid/".to_owned()), 2);
    assert_eq!(scopes(|r| r.prefix = "AWSLogs/111111111111/".to_owned()), 1);
    assert_eq!(
        scopes(|r| r.prefix = "o-exampleorgid/AWSLogs/o-exampleorgid/333333333333/".to_owned()),
        1
    );
}

#[test]
fn a_trail_that_changed_its_bucket_continues_elsewhere() {
    let (mut bucket, mut chain) = six_hours();
    bucket.objects.clear();
    "another-bucket".clone_into(&mut chain.bucket);
    chain.hours(&mut bucket, 2, 1, 1);
    let all = verified(&bucket);
    let found = only(&all);
    assert_eq!(found.kind, FindingKind::ContinuesElsewhere);
    assert!(found.expected.as_ref().unwrap().contains(&chain.digests[5]));
    assert!(found.found.as_ref().unwrap().contains("not followed"));
}

#[test]
fn a_trail_that_changed_to_the_archive_is_one_chain_once_its_past_is_brought_there() {
    let (bucket, mut chain) = six_hours();
    let mut archive = bucket.relocated("o-exampleorgid", Some("p"));
    let key: ObjectKey = archive.objects.keys().next().unwrap().parse().unwrap();
    chain.root = key.root().clone();
    "archive".clone_into(&mut chain.bucket);
    chain.hours(&mut archive, 2, 1, 1);
    let all = verified(&archive);
    assert_eq!(kinds(&all), []);
    assert_eq!(all.scopes[0].proven, [period(0, 8)]);
    assert_eq!((all.scopes[0].chains[0].valid, all.scopes[0].chains[0].relocated), (8, 6));
}

#[test]
fn a_trail_is_told_by_the_arn_of_the_account_that_owns_it() {
    let (mut bucket, own) = six_hours();
    let org: orgtrail::names::OrgId = "o-exampleorgid".parse().unwrap();
    let root = orgtrail::archive::key::Root { prefix: None, org: Some(org.clone()) };
    let mut member = Chain { root, trail: "org".to_owned(), ..Chain::new() };
    "222222222222".clone_into(&mut member.account);
    member.hours(&mut bucket, 6, 1, 1);
    let said = |bucket: &Bucket, known: bool| {
        let all = verified_with(bucket, |request| {
            let management = "999999999999".parse().unwrap();
            request.org_owner = known.then(|| OrgOwner { org: org.clone(), management });
        });
        let subject = Subject {
            target: String::new(),
            window: Window::default(),
            at: at(9),
            keys: Vec::new(),
            bundle: None,
            overrides: Vec::new(),
        };
        let text = aws_cli(&subject, &all);
        let line = |trail: &str| {
            let line = text.lines().find(|line| line.contains(trail)).unwrap();
            line.split_whitespace().find(|word| word.starts_with("arn:")).unwrap().to_owned()
        };
        (line(&own.trail), line("/org"))
    };
    let arn =
        |account: &str, name: &str| format!("arn:aws:cloudtrail:us-east-1:{account}:trail/{name}");
    let (first, second) = said(&bucket, true);
    assert_eq!(first, arn("111111111111", &own.trail));
    assert_eq!(second, arn("999999999999", "org"));
    // Of an organization that is not known, no account is named.
    assert_eq!(said(&bucket, false).1, arn("", "org"));
    // What was moved below an organization keeps the owner that it had.
    let moved = six_hours().0.relocated("o-exampleorgid", None);
    let all = verified(&moved);
    assert_eq!(all.scopes[0].chains[0].owner.as_ref(), Some(&all.scopes[0].account));
}
