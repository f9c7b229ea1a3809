//! The HTTP client and the reading of answers, the same for the token endpoint and Graph.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, LOCATION, RETRY_AFTER};
use url::Url;

use crate::config::{ConfigError, GraphConfig, is_loopback};

/// An HTTP client for the server of `base`.
///
/// Redirects are never followed: neither endpoint has any, and a token or a secret must not travel along one.
/// To a loopback address no proxy is used, and for plain http there the system's certificates are not even read,
/// so that a rehearsal works on a machine that has none.
pub(crate) fn client(base: &Url, config: &GraphConfig) -> Result<reqwest::Client, ConfigError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("keywright/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(config.connect_timeout)
        .timeout(config.request_timeout);
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    if base.scheme() == "https" {
        builder = builder.https_only(true);
    } else {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|problem| ConfigError::Tls {
        host: base.host_str().unwrap_or_default().to_owned(),
        problem: innermost(&problem),
    })
}

/// A complete answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) received: Timestamp,
}

/// Why an answer is not complete.
pub(crate) enum ReadProblem {
    Http(reqwest::Error),
    TooLarge,
}

/// Reads the answer to its end.
pub(crate) async fn read(mut response: reqwest::Response) -> Result<Answer, ReadProblem> {
    let received = Timestamp::now();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(ReadProblem::Http)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(ReadProblem::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body,
        received,
    })
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The server's clock.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        self.header(DATE.as_str()).and_then(http_date)
    }

    /// `Retry-After` (RFC 9110 §10.2.3): seconds, or a date, which is compared with the server's own clock.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let value = self.header(RETRY_AFTER.as_str())?.trim();
        if let Ok(seconds) = value.parse::<u32>() {
            return Some(Duration::from_secs(seconds.into()));
        }
        let at = http_date(value)?;
        let now = self.date().unwrap_or(self.received);
        Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
    }

    /// A few words on an answer that is not what was expected, for an error text.
    pub(crate) fn describe(&self) -> String {
        if self.status.is_redirection() {
            let target = self
                .header(LOCATION.as_str())
                .and_then(|location| Url::parse(location).ok());
            return match target {
                Some(target) => {
                    format!("a redirect to {}, which was not followed", server(&target))
                }
                None => "a redirect, which was not followed".to_owned(),
            };
        }
        let kind = self
            .header(CONTENT_TYPE.as_str())
            .unwrap_or("no content type")
            .to_owned();
        if self.body.is_empty() {
            return format!("an empty body ({kind})");
        }
        let text: String = String::from_utf8_lossy(&self.body)
            .chars()
            .map(|c| {
                if c.is_control() || c.is_whitespace() {
                    ' '
                } else {
                    c
                }
            })
            .take(EXCERPT)
            .collect();
        format!("{kind} of {} bytes: {text:?}", self.body.len())
    }
}

/// What serde found wrong, without quoting the input.
pub(crate) fn json_problem(problem: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match problem.classify() {
        Category::Io => "JSON that could not be read",
        Category::Syntax => "text that is not JSON",
        Category::Data => "JSON of another shape than documented",
        Category::Eof => "JSON that breaks off",
    };
    format!(
        "{what} (line {}, column {})",
        problem.line(),
        problem.column()
    )
}

/// Scheme, host and port, for error texts: never the path or the query.
pub(crate) fn server(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The innermost cause: the outer texts of HTTP and TLS libraries are generic.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The longest answer read; a page of 999 users has less than 1 MB.
const MAX_BODY: usize = 32 << 20;

/// Characters of a strange answer that an error text shows.
const EXCERPT: usize = 160;

/// An HTTP date in its preferred form (RFC 9110 §5.6.7), which is a subset of RFC 2822's. The weekday is not checked.
fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(
                reqwest::header::HeaderName::try_from(*name).unwrap(),
                value.parse().unwrap(),
            );
        }
        Answer {
            status: StatusCode::OK,
            headers: map,
            body: body.into(),
            received: Timestamp::now(),
        }
    }

    #[test]
    fn retry_after_in_both_forms() {
        assert_eq!(
            answer(&[("retry-after", "17")], "").retry_after(),
            Some(Duration::from_secs(17))
        );
        let date = [
            ("date", "Sun, 22 Nov 2026 10:00:00 GMT"),
            ("retry-after", "Sun, 22 Nov 2026 10:01:30 GMT"),
        ];
        assert_eq!(
            answer(&date, "").retry_after(),
            Some(Duration::from_secs(90))
        );
        let past = [
            ("date", "Sun, 22 Nov 2026 10:00:00 GMT"),
            ("retry-after", "Sun, 22 Nov 2026 09:00:00 GMT"),
        ];
        assert_eq!(answer(&past, "").retry_after(), Some(Duration::ZERO));
        for odd in ["soon", "-1", "99999999999", ""] {
            assert_eq!(
                answer(&[("retry-after", odd)], "").retry_after(),
                None,
                "{odd}"
            );
        }
    }

    #[test]
    fn a_strange_answer_is_described_in_one_line() {
        let html = answer(
            &[("content-type", "text/html")],
            "<html>\r\n<b>Blocked\u{7}</b>",
        );
        assert_eq!(
            html.describe(),
            "text/html of 23 bytes: \"<html>  <b>Blocked </b>\""
        );
        assert_eq!(
            answer(&[], "").describe(),
            "an empty body (no content type)"
        );
        let mut redirect = answer(&[("location", "https://evil.test/x?token=1")], "");
        redirect.status = StatusCode::FOUND;
        assert_eq!(
            redirect.describe(),
            "a redirect to https://evil.test, which was not followed"
        );
    }
}
