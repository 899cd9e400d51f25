use super::meaning::{atoms, has_variables};
use super::{PolicyDocument, Statement};

/// How the names of orgtrail's own statements begin.
pub const OWN_SID_PREFIX: &str = "OrgTrail";

/// What becomes of statements that orgtrail did not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmanaged {
    /// They stay as they are, and are shown.
    Keep,
    /// They stay, but for principals that were deleted and for statements that
    /// speak of no one else.
    KeepLiving,
    /// They go.
    Remove,
}

/// An expected policy joined with the one that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The document that should stand.
    pub document: PolicyDocument,
    /// The statements of others in the found document, kept or removed.
    pub unmanaged: Vec<Statement>,
    /// Whether the found document already says what `document` says.
    pub unchanged: bool,
}

/// Joins orgtrail's statements with a policy that is already there.
///
/// A declared statement that an unmanaged one already makes is not repeated: a trail
/// adopted from elsewhere keeps its policy word by word.
#[must_use]
pub fn merge(
    found: Option<&PolicyDocument>,
    expected: &PolicyDocument,
    unmanaged: Unmanaged,
) -> Merged {
    let Some(found) = found else {
        return Merged { document: expected.clone(), unmanaged: Vec::new(), unchanged: false };
    };
    let expected_atoms = atoms(&expected.statements);
    let others: Vec<Statement> =
        found.statements.iter().filter(|statement| !is_own(statement)).cloned().collect();
    let kept: Vec<Statement> = match unmanaged {
        Unmanaged::Keep => others.clone(),
        Unmanaged::KeepLiving => {
            others.iter().cloned().filter_map(Statement::without_deleted_principals).collect()
        }
        // What says no more than the expected policy is no one else's.
        Unmanaged::Remove => {
            others.iter().filter(|one| atoms([*one]).is_subset(&expected_atoms)).cloned().collect()
        }
    };
    let said = atoms(&kept);
    let own = expected.statements.iter().filter(|one| !atoms([*one]).is_subset(&said)).cloned();
    // What is a variable in one version of the language is text in the other, and
    // the statements of others go on saying what they said. INVARIANT: orgtrail's
    // own have no variables, so that they say the same in both.
    let version = if kept.iter().any(has_variables) { &found.version } else { &expected.version };
    let document = PolicyDocument {
        version: version.clone(),
        id: found.id.clone(),
        statements: kept.into_iter().chain(own).collect(),
    };
    let unchanged = document.means_the_same(found);
    let unmanaged =
        others.into_iter().filter(|one| !atoms([one]).is_subset(&expected_atoms)).collect();
    let document = if unchanged { found.clone() } else { document };
    Merged { document, unmanaged, unchanged }
}

fn is_own(statement: &Statement) -> bool {
    statement.sid.as_deref().is_some_and(|sid| sid.starts_with(OWN_SID_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(action: &str) -> Statement {
        Statement::allow("OrgTrailWrite")
            .service(crate::policy::CLOUDTRAIL)
            .actions([action])
            .resources(["arn:aws:s3:::b/*"])
    }

    fn other() -> Statement {
        Statement::allow("Auditors")
            .principals(["333333333333"])
            .actions(["s3:GetObject"])
            .resources(["arn:aws:s3:::b/*"])
    }

    #[test]
    fn foreign_statements_stay_and_are_shown() {
        let found = PolicyDocument::new(vec![other(), own("s3:PutObjectAcl")]);
        let expected = PolicyDocument::new(vec![own("s3:PutObject")]);
        let merged = merge(Some(&found), &expected, Unmanaged::Keep);
        assert_eq!(merged.document.statements, [other(), own("s3:PutObject")]);
        assert_eq!(merged.unmanaged, [other()]);
        assert!(!merged.unchanged);
    }

    #[test]
    fn foreign_statements_go_when_asked() {
        let found = PolicyDocument::new(vec![other(), own("s3:PutObject")]);
        let expected = PolicyDocument::new(vec![own("s3:PutObject")]);
        let merged = merge(Some(&found), &expected, Unmanaged::Remove);
        assert_eq!(merged.document.statements, [own("s3:PutObject")]);
        assert_eq!(merged.unmanaged, [other()]);
        assert!(!merged.unchanged);
    }

    #[test]
    fn what_another_tool_already_says_is_not_repeated() {
        let mut theirs = own("s3:PutObject");
        theirs.sid = Some("AWSLogDeliveryWrite".into());
        let found = PolicyDocument::new(vec![theirs]);
        let expected = PolicyDocument::new(vec![own("s3:PutObject")]);
        for unmanaged in [Unmanaged::Keep, Unmanaged::Remove] {
            let merged = merge(Some(&found), &expected, unmanaged);
            assert!(merged.unchanged);
            assert_eq!(merged.document, found);
            assert!(merged.unmanaged.is_empty());
        }
    }

    #[test]
    fn a_kept_statement_of_the_older_version_goes_on_saying_what_it_said() {
        let with = |resource: &str| {
            let found = PolicyDocument {
                version: "2008-10-17".into(),
                ..PolicyDocument::new(vec![other().resources([resource])])
            };
            merge(Some(&found), &PolicyDocument::new(vec![own("s3:PutObject")]), Unmanaged::Keep)
        };
        assert_eq!(with("arn:aws:s3:::b/${aws:userid}").document.version, "2008-10-17");
        assert_eq!(with("arn:aws:s3:::b/x").document.version, "2012-10-17");
    }

    #[test]
    fn merging_again_changes_nothing() {
        let found = PolicyDocument::new(vec![other(), own("s3:PutObjectAcl")]);
        let expected = PolicyDocument::new(vec![own("s3:PutObject")]);
        for unmanaged in [Unmanaged::Keep, Unmanaged::Remove] {
            let once = merge(Some(&found), &expected, unmanaged);
            assert!(merge(Some(&once.document), &expected, unmanaged).unchanged);
        }
    }
}
