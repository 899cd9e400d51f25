//! Someone outside of the organization who owns a bucket of the expected name.
