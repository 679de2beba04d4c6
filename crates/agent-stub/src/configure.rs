//! `config`: registers this machine with a pool (azure-pipelines-agent: ConfigurationManager.cs ConfigureAsync).

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

use crate::{
    arguments::Arguments,
    capabilities, clock, connection,
    error::ClientError,
    http::{Credential, Identity},
    keys::AgentKey,
    layout,
    listener::Agent,
    noise,
    oauth::OAuthClient,
    server::AgentServer,
    settings::{AgentSettings, CertificateSettings, CredentialData, StoredCredentials},
};

const CLOCK_SKEW: &str = "The local machine's clock may be out of sync with the server time by more than five minutes. \
     Please sync your clock with your domain or internet time and try again.";
/// A timed-out replacement is tried this often in all, after 2 s and 4 s.
const REPLACE_TRIES: u32 = 3;

/// Registers the agent and writes its files.
pub(crate) async fn configure(agent: &Agent, arguments: &Arguments) -> anyhow::Result<()> {
    let console = &agent.console;
    if agent.layout.is_configured() {
        bail!(
            "Cannot configure the agent because it is already configured. To reconfigure the agent, run \
             'config.cmd remove' or './config.sh remove' first."
        );
    }
    if !arguments.flag("unattended") {
        bail!("This agent asks no questions: give --unattended and all arguments.");
    }
    console.line(">> Connect:");
    console.line("Connecting to server ...");
    let base = server_url(&arguments.required("url")?)?;
    let certificates = CertificateSettings {
        ca_certificate_file: absolute(arguments.value("sslcacert"))?,
        skip_server_certificate_validation: arguments.flag("sslskipcertvalidation"),
    }
    .checked()?;
    let http = agent.http(&certificates, &base)?;
    let credential = Credential::new(Identity::Pat(pat(arguments, &base)?));

    // What kind of server it is, then the test of the token.
    let test = connection::Connection::connect(&http, &base, &credential).await?;
    let deployment_type = connection::deployment_type(test.http(), &base, &credential).await?;
    if deployment_type.is_none() {
        agent
            .diagnostics()
            .info("The deployment type is not known; the server is taken for an on-premises one.");
    }
    let hosted = deployment_type.is_some_and(|kind| kind.eq_ignore_ascii_case("hosted"));
    let server = AgentServer::connect(&http, &base, &credential).await?;
    if agent.environment.is_on("RSAKEYGETCONFIGFROMFF") {
        for flag in ["StoreAgentTokenInNamedContainer", "UseCng"] {
            noise::feature_flag(&http, &base, &credential, flag).await;
        }
    }

    console.line(">> Register Agent:");
    let key = AgentKey::load_or_create(&agent.layout.key())?;
    let pool_name = arguments.value("pool").unwrap_or_else(|| "default".to_owned());
    let pools = server.pools(&pool_name).await?;
    let pool = pools.first().ok_or_else(|| anyhow!("Agent pool not found: '{pool_name}'"))?;
    let name = arguments.value("agent").unwrap_or_else(|| layout::machine_name(&agent.environment));

    let registered = register(agent, arguments, &server, pool.id, &name, &key).await?;
    let id =
        registered["id"].as_i64().context("The server's answer to the registration names no agent id.")?;
    let data = credential_data(&registered, &base, hosted)?;

    console.line("Testing agent connection.");
    let identity = OAuthClient { data: data.clone(), key };
    let identity = Credential::new(Identity::Agent(Box::new(identity)));
    AgentServer::connect(&http, &base, &identity)
        .await
        .map_err(|error| if error.is_clock_skew() { anyhow!("{CLOCK_SKEW}") } else { anyhow!(error) })?;

    let settings = AgentSettings {
        accept_tee_eula: arguments.flag("acceptteeeula"),
        agent_id: id,
        agent_name: name,
        pool_id: pool.id,
        pool_name: pool.name.clone(),
        server_url: agent_server_url(&registered, &base).to_string(),
        work_folder: arguments.value("work").unwrap_or_else(|| "_work".to_owned()),
    };
    agent.layout.write_credentials(&StoredCredentials { scheme: "OAuth".to_owned(), data })?;
    agent.layout.write_certificates(&certificates)?;
    agent.layout.write_settings(&settings)?;
    write_service_script(agent)?;
    console.line(&format!("{}: Settings Saved.", clock::console_time()));
    noise::telemetry(
        &http,
        &base,
        &identity,
        "AgentCredentialManager",
        json!({ "AuthenticationType": "OAuth" }),
    )
    .await;
    Ok(())
}

/// Adds the agent, or replaces one of its name.
///
/// As in the vendor's agent a failed replacement is repeated at once and for ever: whoever starts `config`
/// needs a time limit.
async fn register(
    agent: &Agent,
    arguments: &Arguments,
    server: &AgentServer,
    pool: i64,
    name: &str,
    key: &AgentKey,
) -> anyhow::Result<Value> {
    let console = &agent.console;
    loop {
        console.line("Scanning for tool capabilities.");
        let capabilities = capabilities::scan(&agent.environment, &agent.layout, name, &agent.masker);
        console.line("Connecting to the server.");
        let found = server.agents(pool, name).await?.into_iter().next();
        let Some(existing) = found else {
            let body = json!({
                "maxParallelism": 1,
                "createdOn": "0001-01-01T00:00:00",
                "authorization": { "publicKey": key.public_json() },
                "systemCapabilities": capabilities,
                "id": 0,
                "name": name,
                "version": agent.layout.agent_version(),
                "osDescription": layout::os_description(),
                "status": 0,
                "provisioningState": "Provisioned",
            });
            let added = server.add_agent(pool, &body).await?;
            console.line("Successfully added the agent");
            return Ok(added);
        };
        if !arguments.flag("replace") {
            bail!("Pool {pool} already contains an agent with name {name}.");
        }
        let id = existing["id"].as_i64().context("The server's agent has no id.")?;
        let mut body = existing;
        body["authorization"] = json!({ "publicKey": key.public_json() });
        body["version"] = json!(agent.layout.agent_version());
        body["osDescription"] = json!(layout::os_description());
        if !body["systemCapabilities"].is_object() {
            body["systemCapabilities"] = json!({});
        }
        for (capability, value) in capabilities {
            body["systemCapabilities"][capability] = Value::String(value);
        }
        match replace(server, pool, id, &body).await {
            Ok(replaced) => {
                console.line("Successfully replaced the agent");
                return Ok(replaced);
            }
            Err(error @ ClientError::TimedOut(_)) => return Err(error.into()),
            Err(error) => {
                console.error(&error.to_string());
                console.error("Failed to replace the agent.  Try again or ctrl-c to quit");
            }
        }
    }
}

