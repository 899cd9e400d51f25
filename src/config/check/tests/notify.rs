use super::*;

fn channel(lines: &str) -> String {
    config("", "", &format!("[[service.notify]]\nname = \"team\"\n{lines}"))
}

#[test]
fn a_channel_of_each_kind_leaves_nothing_to_say() {
    for lines in [
        "kind = \"sns\"\ntarget = \"arn:aws:sns:us-east-1:111111111111:findings\"",
        "kind = \"event_bridge\"\ntarget = \"arn:aws:events:eu-west-1:333333333333:event-bus/x\"",
        "kind = \"security_hub\"\n\
         target = \"arn:aws:securityhub:us-east-1:222222222222:hub/default\"",
        "kind = \"webhook\"\ntarget = \"https://a.example/x\"\nsecret_env = \"HOOK\"",
        "kind = \"slack\"\nsecret_file = \"/run/secrets/slack\"",
        "kind = \"slack\"\ntarget = \"https://hooks.example/x\"",
        "kind = \"alertmanager\"\ntarget = \"http://alertmanager:9093\"\nallow_private = true",
        "kind = \"dead_man\"\nsecret_env = \"PING\"\nschedule = \"nightly\"",
        "kind = \"opensearch\"\ntarget = \"https://search.example/findings\"",
    ] {
        assert_eq!(findings(&channel(lines)), [], "{lines}");
    }
}

#[test]
fn a_target_must_be_what_the_kind_sends_to() {
    for (lines, says) in [
        ("kind = \"sns\"", "`target` is missing"),
        ("kind = \"sns\"\ntarget = \"https://a.example\"", "found a URL"),
        ("kind = \"sns\"\ntarget = \"arn:aws:sqs:us-east-1:111111111111:q\"", "expected the ARN"),
        ("kind = \"sns\"\ntarget = \"arn:aws:sns:us-east-1:111111111111:a:b\"", "expected the ARN"),
        (
            "kind = \"event_bridge\"\ntarget = \"arn:aws:events:us-east-1:111111111111:rule/x\"",
            "ARN",
        ),
        ("kind = \"sns\"\ntarget = \"arn:aws-cn:sns:cn-north-1:111111111111:a\"", "partition"),
        (
            "kind = \"alertmanager\"\ntarget = \"arn:aws:sns:us-east-1:111111111111:a\"",
            "expected a URL",
        ),
        ("kind = \"alertmanager\"\ntarget = \"http://a.example\"", "expected https://"),
        ("kind = \"alertmanager\"\ntarget = \"a.example\"", "expected a URL that begins"),
    ] {
        let found = findings(&channel(lines));
        assert!(found.len() == 1 && found[0].severity == ERROR, "{lines}: {found:#?}");
        assert!(found[0].message.contains(says), "{lines}: {found:#?}");
        assert!(found[0].key.ends_with(".target"), "{lines}: {found:#?}");
    }
}

#[test]
fn a_secret_is_given_once_where_one_is_needed() {
    let webhook = "kind = \"webhook\"\ntarget = \"https://a.example\"\n";
    let key = "service.notify[0].secret_file";
    only(&channel(webhook), ERROR, key, "needs a secret");
    only(&channel("kind = \"slack\""), ERROR, key, "needs a URL");
    let both = format!("{webhook}secret_file = \"/a\"\nsecret_env = \"A\"");
    only(&channel(&both), ERROR, "service.notify[0].secret_env", "given twice");
    let both = "kind = \"slack\"\ntarget = \"https://a.example\"\nsecret_env = \"A\"";
    only(&channel(both), WARNING, "service.notify[0].secret_env", "no effect");
    let sns = "kind = \"sns\"\ntarget = \"arn:aws:sns:us-east-1:111111111111:a\"\n";
    let of_aws = format!("{sns}secret_env = \"A\"");
    only(&channel(&of_aws), WARNING, "service.notify[0].secret_env", "credentials for AWS");
}

#[test]
fn a_monitor_of_rounds_expects_rounds_that_verify() {
    let key = "service.notify[0].schedule";
    let ping = "kind = \"dead_man\"\ntarget = \"https://hc.example/1\"\n";
    only(&channel(&format!("{ping}schedule = \"other\"")), ERROR, key, "no schedule `other`");
    let drift = "[[service.schedule]]\nname = \"drift\"\nrun = [\"drift\"]\ncron = \"5 * * * *\"\n";
    let text = format!("{}{drift}", channel(ping));
    let found = findings(&text);
    assert!(found.len() == 1 && found[0].message.contains("no expected round"), "{found:#?}");
    let severe = channel(&format!("{ping}min_severity = \"high\""));
    only(&severe, WARNING, "service.notify[0].min_severity", "no effect");
    let slack = "kind = \"slack\"\ntarget = \"https://a.example\"\nschedule = \"nightly\"";
    only(&channel(slack), WARNING, key, "only `dead_man`");
}

#[test]
fn two_channels_of_one_name_are_refused() {
    let one = channel("kind = \"slack\"\ntarget = \"https://a.example\"");
    let other =
        "[[service.notify]]\nname = \"team\"\nkind = \"slack\"\ntarget = \"https://b.example\"";
    only(&format!("{one}{other}\n"), ERROR, "service.notify[1].name", "two channels `team`");
}
