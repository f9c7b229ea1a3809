//! Building Graph URLs: path segments, OData string literals and query options, each with the encoding of its own kind.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::error::{Error, Result};

/// Appends path segments, percent-encoded. Segments are never empty, `.` or `..`: see [`segment`].
pub(crate) fn extend(base: &mut Url, segments: &[&str]) {
    // Only a URL such as `mailto:` has no segments; configuration allows http and https alone.
    if let Ok(mut path) = base.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
}

/// Refuses what would change the shape of the path: nothing at all, `.` and `..` (which URLs resolve away), control characters.
pub(crate) fn segment<'a>(what: &'static str, value: &'a str) -> Result<&'a str> {
    if value.is_empty() || value == "." || value == ".." || value.chars().any(char::is_control) {
        return Err(Error::Identifier {
            what,
            value: value.to_owned(),
        });
    }
    Ok(value)
}

/// An OData string literal: in single quotes, inner single quotes doubled (OData 4.01 ABNF, rule `string`).
pub(crate) fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// The query part for `options`; names are taken as they are (`$select`), values are encoded.
pub(crate) fn query(options: &[(&str, &str)]) -> String {
    options
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUERY_VALUE)))
        .collect::<Vec<_>>()
        .join("&")
}

/// Everything but the unreserved characters of RFC 3986 §2.3 and the comma, which separates properties.
///
/// A space becomes `%20`, not `+`: in a URL (unlike a form) a plus is a plus.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b',');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_doubled_and_everything_else_encoded() {
        assert_eq!(literal("O'Brien & Co"), "'O''Brien & Co'");
        let filter = format!("displayName eq {}", literal("O'Brien & Co+100%#é"));
        assert_eq!(
            query(&[("$filter", &filter), ("$select", "id,mail")]),
            "$filter=displayName%20eq%20%27O%27%27Brien%20%26%20Co%2B100%25%23%C3%A9%27&$select=id,mail"
        );
    }

    #[test]
    fn a_guest_upn_stays_one_segment() {
        let mut url = Url::parse("https://graph.microsoft.com/").unwrap();
        extend(&mut url, &["beta", "users", "a/b#EXT#@x.y?z"]);
        assert_eq!(
            url.as_str(),
            "https://graph.microsoft.com/beta/users/a%2Fb%23EXT%23@x.y%3Fz"
        );
    }

    #[test]
    fn the_base_may_have_a_path() {
        let mut url = Url::parse("https://proxy.test/graph").unwrap();
        extend(&mut url, &["beta"]);
        assert_eq!(url.as_str(), "https://proxy.test/graph/beta");
    }

    #[test]
    fn segments_that_vanish_are_refused() {
        for bad in ["", ".", "..", "a\nb"] {
            assert!(segment("user", bad).is_err(), "{bad:?}");
        }
        assert!(segment("user", "...").is_ok());
    }
}
