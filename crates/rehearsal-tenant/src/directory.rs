//! The directory: users, groups and their members. It never changes while the tenant runs.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::config::TenantConfig;
use crate::names::person;

/// A user of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantUser {
    /// Object id.
    pub id: Uuid,
    /// User principal name.
    pub user_principal_name: String,
    /// Display name.
    pub display_name: String,
    /// Mail address.
    pub mail: Option<String>,
    /// Whether the user may sign in.
    pub account_enabled: bool,
    /// Whether this is a guest.
    pub is_guest: bool,
}

impl TenantUser {
    /// The names by which a request can address the user.
    pub(crate) fn names(&self) -> (String, &str) {
        (self.id.to_string(), &self.user_principal_name)
    }

    fn properties(&self) -> Map<String, Value> {
        object(json!({
            "id": self.id, "userPrincipalName": self.user_principal_name, "displayName": self.display_name,
            "mail": self.mail, "accountEnabled": self.account_enabled,
            "userType": if self.is_guest { "Guest" } else { "Member" }, "businessPhones": []
        }))
    }
}

/// A group.
pub(crate) struct Group {
    pub(crate) id: Uuid,
    pub(crate) display_name: String,
    pub(crate) members: Vec<Member>,
}

impl Group {
    pub(crate) fn properties(&self) -> Map<String, Value> {
        object(json!({
            "id": self.id, "displayName": self.display_name, "mail": null, "groupTypes": [], "securityEnabled": true,
            "mailEnabled": false, "description": null
        }))
    }
}

/// A member of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    /// Index into the users.
    User(usize),
    /// A device, by id.
    Device(Uuid),
    /// A service principal, by id.
    ServicePrincipal(Uuid),
    /// Index into the groups.
    Group(usize),
}

/// All that is in the tenant.
pub(crate) struct Directory {
    pub(crate) users: Vec<TenantUser>,
    pub(crate) groups: Vec<Group>,
    by_name: HashMap<String, usize>,
}

impl Directory {
    /// Builds the directory of `config` for the tenant called `domain`.
    pub(crate) fn new(config: &TenantConfig, domain: &str) -> Self {
        let users = people(config, domain);
        let mut others: Vec<Member> = (config.users..users.len()).map(Member::User).collect();
        others.extend((0..config.devices).map(|_| Member::Device(Uuid::new_v4())));
        others.extend(
            (0..config.service_principals).map(|_| Member::ServicePrincipal(Uuid::new_v4())),
        );
        let group = |display_name: &str, members| Group {
            id: Uuid::new_v4(),
            display_name: display_name.to_owned(),
            members,
        };
        let mut groups = vec![group(&config.group_name, sprinkle(config.users, others))];
        groups.push(group(
            &format!("{} (nested)", config.group_name),
            vec![Member::Group(0)],
        ));
        for extra in &config.extra_groups {
            let members = (0..extra.members.min(config.users))
                .map(Member::User)
                .collect();
            groups.push(group(&extra.name, members));
        }
        let by_name = users
            .iter()
            .enumerate()
            .flat_map(|(index, user)| {
                [
                    (user.id.to_string(), index),
                    (user.user_principal_name.to_lowercase(), index),
                ]
            })
            .collect();
        Self {
            users,
            groups,
            by_name,
        }
    }

    /// The user with this object id or user principal name.
    pub(crate) fn user(&self, name: &str) -> Option<(usize, &TenantUser)> {
        let index = *self.by_name.get(&name.to_lowercase())?;
        Some((index, self.users.get(index)?))
    }

    /// The group with this object id.
    pub(crate) fn group(&self, id: &str) -> Option<&Group> {
        let id: Uuid = id.parse().ok()?;
        self.groups.iter().find(|group| group.id == id)
    }

    /// The members of a group and of all groups in it, each once.
    pub(crate) fn transitive_members(&self, group: &Group) -> Vec<Member> {
        let mut members = Vec::new();
        let mut open: Vec<&Group> = vec![group];
        let mut seen = vec![group.id];
        while let Some(group) = open.pop() {
            for member in &group.members {
                if let Member::Group(index) = *member
                    && let Some(nested) = self.groups.get(index)
                    && !seen.contains(&nested.id)
                {
                    seen.push(nested.id);
                    open.push(nested);
                }
                members.push(*member);
            }
        }
        members
    }

