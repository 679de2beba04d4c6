//! What handlers take from a request, with the service's errors for what cannot be taken.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ApiError;
use crate::state::properties::PropertyChange;
use crate::state::secrets::Caller;
use crate::wire::project_bodies::PatchOperation;
use crate::wire::words::{self, Word};

/// The longest JSON body that is read. Capabilities and 25 timeline records are far below it.
const LIMIT: usize = 8 * 1024 * 1024;

/// A JSON object as body. A list is none: serde would fill a struct from it, the real service does not.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read(request).await?;
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(ApiError::body("The request body cannot be read: it is a list, not an object"));
        }
        parse(&bytes).map(Self)
    }
}

/// The same where there may be no body at all.
#[derive(Debug)]
pub(crate) struct OptionalBody<T>(pub(crate) Option<T>);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
        if !chunked && length.is_none_or(|length| length == "0") {
            return Ok(Self(None));
        }
        Body::from_request(request, state).await.map(|Body(body)| Self(Some(body)))
    }
}

/// A JSON list as body.
#[derive(Debug)]
pub(crate) struct Items<T>(pub(crate) Vec<T>);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Items<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        parse(&read(request).await?).map(Self)
    }
}

/// Changes to properties as a JSON patch (RFC 6902); the path of a property is its name behind a slash.
#[derive(Debug)]
pub(crate) struct Patch(pub(crate) Vec<PropertyChange>);

impl<S: Sync> FromRequest<S> for Patch {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let kinds = ["application/json-patch+json", "application/json"];
        let operations: Vec<PatchOperation> = parse(&read_as(request, &kinds).await?)?;
        operations.into_iter().map(property_change).collect::<Result<_, _>>().map(Self)
    }
}

fn property_change(operation: PatchOperation) -> Result<PropertyChange, ApiError> {
    let PatchOperation { op, path, value } = operation;
    let name = path.strip_prefix('/').unwrap_or(&path).replace("~1", "/").replace("~0", "~");
    if name.trim().is_empty() {
        return Err(ApiError::body("An operation of the patch has no path. Supported: a slash and a name."));
    }
    match op.to_ascii_lowercase().as_str() {
        "add" => Ok(PropertyChange::Add(name, value)),
        "replace" => Ok(PropertyChange::Replace(name, value)),
        "remove" => Ok(PropertyChange::Remove(name)),
        "test" => Ok(PropertyChange::Test(name, value)),
        _ => Err(ApiError::body(format!(
            "The operation '{op}' of the patch is not supported. Supported: add, replace, remove, test."
        ))),
    }
}

/// The bytes of a JSON body.
async fn read(request: Request) -> Result<Bytes, ApiError> {
    read_as(request, &["application/json", "text/json"]).await
}

/// The bytes of a body of one of these media types.
async fn read_as(request: Request, kinds: &[&str]) -> Result<Bytes, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_owned();
    if !kinds.iter().any(|known| known.eq_ignore_ascii_case(&kind)) {
        return Err(ApiError::media_type(&kind, kinds[0]));
    }
    axum::body::to_bytes(request.into_body(), LIMIT).await.map_err(|_| ApiError::too_large(LIMIT))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::body(format!("The request body cannot be read: {error}")))
}

/// Values of the path; one that cannot be read names nothing that exists.
#[derive(Debug)]
pub(crate) struct Values<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Values<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::<T>::from_request_parts(parts, state)
            .await
            .map(|Path(values)| Self(values))
            .map_err(|error| ApiError::not_found(format!("{}: {}", parts.uri.path(), error.body_text())))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().copied().ok_or_else(ApiError::unauthorized)
    }
}

/// Where the connection came from; `None` where nobody noted it.
#[derive(Debug)]
pub(crate) struct Peer(pub(crate) Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(peer(&parts.extensions)))
    }
}

/// The address of a request's connection. An IPv4 address is one however the socket was bound.
pub(crate) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip().to_canonical())
}

/// The query; names match in any case, as on the real service.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

impl Query {
    /// The value of the first parameter with one of these names. An empty value counts as absent.
    pub(crate) fn text(&self, names: &[&str]) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)))
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The same, read as `T`.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, names: &[&str]) -> Result<Option<T>, ApiError> {
        self.text(names)
            .map(|value| {
                value.parse().map_err(|_| {
                    ApiError::invalid(format!("The value '{value}' is not valid for parameter {}.", names[0]))
                })
            })
            .transpose()
    }

    /// `True` or `false` in any case; `false` when absent.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(&[name]) {
            None => Ok(false),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) => {
                Err(ApiError::invalid(format!("The value '{value}' is not valid for parameter {name}.")))
            }
        }
    }

    /// Numbers that are joined by commas.
    pub(crate) fn numbers<T: std::str::FromStr>(&self, name: &str) -> Result<Option<Vec<T>>, ApiError> {
        let Some(text) = self.text(&[name]) else { return Ok(None) };
        let all = text.split(',').map(|one| one.trim().parse().map_err(|_| self.wrong(name)));
        all.collect::<Result<_, _>>().map(Some)
    }

    /// A word, or its number.
    pub(crate) fn word(&self, name: &str, words: &[Word]) -> Result<Option<&'static str>, ApiError> {
        let Some(text) = self.text(&[name]) else { return Ok(None) };
        let value = text.parse::<u32>().map_or_else(|_| Value::from(text), Value::from);
        words::word(&value, words).map(Some).ok_or_else(|| self.wrong(name))
    }

    /// The error for a parameter's value.
    pub(crate) fn wrong(&self, name: &str) -> ApiError {
        let value = self.text(&[name]).unwrap_or_default();
        ApiError::invalid(format!("The value '{value}' is not valid for parameter {name}."))
    }
}
