//! Groups, members, users: what is asked, and what comes back.

use futures_util::{StreamExt, TryStreamExt};
use keywright_graph::{Error, Member};
use serde_json::json;
use wiremock::matchers::{header, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::*;

const GROUP: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

fn groups(found: serde_json::Value) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({"@odata.context": "…#groups(id,displayName)", "value": found}))
}

fn by_name(name_in_filter: &str, answer: ResponseTemplate) -> Mock {
    Mock::given(method("GET"))
        .and(path("/beta/groups"))
        .and(query_param(
            "$filter",
            format!("displayName eq '{name_in_filter}'"),
        ))
        .and(query_param("$select", "id,displayName"))
        .respond_with(answer)
}

#[tokio::test]
async fn a_name_is_quoted_and_encoded() {
    let (server, client) = tenant().await;
    by_name(
        "O''Brien & Co +100% #1",
        groups(json!([{"id": GROUP, "displayName": "O'Brien & Co +100% #1"}])),
    )
    .mount(&server)
    .await;
    assert_eq!(
        client.group("O'Brien & Co +100% #1").await.unwrap().id,
        GROUP
    );
    let requests = server.received_requests().await.unwrap();
    assert_eq!(
        requests.last().unwrap().url.query(),
        Some(
            "$filter=displayName%20eq%20%27O%27%27Brien%20%26%20Co%20%2B100%25%20%231%27&$select=id,displayName"
        )
    );
}

#[tokio::test]
async fn none_and_several_are_told_apart() {
    let (server, client) = tenant().await;
    by_name("Nobody", groups(json!([]))).mount(&server).await;
    by_name(
        "Twice",
        groups(
            json!([{"id": "g-1", "displayName": "Twice"}, {"id": "g-2", "displayName": "Twice"}]),
        ),
    )
    .mount(&server)
    .await;
    let error = client.group("Nobody").await.unwrap_err();
    assert!(
        matches!(&error, Error::GroupNotFound { name } if name == "Nobody"),
        "{error:?}"
    );
    let error = client.group("Twice").await.unwrap_err();
    assert!(
        matches!(&error, Error::GroupAmbiguous { matches, .. } if matches.len() == 2),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("g-1") && text.contains("g-2") && text.contains("\"Twice\""),
        "{text}"
    );
}

#[tokio::test]
async fn an_object_id_is_looked_up_and_a_name_like_an_id_is_still_a_name() {
    let (server, client) = tenant().await;
    let at = format!("/beta/groups/{GROUP}");
    on(
        "GET",
        &at,
        ResponseTemplate::new(200).set_body_json(json!({"id": GROUP, "displayName": "Keys"})),
    )
    .mount(&server)
    .await;
    assert_eq!(client.group(GROUP).await.unwrap().display_name, "Keys");

    let odd = "ffffffff-d9cb-469f-a165-70867728950e";
    on(
        "GET",
        &format!("/beta/groups/{odd}"),
        refusal(404, "Request_ResourceNotFound", "No"),
    )
    .mount(&server)
    .await;
    by_name(odd, groups(json!([{"id": "g-9", "displayName": odd}])))
        .mount(&server)
        .await;
    assert_eq!(client.group(odd).await.unwrap().id, "g-9");
}

#[tokio::test]
async fn a_mail_address_is_the_last_resort() {
    let (server, client) = tenant().await;
    by_name("keys@contoso.test", groups(json!([])))
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/beta/groups"))
        .and(query_param("$filter", "mail eq 'keys@contoso.test'"))
        .respond_with(groups(json!([{"id": "g-1", "displayName": null}])))
        .mount(&server)
        .await;
    assert_eq!(client.group("keys@contoso.test").await.unwrap().id, "g-1");
}

fn page(items: serde_json::Value, next: Option<String>) -> ResponseTemplate {
    let mut body = json!({"@odata.context": "…#directoryObjects", "value": items});
    if let Some(next) = next {
        body["@odata.nextLink"] = next.into();
    }
    ResponseTemplate::new(200).set_body_json(body)
}

fn user(number: u32) -> serde_json::Value {
    json!({"@odata.type": "#microsoft.graph.user", "id": format!("u-{number}"), "userPrincipalName": format!("u{number}@contoso.test"),
           "displayName": format!("User {number}"), "mail": null, "accountEnabled": true, "userType": "Member"})
}

fn members_path() -> String {
    format!("/beta/groups/{GROUP}/members")
}

fn members_page(token: &str, answer: ResponseTemplate) -> Mock {
    Mock::given(method("GET"))
        .and(path(members_path()))
        .and(query_param("$skiptoken", token))
        .respond_with(answer)
        .with_priority(1)
}

