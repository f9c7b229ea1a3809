//! Groups, members, users.

use std::collections::HashSet;

use crate::*;

fn everybody() -> TenantConfig {
    TenantConfig {
        users: 25,
        guests: 2,
        disabled: 1,
        devices: 1,
        service_principals: 1,
        ..TenantConfig::default()
    }
}

/// All pages from `path` on.
async fn all_pages(rehearsal: &Rehearsal, path: &str, eventual: bool) -> (Vec<Value>, usize) {
    let (mut items, mut pages, mut next) = (Vec::new(), 0, Some(rehearsal.url(path)));
    while let Some(url) = next {
        assert!(url.starts_with(rehearsal.tenant.base_url()), "{url}");
        let mut request = rehearsal.http.get(url).bearer_auth(&rehearsal.token);
        if eventual {
            request = request.header("ConsistencyLevel", "eventual");
        }
        let (status, body) = answer(request).await;
        assert_eq!(status, 200, "{body}");
        items.extend(body["value"].as_array().unwrap().iter().cloned());
        pages += 1;
        next = body["@odata.nextLink"].as_str().map(str::to_owned);
    }
    (items, pages)
}

#[tokio::test]
async fn groups_are_found_by_name() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    for (name, count) in [
        ("Security key rollout", 1),
        ("security KEY rollout", 1),
        ("Duplicate name", 2),
        ("O'Brien & Co", 1),
        ("Nobody", 0),
    ] {
        let filter = format!("displayName eq '{}'", name.replace('\'', "''"));
        let request = rehearsal
            .request(reqwest::Method::GET, "/v1.0/groups")
            .query(&[("$filter", filter.as_str()), ("$select", "id,displayName")]);
        let (status, body) = answer(request).await;
        let found = body["value"].as_array().unwrap();
        assert_eq!((status.as_u16(), found.len()), (200, count), "{name}");
        assert!(
            found
                .iter()
                .all(|group| group.as_object().unwrap().len() == 2),
            "{body}"
        );
    }
    let id = rehearsal.group_id("O'Brien & Co").await;
    assert_eq!(
        rehearsal
            .get(&format!("/beta/groups/{id}?$select=displayName"))
            .await
            .1["displayName"],
        "O'Brien & Co"
    );
    let (status, body) = rehearsal
        .get(&format!("/beta/groups/{}", rehearsal.tenant.tenant_id()))
        .await;
    assert_eq!(
        (status.as_u16(), error(&body).0),
        (404, "Request_ResourceNotFound")
    );
    for filter in [
        "displayName eq 'O'Brien'",
        "displayName eq 'x",
        "nonsense eq 'x'",
    ] {
        let (status, _) = answer(
            rehearsal
                .request(reqwest::Method::GET, "/beta/groups")
                .query(&[("$filter", filter)]),
        )
        .await;
        assert_eq!(status, 400, "{filter}");
    }
}

