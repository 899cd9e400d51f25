/// Where a value or a mistake stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the file, both counted from 1; the column counts characters.
    File {
        /// Line, from 1.
        line: usize,
        /// Column, from 1, in characters.
        column: usize,
    },
    /// In an environment variable.
    Environment {
        /// The variable's name.
        variable: String,
    },
    /// Nowhere: nobody set it.
    Default,
}

impl Origin {
    /// For an order: the file from top to bottom, then the rest.
    pub(super) fn rank(&self) -> (usize, usize) {
        match self {
            Self::File { line, column } => (*line, *column),
            Self::Environment { .. } => (usize::MAX, 0),
            Self::Default => (usize::MAX, 1),
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The config cannot be used.
    Error,
    /// The config can be used; something about it deserves a second thought.
    Warning,
}

/// One thing that is wrong with a config, or questionable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the config can be used in spite of it.
    pub severity: Severity,
    /// The key's path: `archive.bucket`, `trail.data_events[1].resource_type`;
    /// empty for the file as a whole.
    pub key: String,
    /// Where it stands.
    pub origin: Origin,
    /// What was found and what was expected, lowercase, no full stop.
    pub message: String,
    /// What to do about it, where that is not plain from the message.
    pub hint: Option<String>,
}

impl Finding {
    pub(crate) fn error(
        key: impl Into<String>,
        origin: Origin,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            key: key.into(),
            origin,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
