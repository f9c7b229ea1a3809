//! Groups, their members, and single users.

use std::collections::{HashSet, VecDeque};

use futures_util::Stream;
use futures_util::stream::{StreamExt, TryStreamExt, try_unfold};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::client::GraphClient;
use crate::error::{Error, Result};
use crate::model::{DirectoryObject, Group, Member, USER_PROPERTIES, User};
use crate::send::Call;
use crate::uri;

impl GraphClient {
    /// Finds a group by its object id, its display name or its mail address.
    ///
    /// # Errors
    /// [`Error::GroupNotFound`], or [`Error::GroupAmbiguous`] with the ids when several groups have that name.
    pub async fn group(&self, name_or_id: &str) -> Result<Group> {
        if is_object_id(name_or_id) {
            let mut url = self.url(&["groups", name_or_id]);
            url.set_query(Some(&uri::query(&[("$select", GROUP_PROPERTIES)])));
            match self.send(Call::get("get group", url)).await {
                Ok(reply) => return reply.json(),
                // Nothing forbids a group whose name looks like an id.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let mut matches = self.groups_where("displayName", name_or_id).await?;
        if matches.is_empty() && name_or_id.contains('@') {
            matches = self.groups_where("mail", name_or_id).await?;
        }
        match matches.pop() {
            None => Err(Error::GroupNotFound {
                name: name_or_id.to_owned(),
            }),
            Some(group) if matches.is_empty() => Ok(group),
            Some(group) => {
                matches.push(group);
                Err(Error::GroupAmbiguous {
                    name: name_or_id.to_owned(),
                    matches,
                })
            }
        }
    }

    async fn groups_where(&self, property: &str, value: &str) -> Result<Vec<Group>> {
        let filter = format!("{property} eq {}", uri::literal(value));
        let mut url = self.url(&["groups"]);
        url.set_query(Some(&uri::query(&[
            ("$filter", &filter),
            ("$select", GROUP_PROPERTIES),
        ])));
        self.pages("find group", url, false).try_collect().await
    }

    /// The direct members of a group, page by page as the stream is read; nested groups come as [`Member::Other`].
    pub fn members(&self, group_id: &str) -> impl Stream<Item = Result<Member>> + Send + use<> {
        let options = [("$select", USER_PROPERTIES), ("$top", PAGE)];
        self.member_pages(group_id, &["members"], &options, false)
    }

    /// The users of a group and of all groups nested in it. Only users come; the others are not reported.
    ///
    /// Graph answers this from an index that can be some minutes behind recent changes.
    pub fn transitive_members(
        &self,
        group_id: &str,
    ) -> impl Stream<Item = Result<Member>> + Send + use<> {
        let options = [
            ("$count", "true"),
            ("$select", USER_PROPERTIES),
            ("$top", PAGE),
        ];
        self.member_pages(
            group_id,
            &["transitiveMembers", "microsoft.graph.user"],
            &options,
            true,
        )
    }

    fn member_pages(
        &self,
        group_id: &str,
        segments: &[&str],
        options: &[(&str, &str)],
        eventual: bool,
    ) -> impl Stream<Item = Result<Member>> + Send + use<> {
        let first = uri::segment("group id", group_id).map(|group_id| {
            let mut url = self.url(&["groups", group_id]);
            uri::extend(&mut url, segments);
            url.set_query(Some(&uri::query(options)));
            url
        });
        let client = self.clone();
        futures_util::stream::once(async move { first })
            .map_ok(move |url| client.pages::<DirectoryObject>("list group members", url, eventual))
            .try_flatten()
            .map_ok(DirectoryObject::into_member)
    }

    /// One user, by object id or user principal name.
    ///
    /// # Errors
    /// [`Error::Graph`] with status 404 when there is none ([`Error::is_not_found`]).
    pub async fn user(&self, id_or_upn: &str) -> Result<User> {
        let mut url = self.user_url(id_or_upn, &[])?;
        url.set_query(Some(&uri::query(&[("$select", USER_PROPERTIES)])));
        let reply = self.send(Call::get("get user", url)).await?;
        match reply.json::<DirectoryObject>()?.into_member() {
            Member::User(user) => Ok(user),
            Member::Unreadable { id } => Err(reply.unexpected(format!(
                "a user {id} without userPrincipalName (does the application have a permission to read users?)"
            ))),
            Member::Other { id, odata_type } => Err(reply.unexpected(format!("object {id} of type {odata_type}, not a user"))),
        }
    }

    /// `users/{id}/…`; a user principal name that begins with `$` has to be written as a key in parentheses.
    pub(crate) fn user_url(&self, user: &str, more: &[&str]) -> Result<Url> {
        let user = uri::segment("user", user)?;
        let mut url = if user.starts_with('$') {
            self.url(&[&format!("users({})", uri::literal(user))])
        } else {
            self.url(&["users", user])
        };
        uri::extend(&mut url, more);
        Ok(url)
    }

    /// The items of a collection, following `@odata.nextLink` as it comes.
    pub(crate) fn pages<T: DeserializeOwned + Send + 'static>(
        &self,
        operation: &'static str,
        first: Url,
        eventual: bool,
    ) -> impl Stream<Item = Result<T>> + Send + use<T> {
        let walk = Walk {
            client: self.clone(),
            next: Some(first),
            seen: HashSet::new(),
            items: VecDeque::new(),
        };
        try_unfold(walk, move |mut walk| async move {
            loop {
                if let Some(item) = walk.items.pop_front() {
                    return Ok(Some((item, walk)));
                }
                let Some(url) = walk.next.take() else {
                    return Ok(None);
                };
                walk.read_page(operation, url, eventual).await?;
            }
        })
        .boxed()
    }
}

/// A walk through the pages of a collection.
struct Walk<T> {
    client: GraphClient,
    next: Option<Url>,
    seen: HashSet<String>,
    items: VecDeque<T>,
}

impl<T: DeserializeOwned> Walk<T> {
    async fn read_page(&mut self, operation: &'static str, url: Url, eventual: bool) -> Result<()> {
        #[derive(Deserialize)]
        struct Page<T> {
            value: Vec<T>,
            #[serde(rename = "@odata.nextLink")]
            next_link: Option<String>,
        }
        let call = Call::get(operation, url.clone());
        let reply = self
            .client
            .send(if eventual { call.eventual() } else { call })
            .await?;
        let page: Page<T> = reply.json()?;
        self.items = page.value.into();
        self.seen.insert(url.into());
        if let Some(link) = page.next_link {
            let next = Url::parse(&link).map_err(|problem| {
                reply.unexpected(format!(
                    "a link to the next page that is not a URL ({problem})"
                ))
            })?;
            self.client.check_link(operation, &next)?;
            if self.seen.contains(next.as_str()) {
                return Err(reply.unexpected(
                    "a link to the next page that leads back to one already read".to_owned(),
                ));
            }
            self.next = Some(next);
        }
        Ok(())
    }
}

/// Whether this is a GUID in the form Entra writes object ids.
fn is_object_id(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

const GROUP_PROPERTIES: &str = "id,displayName";

/// The most members Graph puts on a page.
const PAGE: &str = "999";
