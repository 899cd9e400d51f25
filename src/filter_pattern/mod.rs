//! CloudWatch Logs' filter patterns for JSON events: read, printed and
//! evaluated as AWS documents them, so that a pattern can be judged by what it
//! matches and not by how it is written.
//!
//! Source: CloudWatch Logs user guide, filter pattern syntax, "JSON log
//! events". Selectors with wildcards, regular expressions, and patterns for
//! text and columns are refused by name.

mod evaluate;
mod literals;
mod parse;
mod print;
#[cfg(test)]
mod tests;

pub use self::evaluate::is_like;

/// The most characters that CloudWatch Logs takes.
///
/// Source: CloudWatch Logs `PutMetricFilter`, `filterPattern`.
pub const MAX_LENGTH: usize = 1024;

/// A filter pattern for JSON events: `{ ($.eventName = DeleteTrail) && … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterPattern(Expression);

/// A condition of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expression {
    /// Two or more, of which all must hold: `&&`, which binds tighter.
    All(Vec<Expression>),
    /// Two or more, of which one must hold: `||`.
    Any(Vec<Expression>),
    /// The condition on one property.
    Property(Vec<Segment>, Test),
}

/// A step from a value to one within it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// A property of an object.
    Key(String),
    /// An item of an array, from 0.
    Index(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Compare(Operator, Literal),
    IsNull,
    IsTrue,
    IsFalse,
    NotExists,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// What a property is compared with; `*` stands for any characters in both.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Literal {
    /// Between quotes: a string.
    Quoted(String),
    /// Without quotes: a string, or a number where it reads as one.
    Bare(String),
}

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the filter pattern has {found} at character {at}, expected {expected}")]
pub struct FilterPatternError {
    /// Where, in characters from 1.
    pub at: usize,
    /// What stands there.
    pub found: String,
    /// What could stand there.
    pub expected: &'static str,
}

/// A number as patterns write it.
fn number(text: &str) -> Option<f64> {
    // Rust also reads `inf` and `nan`.
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    numeric.then(|| text.parse().ok()).flatten()
}
