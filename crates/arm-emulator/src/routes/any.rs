//! Every address below a scope that no other route has: resources of any type, their children and extensions, by what all
//! types have in common.

use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::Value;

use crate::app::Arm;
use crate::body::RawBody;
use crate::control::events::EventKind;
use crate::error::ArmError;
use crate::etag::Condition;
use crate::providers::any::{self, Place};
use crate::providers::stored::{self, Asked, computed};
use crate::providers::{self, Put, role_assignments, role_definitions, tags_resource};
use crate::records::roles;
use crate::request::{ApiVersion, GivenPath, Query};
use crate::resource_id::{Addressed, ResourceId};
use crate::routes::resource_groups::list_page;
use crate::routes::unknown;

/// Answers what no other route does.
pub(crate) async fn route(
    State(arm): State<Arm>,
    Extension(GivenPath(path)): Extension<GivenPath>,
    Extension(version): Extension<ApiVersion>,
    request: Request,
) -> Result<Response, ArmError> {
    let Ok(addressed) = Addressed::read(&decoded(&path)?) else { return Err(unknown::route(&path)) };
    let method = request.method().clone();
    match addressed {
        Addressed::One(id) if id.is_resource() => {
            let (mut parts, body) = request.into_parts();
            let condition = Condition::from_request_parts(&mut parts, &()).await.unwrap_or_default();
            let asked = Asked { api_version: version.0, by: arm.owner(), condition };
            one(&arm, &id, &asked, Request::from_parts(parts, body)).await
        }
        Addressed::One(_) => Err(unknown::route(&path)),
        Addressed::Many { of, namespace, word } if method == Method::GET || method == Method::HEAD => {
            let resource_type = match &namespace {
                Some(namespace) => format!("{namespace}/{word}"),
                None => format!("{}/{word}", of.resource_type().unwrap_or_default()),
            };
            many(&arm, &of, &resource_type, &version, &Query::of(request.uri()), &path)
                .map(IntoResponse::into_response)
        }
        Addressed::Many { of, namespace: None, word } if method == Method::POST => {
            action(&arm, &of, &word, &path).map(|answer| Json(answer).into_response())
        }
        Addressed::Many { .. } => Err(unknown::route(&path)),
    }
}

async fn one(arm: &Arm, id: &ResourceId, asked: &Asked, request: Request) -> Result<Response, ArmError> {
    any::check_listed(&id.resource_type().unwrap_or_default(), &asked.api_version)?;
    match *request.method() {
        Method::GET => any::existing(arm, id).map(shown),
        Method::HEAD => {
            let found = any::get(arm, id)?.is_some();
            Ok(if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }.into_response())
        }
        Method::PUT => {
            let body = read(request).await?;
            let Put { created, body } = any::put(arm, id, &body, asked)?;
            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
            Ok((status, shown(body)).into_response())
        }
        Method::PATCH => {
            let body = read(request).await?;
            match any::place(arm, id)? {
                Place::Tags(scope) => tags_resource::patch(arm, &scope, &body).map(shown),
                Place::Stored(id) => stored::patch(arm, &id, &body, asked).map(shown),
                _ => Err(unknown::not_allowed(&Method::PATCH, &id.to_string())),
            }
        }
        Method::DELETE => delete(arm, id, asked).await,
        ref method => Err(unknown::not_allowed(method, &id.to_string())),
    }
}

async fn delete(arm: &Arm, id: &ResourceId, asked: &Asked) -> Result<Response, ArmError> {
    if let Some(group) = id.resource_group() {
        crate::records::groups::get(arm, group)?;
    }
    let deleted = match any::place(arm, id)? {
        Place::Stored(id) => {
            let deleted = stored::delete(arm, &id, &asked.condition)?;
            roles::forget_within(arm, &id.to_string())?;
            if deleted.is_some() {
                arm.tell(EventKind::ResourceDeleted { id: id.to_string() });
            }
            return Ok(
                if deleted.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT }.into_response()
            );
        }
        Place::Tags(scope) => {
            return tags_resource::delete(arm, &scope).map(|()| StatusCode::OK.into_response());
        }
        _ => providers::delete(arm, id).await?,
    };
    Ok(match deleted {
        Some(deleted) => Json(deleted).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    })
}

/// Those of one type at a scope or below a resource.
fn many(
    arm: &Arm,
    of: &ResourceId,
    resource_type: &str,
    version: &ApiVersion,
    query: &Query,
    path: &str,
) -> Result<Json<Value>, ArmError> {
    any::check_listed(resource_type, &version.0)?;
    if of.is_resource() || of.resource_group().is_some() {
        any::existing(arm, of)?;
    }
    let views = if resource_type.eq_ignore_ascii_case(roles::TYPE) {
        role_assignments::list(arm, of, query.get("$filter"))?
    } else if resource_type.eq_ignore_ascii_case(role_definitions::TYPE) {
        role_definitions::list(arm, of, query.get("$filter"))?
    } else if resource_type.eq_ignore_ascii_case("Microsoft.Resources/tags") {
        vec![tags_resource::get(arm, of)?]
    } else {
        any::listed(arm, of, resource_type)?
    };
    list_page(arm, views, query, version, path).map(Json)
}

/// A POST at a resource. Of those with behaviour none acts here, and the answer says what does.
fn action(arm: &Arm, of: &ResourceId, word: &str, path: &str) -> Result<Value, ArmError> {
    match any::place(arm, of)? {
        Place::Kind(kind, id) => {
            any::existing(arm, &id)?;
            Err(ArmError::bad_request(
                "InvalidResourceOperation",
                format!(
                    "The action '{word}' is not supported for the type '{}'. Supported are: {}.",
                    kind.full(),
                    if kind.actions().is_empty() { "none".to_owned() } else { kind.actions().join(", ") }
                ),
            ))
        }
        Place::Stored(id) => {
            any::existing(arm, &id)?;
            computed::call(&id, word)
        }
        _ => Err(unknown::route(path)),
    }
}

async fn read(request: Request) -> Result<Value, ArmError> {
    use axum::extract::FromRequest as _;
    RawBody::from_request(request, &()).await?.json()
}

/// A resource with its entity tag, where it has one.
fn shown(view: Value) -> Response {
    let tag = view["etag"].as_str().and_then(|tag| HeaderValue::try_from(tag).ok());
    let mut response = Json(view).into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The path with its escapes undone; a slash in a name would be read as two segments.
fn decoded(path: &str) -> Result<String, ArmError> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let value = digit(rest.next())
            .zip(digit(rest.next()))
            .and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(value.filter(|byte| *byte != b'/').ok_or_else(|| invalid_uri(path))?);
    }
    String::from_utf8(bytes).map_err(|_| invalid_uri(path))
}

fn invalid_uri(path: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidRequestUri",
        format!("The provided request uri is invalid. Cannot parse the request uri '{path}'."),
    )
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn escapes_are_undone_and_hidden_slashes_refused() {
        assert_eq!(decoded("/a%20b/%C3%A4+").unwrap(), "/a b/ä+");
        for bad in ["/a%2Fb", "/a%2", "/%zz", "/%ff"] {
            assert_eq!(decoded(bad).unwrap_err().body.code, "InvalidRequestUri", "{bad}");
        }
    }
}
