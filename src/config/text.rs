//! Settings that are text of a form: parsed once, and printed as they were written.

/// Reads text that has a form.
macro_rules! read_text {
    ($type:ty, $expected:expr, $example:literal) => {
        impl $crate::config::read::Read for $type {
            fn read(node: &$crate::config::document::Node,
                path: &str,
                reader: &mut $crate::config::read::Reader,
            ) -> Option<Self> {
                let text = reader.string(node, path, $expected)?;
                match text.parse() {
                    Ok(value) => Some(value),
                    Err(expected) => {
                        let message =
                            format!("found `{}`, expected {expected}", $crate::config::document::shorten(text));
                        reader.findings.push($crate::config::finding::Finding::error(path, node.origin.clone(), message));
                        None
                    }
                }
            }

            fn stand_in() -> Option<Self> {
                $example.parse().ok()
            }

            fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "examples": [$example] })
            }
        }
    };
}
pub(super) use read_text;
