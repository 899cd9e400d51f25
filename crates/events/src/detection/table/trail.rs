use super::{CLOUD_LOG, call_rules};
use crate::detection::facts::Kind;
use crate::detection::rule::{About, Calls};

const TRAIL: About = About::Resource(Kind::Trail);

pub(super) const CALLS: &[Calls] = call_rules! {
    "trail-stopped" Critical "cloudtrail.amazonaws.com" ["StopLogging"]
        about TRAIL;
        techniques CLOUD_LOG;
        title "Logging of the trail was stopped";
        why "No event is recorded until logging is started again, and events of that time cannot be recovered from the trail.";
        fix "Start logging again (`orgtrail apply`), find out who stopped it, and read CloudTrail's Event history for the time between.";
    "trail-deleted" Critical "cloudtrail.amazonaws.com" ["DeleteTrail"]
        about TRAIL;
        techniques CLOUD_LOG;
        title "The trail was deleted";
        why "No event is recorded until there is a trail again, and events of that time cannot be recovered from the trail.";
        fix "Create the trail again (`orgtrail apply`), find out who deleted it, and read CloudTrail's Event history for the time between.";
    "trail-updated" High "cloudtrail.amazonaws.com" ["UpdateTrail"] applied true
        about TRAIL;
        techniques CLOUD_LOG;
        title "The trail was changed";
        why "The change can redirect the logs to another bucket, leave out Regions or accounts, or end the validation of log files.";
        fix "Compare the trail with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "trail-selectors-changed" High "cloudtrail.amazonaws.com" ["PutEventSelectors"] applied true
        about TRAIL;
        techniques CLOUD_LOG;
        title "What the trail records was changed";
        why "Event selectors can exclude management events, services or resources, while the trail still looks healthy.";
        fix "Compare the selectors with the configuration (`orgtrail drift`), and restore them (`orgtrail apply`).";
    "trail-insights-changed" Medium "cloudtrail.amazonaws.com" ["PutInsightSelectors"] applied true
        about TRAIL;
        techniques CLOUD_LOG;
        title "The trail's Insights were changed";
        why "Without Insights, unusual rates of calls and errors are not recorded.";
        fix "Compare the trail with the configuration (`orgtrail drift`), and restore it (`orgtrail apply`).";
    "trail-administrator-changed" High "cloudtrail.amazonaws.com"
        ["RegisterOrganizationDelegatedAdmin", "DeregisterOrganizationDelegatedAdmin"] applied true
        about About::Organization;
        techniques &["T1685.002", "T1562.008", "T1098"];
        title "A delegated administrator of CloudTrail was added or removed";
        why "A delegated administrator can change and delete the organization's trails.";
        fix "Compare the delegated administrators with the configuration (`orgtrail drift`).";
};
