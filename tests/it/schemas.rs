//! The JSON Schemas in `docs/schemas/` are those of the code.

use std::path::{Path, PathBuf};

use orgtrail::report::contract::DOCUMENTS;

/// Set to write the schemas instead of comparing them.
const UPDATE: &str = "ORGTRAIL_UPDATE_SCHEMAS";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas")
}

#[test]
fn every_document_has_its_schema_in_the_documentation() {
    #[expect(clippy::disallowed_methods, reason = "as insta's INSTA_UPDATE does")]
    let is_update = std::env::var_os(UPDATE).is_some();
    let mut expected: Vec<String> =
        DOCUMENTS.iter().map(|document| format!("{}.json", document.name)).collect();
    for document in DOCUMENTS {
        let path = folder().join(format!("{}.json", document.name));
        let schema = serde_json::to_string_pretty(&(document.schema)()).unwrap() + "\n";
        if is_update {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&path, &schema).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == schema,
            "{} is out of date: run `{UPDATE}=1 cargo test --test it schemas`",
            path.display()
        );
    }
    let files = std::fs::read_dir(folder()).unwrap();
    let mut files: Vec<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    expected.sort();
    assert_eq!(files, expected, "docs/schemas/ has files of no document");
}
