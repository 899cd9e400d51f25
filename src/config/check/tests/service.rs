//! Where the service keeps its state.

use super::*;

const BUCKET: &str = "state = \"s3://acme-state/prod\"\n";
const MANAGED: &str = "manage_state = true\n";

fn service(lines: &str) -> String {
    config("", "", &format!("[service]\n{lines}"))
}

#[test]
fn a_managed_state_is_a_bucket_of_the_log_archive_account() {
    assert_eq!(findings(&service(&format!("{BUCKET}{MANAGED}"))), []);
    only(&service(MANAGED), WARNING, "service.manage_state", "no bucket");
    let account = "state_account = \"999999999999\"\n";
    only(&service(account), WARNING, "service.state_account", "no bucket");
    assert_eq!(findings(&service(&format!("{BUCKET}{account}"))), []);
    let other = service(&format!("{BUCKET}{MANAGED}{account}"));
    only(&other, ERROR, "service.state_account", "the log-archive account");
}

#[test]
fn a_managed_state_has_a_bucket_of_its_own() {
    let logging = "[archive.access_logging]\nbucket = \"acme-state\"\n";
    let logging = config("", "", &format!("{logging}[service]\n{BUCKET}{MANAGED}"));
    only(&logging, ERROR, "service.state", "the same name");
    for days in ["0", "3661"] {
        let text = service(&format!("{BUCKET}{MANAGED}state_retention_days = {days}\n"));
        only(&text, ERROR, "service.state_retention_days", "expected 1 to 3660");
    }
}
