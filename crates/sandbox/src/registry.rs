//! The sandbox's own registry.

use acr_registry::{CreateRegistry, Registries};
use arm_emulator::Arm;
use entra_tokens::Entra;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;

use crate::up::{Base, LOCATION, UpError, at};

/// The resource group that it is in.
pub(crate) const GROUP: &str = "mayfly-registry";

/// How it is pushed to.
pub(crate) struct Login {
    pub(crate) server: String,
    pub(crate) username: String,
    pub(crate) password: SecretString,
}

/// The registry that images are pushed to: a resource like any other, in a group of its own, made the way a client
/// would make it.
pub(crate) async fn make(base: &Base<'_>, arm: &Arm, services: &Services) -> Result<Login, UpError> {
    arm.ensure_resource_group(GROUP, LOCATION).map_err(at("make the registry's resource group"))?;
    let name = &base.identity.registry_name;
    let port = Some(base.identity.ports.registry);
    let create = CreateRegistry { admin_enabled: true, port, ..CreateRegistry::USUAL };
    let info = services.registries.create(name, create).await.map_err(at("make the registry"))?;
    let path = format!(
        "subscriptions/{}/resourceGroups/{GROUP}/providers/Microsoft.ContainerRegistry/registries/{name}?api-version=2023-07-01",
        base.identity.subscription_id
    );
    let url = services.arm_url.join(&path).map_err(at("make an address"))?;
    let audience = services.arm_url.as_str().trim_end_matches('/');
    let token = services.entra.issue(audience).map_err(at("issue a token"))?;
    let root = reqwest::Certificate::from_pem(base.identity.authority.cert_pem().as_bytes())
        .map_err(at("read its certificate"))?;
    let client =
        reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().map_err(at("make a client"))?;
    let body = json!({
        "location": LOCATION, "sku": { "name": "Basic" }, "properties": { "adminUserEnabled": true },
    });
    let request = client.put(url).bearer_auth(token.expose_secret()).json(&body);
    let answer = request.send().await.map_err(at("make the registry"))?;
    if !answer.status().is_success() {
        let text = answer.text().await.unwrap_or_default();
        return Err(at("make the registry")(text));
    }
    let (username, [password, _]) =
        services.registries.credentials(name).map_err(at("read the registry's credentials"))?;
    Ok(Login { server: info.login_server, username, password })
}

/// What the registry is made with.
pub(crate) struct Services {
    pub(crate) registries: Registries,
    pub(crate) entra: Entra,
    pub(crate) arm_url: Url,
}
