//! `groups`: by name, by id, members.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{Call, Version};
use crate::answer::{Answer, Outcome, Refusal};
use crate::directory::Member;
use crate::odata::Equals;

/// `GET /groups`, with or without `$filter=displayName eq '…'`.
pub(super) fn find(call: &Call<'_>) -> Outcome {
    call.get_only()?;
    let select = call.query.select();
    let filter = match call.query.get("$filter") {
        None => None,
        Some(filter) => Some(Equals::parse(filter).map_err(Refusal::unsupported_query)?),
    };
    let mut found = Vec::new();
    for group in &call.state.directory.groups {
        let properties = group.properties();
        let matches = match &filter {
            None => true,
            Some(Equals { property, value }) => {
                let (_, actual) = properties.iter().find(|(name, _)| name.eq_ignore_ascii_case(property)).ok_or_else(|| {
                    Refusal::unsupported_query(format!("Unsupported or invalid query filter clause specified for property '{property}' of resource 'Group'."))
                })?;
                actual
                    .as_str()
                    .is_some_and(|actual| actual.to_lowercase() == value.to_lowercase())
            }
        };
        if matches {
            found.push(selected(properties, select.as_deref()));
        }
    }
    Ok(Answer::ok(
        json!({"@odata.context": call.context("groups"), "value": found}),
    ))
}

/// `GET /groups/{id}`.
pub(super) fn get(call: &Call<'_>, id: &str) -> Outcome {
    call.get_only()?;
    let group = call
        .state
        .directory
        .group(id)
        .ok_or_else(|| Refusal::no_object(id))?;
    let mut body = selected(group.properties(), call.query.select().as_deref());
    body.insert(
        "@odata.context".to_owned(),
        call.context("groups/$entity").into(),
    );
    Ok(Answer::ok(body.into()))
}

/// Which members are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Direct,
    DirectUsers,
    Transitive,
    TransitiveUsers,
}

impl Scope {
    fn is_transitive(self) -> bool {
        matches!(self, Self::Transitive | Self::TransitiveUsers)
    }

    fn is_cast(self) -> bool {
        matches!(self, Self::DirectUsers | Self::TransitiveUsers)
    }
}

/// `GET /groups/{id}/members` and its relatives, page by page.
pub(super) fn members(call: &Call<'_>, id: &str, scope: Scope) -> Outcome {
    call.get_only()?;
    if scope.is_cast() {
        require_advanced_query(call)?;
    }
    let directory = &call.state.directory;
    let group = directory.group(id).ok_or_else(|| Refusal::no_object(id))?;
    let all = if scope.is_transitive() {
        directory.transitive_members(group)
    } else {
        group.members.clone()
    };
    let wanted: Vec<Member> = all
        .into_iter()
        .filter(|member| is_listed(*member, scope, call.version))
        .collect();

    let size = page_size(call)?;
    let start = match call.query.get("$skiptoken") {
        None => 0,
        Some(token) => open_skip_token(token).ok_or_else(|| {
            Refusal::new(StatusCode::BAD_REQUEST, "Directory_ExpiredPageToken", "The specified page token value has expired and can no longer be included in your request.")
        })?,
    };
    let select = call.query.select();
    let value: Vec<Value> = wanted
        .iter()
        .skip(start)
        .take(size)
        .filter_map(|member| {
            let (kind, properties) = directory.properties(*member)?;
            let mut item = selected(properties, select.as_deref());
            if !scope.is_cast() {
                item.insert("@odata.type".to_owned(), kind.into());
            }
            Some(item.into())
        })
        .collect();
    let context = call.context(if scope.is_cast() {
        "users"
    } else {
        "directoryObjects"
    });
    let mut body = json!({"@odata.context": context, "value": value});
    if let Some(body) = body.as_object_mut() {
        if call.query.get("$count") == Some("true") && start == 0 {
            body.insert("@odata.count".to_owned(), wanted.len().into());
        }
        if start + size < wanted.len() {
            body.insert(
                "@odata.nextLink".to_owned(),
                next_link(call, start + size).into(),
            );
        }
    }
    Ok(Answer::ok(body))
}

/// v1.0 does not list service principals.
fn is_listed(member: Member, scope: Scope, version: Version) -> bool {
    match member {
        Member::User(_) => true,
        Member::ServicePrincipal(_) => !scope.is_cast() && version == Version::Beta,
        Member::Device(_) | Member::Group(_) => !scope.is_cast(),
    }
}

fn require_advanced_query(call: &Call<'_>) -> Result<(), Refusal> {
    let eventual = call
        .headers
        .get("consistencylevel")
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.eq_ignore_ascii_case("eventual"));
    if eventual && call.query.get("$count") == Some("true") {
        return Ok(());
    }
    Err(Refusal::unsupported_query(
        "The request uses an OData cast, which needs the header ConsistencyLevel: eventual and the parameter $count=true.",
    ))
}

fn page_size(call: &Call<'_>) -> Result<usize, Refusal> {
    let asked = match call.query.get("$top") {
        None => call.state.page_size,
        Some(top) => top
            .parse()
            .ok()
            .filter(|size| (1..=999).contains(size))
            .ok_or_else(|| {
                Refusal::unsupported_query(format!(
                    "Invalid page size specified: '{top}'. Must be between 1 and 999 inclusive."
                ))
            })?,
    };
    Ok(asked.clamp(1, call.state.max_page_size.clamp(1, 999)))
}

/// The same request, from `start` on.
fn next_link(call: &Call<'_>, start: usize) -> String {
    let mut options: Vec<String> = ["$count", "$select", "$top"]
        .into_iter()
        .filter_map(|name| {
            Some(format!(
                "{name}={}",
                utf8_percent_encode(call.query.get(name)?, NON_ALPHANUMERIC)
            ))
        })
        .collect();
    options.push(format!("$skiptoken={}", skip_token(start)));
    format!("{}{}?{}", call.base, call.path, options.join("&"))
}

fn skip_token(start: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("RFNwdAoAAQ{start:010}"))
}

fn open_skip_token(token: &str) -> Option<usize> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    std::str::from_utf8(&bytes)
        .ok()?
        .strip_prefix("RFNwdAoAAQ")?
        .parse()
        .ok()
}

/// What `$select` leaves.
pub(super) fn selected(
    properties: Map<String, Value>,
    select: Option<&[String]>,
) -> Map<String, Value> {
    match select {
        None => properties,
        Some(names) => properties
            .into_iter()
            .filter(|(name, _)| names.contains(&name.to_lowercase()))
            .collect(),
    }
}
