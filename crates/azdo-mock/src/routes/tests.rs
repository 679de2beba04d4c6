//! The table in `docs/azdo-routes.md` says what the router does.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use service_kit::{ManualClock, SeededEntropy, Shutdown, Store};
use tower::ServiceExt;

use super::table;
use crate::wire::paths;
use crate::{AzureDevOps, Settings, Switches};

const TABLE: &str = include_str!("../../../../docs/azdo-routes.md");
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

fn service(folder: &tempfile::TempDir) -> AzureDevOps {
    AzureDevOps::new(Settings {
        base: "http://azdo.invalid/acme".parse().unwrap(),
        organization: "acme".into(),
        pools: vec!["Default".into()],
        personal_access_tokens: vec!["pat".into()],
        entra: None,
        members: Vec::new(),
        packages: Vec::new(),
        switches: Switches::default(),
        store: Store::in_memory(),
        logs_dir: folder.path().join("logs"),
        clock: ManualClock::at("2026-11-24T12:00:00Z".parse().unwrap()).shared(),
        entropy: SeededEntropy::shared(1),
        shutdown: Shutdown::new(),
    })
    .unwrap()
}

/// One form for a path of the table and of the router: the names in braces differ.
fn plain(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "1" } else { segment });
    paths::canonical(&segments.collect::<Vec<_>>().join("/"), "")
}

/// Method, path and state of each row.
fn rows() -> Vec<(String, String, String)> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>();
    let rows =
        TABLE.lines().map(cells).filter(|cells| cells.len() > 5 && METHODS.contains(&cells[1].as_str()));
    rows.map(|cells| (cells[1].clone(), plain(&format!("/{}", cells[2])), cells[3].clone())).collect()
}

async fn ask(service: &AzureDevOps, method: &str, path: &str) -> (StatusCode, String) {
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(format!("/acme{path}"))
        .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(":pat")))
        .body(Body::empty())
        .unwrap();
    let answer = service.router().oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn the_table_of_routes_lists_what_the_router_has_and_nothing_else() {
    let folder = tempfile::TempDir::new().unwrap();
    let service = service(&folder);
    let mut served = BTreeSet::new();
    for path in table("").paths.iter().map(|path| plain(path)) {
        for method in METHODS {
            if ask(&service, method, &path).await.0 != StatusCode::METHOD_NOT_ALLOWED {
                served.insert((method.to_owned(), path.clone()));
            }
        }
    }
    let listed: BTreeSet<_> = rows()
        .into_iter()
        .filter(|(_, _, state)| state == "implemented")
        .map(|(method, path, _)| (method, path))
        .collect();
    let missing: Vec<_> = served.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&served).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "not in the table: {missing:#?}\nnot in the router: {gone:#?}"
    );
}

#[tokio::test]
async fn what_the_table_calls_refused_gets_the_error_it_names() {
    let folder = tempfile::TempDir::new().unwrap();
    let service = service(&folder);
    let refused: Vec<_> = rows().into_iter().filter(|(_, _, state)| state.starts_with("refused")).collect();
    assert!(!refused.is_empty());
    for (method, path, state) in refused {
        let (status, body) = ask(&service, &method, &path).await;
        let expected = format!("refused: {} ", status.as_u16());
        let error = state.strip_prefix(&expected).unwrap_or_else(|| panic!("{method} {path}: {status}"));
        assert!(body.contains(&format!("\"typeKey\":\"{error}\"")), "{method} {path}: {body}");
    }
}
