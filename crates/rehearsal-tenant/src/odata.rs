//! The parts of OData that the tenant understands: path segments, query options, `eq` filters.

use percent_encoding::percent_decode_str;

/// The segments of a path, decoded. `users('x')` becomes two segments, as `users/x`. `None` when it is not UTF-8.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    let mut segments = Vec::new();
    for raw in path.split('/').filter(|raw| !raw.is_empty()) {
        let segment = percent_decode_str(raw).decode_utf8().ok()?;
        match segment
            .strip_suffix(')')
            .and_then(|segment| segment.split_once('('))
        {
            Some((name, key)) if key.starts_with('\'') => {
                segments.extend([name.to_owned(), unquote(key)?]);
            }
            _ => segments.push(segment.into_owned()),
        }
    }
    Some(segments)
}

/// The options of a query. As in every web form, `+` is a space.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        Self(
            url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The option called `name`; for system options the `$` may be left out.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let bare = name.trim_start_matches('$');
        let option = self
            .0
            .iter()
            .find(|(key, _)| key.trim_start_matches('$').eq_ignore_ascii_case(bare));
        option.map(|(_, value)| value.as_str())
    }

    /// The properties of `$select`, lower-case; `None` means all.
    pub(crate) fn select(&self) -> Option<Vec<String>> {
        let list = self.get("$select")?;
        Some(
            list.split(',')
                .map(|property| property.trim().to_lowercase())
                .collect(),
        )
    }
}

/// `property eq 'value'`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Equals {
    pub(crate) property: String,
    pub(crate) value: String,
}

impl Equals {
    /// Reads a filter; the error is the message for the caller.
    pub(crate) fn parse(filter: &str) -> Result<Self, String> {
        let (property, rest) = filter.trim().split_once(' ').ok_or_else(|| {
            format!(
                "Invalid filter clause: Syntax error at position {} in '{filter}'.",
                filter.len()
            )
        })?;
        let rest = rest.trim_start();
        let literal = rest.strip_prefix("eq ").ok_or_else(|| {
            "Unsupported or invalid query filter clause specified: only 'eq' is supported here."
                .to_owned()
        })?;
        let value = unquote(literal.trim()).ok_or_else(|| {
            format!("Invalid filter clause: There is an unterminated literal or a syntax error in '{filter}'.")
        })?;
        Ok(Self {
            property: property.to_owned(),
            value,
        })
    }
}

/// The value of a string literal: in single quotes, each inner quote doubled. `None` when it is not one.
fn unquote(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut value = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        if character == '\'' && characters.next() != Some('\'') {
            return None;
        }
        value.push(character);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quote_is_two_quotes() {
        let parsed = Equals::parse("displayName eq 'O''Brien & Co'").unwrap();
        assert_eq!(
            (parsed.property.as_str(), parsed.value.as_str()),
            ("displayName", "O'Brien & Co")
        );
        assert_eq!(Equals::parse("displayName eq ''").unwrap().value, "");
        for wrong in [
            "displayName eq 'O'Brien'",
            "displayName eq 'x",
            "displayName eq x",
            "displayName eq '",
            "displayName eq '''",
            "startswith(displayName,'x')",
            "displayName ne 'x'",
            "displayName eq 'x' or id eq 'y'",
            "",
        ] {
            assert!(Equals::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn keys_in_parentheses_are_segments() {
        let split = |path| segments(path).unwrap();
        assert_eq!(
            split("/beta/users('%24kim''s@x')/authentication"),
            ["beta", "users", "$kim's@x", "authentication"]
        );
        assert_eq!(
            split("/beta/users/a%2Fb%23EXT%23@x"),
            ["beta", "users", "a/b#EXT#@x"]
        );
        assert_eq!(
            split("/beta/creationOptions(challengeTimeoutInMinutes=5)"),
            ["beta", "creationOptions(challengeTimeoutInMinutes=5)"]
        );
        assert_eq!(segments("/beta/%ff"), None);
    }

    #[test]
    fn options_are_found_with_and_without_their_dollar() {
        let query =
            Query::parse("$filter=displayName%20eq%20'a+b%2Bc'&top=5&%24select=id, displayName");
        assert_eq!(query.get("$filter"), Some("displayName eq 'a b+c'"));
        assert_eq!(query.get("$top"), Some("5"));
        assert_eq!(query.select().unwrap(), ["id", "displayname"]);
    }

    proptest! {
        #[test]
        fn every_value_survives_its_quoting(value: String) {
            let filter = format!("displayName eq '{}'", value.replace('\'', "''"));
            prop_assert_eq!(Equals::parse(&filter).unwrap().value, value);
        }

        #[test]
        fn nothing_panics(text: String) {
            let _ = (segments(&text), Query::parse(&text).select(), Equals::parse(&text));
        }
    }
}
