//! The table in `docs/azdo-routes.md` says what the router does.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{HeaderName, Method, Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tower::ServiceExt;

use super::absent;
use super::table::table;
use crate::wire::{locations, paths};
use crate::{AzureDevOps, Settings};

const TABLE: &str = include_str!("../../../../docs/azdo-routes.md");
const CALLS: &str = include_str!("sdk_calls.txt");
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

fn service(folder: &tempfile::TempDir) -> AzureDevOps {
    AzureDevOps::new(Settings::for_tests(folder.path())).unwrap()
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
    ask_with(service, method, path, None).await
}

async fn ask_with(
    service: &AzureDevOps,
    method: &str,
    path: &str,
    with: Option<(HeaderName, &str)>,
) -> (StatusCode, String) {
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(format!("/acme{path}"))
        .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(":pat")));
    let request = with.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let request = request.body(Body::empty()).unwrap();
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
async fn every_change_names_a_version_in_the_query_or_a_header_and_reading_need_not() {
    let folder = tempfile::TempDir::new().unwrap();
    let service = service(&folder);
    let refused = "VssVersionNotSpecifiedException";
    let mut seen = 0;
    for line in TABLE.lines().filter(|line| line.contains("| implemented |")) {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let (method, path) = (cells[1].as_str(), plain(&format!("/{}", cells[2])));
        let bare = ask(&service, method, &path).await;
        let reads = ["GET", "OPTIONS"].contains(&method) || cells[4] == "none";
        assert_eq!(bare.1.contains(refused), !reads, "{method} {path}: {}", bare.1);
        if reads {
            continue;
        }
        seen += 1;
        let text = format!("No api-version was supplied for the \\\"{method}\\\" request.");
        assert!(bare.0 == StatusCode::BAD_REQUEST && bare.1.contains(&text), "{}", bare.1);
        let query = format!("{path}?Api-Version=7.1-preview.1");
        let accept = (header::ACCEPT, "text/plain, application/json;api-version=5.0-preview");
        let kind = (header::CONTENT_TYPE, "application/json; charset=utf-8; api-version=6.0");
        for (path, with) in [(&query, None), (&path, Some(accept)), (&path, Some(kind))] {
            let (_, body) = ask_with(&service, method, path, with.clone()).await;
            assert!(!body.contains(refused), "{method} {path} {with:?}: {body}");
        }
        let (status, body) = ask(&service, method, &format!("{path}?api-version=99.0")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(body.contains("VssVersionOutOfRangeException"), "{method} {path}: {body}");
    }
    assert!(seen > 30, "the rows are found: {seen}");
    // What is not there is told before its version is looked at.
    for (method, path, status) in
        [("PUT", "/_apis/git/nope?api-version=99.0", 404), ("PUT", "/_apis/projects", 405)]
    {
        assert_eq!(ask(&service, method, path).await.0.as_u16(), status, "{method} {path}");
    }
}

#[test]
fn every_location_leads_to_a_route_and_every_route_is_found_in_any_case() {
    let known: BTreeSet<_> = table("").paths.iter().map(|path| plain(path)).collect();
    for row in locations::rows(None) {
        let text = |name: &str| row[name].as_str().unwrap();
        let template = text("routeTemplate");
        let path = template.replace("{area}", text("area")).replace("{resource}", text("resourceName"));
        // The last value of a template may be left away.
        let shorter = path.rsplit_once('/').map_or("", |(rest, _)| rest);
        let found = [path.as_str(), shorter].iter().any(|path| known.contains(&plain(&format!("/{path}"))));
        assert!(found, "{template} of {} leads nowhere", text("resourceName"));
    }
    // Names of files are their own.
    for path in table("").paths.into_iter().filter(|path| !path.starts_with("/_packages/")) {
        let literal =
            |segment: &str| if segment.starts_with('{') { "1".to_owned() } else { segment.to_uppercase() };
        let shouted: Vec<_> = path.split('/').map(literal).collect();
        assert_eq!(plain(&shouted.join("/")), plain(&path), "a word of {path} is missing in wire::paths");
    }
}

/// Whoever uses the library finds every call at a location, and knows from the table what comes of it.
#[test]
fn every_call_of_the_python_library_has_a_location_and_a_row() {
    let rows = rows();
    let locations = locations::rows(None);
    let mut seen = 0;
    for line in CALLS.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<_> = line.split(' ').collect();
        let &[call, method, id, parts] = cells.as_slice() else { panic!("{line}") };
        let location = locations.iter().find(|location| location["id"] == id);
        let location = location.unwrap_or_else(|| panic!("{call}: no location {id}"));
        let text = |name: &str| location[name].as_str().unwrap();
        let parts: Vec<_> = parts.split(',').collect();
        // As the library does: a part that has no value goes with its slash.
        let given = |segment: &&str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => {
                let name = name.trim_start_matches('*');
                ["area", "resource"].contains(&name) || parts.contains(&name)
            }
            None => true,
        };
        let template = text("routeTemplate");
        let path = template.split('/').filter(given).collect::<Vec<_>>().join("/");
        let path = path.replace("{area}", text("area")).replace("{resource}", text("resourceName"));
        let path = plain(&format!("/{path}"));
        assert!(
            rows.iter().any(|(known, own, _)| known == method && *own == path),
            "{call}: no row for {method} {path}"
        );
        seen += 1;
    }
    assert!(seen > 170, "the calls are found: {seen}");
}

/// The reasons are those of the rows, and nobody is refused without one.
#[tokio::test]
async fn every_refused_method_says_why() {
    let folder = tempfile::TempDir::new().unwrap();
    let service = service(&folder);
    let reasons: BTreeSet<_> =
        absent::refused_calls().map(|(method, path)| (method.to_owned(), plain(path))).collect();
    let listed: BTreeSet<_> = rows()
        .into_iter()
        .filter(|(_, _, state)| state.starts_with("refused: 405"))
        .map(|(method, path, _)| (method, path))
        .collect();
    assert_eq!(reasons, listed);
    for (method, path) in listed {
        let (_, body) = ask(&service, &method, &path).await;
        let why = body.split_once(&format!("does not support http method '{method}'. "));
        assert!(why.is_some_and(|(_, why)| why.len() > 20), "{method} {path}: {body}");
    }
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
