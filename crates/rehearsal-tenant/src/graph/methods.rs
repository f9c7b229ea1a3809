//! `fido2Methods`: list, get, delete.

use serde_json::{Value, json};

use super::{Call, users};
use crate::answer::{Answer, Outcome, Refusal};

/// `GET …/fido2Methods`.
pub(super) fn list(call: &Call<'_>, user: &str) -> Outcome {
    let (index, user) = users::managed(call, user)?;
    let value: Vec<Value> = call
        .state
        .registry()
        .of(index)
        .iter()
        .map(|method| method.to_json())
        .collect();
    let context = call.context(&format!("users('{}')/authentication/fido2Methods", user.id));
    Ok(Answer::ok(
        json!({"@odata.context": context, "value": value}),
    ))
}

/// `GET …/fido2Methods/{id}`.
pub(super) fn get(call: &Call<'_>, user: &str, id: &str) -> Outcome {
    let (index, user) = users::managed(call, user)?;
    let mut body = call
        .state
        .registry()
        .find(index, id)
        .map(|method| method.to_json())
        .ok_or_else(|| Refusal::no_object(id))?;
    let context = call.context(&format!(
        "users('{}')/authentication/fido2Methods/$entity",
        user.id
    ));
    if let Some(body) = body.as_object_mut() {
        body.insert("@odata.context".to_owned(), context.into());
    }
    Ok(Answer::ok(body))
}

/// `DELETE …/fido2Methods/{id}`.
pub(super) fn delete(call: &Call<'_>, user: &str, id: &str) -> Outcome {
    let (index, _) = users::managed(call, user)?;
    if !call.state.registry().remove(index, id) {
        return Err(Refusal::no_object(id));
    }
    call.state.count(|counters| counters.deletions += 1);
    Ok(Answer::no_content())
}
