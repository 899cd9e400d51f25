use super::{Principal, Statement, Strings};

/// Whether a principal is the unique id that AWS leaves in a policy of a role or
/// user that was deleted. It names no one, no one ever gets it again, and AWS
/// refuses a policy that is written with it.
///
/// Source: IAM User Guide, "AWS JSON policy elements: Principal".
fn is_deleted(principal: &str) -> bool {
    let id = principal.strip_prefix("AROA").or_else(|| principal.strip_prefix("AIDA"));
    id.is_some_and(|id| {
        (12..=124).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    })
}

fn of(principal: Option<&Principal>) -> impl Iterator<Item = &String> {
    let kinds = match principal {
        Some(Principal::Of(kinds)) => Some(kinds),
        _ => None,
    };
    let aws = kinds.and_then(|kinds| kinds.get("AWS"));
    aws.into_iter().flat_map(|values| &values.0).filter(|value| is_deleted(value))
}

impl Statement {
    /// The unique ids of deleted roles and users that the statement names.
    #[must_use]
    pub fn deleted_principals(&self) -> Vec<&str> {
        let both = of(self.principal.as_ref()).chain(of(self.not_principal.as_ref()));
        both.map(String::as_str).collect()
    }

    /// The same without them, which says the same: none where no one is left of
    /// whom it speaks. Those whom it does not speak of stay where all of them are
    /// deleted, since an empty list cannot be written.
    #[must_use]
    pub fn without_deleted_principals(mut self) -> Option<Self> {
        if let Some(Principal::Of(kinds)) = &mut self.principal {
            drop_deleted(kinds);
            if kinds.is_empty() {
                return None;
            }
        }
        if let Some(Principal::Of(kinds)) = &mut self.not_principal {
            let before = kinds.clone();
            drop_deleted(kinds);
            if kinds.is_empty() {
                *kinds = before;
            }
        }
        Some(self)
    }
}

fn drop_deleted(kinds: &mut std::collections::BTreeMap<String, Strings>) {
    if let Some(values) = kinds.get_mut("AWS") {
        values.0.retain(|value| !is_deleted(value));
        if values.0.is_empty() {
            kinds.remove("AWS");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "AROAEXAMPLEEXAMPLE123";

    fn of(principals: &[&str]) -> Statement {
        Statement::allow("Theirs").principals(principals.iter().copied()).actions(["s3:GetObject"])
    }

    #[test]
    fn unique_ids_are_known_by_their_form() {
        let statement = of(&[ROLE, "AIDAEXAMPLEEXAMPLE123", "AROA", "arn:aws:iam::1:role/AROAX"]);
        assert_eq!(statement.deleted_principals(), [ROLE, "AIDAEXAMPLEEXAMPLE123"]);
    }

    #[test]
    fn a_statement_about_nobody_else_goes_and_another_keeps_the_rest() {
        assert_eq!(of(&[ROLE]).without_deleted_principals(), None);
        assert_eq!(
            of(&[ROLE, "111122223333"]).without_deleted_principals(),
            Some(of(&["111122223333"]))
        );
    }

    #[test]
    fn whoever_is_left_out_keeps_an_entry() {
        let mut all_but = of(&[ROLE]);
        all_but.not_principal = all_but.principal.take();
        assert_eq!(all_but.clone().without_deleted_principals(), Some(all_but));
    }
}
