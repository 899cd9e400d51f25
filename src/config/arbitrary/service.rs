use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::config::{
    Access, AccessScope, ListenAddress, Notify, NotifyKind, NotifySeverity, RoundPart, Schedule,
    Service, StatePlace,
};
use crate::names::{AccountId, Partition};

pub(super) fn service(partition: Partition) -> impl Strategy<Value = Service> {
    let directory = "/var/lib/[a-z]{1,10}".prop_map(|path| (path.parse().ok(), None));
    let bucket = ("state-[a-z]{3,10}", option::of("[a-z]{1,8}"), option::of(0_u64..10)).prop_map(
        |(bucket, prefix, account)| {
            let prefix = prefix.map(|prefix| format!("/{prefix}")).unwrap_or_default();
            let account: Option<AccountId> =
                account.and_then(|number| format!("{:012}", 111_111_111_111 + number).parse().ok());
            (format!("s3://{bucket}{prefix}").parse().ok(), account)
        },
    );
    let state = prop_oneof![Just((None, None)), directory, bucket];
    let kept = (any::<bool>(), 1_u32..=3660);
    let schedules = btree_map("[a-z0-9-]{1,10}", schedule(), 1..4).prop_map(|schedules| {
        let named = |(name, schedule): (String, Schedule)| {
            Some(Schedule { name: name.parse().ok()?, ..schedule })
        };
        schedules.into_iter().filter_map(named).collect::<Vec<_>>()
    });
    let public_url = option::of("https://[a-z]{1,8}[.]example").prop_map(|url| url?.parse().ok());
    let channels = btree_map("[a-z0-9-]{1,10}", channel(partition), 0..4).prop_map(|channels| {
        let named = |(name, channel): (String, Notify)| {
            Some(Notify { name: name.parse().ok()?, ..channel })
        };
        channels.into_iter().filter_map(named).collect::<Vec<_>>()
    });
    let ways = (listen(), access());
    (ways, (state, kept), public_url, schedules, channels).prop_map(
        |((listen, access), (state, kept), public_url, schedule, notify)| {
            let (state, state_account): (Option<StatePlace>, _) = state;
            let (is_managed, state_retention_days) = kept;
            // A managed bucket is in the log-archive account, whose id is not known here.
            let has_bucket = state.as_ref().is_some_and(|state| state.bucket().is_some());
            let manage_state = is_managed && has_bucket && state_account.is_none();
            // A monitor of rounds needs rounds that verify.
            let verifies = schedule.iter().any(|it| it.run.contains(&RoundPart::Verify));
            let is_valid = |it: &Notify| verifies || it.kind != NotifyKind::DeadMan;
            let notify = notify.into_iter().filter(is_valid).collect();
            Service {
                listen,
                access,
                state,
                state_account,
                manage_state,
                state_retention_days,
                public_url,
                schedule,
                notify,
            }
        },
    )
}

fn channel(partition: Partition) -> impl Strategy<Value = Notify> {
    let severities = select(NotifySeverity::ALL.to_vec());
    (select(NotifyKind::ALL.to_vec()), severities, any::<bool>(), any::<bool>()).prop_map(
        move |(kind, min_severity, allow_private, is_file)| {
            let arn = |service: &str, resource: &str| {
                format!("arn:{partition}:{service}:us-east-1:111111111111:{resource}")
            };
            let target = match kind {
                NotifyKind::Sns => arn("sns", "findings"),
                NotifyKind::EventBridge => arn("events", "event-bus/x"),
                NotifyKind::SecurityHub => arn("securityhub", "hub/default"),
                _ if allow_private => "http://localhost:9093/x".to_owned(),
                _ => "https://a.example/x?y=z".to_owned(),
            };
            let is_secret = kind == NotifyKind::Webhook || kind.has_secret_url();
            let secret =
                |is_given: bool, text: &str| (is_secret && is_given).then(|| text.to_owned());
            Notify {
                name: "test".parse().expect("a name"),
                kind,
                target: (!kind.has_secret_url()).then(|| target.parse().expect("a target")),
                min_severity,
                secret_file: secret(is_file, "/run/secrets/x"),
                secret_env: secret(!is_file, "HOOK"),
                allow_private,
                schedule: None,
            }
        },
    )
}

fn listen() -> impl Strategy<Value = ListenAddress> {
    let places = select(vec!["127.0.0.1:8686", "[::1]:80", "unix:/run/orgtrail.sock"]);
    places.prop_map(|place| place.parse().expect("an address"))
}

fn access() -> impl Strategy<Value = Access> {
    let scopes = || subsequence(AccessScope::ALL.to_vec(), 0..=4);
    let file = || option::of("/etc/orgtrail/[a-z]{1,8}");
    let proxies = option::of(("10[.]0[.][1-9][0-9]?[.]0/24", "X-[A-Z][a-z]{1,8}"));
    let hosts = proptest::collection::vec("[a-z]{1,8}[.]example", 0..3);
    (file(), hosts, proxies, scopes(), scopes()).prop_map(
        |(tokens, hosts, proxies, client_scopes, identity_scopes)| {
            let (network, header) = proxies.unzip();
            Access {
                tokens,
                hosts: hosts.iter().filter_map(|host| host.parse().ok()).collect(),
                tls_certificate: None,
                tls_key: None,
                client_ca: None,
                client_scopes,
                trusted_proxies: network.iter().filter_map(|it| it.parse().ok()).collect(),
                identity_header: header.and_then(|header| header.parse().ok()),
                load_balancer: None,
                load_balancer_keys: None,
                identity_scopes,
            }
        },
    )
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let zones = select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]);
    let times = (0_u32..60, option::of(0_u32..24), subsequence(vec![0, 1, 2, 3, 4, 5, 6], 0..7));
    let cron = times.prop_map(|(minute, hour, days)| {
        let any = |text: String| if text.is_empty() { "*".to_owned() } else { text };
        let hour = any(hour.map(|hour| hour.to_string()).unwrap_or_default());
        let days: Vec<String> = days.iter().map(ToString::to_string).collect();
        format!("{minute} {hour} * * {}", any(days.join(",")))
    });
    let parts = subsequence(RoundPart::ALL.to_vec(), 1..=3).prop_shuffle();
    let limits = (0_u32..=3600, 1_u32..=10_080, any::<bool>(), option::of(1_u32..400));
    (zones, cron, parts, limits).prop_map(
        |(zone, cron, run, (jitter_seconds, deadline_minutes, paused, verify_days))| Schedule {
            name: "test".parse().expect("a name"),
            run,
            cron: cron.parse().expect("a pattern"),
            time_zone: zone.parse().expect("a time zone"),
            incremental: paused && verify_days.is_none(),
            verify_days,
            jitter_seconds,
            deadline_minutes,
            paused,
        },
    )
}
