use crate::detection::rule::Rule;
use crate::severity::Severity;

/// Use of a root user.
pub const ROOT_USAGE: Rule = Rule {
    id: "root-usage",
    title: "A root user acted",
    severity: Severity::High,
    techniques: &["T1078.004"],
    why: "No policy of its account limits a root user. Few tasks need one.",
    fix: "Find out who used it and what for, and rotate its credentials if that was not intended.",
};

/// A sign-in to the console without a second factor.
pub const SIGN_IN_WITHOUT_MFA: Rule = Rule {
    id: "sign-in-without-mfa",
    title: "A user signed in to the console without MFA",
    severity: Severity::High,
    techniques: &["T1078.004"],
    why: "Anyone who knows the password can sign in.",
    fix: "Ask the user whether they signed in, and require MFA.",
};

/// Failures, and then a success.
pub const FAILURES_THEN_SUCCESS: Rule = Rule {
    id: "failures-then-success",
    title: "A sign-in succeeded after repeated failures",
    severity: Severity::High,
    techniques: &["T1110", "T1078.004"],
    why: "Guessed passwords and stolen credentials often look like this.",
    fix: "Ask the user whether they signed in, and rotate their credentials if not.",
};

/// The first use of a Region by an account.
pub const FIRST_USE_OF_REGION: Rule = Rule {
    id: "first-use-of-region",
    title: "An account was used in a Region for the first time",
    severity: Severity::Medium,
    techniques: &["T1535"],
    why: "Attackers use Regions that nobody looks at.",
    fix: "Ask who did it; deny Regions that are not needed.",
};
