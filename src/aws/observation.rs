use super::AwsError;

/// The result of a read: a value, its absence, or why it could not be read.
///
/// The three are never mixed: a denied or failed read is [`Observation::Unreadable`], so nothing
/// is ever created because it could not be read.
#[derive(Debug, Clone)]
pub enum Observation<T> {
    /// It exists, with this value.
    Present(T),
    /// AWS returned that it does not exist.
    Absent,
    /// It could not be read, for this reason.
    Unreadable(AwsError),
}

impl<T> Observation<T> {
    /// From the result of a call; `is_absent` decides which failures mean that the value
    /// does not exist ([`AwsError::is_not_found`] for most calls).
    ///
    /// Access denied is never absent, regardless of `is_absent`.
    pub fn from_result(
        result: Result<T, AwsError>,
        is_absent: impl FnOnce(&AwsError) -> bool,
    ) -> Self {
        match result {
            Ok(value) => Self::Present(value),
            Err(error) if error.kind() != super::ErrorKind::AccessDenied && is_absent(&error) => {
                Self::Absent
            }
            Err(error) => Self::Unreadable(error),
        }
    }

    /// The same with the value changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Observation<U> {
        match self {
            Self::Present(value) => Observation::Present(change(value)),
            Self::Absent => Observation::Absent,
            Self::Unreadable(error) => Observation::Unreadable(error),
        }
    }

    /// The same by reference.
    pub fn as_ref(&self) -> Observation<&T> {
        match self {
            Self::Present(value) => Observation::Present(value),
            Self::Absent => Observation::Absent,
            Self::Unreadable(error) => Observation::Unreadable(error.clone()),
        }
    }

    /// The value, if it is present.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }

    /// Why it could not be read, if so.
    pub fn unreadable(&self) -> Option<&AwsError> {
        match self {
            Self::Unreadable(error) => Some(error),
            Self::Present(_) | Self::Absent => None,
        }
    }

    /// The value, absent if it does not exist.
    ///
    /// # Errors
    /// It could not be read.
    pub fn into_result(self) -> Result<Option<T>, AwsError> {
        match self {
            Self::Present(value) => Ok(Some(value)),
            Self::Absent => Ok(None),
            Self::Unreadable(error) => Err(error),
        }
    }

    /// Whether AWS returned that it does not exist.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T> Observation<Option<T>> {
    /// A response without the value means that it is absent.
    pub fn flatten(self) -> Observation<T> {
        match self {
            Self::Present(Some(value)) => Observation::Present(value),
            Self::Present(None) | Self::Absent => Observation::Absent,
            Self::Unreadable(error) => Observation::Unreadable(error),
        }
    }
}
