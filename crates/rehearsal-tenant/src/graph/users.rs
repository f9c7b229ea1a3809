//! `users/{id or upn}`.

use serde_json::Value;

use super::Call;
use super::groups::selected;
use crate::answer::{Answer, Outcome, Refusal};
use crate::directory::{Member, TenantUser};

/// `GET /users/{id or upn}`.
pub(super) fn get(call: &Call<'_>, name: &str) -> Outcome {
    call.get_only()?;
    let (index, _) = named(call, name)?;
    let (_, properties) = call
        .state
        .directory
        .properties(Member::User(index))
        .ok_or_else(|| Refusal::no_object(name))?;
    let mut body = selected(properties, call.query.select().as_deref());
    body.insert(
        "@odata.context".to_owned(),
        Value::from(call.context("users/$entity")),
    );
    Ok(Answer::ok(body.into()))
}

/// The user with this object id or user principal name.
pub(super) fn named<'a>(call: &Call<'a>, name: &str) -> Result<(usize, &'a TenantUser), Refusal> {
    call.state
        .directory
        .user(name)
        .ok_or_else(|| Refusal::no_object(name))
}

/// The user, if the application may manage the user's authentication methods.
pub(super) fn managed<'a>(call: &Call<'a>, name: &str) -> Result<(usize, &'a TenantUser), Refusal> {
    let (index, user) = named(call, name)?;
    let (id, upn) = user.names();
    if call.state.faults().forbids([&id, upn]) {
        return Err(Refusal::forbidden());
    }
    Ok((index, user))
}

/// The user, if a passkey may be registered for the user.
pub(super) fn enrollable<'a>(
    call: &Call<'a>,
    name: &str,
) -> Result<(usize, &'a TenantUser), Refusal> {
    let (index, user) = managed(call, name)?;
    let (id, upn) = user.names();
    if user.is_guest {
        return Err(Refusal::bad_request(
            "Registration is not supported for internal or external guest users.",
        ));
    }
    if call.state.faults().policy_refuses([&id, upn]) {
        return Err(Refusal::bad_request(
            "User or group restriction policy failed",
        ));
    }
    Ok((index, user))
}
