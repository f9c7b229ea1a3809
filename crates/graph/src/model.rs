//! The directory objects this crate reads.

use serde::Deserialize;

/// A group of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Object id.
    pub id: String,
    /// Name shown in the portal; several groups can have the same one.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub display_name: String,
}

/// A user of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// Object id; unlike the user principal name it never changes.
    pub id: String,
    /// User principal name (UPN).
    pub user_principal_name: String,
    /// Name shown in the portal; the UPN where the directory has none.
    pub display_name: String,
    /// Mail address, where there is one.
    pub mail: Option<String>,
    /// Whether the user may sign in; `None` where Graph does not tell.
    pub account_enabled: Option<bool>,
    /// `Member` or `Guest`; `None` where Graph does not tell.
    pub user_type: Option<String>,
}

impl User {
    /// Whether this is a guest, for whom Entra does not support registration on behalf.
    pub fn is_guest(&self) -> bool {
        self.user_type
            .as_deref()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("guest"))
    }
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Member {
    /// A user.
    User(User),
    /// A user of whom Graph tells only the object id: the app may read the group, but not its users.
    Unreadable {
        /// Object id.
        id: String,
    },
    /// Not a user: a device, a nested group, a service principal, a contact.
    Other {
        /// Object id.
        id: String,
        /// What it is, for example `#microsoft.graph.device`.
        odata_type: String,
    },
}

/// A directory object as it arrives, before it is known what it is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DirectoryObject {
    #[serde(rename = "@odata.type")]
    odata_type: Option<String>,
    id: String,
    user_principal_name: Option<String>,
    display_name: Option<String>,
    mail: Option<String>,
    account_enabled: Option<bool>,
    user_type: Option<String>,
}

impl DirectoryObject {
    /// `@odata.type` decides; where it is absent (after a cast, in a single `GET /users/{id}`) the object is a user.
    pub(crate) fn into_member(self) -> Member {
        match self.odata_type {
            Some(odata_type) if !odata_type.eq_ignore_ascii_case(USER_TYPE) => Member::Other {
                id: self.id,
                odata_type,
            },
            _ => match self.user_principal_name {
                Some(user_principal_name) => Member::User(User {
                    display_name: self
                        .display_name
                        .unwrap_or_else(|| user_principal_name.clone()),
                    id: self.id,
                    user_principal_name,
                    mail: self.mail,
                    account_enabled: self.account_enabled,
                    user_type: self.user_type,
                }),
                None => Member::Unreadable { id: self.id },
            },
        }
    }
}

/// The properties of users that are asked for.
pub(crate) const USER_PROPERTIES: &str =
    "id,userPrincipalName,displayName,mail,accountEnabled,userType";

const USER_TYPE: &str = "#microsoft.graph.user";

fn null_as_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(json: &str) -> Member {
        serde_json::from_str::<DirectoryObject>(json)
            .unwrap()
            .into_member()
    }

    #[test]
    fn only_users_are_users() {
        let user = member(
            r##"{"@odata.type":"#microsoft.graph.user","id":"1","userPrincipalName":"a@b","displayName":"Å","mail":null,"accountEnabled":true,"userType":"Guest"}"##,
        );
        let Member::User(user) = user else {
            panic!("{user:?}")
        };
        assert_eq!(
            (user.display_name.as_str(), user.account_enabled),
            ("Å", Some(true))
        );
        assert!(user.is_guest());
        assert_eq!(
            member(r##"{"@odata.type":"#microsoft.graph.device","id":"2","displayName":"PC"}"##),
            Member::Other {
                id: "2".into(),
                odata_type: "#microsoft.graph.device".into()
            }
        );
        assert_eq!(
            member(r##"{"@odata.type":"#microsoft.graph.user","id":"3","displayName":null}"##),
            Member::Unreadable { id: "3".into() }
        );
    }

    #[test]
    fn a_user_without_display_name_is_shown_by_upn() {
        let Member::User(user) = member(r#"{"id":"1","userPrincipalName":"a@b"}"#) else {
            panic!()
        };
        assert_eq!(user.display_name, "a@b");
    }
}
