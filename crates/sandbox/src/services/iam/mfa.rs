//! Virtual MFA devices.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::{
    Call, Control, Holder, MfaDevice, Reply, conflict, exists, iam, iam_mut, listed, name, no_such,
    own_arn, path, users,
};
use crate::api::ApiError;
use crate::auth::Identity;
use crate::clock::real_now;
use crate::services::input::{seconds, text};
use crate::totp;

pub(super) fn create(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = name(call, "VirtualMFADeviceName")?;
    let serial = own_arn(call, "mfa", &path(call)?, name);
    call.allow(control, &serial)?;
    let state = iam_mut(control, call)?;
    if state.mfa_devices.contains_key(&serial) {
        return Err(exists("MFADevice", name));
    }
    let mut random = fastrand::Rng::with_seed(call.simulation.random_number());
    let seed: Vec<u8> = (0..20).map(|_| random.u8(..)).collect();
    let answer = json!({
        "SerialNumber": serial,
        "Base32StringSeed": BASE64.encode(totp::base32(&seed)),
    });
    state.mfa_devices.insert(serial, MfaDevice { seed, holder: None, enabled_at: None });
    Ok(json!({ "VirtualMFADevice": answer }))
}

/// Whose device a call is about: a named user's, or the caller's own.
fn holder(control: &Control, call: &Call<'_>) -> Result<Holder, ApiError> {
    if text(call.input, "UserName").is_none() && call.caller.identity == Identity::Root {
        return Ok(Holder::Root);
    }
    let name = users::named(call)?;
    call.allow(control, &users::resource(control, call, name)?)?;
    if !iam(control, call)?.users.contains_key(name) {
        return Err(no_such("user", name));
    }
    Ok(Holder::User(name.to_owned()))
}

fn device<'a>(
    control: &'a mut Control,
    call: &Call<'_>,
    serial: &str,
) -> Result<&'a mut MfaDevice, ApiError> {
    let devices = &mut iam_mut(control, call)?.mfa_devices;
    devices.get_mut(serial).ok_or_else(|| no_such("MFA device", serial))
}

pub(super) fn enable(control: &mut Control, call: &Call<'_>) -> Reply {
    let holder = holder(control, call)?;
    let (first, second) =
        (call.required("AuthenticationCode1")?, call.required("AuthenticationCode2")?);
    let device = device(control, call, call.required("SerialNumber")?)?;
    if device.holder.is_some() {
        return Err(exists("MFADevice", call.required("SerialNumber")?));
    }
    let now = real_now();
    let accepted = [first, second].iter().all(|code| totp::accepts(&device.seed, code, now));
    if !accepted || first == second {
        return Err(ApiError::new(
            "InvalidAuthenticationCode",
            "Authentication code for device is not valid.",
        )
        .with_status(http::StatusCode::FORBIDDEN));
    }
    device.holder = Some(holder);
    device.enabled_at = Some(call.now);
    Ok(json!({}))
}

pub(super) fn deactivate(control: &mut Control, call: &Call<'_>) -> Reply {
    let holder = holder(control, call)?;
    let serial = call.required("SerialNumber")?;
    let device = device(control, call, serial)?;
    if device.holder.as_ref() != Some(&holder) {
        return Err(no_such("MFA device", serial));
    }
    device.holder = None;
    device.enabled_at = None;
    Ok(json!({}))
}

pub(super) fn delete(control: &mut Control, call: &Call<'_>) -> Reply {
    let serial = call.required("SerialNumber")?;
    call.allow(control, serial)?;
    if device(control, call, serial)?.holder.is_some() {
        return Err(conflict("MFA VirtualDevice in use. Must deactivate first."));
    }
    iam_mut(control, call)?.mfa_devices.remove(serial);
    Ok(json!({}))
}

pub(super) fn list(control: &Control, call: &Call<'_>) -> Reply {
    let holder = holder(control, call)?;
    let user = match &holder {
        Holder::Root => "root",
        Holder::User(name) => name,
    };
    let devices = iam(control, call)?
        .mfa_devices
        .iter()
        .filter(|(_, device)| device.holder.as_ref() == Some(&holder))
        .map(|(serial, device)| {
            let item = json!({
                "UserName": user,
                "SerialNumber": serial,
                "EnableDate": device.enabled_at.map(seconds),
            });
            (serial.clone(), item)
        });
    listed(call, "MFADevices", devices)
}

pub(super) fn list_virtual(control: &Control, call: &Call<'_>) -> Reply {
    call.allow(control, "*")?;
    let wanted = text(call.input, "AssignmentStatus").unwrap_or("Any");
    let state = iam(control, call)?;
    let devices = state
        .mfa_devices
        .iter()
        .filter(|(_, device)| match wanted {
            "Assigned" => device.holder.is_some(),
            "Unassigned" => device.holder.is_none(),
            _ => true,
        })
        .map(|(serial, device)| {
            let user = match &device.holder {
                None => Value::Null,
                Some(Holder::Root) => json!({
                    "UserId": call.caller.account,
                    "Arn": own_arn(call, "root", "", ""),
                    "CreateDate": device.enabled_at.map(seconds),
                }),
                Some(Holder::User(name)) => {
                    let user = state.users.get(name);
                    user.map_or(Value::Null, |user| users::shape(call, name, user))
                }
            };
            let item = json!({
                "SerialNumber": serial,
                "User": user,
                "EnableDate": device.enabled_at.map(seconds),
            });
            (serial.clone(), item)
        });
    listed(call, "VirtualMFADevices", devices)
}
