//! The endpoint: accepts, authenticates, routes, answers.