#[tokio::test]
async fn members_come_in_pages_with_their_types() {
    let rehearsal = Rehearsal::start(everybody()).await;
    let group = rehearsal.group_id("Security key rollout").await;
    let path = format!("/beta/groups/{group}/members?$select=id,userPrincipalName&$top=7");
    let (members, pages) = all_pages(&rehearsal, &path, false).await;
    assert_eq!((members.len(), pages), (30, 5));
    let ids: HashSet<_> = members
        .iter()
        .map(|member| member["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 30);
    let users = members
        .iter()
        .filter(|member| member["@odata.type"] == "#microsoft.graph.user")
        .count();
    assert_eq!(users, 28);
    assert!(
        members
            .iter()
            .all(|member| member.get("displayName").is_none()),
        "not selected"
    );

    let (members, pages) =
        all_pages(&rehearsal, &format!("/v1.0/groups/{group}/members"), false).await;
    assert_eq!(
        (members.len(), pages),
        (29, 1),
        "v1.0 leaves the service principal out"
    );
}

#[tokio::test]
async fn page_sizes_have_bounds() {
    let config = TenantConfig {
        max_page_size: 10,
        page_size: 4,
        ..TenantConfig::default()
    };
    let rehearsal = Rehearsal::start(config).await;
    let group = rehearsal.group_id("Security key rollout").await;
    assert_eq!(
        all_pages(&rehearsal, &format!("/beta/groups/{group}/members"), false)
            .await
            .1,
        5
    );
    assert_eq!(
        all_pages(
            &rehearsal,
            &format!("/beta/groups/{group}/members?$top=999"),
            false
        )
        .await
        .1,
        2
    );
    for odd in ["$top=0", "$top=1000", "$top=x", "$skiptoken=x"] {
        assert_eq!(
            rehearsal
                .get(&format!("/beta/groups/{group}/members?{odd}"))
                .await
                .0,
            400,
            "{odd}"
        );
    }
}

#[tokio::test]
async fn nested_groups_need_an_advanced_query() {
    let rehearsal = Rehearsal::start(everybody()).await;
    let group = rehearsal.group_id("Security key rollout (nested)").await;
    let path =
        format!("/beta/groups/{group}/transitiveMembers/microsoft.graph.user?$count=true&$top=9");
    let (users, pages) = all_pages(&rehearsal, &path, true).await;
    assert_eq!((users.len(), pages), (28, 4));
    assert!(
        users
            .iter()
            .all(|user| user.get("@odata.type").is_none() && user["userPrincipalName"].is_string())
    );
    assert_eq!(rehearsal.get(&path).await.0, 400);
    let (direct, _) = all_pages(&rehearsal, &format!("/beta/groups/{group}/members"), false).await;
    assert_eq!(direct[0]["@odata.type"], "#microsoft.graph.group");
}

#[tokio::test]
async fn users_are_found_by_id_and_by_name() {
    let rehearsal = Rehearsal::start(everybody()).await;
    let guest = rehearsal
        .tenant
        .users()
        .iter()
        .find(|user| user.is_guest)
        .unwrap();
    let upn = guest.user_principal_name.replace('#', "%23");
    for path in [
        format!("/beta/users/{}", guest.id),
        format!("/v1.0/users/{upn}"),
        format!("/v1.0/users('{upn}')"),
    ] {
        let (status, body) = rehearsal.get(&path).await;
        assert_eq!(
            (status.as_u16(), body["userType"].as_str()),
            (200, Some("Guest")),
            "{path}"
        );
        assert_eq!(
            body["displayName"].as_str(),
            Some(guest.display_name.as_str())
        );
    }
    let (status, body) = rehearsal.get("/beta/users/nobody@contoso.com").await;
    assert_eq!(
        (status.as_u16(), error(&body).0),
        (404, "Request_ResourceNotFound")
    );
    assert!(
        error(&body)
            .1
            .starts_with("Resource 'nobody@contoso.com' does not exist")
    );
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_as_graph_does() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    for (path, status, segment) in [
        ("/beta/applications", 404, "'applications'"),
        ("/beta/users/x/messages", 404, "'messages'"),
        (
            "/beta/users/x/authentication/phoneMethods",
            404,
            "'phoneMethods'",
        ),
        ("/beta", 404, "''"),
        ("/v2.0/users", 400, "Invalid version"),
        ("/", 404, "''"),
    ] {
        let (actual, body) = rehearsal.get(path).await;
        assert_eq!(actual.as_u16(), status, "{path}");
        assert!(error(&body).1.contains(segment), "{body}");
    }
    let (status, body) = rehearsal
        .delete(&format!("/beta/users/{}", rehearsal.tenant.users()[0].id))
        .await;
    assert_eq!((status.as_u16(), error(&body).0), (405, "methodNotAllowed"));
    let (status, _) = rehearsal.delete(&rehearsal.methods_path(0)).await;
    assert_eq!(status, 405);
}

#[tokio::test]
async fn answers_carry_the_ids_and_the_date() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let request = rehearsal
        .request(reqwest::Method::GET, "/beta/users/x")
        .header("client-request-id", "ours");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["client-request-id"], "ours");
    assert!(
        response.headers()["date"]
            .to_str()
            .unwrap()
            .ends_with(" GMT")
    );
    let request_id = response.headers()["request-id"].clone();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["innerError"]["client-request-id"], "ours");
    assert_eq!(
        body["error"]["innerError"]["request-id"],
        request_id.to_str().unwrap()
    );
}

#[tokio::test]
async fn the_state_can_be_looked_at_without_a_token_and_tells_no_secret() {
    let rehearsal = Rehearsal::start(TenantConfig {
        existing_passkeys: 1,
        ..everybody()
    })
    .await;
    let text = rehearsal
        .http
        .get(rehearsal.url("/rehearsal/state"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        !text.contains(rehearsal.tenant.client_secret().expose_secret())
            && !text.contains(&rehearsal.token)
    );
    let state: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&state["userCount"], &state["methodCount"]),
        (&28.into(), &1.into())
    );
    assert_eq!(
        state["users"][0]["methods"][0],
        rehearsal.tenant.methods()[0].1[0].id.as_str()
    );
    assert_eq!(state["counters"]["tokens"], 1);
}
