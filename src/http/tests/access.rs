//! Who may use which route: every route of the table, every kind of token.

use super::world::{PRODUCTION, STAGING, World};
use crate::http::access::Who;
use crate::http::routes::{Route, table};
use tidegate_model::access::Role;
use tidegate_model::key::EnvironmentKey;

/// The route's path with its variable segments filled in.
fn path(route: &Route, environment: &str) -> String {
    let path = route
        .path
        .replace("{environment}", environment)
        .replace("{file:.*}", "");
    path.replace("{key}", "checkout")
        .replace("{name}", "canary")
        .replace("{id}", "checkout.1")
        .replace("{digest}", &"0".repeat(64))
}

/// A world with a token of each role that is bound to each environment, one that is revoked, one
/// that has expired.
async fn world() -> World {
    let mut world = World::new().await;
    for role in Role::ALL {
        for environment in [PRODUCTION, STAGING] {
            let bound = EnvironmentKey::new(environment).unwrap();
            let name = format!("{role}-{environment}");
            world
                .token(&name, role, |token| token.environment = Some(bound))
                .await;
        }
    }
    world
        .token("revoked", Role::Admin, |token| {
            token.revoked = Some(token.created)
        })
        .await;
    world
        .token("expired", Role::Admin, |token| {
            token.expires = Some(token.created)
        })
        .await;
    world
}

#[actix_web::test]
async fn x07_a_token_that_does_not_work_opens_no_route() {
    let world = world().await;
    for route in table() {
        let method = route.method.as_str();
        let ask = || world.ask_without_token(method, &path(&route, PRODUCTION));
        let answers = [
            ask().send().await,
            ask().header("authorization", "Bearer tg_wrong").send().await,
            ask()
                .header("authorization", &format!("Basic {}", world.secret("admin")))
                .send()
                .await,
            ask().by("revoked").send().await,
            ask().by("expired").send().await,
        ];
        for answer in answers {
            if route.who == Who::Everybody {
                assert!(
                    matches!(answer.status, 200 | 308),
                    "{method} {}: {answer:?}",
                    route.path
                );
            } else {
                answer.is_problem(401, "unauthenticated", "");
                assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"tidegate\"");
            }
        }
    }
}

#[actix_web::test]
async fn a_role_opens_exactly_the_routes_of_its_permissions() {
    let world = world().await;
    for route in table() {
        let (Who::Permission(any_of) | Who::PermissionEverywhere(any_of)) = route.who else {
            continue;
        };
        for role in Role::ALL {
            let ask = world.ask_without_token(route.method.as_str(), &path(&route, PRODUCTION));
            let answer = ask.by(role.name()).send().await;
            if any_of.iter().any(|permission| role.allows(*permission)) {
                assert!(
                    !matches!(answer.status, 401 | 403),
                    "{role} {}: {answer:?}",
                    route.path
                );
                assert!(answer.status < 500, "{role} {}: {answer:?}", route.path);
            } else {
                answer.is_problem(403, "forbidden", &format!("the role {role} of the token {role}"));
            }
        }
    }
}

#[actix_web::test]
async fn x02_another_environment_looks_like_none() {
    let world = world().await;
    for route in table() {
        let method = route.method.as_str();
        for role in Role::ALL {
            let token = format!("{role}-{PRODUCTION}");
            let foreign = world
                .ask_without_token(method, &path(&route, STAGING))
                .by(&token)
                .send()
                .await;
            let unknown = world
                .ask_without_token(method, &path(&route, "nowhere"))
                .by(&token)
                .send()
                .await;
            match route.who {
                Who::Everybody => {}
                Who::Permission(_) => {
                    foreign.is_problem(404, "not-found", "known: production");
                    assert_eq!(foreign.text.replace(STAGING, "nowhere"), unknown.text);
                }
                Who::PermissionEverywhere(_) => foreign.is_problem(403, "forbidden", ""),
            }
        }
    }
    let bound = world
        .ask_without_token("GET", "/api/v1/tokens")
        .by("admin-production")
        .send()
        .await;
    bound.is_problem(403, "forbidden", "admin-production is bound to production");
}

#[actix_web::test]
async fn a_command_needs_the_permission_that_it_names() {
    let world = world().await;
    let path = "/api/v1/production/rollouts/checkout.1/commands";
    for (role, body, says) in [
        (
            "approver",
            r#"{"kind":"pause","reason":"lunch"}"#,
            "needs the permission operate",
        ),
        (
            "approver",
            r#"{"kind":"rollback","reason":"bad"}"#,
            "use a token of role operator or admin",
        ),
        (
            "operator",
            r#"{"kind":"approve","stage":"half"}"#,
            "needs the permission approve",
        ),
    ] {
        let answer = world
            .ask_without_token("POST", path)
            .by(role)
            .json(body)
            .send()
            .await;
        answer.is_problem(403, "forbidden", says);
    }
    for (role, body) in [
        ("operator", r#"{"kind":"pause","reason":"lunch"}"#),
        ("approver", r#"{"kind":"approve","stage":"half"}"#),
    ] {
        let answer = world
            .ask_without_token("POST", path)
            .by(role)
            .json(body)
            .send()
            .await;
        answer.is_problem(404, "not-found", "rollout checkout.1");
    }
}

#[actix_web::test]
async fn x01_a_path_spelled_otherwise_is_the_same_route_or_none() {
    let world = world().await;
    world.flag("checkout").await;
    for (path, status) in [
        ("/api/v1/production/flags/checkout", 200),
        ("/api/v1/production/fl%61gs/checkout", 200),
        ("/api/v1/production/flags/check%6fut", 200),
        ("/api/v1/production//flags/checkout", 404),
        ("//api/v1/production/flags/checkout", 404),
        ("/api/v1/production/flags/checkout/", 404),
        ("/api/v1/production/./flags/checkout", 404),
        ("/api/v1/production/flags/../flags/checkout", 404),
        ("/livez/../api/v1/production/flags/checkout", 404),
        ("/docs/../api/v1/production/flags/checkout", 404),
        ("/docs/..%2fapi/v1/production/flags/checkout", 404),
        ("/API/v1/production/flags/checkout", 404),
        ("/api/v1/Production/flags/checkout", 404),
        ("/api/v1/production;x/flags/checkout", 404),
        ("/api/v1/production%2fflags/checkout", 404),
        ("/api/v1/production/flags/checkout;x", 400),
        ("/api/v1/production/flags/checkout%00", 400),
        ("/api/v1/production/flags/%2e%2e", 400),
    ] {
        let with = world.ask("GET", path).send().await;
        assert_eq!(with.status, status, "{path}: {}", with.text);
        let without = world.ask_without_token("GET", path).send().await;
        assert!(matches!(without.status, 401 | 404), "{path}: {}", without.text);
        assert_eq!(
            without.header("content-type"),
            "application/problem+json",
            "{path}"
        );
    }
}
