//! The creation options of Microsoft Graph (`webauthnCredentialCreationOptions`), which differ from
//! WebAuthn's JSON.

use serde_json::{Map, Value};

use super::PublicKeyCredentialCreationOptions;
use crate::{Base64Url, InvalidBase64Url};

/// Why creation options cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The text is not JSON.
    #[error("the creation options are not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// The answer, its `value` or its `publicKey` is something else than an object.
    #[error("the creation options' {0} is not a JSON object")]
    NotAnObject(&'static str),
    /// An id of `excludeCredentials` is not base64url, neither as it stands nor without a padding
    /// digit.
    #[error("publicKey.excludeCredentials[{index}].id: {source}")]
    ExcludedId {
        /// The position in the list.
        index: usize,
        /// What is wrong with it.
        source: InvalidBase64Url,
    },
    /// A member is missing or has the wrong type.
    #[error("{path}: {source}")]
    Member {
        /// Where, from `publicKey` on.
        path: String,
        /// What is wrong there.
        source: serde_json::Error,
    },
}

impl PublicKeyCredentialCreationOptions {
    /// Reads what Microsoft Graph's `creationOptions` answers: the whole answer or its `publicKey`
    /// alone, wrapped in a `value` member (as its documentation shows it) or not (as the service
    /// sends it).
    ///
    /// * `@odata.*` members and nulls are dropped at every depth.
    /// * `timeout` 0 means none.
    /// * Ids of `excludeCredentials` may carry .NET's padding digit: the number of `=` that were
    ///   left out, as a last character 0, 1 or 2. Where a text can be read both with and without
    ///   it, **both** ids are in the result: an unknown id in an exclude list does no harm.
    ///   `challenge` and `user.id` carry none and are taken as they are.
    ///
    /// # Errors
    /// [`OptionsError`] says which member could not be read, and why.
    pub fn from_graph_json(text: &str) -> Result<Self, OptionsError> {
        let mut answer: Value = serde_json::from_str(text).map_err(OptionsError::NotJson)?;
        drop_annotations_and_nulls(&mut answer);
        let mut object = into_object(answer, "answer")?;
        for wrapper in ["value", "publicKey"] {
            if let Some(inner) = object.remove(wrapper) {
                object = into_object(inner, wrapper)?;
            }
        }
        if object.get("timeout").and_then(Value::as_u64) == Some(0) {
            object.remove("timeout");
        }
        if let Some(Value::Array(descriptors)) = object.get_mut("excludeCredentials") {
            *descriptors = resolve_padding_digits(std::mem::take(descriptors))?;
        }
        serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| {
            let path = match error.path().to_string().as_str() {
                "." => "publicKey".to_owned(),
                path => format!("publicKey.{path}"),
            };
            OptionsError::Member {
                path,
                source: error.into_inner(),
            }
        })
    }
}

fn into_object(value: Value, what: &'static str) -> Result<Map<String, Value>, OptionsError> {
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(OptionsError::NotAnObject(what)),
    }
}

/// OData's control information is named `@odata.…`, or `member@odata.…` when it belongs to another
/// member.
fn drop_annotations_and_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, value| !name.contains("@odata.") && !value.is_null());
            members.values_mut().for_each(drop_annotations_and_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_annotations_and_nulls),
        _ => {}
    }
}

/// Replaces each descriptor by one for every id that its text can mean.
fn resolve_padding_digits(descriptors: Vec<Value>) -> Result<Vec<Value>, OptionsError> {
    let mut resolved = Vec::with_capacity(descriptors.len());
    for (index, descriptor) in descriptors.into_iter().enumerate() {
        let Some(text) = descriptor.get("id").and_then(Value::as_str) else {
            // No text: the deserialiser names the member and what is wrong with it.
            resolved.push(descriptor);
            continue;
        };
        let ids = ids_with_padding_digit(text)
            .map_err(|source| OptionsError::ExcludedId { index, source })?;
        for id in ids {
            let mut descriptor = descriptor.clone();
            if let Some(member) = descriptor.get_mut("id") {
                *member = Value::String(id.to_string());
            }
            resolved.push(descriptor);
        }
    }
    Ok(resolved)
}

/// The ids that a text can mean whose last character may be a padding digit. Measured against
/// .NET's `UrlTokenEncode`:
///
/// * digit 0 makes a length that base64 cannot have (4n + 1);
/// * digit 2 leaves stray bits in the last character;
/// * digit 1 makes a text that decodes to one byte more than was meant. Nothing tells it from a
///   clean text that happens to end in `1`, so that both readings are given.
fn ids_with_padding_digit(text: &str) -> Result<Vec<Base64Url>, InvalidBase64Url> {
    let clean: String = text
        .chars()
        .filter(|character| *character != '=')
        .map(|character| match character {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect();
    let without_digit = clean.strip_suffix(['0', '1', '2']);
    match (clean.parse::<Base64Url>(), without_digit) {
        (Err(_), Some(stripped)) => Ok(vec![stripped.parse()?]),
        (Err(error), None) => Err(error),
        (Ok(id), Some(stripped)) if clean.len().is_multiple_of(4) && clean.ends_with('1') => {
            Ok(std::iter::once(id).chain(stripped.parse()).collect())
        }
        (Ok(id), _) => Ok(vec![id]),
    }
}

#[cfg(test)]
mod tests;
