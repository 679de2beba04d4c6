//! One connection: `connectionData`, then resource locations, then calls by location
//! (actions/runner: ServerDataProvider.cs, VssHttpClientBase.cs, VssApiResourceVersion.cs).

use std::{collections::HashMap, sync::Arc, time::Duration};

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use crate::{
    clock,
    error::ClientError,
    http::{Answer, Credential, HttpClient, Outgoing},
    wire::{ConnectionData, List, ResourceLocation},
};

/// The API version this client speaks where the server knows a newer one.
const CLIENT_VERSION: (u32, u32) = (5, 1);
/// A connection is tried this often, this far apart (azure-pipelines-agent: AgentServer.cs).
const CONNECT_TRIES: u32 = 5;
const CONNECT_GAP: Duration = Duration::from_millis(100);

/// A place of the API with the resource version this client speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) id: &'static str,
    pub(crate) resource_version: u32,
}

/// One call: place, route values, query and body.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) place: Place,
    pub(crate) route: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Body<'a>,
    pub(crate) accept: &'static str,
    pub(crate) timeout: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum Body<'a> {
    None,
    Json(Value),
    Bytes(&'a [u8]),
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, place: Place) -> Self {
        Self {
            method,
            place,
            route: Vec::new(),
            query: Vec::new(),
            body: Body::None,
            accept: "application/json",
            timeout: None,
        }
    }
    pub(crate) fn at(mut self, name: &'static str, value: impl ToString) -> Self {
        self.route.push((name, value.to_string()));
        self
    }
    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }
    pub(crate) fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }
    pub(crate) fn bytes(mut self, body: &'a [u8]) -> Self {
        self.body = Body::Bytes(body);
        self
    }
    pub(crate) fn accept(mut self, media_type: &'static str) -> Self {
        self.accept = media_type;
        self
    }
    pub(crate) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// A connection to one base URL with one credential.
#[derive(Debug)]
pub(crate) struct Connection {
    http: HttpClient,
    base: Url,
    credential: Arc<Credential>,
    /// Locations that came with `connectionData`; when there is one, no others are asked for.
    announced: Vec<ResourceLocation>,
    asked: OnceCell<HashMap<String, ResourceLocation>>,
}

impl Connection {
    /// Connects, trying a few times.
    pub(crate) async fn connect(
        http: &HttpClient,
        base: &Url,
        credential: &Arc<Credential>,
    ) -> Result<Self, ClientError> {
        let mut tries = CONNECT_TRIES;
        loop {
            tries -= 1;
            match connection_data(
                http,
                base,
                credential,
                "connectOptions=1&lastChangeId=-1&lastChangeId64=-1",
            )
            .await
            {
                Ok(data) => return Ok(Self::of_data(http, base, credential, data)),
                Err(error) if tries == 0 => return Err(error),
                Err(_) => clock::sleep(CONNECT_GAP).await,
            }
        }
    }

    fn of_data(http: &HttpClient, base: &Url, credential: &Arc<Credential>, data: ConnectionData) -> Self {
        let definitions = data.location_service_data.service_definitions.unwrap_or_default();
        let announced = definitions
            .into_iter()
            .filter(|definition| definition.resource_version > 0)
            .map(|definition| ResourceLocation {
                id: definition.identifier.to_ascii_lowercase(),
                area: definition.service_type,
                resource_name: definition.display_name,
                route_template: definition.relative_path,
                resource_version: definition.resource_version,
                min_version: definition.min_version.unwrap_or_default(),
                max_version: definition.max_version.unwrap_or_default(),
                released_version: definition.released_version.unwrap_or_default(),
            })
            .collect();
        Self {
            http: http.clone(),
            base: base.clone(),
            credential: credential.clone(),
            announced,
            asked: OnceCell::new(),
        }
    }

    pub(crate) fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Makes a call and gives the raw answer, which is a 2xx one.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Answer, ClientError> {
        let location = self.location(call.place).await?;
        let version = negotiate(location, call.place.resource_version)?;
        let mut url = self.base.clone();
        let path = fill(&location.route_template, location, &call.route);
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        let body = match call.body {
            Body::None => None,
            Body::Json(value) => Some((
                format!("application/json; charset=utf-8; api-version={version}"),
                value.to_string().into_bytes(),
            )),
            Body::Bytes(bytes) => {
                Some((format!("application/octet-stream; api-version={version}"), bytes.to_vec()))
            }
        };
        let outgoing = Outgoing {
            method: call.method,
            url,
            accept: format!("{}; api-version={version}", call.accept),
            body,
            timeout: call.timeout,
        };
        self.http.send(&outgoing, &self.credential).await
    }

    /// Makes a call and reads its JSON; an empty answer or `null` is `None`.
    pub(crate) async fn call_json<T: DeserializeOwned>(
        &self,
        call: Call<'_>,
    ) -> Result<Option<T>, ClientError> {
        let answer = self.call(call).await?;
        read_json(&answer)
    }

