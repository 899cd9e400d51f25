//! Logins to the console, which no client's call is.

use orgtrail_base::names::AccountId;
use serde_json::json;

use super::keep;
use crate::auth::{Caller, Identity};
use crate::services::iam;
use crate::simulation::{Control, Simulation};
use crate::simulator::record::{BROWSER, By, Login, Recorded, console_login};
use crate::simulator::schedule::global_region;

/// Somebody signs in to the console.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The account.
    pub account: AccountId,
    /// The name of the IAM user; `None` is the root user.
    #[serde(default)]
    pub user: Option<String>,
    /// Whether an MFA device was used.
    #[serde(default)]
    pub mfa: bool,
    /// Whether it is refused.
    #[serde(default)]
    pub fails: bool,
}

/// Records a login; whether there is such an account, and such a user.
pub(crate) fn sign_in(control: &mut Control, simulation: &Simulation, sign_in: &SignIn) -> bool {
    let (partition, account) = (simulation.partition, &sign_in.account);
    let Some(known) = control.accounts.get(account) else { return false };
    let (identity, name) = match &sign_in.user {
        Some(name) => {
            let Some((name, user)) = known.iam.users.get_key_value(name) else { return false };
            let path = user.path.trim_start_matches('/');
            (Identity::User(format!("{path}{name}")), name.clone())
        }
        None => (Identity::Root, "root-account-mfa-device".to_owned()),
    };
    let device = iam::arn(partition, account, "mfa", "/", &name);
    let mut caller = Caller::service(partition, account, "", None);
    caller.identity = identity;
    let identity = super::identity::of(control, &caller);
    let region = global_region(partition);
    let place = Recorded { at: simulation.clock.now(), region: &region, account };
    let by = By { identity, address: "127.0.0.1", agent: BROWSER };
    let login = Login { mfa: sign_in.mfa.then_some(device), succeeds: !sign_in.fails };
    let mut record = console_login(place, by, &simulation.uuid(), &login);
    record["tlsDetails"] = json!({
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": format!("signin.{}", partition.dns_suffix()),
    });
    keep(control, simulation, account, &record);
    true
}
