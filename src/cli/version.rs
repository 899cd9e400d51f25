/// The version, and the commit that a release build was made from.
pub(super) fn version() -> String {
    let commit = match option_env!("ORGTRAIL_COMMIT") {
        Some(commit) => format!("commit {commit}"),
        None if cfg!(debug_assertions) => "debug build, commit not recorded".to_owned(),
        None => "commit not known".to_owned(),
    };
    format!("{} ({commit})", env!("CARGO_PKG_VERSION"))
}
