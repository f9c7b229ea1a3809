//! What the simulated tenant consists of.

use std::collections::BTreeMap;
use std::time::Duration;

use keywright_webauthn::Aaguid;

use crate::fault::Fault;

/// What is in the tenant, and how it behaves.
#[derive(Debug, Clone)]
pub struct TenantConfig {
    /// Enabled member users in the group [`group_name`](Self::group_name).
    pub users: usize,
    /// The group whose members get keys.
    pub group_name: String,
    /// Guests in that group, besides the users.
    pub guests: usize,
    /// Disabled users in that group, besides the users.
    pub disabled: usize,
    /// Devices in that group.
    pub devices: usize,
    /// Service principals in that group; v1.0 does not list them.
    pub service_principals: usize,
    /// How many of the users already have one passkey.
    pub existing_passkeys: usize,
    /// More groups, each with some of the users.
    pub extra_groups: Vec<ExtraGroup>,
    /// Members on a page when the request does not say (`$top`).
    pub page_size: usize,
    /// The most members on a page, whatever `$top` says (at most 999).
    pub max_page_size: usize,
    /// Life of an access token.
    pub token_life: Duration,
    /// Names of key models by AAGUID, besides those the tenant knows.
    pub models: BTreeMap<Aaguid, String>,
    /// Faults to begin with; see [`RehearsalTenant::set_fault`](crate::RehearsalTenant::set_fault).
    pub faults: Vec<Fault>,
}

/// A group besides the one to be enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraGroup {
    /// Display name; need not be unique.
    pub name: String,
    /// How many of the users are in it.
    pub members: usize,
}

impl ExtraGroup {
    /// A group with this name and the first `members` users in it.
    pub fn new(name: impl Into<String>, members: usize) -> Self {
        Self {
            name: name.into(),
            members,
        }
    }
}

impl Default for TenantConfig {
    /// 20 users in "Security key rollout", nobody else in it, and groups that are hard to name: two called
    /// "Duplicate name", "Empty group" and "O'Brien & Co".
    fn default() -> Self {
        Self {
            users: 20,
            group_name: "Security key rollout".to_owned(),
            guests: 0,
            disabled: 0,
            devices: 0,
            service_principals: 0,
            existing_passkeys: 0,
            extra_groups: vec![
                ExtraGroup::new("Duplicate name", 2),
                ExtraGroup::new("Duplicate name", 1),
                ExtraGroup::new("Empty group", 0),
                ExtraGroup::new("O'Brien & Co", 3),
            ],
            page_size: 100,
            max_page_size: 999,
            token_life: Duration::from_secs(3599),
            models: BTreeMap::new(),
            faults: Vec::new(),
        }
    }
}
