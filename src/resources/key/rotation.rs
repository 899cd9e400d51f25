use serde::Serialize;

use super::KmsKey;
use crate::aws::{At, Clients, Observation};
use crate::resources::change::{Change, Confirmation, field_changes};
use crate::resources::{ApplyContext, Desired, ObserveContext, Observed, Resource, StepError};

/// Whether KMS rotates the key's material by itself.
///
/// Source: KMS `GetKeyRotationStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// Whether it does.
    pub enabled: bool,
    /// Whether KMS can rotate it at all: not where its material was imported.
    #[serde(skip_serializing_if = "is_true")]
    pub supported: bool,
    /// Days between two rotations; absent where it does not, or where the
    /// service does not say.
    pub period_days: Option<i32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

impl Rotation {
    async fn read(clients: &Clients, key: &KmsKey) -> Observation<Self> {
        let answer =
            clients.kms().get_key_rotation_status().key_id(key.arn.to_string()).send().await;
        let answer = answer.at(clients, "kms:GetKeyRotationStatus");
        if let Err(error) = &answer
            && error.is_code("UnsupportedOperationException")
        {
            return Observation::Present(Self {
                enabled: false,
                supported: false,
                period_days: None,
            });
        }
        Observation::from_result(answer, |_| false).map(|answer| Self {
            enabled: answer.key_rotation_enabled,
            supported: true,
            period_days: answer.rotation_period_in_days.filter(|_| answer.key_rotation_enabled),
        })
    }

    fn declared(desired: &Desired, found: Option<&Self>) -> Self {
        let key = &desired.config.key;
        let period = i32::try_from(key.rotation_period_days).ok().filter(|_| key.rotation);
        // Servers from before 2024 have only one period and do not return it.
        let silent = found.is_some_and(|found| found.enabled && found.period_days.is_none());
        let period_days = if silent && period == Some(365) { None } else { period };
        Self { enabled: key.rotation, supported: true, period_days }
    }
}

impl Resource for Rotation {
    type State = Self;
    const ID: &'static str = "kms-key/rotation";
    const DEPENDS_ON: &'static [&'static str] = &["kms-key", "kms-key/alias"];
    const ACTIONS: &'static [&'static str] =
        &["kms:DisableKeyRotation", "kms:EnableKeyRotation", "kms:GetKeyRotationStatus"];

    async fn observe(context: &ObserveContext<'_>) -> Observation<Self> {
        match context.state_of::<KmsKey>().await {
            // It is off until the deletion is cancelled, regardless of its setting.
            Observation::Present(key) if key.state.starts_with("Pending") => Observation::Absent,
            Observation::Present(key) => Self::read(&key.owner_clients(context), key).await,
            Observation::Absent => Observation::Absent,
            Observation::Unreadable(error) => Observation::Unreadable(error.clone()),
        }
    }

    fn diff(desired: &Desired, found: Option<&Self>, observed: &Observed) -> Change {
        let mut declared = Self::declared(desired, found);
        let key = observed.kms_key.present();
        if let Some(found) = found.filter(|found| !found.supported) {
            if declared.enabled {
                return Change::refused(
                    "KMS does not rotate this key: its material was imported",
                    "set key.rotation = false and rotate the material yourself, or use a key that KMS made: another key.alias",
                );
            }
            declared.supported = found.supported;
        }
        if let (Some(key), Some(found)) = (key, found)
            && key.is_in_other_account(desired)
        {
            if found.enabled == declared.enabled {
                return Change::nothing();
            }
            let is = if found.enabled { "is" } else { "is not" };
            return Change::blocked(
                format!(
                    "{} {is} rotated, but the configuration sets key.rotation = {}",
                    key.arn, declared.enabled
                ),
                "the key belongs to another account: ask its administrator to change the rotation, or change key.rotation",
            );
        }
        if found.is_none() && !declared.enabled {
            return Change::nothing();
        }
        let change = Change::update(
            "the key's material is rotated as configured",
            field_changes(found, &declared),
        );
        if found.is_some_and(|found| found.enabled) && !declared.enabled {
            return change
                .irreversible(Confirmation::WeakenedGuard, "the key is no longer rotated");
        }
        change
    }

    async fn apply(context: &ApplyContext<'_>) -> Result<(), StepError> {
        let clients = KmsKey::clients(context);
        let key = context.key_arn().await?;
        let declared = Self::declared(context.desired, context.observed.key_rotation.present());
        if declared.enabled {
            clients
                .kms()
                .enable_key_rotation()
                .key_id(key)
                .set_rotation_period_in_days(declared.period_days)
                .send()
                .await
                .at(&clients, "kms:EnableKeyRotation")?;
        } else {
            clients
                .kms()
                .disable_key_rotation()
                .key_id(key)
                .send()
                .await
                .at(&clients, "kms:DisableKeyRotation")?;
        }
        Ok(())
    }
}
