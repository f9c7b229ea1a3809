//! Typed access to the members of a JSON object, with errors that name the file and the key and never a value.

use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::{Map, Value};
use url::Url;

use super::ConfigError;

/// The members of a configuration file.
pub(super) struct Members<'a> {
    path: &'a Path,
    members: Map<String, Value>,
}

impl<'a> Members<'a> {
    /// Reads an object whose keys are all among `known`.
    pub(super) fn parse(
        path: &'a Path,
        text: &str,
        known: &[&'static str],
    ) -> Result<Self, ConfigError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let value: Value = serde_json::from_str(text).map_err(|error| ConfigError::NotJson {
            path: path.to_path_buf(),
            detail: error.to_string(),
        })?;
        let Value::Object(members) = value else {
            return Err(ConfigError::NotJson {
                path: path.to_path_buf(),
                detail: format!("it holds {}", kind(&value)),
            });
        };
        match members.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(ConfigError::UnknownKey {
                path: path.to_path_buf(),
                key: key.clone(),
                nearest: nearest(key, known),
            }),
            None => Ok(Self { path, members }),
        }
    }

    pub(super) fn bad(&self, key: &'static str, problem: String) -> ConfigError {
        ConfigError::BadValue {
            path: self.path.to_path_buf(),
            key,
            problem,
        }
    }

    /// A string that is there and not blank.
    pub(super) fn needed(&self, key: &'static str) -> Result<String, ConfigError> {
        self.string(key)?.ok_or_else(|| ConfigError::MissingKey {
            path: self.path.to_path_buf(),
            key,
            hint: "",
        })
    }

    /// A string; blank is as good as absent, since the scripts' file ships with blanks to fill in.
    pub(super) fn string(&self, key: &'static str) -> Result<Option<String>, ConfigError> {
        match self.members.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => {
                Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
            }
            Some(other) => Err(self.wrong_type(key, "a string", other)),
        }
    }

    pub(super) fn boolean(&self, key: &'static str) -> Result<Option<bool>, ConfigError> {
        match self.members.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(self.wrong_type(key, "true or false", other)),
        }
    }

    /// `true`, `false` or the one `word`, which comes out as `Err(())`.
    pub(super) fn boolean_or_word(
        &self,
        key: &'static str,
        word: &'static str,
    ) -> Result<Option<Result<bool, ()>>, ConfigError> {
        match self.members.get(key) {
            Some(Value::String(text)) if text == word => Ok(Some(Err(()))),
            Some(Value::String(_)) => {
                Err(self.bad(key, format!("must be true, false or \"{word}\"")))
            }
            _ => Ok(self.boolean(key)?.map(Ok)),
        }
    }

    /// A whole number within `range`.
    pub(super) fn integer<N>(
        &self,
        key: &'static str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<N>, ConfigError>
    where
        N: TryFrom<u32>,
    {
        let value = match self.members.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(other) => return Err(self.wrong_type(key, "a whole number", other)),
        };
        value
            .as_u64()
            .and_then(|value| u32::try_from(value).ok())
            .filter(|value| range.contains(value))
            .and_then(|value| N::try_from(value).ok())
            .map(Some)
            .ok_or_else(|| {
                self.bad(
                    key,
                    format!(
                        "is {value}; it must be a whole number from {} to {}",
                        range.start(),
                        range.end()
                    ),
                )
            })
    }

    pub(super) fn strings(&self, key: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        let values = match self.members.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(values)) => values,
            Some(other) => return Err(self.wrong_type(key, "a list of strings", other)),
        };
        values
            .iter()
            .map(|value| match value {
                Value::String(text) => Ok(text.clone()),
                other => Err(self.wrong_type(key, "a list of strings", other)),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    pub(super) fn url(&self, key: &'static str) -> Result<Option<Url>, ConfigError> {
        self.string(key)?
            .map(|text| {
                Url::parse(&text).map_err(|error| self.bad(key, format!("is no URL: {error}")))
            })
            .transpose()
    }

    fn wrong_type(&self, key: &'static str, expected: &'static str, found: &Value) -> ConfigError {
        ConfigError::WrongType {
            path: self.path.to_path_buf(),
            key,
            expected,
            found: kind(found),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let fold = |name: &str| name.to_lowercase().replace(['_', '-'], "");
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&fold(key), &fold(name)), *name))
        .min()
        .map(|(_, name)| name)
}
