use super::Candidate;
use crate::archive::retire::{Condition, deletable};
use crate::config::Config;
use crate::org::{ControlKind, ControlPolicies, Ruling};
use crate::policy::eval::{Principal, Request};

impl Candidate {
    /// Whether service control policies let the trail be stopped and deleted with the
    /// role that orgtrail assumes in its account.
    pub(super) async fn deletable(&self, config: &Config) -> Condition {
        let organization = &config.organization;
        let (account, home) = (&self.trail.account, &organization.home_region);
        let management = self.aws.clients(&organization.management_account, home);
        let read = ControlPolicies::read(
            &management,
            ControlKind::Service,
            account,
            &organization.management_account,
        );
        let policies = match read.await {
            Ok(policies) => policies,
            Err(error) => return deletable(Err(error.in_full())),
        };
        let caller = self.aws.caller();
        // The caller assumes no role in its own account.
        let principal = if caller.account == *account {
            caller.arn.to_string()
        } else {
            config.roles.arn_in(config.partition(), account).to_string()
        };
        let resource = self.trail.arn.to_string();
        let context = [
            ("aws:PrincipalArn", principal.as_str()),
            ("aws:PrincipalAccount", account.as_str()),
            ("aws:ResourceAccount", account.as_str()),
            ("aws:RequestedRegion", self.trail.home_region.as_str()),
            ("aws:SecureTransport", "true"),
            ("aws:PrincipalIsAWSService", "false"),
        ];
        let rulings = ["cloudtrail:StopLogging", "cloudtrail:DeleteTrail"].map(|action| {
            let principal = Principal::role(account, &principal);
            let request = Request { principal, action, resource: &resource, context: &context };
            (action, policies.ruling(ControlKind::Service, &request, &[]))
        });
        let rulings: &[(&'static str, Ruling)] = &rulings;
        deletable(Ok(rulings))
    }
}