async fn replace(server: &AgentServer, pool: i64, id: i64, body: &Value) -> Result<Value, ClientError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match server.replace_agent(pool, id, body).await {
            Err(ClientError::TimedOut(_)) if tries < REPLACE_TRIES => {
                clock::sleep(Duration::from_secs(u64::from(tries) * 2)).await;
            }
            result => return result,
        }
    }
}

/// The organization's URL; only its form is checked.
pub(crate) fn server_url(text: &str) -> anyhow::Result<Url> {
    let url: Url = text
        .parse()
        .ok()
        .filter(|url: &Url| matches!(url.scheme(), "http" | "https"))
        .with_context(|| {
            format!("Invalid configuration provided for url. '{text}' is not an absolute http or https URL.")
        })?;
    Ok(url)
}

/// The token, when the kind of authentication is the one this agent knows.
pub(crate) fn pat(arguments: &Arguments, url: &Url) -> anyhow::Result<SecretString> {
    let dotted = url.scheme() == "https" && url.host_str().is_some_and(|host| host.contains('.'));
    let kind = arguments.value("auth").unwrap_or_else(|| if dotted { "PAT" } else { "Negotiate" }.to_owned());
    if !kind.eq_ignore_ascii_case("PAT") {
        bail!("This agent knows the authentication type PAT alone, not '{kind}'. Give --auth PAT.");
    }
    arguments
        .token()
        .context("Invalid configuration provided for token. Terminating unattended configuration.")
}

fn absolute(file: Option<String>) -> anyhow::Result<Option<String>> {
    file.map(|file| Ok(std::path::absolute(&file)?.display().to_string())).transpose()
}

/// Where the agent will get its tokens. A server behind another address on premises keeps the host of the
/// configured URL for the request, while the assertion's audience stays as the server named it.
fn credential_data(registered: &Value, base: &Url, hosted: bool) -> anyhow::Result<CredentialData> {
    let authorization = &registered["authorization"];
    let text = |name: &str| authorization[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    // The vendor's Linux agent would store the PAT itself in this case, its Windows agent gives up; so does this one.
    let (Some(client_id), Some(authorization_url)) = (text("clientId"), text("authorizationUrl")) else {
        bail!("The server gave the agent no credentials of its own (TFS 2015 is not supported).");
    };
    let mut endpoint: Url = authorization_url
        .parse()
        .with_context(|| format!("The authorization URL '{authorization_url}' is invalid"))?;
    if !hosted {
        endpoint = with_origin_of(endpoint, base);
    }
    Ok(CredentialData { client_id, authorization_url, oauth_endpoint_url: endpoint.to_string() })
}

fn agent_server_url(registered: &Value, base: &Url) -> Url {
    let property = &registered["properties"]["ServerUrl"];
    let text = property.as_str().or_else(|| property["$value"].as_str());
    match text.and_then(|text| text.parse::<Url>().ok()) {
        Some(url) => with_origin_of(url, base),
        None => base.clone(),
    }
}

fn with_origin_of(mut url: Url, base: &Url) -> Url {
    // None of these can fail between two http URLs that have a host.
    _ = url.set_scheme(base.scheme());
    _ = url.set_host(base.host_str());
    _ = url.set_port(base.port());
    url
}

/// The vendor's agent writes a service script on Linux; this one is not made to be a service.
fn write_service_script(agent: &Agent) -> anyhow::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    let file = agent.layout.root().join("svc.sh");
    fs_err::write(&file, "#!/bin/bash\necho 'This agent cannot be installed as a service.' >&2\nexit 1\n")?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{agent_server_url, credential_data};

    #[test]
    fn the_origin_given_by_the_user_wins() {
        let base = "https://gateway:8443/org".parse().expect("url");
        let registered = json!({
            "authorization": {"clientId": "c", "authorizationUrl": "https://other/org/_apis/oauth2/token"},
            "properties": {"ServerUrl": {"$type": "System.String", "$value": "https://other/org/"}}
        });
        assert_eq!(agent_server_url(&registered, &base).as_str(), "https://gateway:8443/org/");
        let hosted = credential_data(&registered, &base, true).expect("data");
        assert_eq!(hosted.oauth_endpoint_url, "https://other/org/_apis/oauth2/token");
        let on_premises = credential_data(&registered, &base, false).expect("data");
        assert_eq!(on_premises.oauth_endpoint_url, "https://gateway:8443/org/_apis/oauth2/token");
        assert_eq!(on_premises.authorization_url, "https://other/org/_apis/oauth2/token");
        credential_data(&json!({}), &base, true).expect_err("no credentials");
    }
}
