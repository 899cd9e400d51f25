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

/// The first line that differs between two statements, for plans: statements are long.
pub(super) fn first_difference(is: &str, wanted: &str) -> (String, String) {
    let (mut lines, mut others) = (is.lines(), wanted.lines());
    loop {
        match (lines.next(), others.next()) {
            (Some(one), Some(other)) if one == other => {}
            // The lines are the same, and what ends them differs.
            (None, None | Some("")) | (Some(""), None) => {
                return ("other ends of lines".to_owned(), String::new());
            }
            (one, other) => {
                let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
                let (short, other_short) = (one.trim(), other.trim());
                if short == other_short {
                    return (one.to_owned(), other.to_owned());
                }
                return (short.to_owned(), other_short.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_shown() {
        for (is, wanted, shown) in [
            ("a\n  b\nc", "a\n  d\ne", ("b", "d")),
            ("a", "a\nb", ("", "b")),
            ("a\nb", "a", ("b", "")),
            ("a\n  b", "a\nb", ("  b", "b")),
            ("a\n", "a\n\n", ("other ends of lines", "")),
            ("a\r\nb", "a\nb", ("other ends of lines", "")),
        ] {
            let (one, other) = first_difference(is, wanted);
            assert_eq!((one.as_str(), other.as_str()), shown);
        }
    }

    #[test]
    fn names_are_of_questions_and_statements_have_known_placeholders_only() {
        for question in QUESTIONS {
            let mut sql = question.sql.to_owned();
            for placeholder in ["{table}", "{accounts}", "{today}", "{a week ago}", "{90 days ago}"]
            {
                sql = sql.replace(placeholder, "");
            }
            assert!(!sql.contains(['{', '}']), "{}: {sql}", question.id);
            assert!(question.sql.contains("{accounts}"), "{}", question.id);
            assert!(question.sql.starts_with("-- "), "{}", question.id);
            assert!(question.insights().starts_with("# "), "{}", question.id);
            // Source: CloudWatch Logs `PutQueryDefinition`, Athena `CreateNamedQuery`.
            assert!(question.insights.len() <= 10_000 && question.query_name().len() <= 128);
        }
    }
}
