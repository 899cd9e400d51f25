//! The report of `orgtrail evidence`.

use schemars::JsonSchema;
use serde::Serialize;

/// A bundle that was written.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// The path of the bundle.
    pub bundle: String,
    /// Its files, without the manifest.
    pub files: usize,
    /// The size of these files.
    pub size_bytes: u64,
    /// SHA-256 of its manifest, in hexadecimal.
    pub manifest_sha256: String,
    /// Whether its content is proven.
    pub proven: bool,
    /// What is not in the bundle, and why.
    pub omitted: Vec<String>,
}
