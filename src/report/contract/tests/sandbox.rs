use super::of;
use crate::report::contract::{demo, sandbox};

pub(super) fn sandbox() -> sandbox::Sandbox {
    sandbox::Sandbox {
        endpoint: "http://127.0.0.1:4566".to_owned(),
        region: of("us-east-1"),
        organization: Some(of("o-exampleorgid")),
        access_key_id: "AKIAEXAMPLE".to_owned(),
        secret_access_key: "secret".to_owned(),
        accounts: vec![sandbox::Account {
            account: of("111111111111"),
            root_access_key_id: Some("AKIAROOT".to_owned()),
            root_secret_access_key: Some("secret".to_owned()),
            root_mfa_serial: Some("arn:aws:iam::111111111111:mfa/root".to_owned()),
            root_mfa_seed: Some("JBSWY3DP".to_owned()),
        }],
        background: Some(sandbox::Background {
            pid: 4711,
            config: "/tmp/sandbox/orgtrail.toml".into(),
            environment: "/tmp/sandbox/env".into(),
            log: "/tmp/sandbox/log".into(),
        }),
    }
}

pub(super) fn sandbox_clock() -> sandbox::Clock {
    sandbox::Clock { clock_at: of("2026-01-02T03:04:05Z") }
}

pub(super) fn sandbox_confirmation() -> sandbox::Confirmation {
    sandbox::Confirmation { confirmed_subscriptions: 2 }
}

pub(super) fn demo_report() -> demo::Report {
    let step = |passed| demo::Step {
        title: "the plan is empty".to_owned(),
        command: Some("orgtrail plan".to_owned()),
        found: "exit 0".to_owned(),
        passed,
        duration_ms: 40,
    };
    demo::Report {
        passed: false,
        steps: vec![step(true), step(false)],
        duration_ms: 90,
        kept: Some(demo::Kept { folder: "/tmp/demo".into(), state: "/tmp/demo/state".into() }),
    }
}
