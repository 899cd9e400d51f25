//! Questions about who did what, as statements of Athena and of CloudWatch Logs Insights.

use super::raw_table;
use crate::config::{AccountProjection, Athena};
use crate::resources::Desired;

/// A question, and how to ask it.
#[derive(Debug)]
pub(super) struct Question {
    /// Shape: kebab-case words.
    id: &'static str,
    /// The question in a line.
    pub(super) title: &'static str,
    /// A statement of Athena with the placeholders of [`Question::sql`].
    sql: &'static str,
    /// A query of CloudWatch Logs Insights.
    insights: &'static str,
}

macro_rules! questions {
    ($($id:literal: $title:literal,)*) => {
        /// Every question.
        pub(super) const QUESTIONS: &[Question] = &[$(Question {
            id: $id,
            title: $title,
            sql: include_str!(concat!("questions/", $id, ".sql")),
            insights: include_str!(concat!("questions/", $id, ".insights")),
        }),*];
    };
}

questions! {
    "who-stopped-logging": "Who stopped logging, or changed what the trail records?",
    "who-was-a-session": "Who was a role session?",
    "what-did-a-user-do": "What did a user do, directly, through roles and through services?",
    "sessions-of-an-access-key": "Which sessions descend from an access key?",
    "what-failed-then-succeeded": "What failed and then succeeded?",
    "who-used-a-resource": "Who used a bucket, a role or another resource?",
    "what-came-from-a-network": "What came from a network?",
    "what-is-used-for-the-first-time":
        "Which APIs, Regions and accounts are used for the first time?",
    "console-logins-without-mfa-and-root": "Console logins without MFA, and what root users did",
    "what-do-the-answers-cover": "What do the answers cover?",
}

impl Question {
    /// Its name among the named queries of a workgroup.
    pub(super) fn query_name(&self) -> String {
        format!("orgtrail-{}", self.id)
    }

    /// Its name among the query definitions of CloudWatch Logs, in a folder.
    pub(super) fn definition_name(&self) -> String {
        format!("orgtrail/{}", self.id)
    }

    /// The statement over the declared table.
    pub(super) fn sql(&self, desired: &Desired, athena: &Athena) -> String {
        let day =
            |days: u32| format!("date_format(current_date - interval '{days}' day, '%Y/%m/%d')");
        let accounts = match athena.projection {
            // Athena refuses a query that names none.
            AccountProjection::Injected => {
                format!("account IN ('{}')  -- add every account to search", desired.management())
            }
            AccountProjection::Enum => {
                format!("account <> ''  -- or only: account IN ('{}')", desired.management())
            }
        };
        self.sql
            .replace("{table}", &format!("{}.{}", athena.database, raw_table::NAME))
            .replace("{accounts}", &accounts)
            .replace("{today}", &day(0))
            .replace("{a week ago}", &day(7))
            .replace("{90 days ago}", &day(90))
            .trim_end()
            .to_owned()
    }

    /// The query of CloudWatch Logs Insights.
    pub(super) fn insights(&self) -> &'static str {
        self.insights.trim_end()
    }
}
