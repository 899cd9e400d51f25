use std::str::FromStr;

use super::{
    Expression, FilterPattern, FilterPatternError, Literal, MAX_LENGTH, Operator, Segment, Test,
    number,
};

/// The most parentheses within each other.
const MAX_DEPTH: usize = 64;

impl FromStr for FilterPattern {
    type Err = FilterPatternError;

    fn from_str(text: &str) -> Result<Self, FilterPatternError> {
        let chars: Vec<char> = text.chars().collect();
        let mut parser = Parser { chars: &chars, at: 0 };
        if chars.len() > MAX_LENGTH {
            parser.at = MAX_LENGTH;
            return Err(parser.error("at most 1024 characters"));
        }
        parser.expect("{", "`{`: a pattern for JSON events")?;
        let expression = parser.any(0)?;
        parser.expect("}", "`&&`, `||` or `}`")?;
        parser.space();
        if parser.peek().is_some() {
            return Err(parser.error("nothing behind `}`"));
        }
        Ok(Self(expression))
    }
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Goes past `token` where it stands next.
    fn take(&mut self, token: &str) -> bool {
        self.space();
        let mut at = self.at;
        for expected in token.chars() {
            if self.chars.get(at) != Some(&expected) {
                return false;
            }
            at += 1;
        }
        self.at = at;
        true
    }

    fn expect(&mut self, token: &str, expected: &'static str) -> Result<(), FilterPatternError> {
        if self.take(token) { Ok(()) } else { Err(self.error(expected)) }
    }

    fn error(&self, expected: &'static str) -> FilterPatternError {
        let found = match self.peek() {
            Some(found) if found.is_control() => format!("`{}`", found.escape_debug()),
            Some(found) => format!("`{found}`"),
            None => "its end".to_owned(),
        };
        FilterPatternError { at: self.at + 1, found, expected }
    }

    fn any(&mut self, depth: usize) -> Result<Expression, FilterPatternError> {
        self.chain(
            "||",
            |parser| parser.chain("&&", |p| p.part(depth), Expression::All),
            Expression::Any,
        )
    }

    /// One part, or several with `token` between them.
    fn chain(
        &mut self,
        token: &str,
        mut part: impl FnMut(&mut Self) -> Result<Expression, FilterPatternError>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Result<Expression, FilterPatternError> {
        let first = part(self)?;
        let mut parts = vec![first];
        while self.take(token) {
            parts.push(part(self)?);
        }
        if parts.len() > 1 {
            return Ok(join(parts));
        }
        Ok(parts.remove(0))
    }

    fn part(&mut self, depth: usize) -> Result<Expression, FilterPatternError> {
        if !self.take("(") {
            return self.property();
        }
        if depth >= MAX_DEPTH {
            self.at -= 1;
            return Err(self.error("at most 64 parentheses within each other"));
        }
        let inner = self.any(depth + 1)?;
        self.expect(")", "`&&`, `||` or `)`")?;
        Ok(inner)
    }

    fn property(&mut self) -> Result<Expression, FilterPatternError> {
        self.expect("$", "`(` or a property as `$.name`")?;
        let mut path = Vec::new();
        loop {
            match self.peek() {
                Some('.') => {
                    self.at += 1;
                    path.push(Segment::Key(self.key()?));
                }
                Some('[') => {
                    self.at += 1;
                    let digits = self.run(|c| c.is_ascii_digit());
                    let Ok(index) = digits.parse() else {
                        return Err(self.error("an item's number; wildcards are not judged"));
                    };
                    if self.peek() != Some(']') {
                        return Err(self.error("`]`"));
                    }
                    self.at += 1;
                    path.push(Segment::Index(index));
                }
                _ if path.is_empty() => return Err(self.error("`.` and a property's name")),
                _ => break,
            }
        }
        Ok(Expression::Property(path, self.test()?))
    }

    fn key(&mut self) -> Result<String, FilterPatternError> {
        let key = self.run(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        if key.is_empty() {
            return Err(self.error("a name of letters, digits, `-` and `_`"));
        }
        Ok(key)
    }

    fn run(&mut self, accepts: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&accepts) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn test(&mut self) -> Result<Test, FilterPatternError> {
        const OPERATORS: [Operator; 6] = [
            Operator::NotEqual,
            Operator::LessOrEqual,
            Operator::GreaterOrEqual,
            Operator::Equal,
            Operator::Less,
            Operator::Greater,
        ];
        for operator in OPERATORS {
            if self.take(operator.as_str()) {
                return self.literal(operator).map(|literal| Test::Compare(operator, literal));
            }
        }
        let start = self.at;
        let words = (self.word(), self.word());
        match (words.0.as_str(), words.1.as_str()) {
            ("IS", "NULL") => Ok(Test::IsNull),
            ("IS", "TRUE") => Ok(Test::IsTrue),
            ("IS", "FALSE") => Ok(Test::IsFalse),
            ("NOT", "EXISTS") => Ok(Test::NotExists),
            // CloudWatch Logs knows neither `EXISTS` nor `IS NOT`.
            _ => {
                self.at = start;
                Err(self.error("a comparison, IS NULL, IS TRUE, IS FALSE or NOT EXISTS"))
            }
        }
    }

    fn word(&mut self) -> String {
        self.space();
        self.run(|c| c.is_ascii_uppercase())
    }

    fn literal(&mut self, operator: Operator) -> Result<Literal, FilterPatternError> {
        self.space();
        let start = self.at;
        let literal = match self.peek() {
            Some('"') => self.quoted()?,
            Some('%') => return Err(self.error("a value; regular expressions are not judged")),
            _ => {
                let text = self.run(|c| !c.is_whitespace() && !"(){}[]&|=!<>\"%\\".contains(c));
                if text.is_empty() {
                    return Err(self.error("a value"));
                }
                Literal::Bare(text)
            }
        };
        let order = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if order && !matches!(&literal, Literal::Bare(text) if number(text).is_some()) {
            self.at = start;
            return Err(self.error("a number"));
        }
        Ok(literal)
    }

    fn quoted(&mut self) -> Result<Literal, FilterPatternError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(self.error("the closing quote")),
                Some('"') => break,
                Some('\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(c @ ('"' | '\\')) => text.push(c),
                        _ => return Err(self.error("a quote or a backslash behind the backslash")),
                    }
                }
                Some(c) => text.push(c),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(Literal::Quoted(text))
    }
}
