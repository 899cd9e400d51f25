//! By what a command trusts the records below `orgtrail/`.

use super::{OpError, Context};
use crate::archive::authenticity::Trust;
use crate::aws::{At as _, Aws, AwsError, Clients};
use crate::config::Config;
use crate::names::OrgId;

/// What the configuration trusts: the key of codes that it declares, and the SHA-256
/// that it lists.
///
/// # Errors
/// A key is declared, and the organization could not be read.
pub(super) async fn trust(
    context: &Context,
    config: &Config,
    aws: &Aws,
) -> Result<Trust, OpError> {
    let known = context.session.identity().and_then(|identity| identity.organization.clone());
    let organization = match known {
        Some(known) => Some(known),
        None if config.records.mac_key.is_none() => None,
        None => Some(organization(&aws.own_clients()).await?),
    };
    Ok(Trust::of_config(config, aws, organization.as_ref()))
}

/// What the configuration, where there is one, and the command line list.
pub(super) fn listed(context: &Context, more: &[String]) -> Trust {
    let config = context.config_path.exists().then(|| context.config().ok()).flatten();
    let of_config = config.iter().flat_map(|config| &config.records.acceptances);
    Trust::listed(of_config.chain(more))
}

/// A SHA-256 in hexadecimal.
pub(super) fn sha256(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("expected 64 hexadecimal digits".to_owned())
}

/// What makes records count, as it is written in the configuration.
pub(super) fn lines_to_add<'a>(sha256: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = sha256.into_iter().map(|one| format!("\"{one}\"")).collect();
    format!("  [records]\n  acceptances = [{}]", quoted.join(", "))
}

/// Says that a record that was written does not count yet, and what makes it count.
pub(super) fn tell_unauthenticated(context: &Context, sha256: &str) {
    context.out.warn(
        "nothing authenticates the record, so it does not count yet: add its SHA-256 to the \
         configuration, or declare `records.mac_key` first",
    );
    context.out.warn(lines_to_add([sha256]));
}

async fn organization(clients: &Clients) -> Result<OrgId, AwsError> {
    const ACTION: &str = "organizations:DescribeOrganization";
    let answer =
        clients.organizations().describe_organization().send().await.at(clients, ACTION)?;
    let id = answer.organization().and_then(|it| it.id()).unwrap_or_default();
    id.parse().map_err(|_| clients.malformed(ACTION, &format!("the id `{id}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sha256_has_64_hexadecimal_digits() {
        assert_eq!(sha256(&"A".repeat(64)), Ok("a".repeat(64)));
        for wrong in ["", "a", &"g".repeat(64), &"a".repeat(65)] {
            assert!(sha256(wrong).is_err(), "{wrong}");
        }
    }
}
