//! Files that operating systems and file managers create in copied folders: a mirror of a
//! bucket may contain them.

/// Names of such files, and of folders of such files, in lower case.
const NAMES: [&str; 18] = [
    // macOS
    ".ds_store",
    ".localized",
    ".apdisk",
    ".volumeicon.icns",
    ".spotlight-v100",
    ".trashes",
    ".fseventsd",
    ".temporaryitems",
    ".documentrevisions-v100",
    "__macosx",
    "icon\r",
    // Windows
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    // Linux, and network storage
    ".directory",
    "@eadir",
];
/// Prefixes of such names: `AppleDouble` files, deleted files of NFS, a desktop's trash.
const BEGINNINGS: [&str; 3] = ["._", ".nfs", ".trash-"];

/// Whether a path is such a file, or is in a folder of such files.
#[must_use]
pub fn is_clutter(path: &str) -> bool {
    path.split('/').any(|part| {
        let part = part.to_lowercase();
        NAMES.contains(&part.as_str()) || BEGINNINGS.iter().any(|begin| part.starts_with(begin))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_systems_leave_are_distinguished_from_other_files() {
        for path in [
            "AWSLogs/1/CloudTrail/.DS_Store",
            "a/Thumbs.db",
            "a/THUMBS.DB",
            "a/desktop.ini",
            "a/._111111111111_CloudTrail_us-east-1_20260110T0805Z_aaaaaaaaaaaaaaaa.json.gz",
            "a/@eaDir/x.json.gz@SynoEAStream",
            "a/.Spotlight-V100/Store-V2/x",
            "a/.nfs000000001",
        ] {
            assert!(is_clutter(path), "{path}");
        }
        for path in ["a/evil.json.gz", "a/.hidden", "a/DS_Store", "a/thumbs.db.json", "a/b._c", ""]
        {
            assert!(!is_clutter(path), "{path}");
        }
    }
}
