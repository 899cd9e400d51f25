//! Values in spreadsheets.

use std::borrow::Cow;

/// A value with an apostrophe before it if a spreadsheet would treat it as a formula.
pub(super) fn guarded(field: &str) -> Cow<'_, str> {
    let formula =
        ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    if field.starts_with(formula) { format!("'{field}").into() } else { field.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_begins_as_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\u{ff1d}1"] {
            assert_eq!(guarded(formula), format!("'{formula}"));
        }
        assert_eq!(guarded("a=b"), "a=b");
    }
}
