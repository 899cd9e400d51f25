use serde_json::json;

use super::of;
use crate::events::Event;
use crate::events::answer::{Attributed, Proof, Searched};
use crate::events::attribution::{Index, Recorded};
use crate::events::coverage::Coverage;
use crate::events::files::Window;
use crate::report::contract::attribution::Report;

pub(super) fn event_attribution() -> Report {
    let (key, file) = ("ASIAEXAMPLEEXAMPLE00", "AWSLogs/1/CloudTrail/x.json.gz");
    let identity = json!({
        "type": "AssumedRole", "principalId": "AROAEXAMPLEEXAMPLE00:deploy", "accessKeyId": key,
        "arn": "arn:aws:sts::111111111111:assumed-role/deploy/deploy", "accountId": "111111111111",
        "sessionContext": {
            "attributes": { "creationDate": "2026-01-01T10:00:00Z" }, "sourceIdentity": "alice",
        },
    });
    let record = |id: &str, name: &str, source: &str, by: &serde_json::Value| {
        json!({
            "eventID": id, "eventName": name, "eventSource": source, "userIdentity": by,
            "eventTime": "2026-01-01T10:00:00Z", "awsRegion": "us-east-1",
            "recipientAccountId": "111111111111", "sourceIPAddress": "198.51.100.7",
            "userAgent": "aws-cli/2",
        })
    };
    let user = json!({
        "type": "IAMUser", "principalId": "AIDAEXAMPLEEXAMPLE00", "userName": "alice",
        "arn": "arn:aws:iam::111111111111:user/alice", "accountId": "111111111111",
        "accessKeyId": "AKIAEXAMPLEEXAMPLE00",
    });
    let mut issuing = record("e1", "AssumeRole", "sts.amazonaws.com", &user);
    issuing["responseElements"] = json!({
        "credentials": { "accessKeyId": key },
        "assumedRoleUser": { "assumedRoleId": "AROAEXAMPLEEXAMPLE00:deploy" },
    });
    let mut index = Index::new(of(key), Some(of("2026-01-01T10:00:00Z")));
    for record in [issuing, record("e2", "StopLogging", "cloudtrail.amazonaws.com", &identity)] {
        index.add(&Event::parse(&record.to_string()).unwrap(), file);
    }
    let recorded = Recorded::default();
    let at = of("2026-01-01T10:00:00Z");
    let attributed = Attributed {
        question: key.to_owned(),
        at: Some(at),
        answer: index.resolve(&recorded),
        sessions: Some(index.descendants(&recorded)),
        issuing_events: 1,
        file_proofs: [(file.into(), Proof::Proven)].into(),
        searched: Searched {
            place: "logs".to_owned(),
            at,
            coverage: Coverage::new(Window { since: None, until: Some(at) }),
            matched: 1,
            copies: 0,
            late: 0,
            is_cut: false,
            was_stopped: false,
            proof: None,
        },
    };
    Report::new(&attributed)
}