#[tokio::test]
async fn all_pages_are_read_and_only_users_are_users() {
    let (server, client) = tenant().await;
    let link = |token: &str| {
        Some(format!(
            "{}{}?$top=999&$skiptoken={token}",
            server.uri(),
            members_path()
        ))
    };
    Mock::given(method("GET"))
        .and(path(members_path()))
        .and(query_param("$top", "999"))
        .and(query_param(
            "$select",
            "id,userPrincipalName,displayName,mail,accountEnabled,userType",
        ))
        .respond_with(page(
            json!([user(1), {"@odata.type": "#microsoft.graph.device", "id": "d-1"}]),
            link("A"),
        ))
        .mount(&server)
        .await;
    members_page("A", page(json!([]), link("B")))
        .mount(&server)
        .await;
    members_page("B", page(json!([user(2), {"@odata.type": "#microsoft.graph.user", "id": "u-3", "userPrincipalName": null}]), None))
        .mount(&server)
        .await;
    let members: Vec<Member> = client.members(GROUP).try_collect().await.unwrap();
    let kinds: Vec<String> = members
        .iter()
        .map(|member| match member {
            Member::User(user) => user.user_principal_name.clone(),
            Member::Other { odata_type, .. } => odata_type.clone(),
            Member::Unreadable { id } => format!("unreadable {id}"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "u1@contoso.test",
            "#microsoft.graph.device",
            "u2@contoso.test",
            "unreadable u-3"
        ]
    );
}

#[tokio::test]
async fn pages_are_read_as_the_stream_is() {
    let (server, client) = tenant().await;
    let next = format!("{}{}?$skiptoken=A", server.uri(), members_path());
    on(
        "GET",
        &members_path(),
        page(json!([user(1), user(2)]), Some(next)),
    )
    .mount(&server)
    .await;
    let mut members = std::pin::pin!(client.members(GROUP));
    members.next().await.unwrap().unwrap();
    members.next().await.unwrap().unwrap();
    assert_eq!(hits(&server, &members_path()).await, 1);
}

#[tokio::test]
async fn nested_groups_are_asked_for_with_eventual_consistency() {
    let (server, client) = tenant().await;
    Mock::given(method("GET"))
        .and(path(format!(
            "/beta/groups/{GROUP}/transitiveMembers/microsoft.graph.user"
        )))
        .and(query_param("$count", "true"))
        .and(header("ConsistencyLevel", "eventual"))
        .respond_with(page(
            json!([{"id": "u-1", "userPrincipalName": "a@b.test", "displayName": "A"}]),
            None,
        ))
        .expect(1)
        .mount(&server)
        .await;
    let members: Vec<Member> = client
        .transitive_members(GROUP)
        .try_collect()
        .await
        .unwrap();
    assert!(
        matches!(members.as_slice(), [Member::User(_)]),
        "{members:?}"
    );
}

#[tokio::test]
async fn the_token_does_not_follow_a_link_to_another_server() {
    let evil = MockServer::start().await;
    for link in [
        format!("{}{}", evil.uri(), members_path()),
        "https://graph.microsoft.com/beta/groups".to_owned(),
        format!("http://x@{}", evil.address()),
    ] {
        let (server, client) = tenant().await;
        on("GET", &members_path(), page(json!([user(1)]), Some(link)))
            .mount(&server)
            .await;
        let mut members = std::pin::pin!(client.members(GROUP));
        let error = members.next().await.unwrap().unwrap_err();
        assert!(matches!(error, Error::ForeignLink { .. }), "{error:?}");
        assert!(error.is_tenant_wide());
        assert!(
            members.next().await.is_none(),
            "the stream ends with its error"
        );
        assert_discreet(&error);
    }
    assert!(evil.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_user_name_in_a_link_to_the_right_server_is_refused_too() {
    let (server, client) = tenant().await;
    let link = format!(
        "http://graph@{}{}?$skiptoken=A",
        server.address(),
        members_path()
    );
    on("GET", &members_path(), page(json!([]), Some(link)))
        .mount(&server)
        .await;
    let error = client
        .members(GROUP)
        .try_collect::<Vec<_>>()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ForeignLink { .. }), "{error:?}");
}

#[tokio::test]
async fn pages_that_go_in_circles_end() {
    let (server, client) = tenant().await;
    let link = |token: &str| {
        Some(format!(
            "{}{}?$skiptoken={token}",
            server.uri(),
            members_path()
        ))
    };
    members_page("A", page(json!([]), link("B")))
        .mount(&server)
        .await;
    members_page("B", page(json!([]), link("A")))
        .mount(&server)
        .await;
    on("GET", &members_path(), page(json!([]), link("A")))
        .with_priority(9)
        .mount(&server)
        .await;
    let error = client
        .members(GROUP)
        .try_collect::<Vec<_>>()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("leads back to one already read"),
        "{error}"
    );
}

#[tokio::test]
async fn users_are_found_by_any_upn() {
    let (server, client) = tenant().await;
    for (upn, at) in [
        ("kim+1@contoso.test", "/beta/users/kim+1@contoso.test"),
        (
            "kim_fabrikam.com#EXT#@contoso.test",
            "/beta/users/kim_fabrikam.com%23EXT%23@contoso.test",
        ),
        (
            "$kim o'k@contoso.test",
            "/beta/users('$kim%20o''k@contoso.test')",
        ),
    ] {
        client.user(upn).await.unwrap_err();
        assert_eq!(hits(&server, at).await, 1, "{upn}");
    }
    for bad in ["", ".."] {
        assert!(matches!(
            client.user(bad).await,
            Err(Error::Identifier { what: "user", .. })
        ));
        assert!(client.members(bad).try_collect::<Vec<_>>().await.is_err());
    }
}

#[tokio::test]
async fn a_user_who_is_not_there() {
    let (server, client) = tenant().await;
    let answer = refusal(
        404,
        "Request_ResourceNotFound",
        "Resource 'x' does not exist or one of its queried reference-property objects are not present.",
    );
    on("GET", &user_path(), answer).mount(&server).await;
    let error = client.user(USER).await.unwrap_err();
    assert!(error.is_not_found() && !error.is_transient() && !error.is_tenant_wide());
    assert_eq!(
        (error.status(), error.code()),
        (Some(404), Some("Request_ResourceNotFound"))
    );
}