    async fn location(&self, place: Place) -> Result<&ResourceLocation, ClientError> {
        let unknown = || {
            ClientError::Protocol(format!(
                "API resource location {} is not registered on {}.",
                place.id, self.base
            ))
        };
        if !self.announced.is_empty() {
            return self.announced.iter().find(|location| location.id == place.id).ok_or_else(unknown);
        }
        let all = self
            .asked
            .get_or_try_init(|| async {
                let outgoing = Outgoing {
                    method: Method::OPTIONS,
                    url: under(&self.base, "_apis/"),
                    accept: "application/json".to_owned(),
                    body: None,
                    timeout: None,
                };
                let answer = self.http.send(&outgoing, &self.credential).await?;
                let list: Option<List<ResourceLocation>> = read_json(&answer)?;
                let list = list.map(|list| list.value).unwrap_or_default();
                Ok(list.into_iter().map(|location| (location.id.to_ascii_lowercase(), location)).collect())
            })
            .await?;
        let all: &HashMap<String, ResourceLocation> = all;
        all.get(place.id).ok_or_else(unknown)
    }
}

/// The kind of server, asked for before anything else during `config`.
pub(crate) async fn deployment_type(
    http: &HttpClient,
    base: &Url,
    credential: &Arc<Credential>,
) -> Result<Option<String>, ClientError> {
    let data =
        connection_data(http, base, credential, "connectOptions=0&lastChangeId=0&lastChangeId64=0").await?;
    Ok(data.deployment_type)
}

async fn connection_data(
    http: &HttpClient,
    base: &Url,
    credential: &Arc<Credential>,
    query: &str,
) -> Result<ConnectionData, ClientError> {
    let mut url = under(base, "_apis/connectionData");
    url.set_query(Some(query));
    let outgoing = Outgoing {
        method: Method::GET,
        url,
        accept: "application/json".to_owned(),
        body: None,
        timeout: None,
    };
    let answer = http.send(&outgoing, credential).await?;
    read_json(&answer)?
        .ok_or_else(|| ClientError::Protocol("The server's connection data is empty.".to_owned()))
}

fn under(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

fn read_json<T: DeserializeOwned>(answer: &Answer) -> Result<Option<T>, ClientError> {
    if answer.status == 204 || answer.body.is_empty() {
        return Ok(None);
    }
    if !answer.is_json() {
        let found = answer.header("content-type").unwrap_or("none").to_owned();
        return Err(ClientError::Protocol(format!("Invalid response content type: {found}")));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| ClientError::Protocol(format!("The server's answer cannot be read: {error}")))
}

/// Puts route values into a template; segments without a value are dropped.
fn fill(template: &str, location: &ResourceLocation, values: &[(&'static str, String)]) -> String {
    let value_of = |name: &str| -> Option<String> {
        let name = name.trim_start_matches('*');
        if name.eq_ignore_ascii_case("area") {
            return Some(location.area.clone());
        }
        if name.eq_ignore_ascii_case("resource") {
            return Some(location.resource_name.clone());
        }
        values.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    let segments = template.split('/').filter_map(|segment| {
        match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => value_of(name),
            None => Some(segment.to_owned()),
        }
    });
    segments.filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join("/")
}

/// The version that client and server have in common, as the `api-version` parameter shows it.
fn negotiate(location: &ResourceLocation, resource_version: u32) -> Result<String, ClientError> {
    let parse = |text: &str| -> Option<(u32, u32)> {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let highest = parse(&location.max_version).unwrap_or(CLIENT_VERSION);
    let lowest = parse(&location.min_version).unwrap_or((1, 0));
    if CLIENT_VERSION < lowest {
        return Err(ClientError::Protocol(format!(
            "The requested version {}.{} of {} is not supported by the server, which begins at {}.",
            CLIENT_VERSION.0, CLIENT_VERSION.1, location.resource_name, location.min_version
        )));
    }
    let (major, minor) = CLIENT_VERSION.min(highest);
    let resource_version = resource_version.min(location.resource_version.max(1));
    Ok(format!("{major}.{minor}-preview.{resource_version}"))
}

#[cfg(test)]
mod tests {
    use super::{fill, negotiate};
    use crate::wire::ResourceLocation;

    fn location(template: &str, max: &str, resource_version: u32) -> ResourceLocation {
        ResourceLocation {
            area: "distributedtask".to_owned(),
            resource_name: "agents".to_owned(),
            route_template: template.to_owned(),
            min_version: "1.0".to_owned(),
            max_version: max.to_owned(),
            resource_version,
            ..ResourceLocation::default()
        }
    }

    #[test]
    fn templates_are_filled_and_shortened() {
        let template = "{project}/_apis/{area}/pools/{poolId}/{resource}/{agentId}";
        let place = location(template, "7.2", 1);
        assert_eq!(
            fill(template, &place, &[("poolId", "3".to_owned())]),
            "_apis/distributedtask/pools/3/agents"
        );
        assert_eq!(
            fill("_apis/projects/{*projectId}", &place, &[("projectId", "p".to_owned())]),
            "_apis/projects/p"
        );
    }

    #[test]
    fn versions_are_negotiated() {
        assert_eq!(negotiate(&location("", "7.2", 1), 2).expect("common"), "5.1-preview.1");
        assert_eq!(negotiate(&location("", "3.0", 4), 2).expect("common"), "3.0-preview.2");
        let mut newer = location("", "7.2", 1);
        newer.min_version = "6.0".to_owned();
        negotiate(&newer, 1).expect_err("too new a server");
    }
}