    /// A member as Graph shows it, with its type.
    pub(crate) fn properties(&self, member: Member) -> Option<(&'static str, Map<String, Value>)> {
        Some(match member {
            Member::User(index) => ("#microsoft.graph.user", self.users.get(index)?.properties()),
            Member::Group(index) => (
                "#microsoft.graph.group",
                self.groups.get(index)?.properties(),
            ),
            Member::Device(id) => (
                "#microsoft.graph.device",
                object(
                    json!({"id": id, "displayName": "DESKTOP-7", "accountEnabled": true, "operatingSystem": "Windows"}),
                ),
            ),
            Member::ServicePrincipal(id) => (
                "#microsoft.graph.servicePrincipal",
                object(
                    json!({"id": id, "displayName": "Nightly job", "accountEnabled": true, "appId": id}),
                ),
            ),
        })
    }
}

/// Users first, then guests, then disabled users; all with the names of their index.
fn people(config: &TenantConfig, domain: &str) -> Vec<TenantUser> {
    (0..config.users + config.guests + config.disabled)
        .map(|index| {
            let person = person(index);
            let is_guest = (config.users..config.users + config.guests).contains(&index);
            let (user_principal_name, mail) = if is_guest {
                (
                    format!("{}_fabrikam.com#EXT#@{domain}", person.alias),
                    format!("{}@fabrikam.com", person.alias),
                )
            } else {
                (
                    format!("{}@{domain}", person.alias),
                    format!("{}@{domain}", person.alias),
                )
            };
            TenantUser {
                id: Uuid::new_v4(),
                user_principal_name,
                display_name: person.display_name,
                mail: Some(mail),
                account_enabled: index < config.users + config.guests,
                is_guest,
            }
        })
        .collect()
}

/// The users in order, with the others spread evenly among them.
fn sprinkle(users: usize, others: Vec<Member>) -> Vec<Member> {
    let gap = users / (others.len() + 1);
    let mut members: Vec<Member> = (0..users).map(Member::User).collect();
    for (count, other) in others.into_iter().enumerate() {
        members.insert(((gap + 1) * (count + 1) - 1).min(members.len()), other);
    }
    members
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(config: &TenantConfig) -> Directory {
        Directory::new(config, "t.onmicrosoft.com")
    }

    #[test]
    fn everybody_is_found_by_id_and_by_upn_in_any_case() {
        let config = TenantConfig {
            users: 30,
            guests: 2,
            disabled: 1,
            ..TenantConfig::default()
        };
        let directory = directory(&config);
        assert_eq!(directory.users.len(), 33);
        for (index, user) in directory.users.iter().enumerate() {
            assert_eq!(directory.user(&user.id.to_string()).unwrap().0, index);
            assert_eq!(
                directory
                    .user(&user.user_principal_name.to_uppercase())
                    .unwrap()
                    .0,
                index
            );
        }
        assert!(directory.user("nobody@t.onmicrosoft.com").is_none());
        let guest = &directory.users[30];
        assert!(
            guest.is_guest && guest.account_enabled && guest.user_principal_name.contains("#EXT#")
        );
        assert!(!directory.users[32].account_enabled);
    }

    #[test]
    fn the_group_has_everybody_once_in_a_mixed_order() {
        let config = TenantConfig {
            users: 10,
            guests: 1,
            disabled: 1,
            devices: 1,
            service_principals: 1,
            ..TenantConfig::default()
        };
        let members = &directory(&config).groups[0].members;
        assert_eq!(members.len(), 14);
        assert_eq!(
            members
                .iter()
                .filter(|member| matches!(member, Member::User(_)))
                .count(),
            12
        );
        assert!(
            matches!(members[1], Member::User(1)) && matches!(members[2], Member::User(10)),
            "{members:?}"
        );
        let few = TenantConfig {
            users: 0,
            devices: 3,
            ..TenantConfig::default()
        };
        assert_eq!(directory(&few).groups[0].members.len(), 3);
    }

    #[test]
    fn nested_groups_are_looked_into() {
        let directory = directory(&TenantConfig::default());
        let members = directory.transitive_members(&directory.groups[1]);
        assert_eq!(members.len(), 21, "the group itself and its 20 users");
    }
}
