//! A running sandbox as the variables that clients read, the product commands among them.

use secrecy::ExposeSecret;

use crate::instance::Instance;
use crate::record::Record;

/// Names and values, in a fixed order. Values are secrets in part: print them only where a person asked for them.
pub fn environment(instance: &Instance, record: &Record) -> Vec<(&'static str, String)> {
    let bundle = record.ca_bundle_file.display().to_string();
    let home = instance.folder().parent().map(|home| home.display().to_string()).unwrap_or_default();
    let mut variables = vec![
        ("AZDO_URL", record.azdo_url.to_string()),
        ("AZDO_TOKEN", record.azdo_token.expose_secret().to_owned()),
        ("AZDO_POOL", record.azdo_pool.clone()),
        ("AZURE_TENANT_ID", record.tenant_id.to_string()),
        ("AZURE_CLIENT_ID", record.client_id.to_string()),
        ("AZURE_CLIENT_SECRET", record.client_secret.expose_secret().to_owned()),
        ("AZURE_SUBSCRIPTION_ID", record.subscription_id.to_string()),
        ("AZURE_AUTHORITY_HOST", bare(&record.authority_host)),
        ("ARM_ENDPOINT", bare(&record.arm_endpoint)),
        ("ACR_REGISTRY_GROUP", record.registry_group.clone()),
        ("ACR_REGISTRY_NAME", record.registry_name.clone()),
        ("ACR_LOGIN_SERVER", record.login_server.clone()),
        ("ACR_USERNAME", record.registry_username.clone()),
        ("ACR_PASSWORD", record.registry_password.expose_secret().to_owned()),
        ("REQUESTS_CA_BUNDLE", bundle.clone()),
        ("SSL_CERT_FILE", bundle.clone()),
        ("WEBSOCKET_CLIENT_CA_BUNDLE", bundle.clone()),
        ("MAYFLY_CA_FILE", bundle),
        ("AZURE_CORE_INSTANCE_DISCOVERY", "false".to_owned()),
        ("MAYFLY_TARGET", "sandbox".to_owned()),
        ("MAYFLY_INSTANCE", record.instance.clone()),
        ("MAYFLY_HOME", home),
        ("MAYFLY_CONTROL_URL", bare(&record.control_url)),
        ("MAYFLY_CONTROL_TOKEN", record.control_token.expose_secret().to_owned()),
        ("MAYFLY_IDENTITY_ENDPOINT", record.identity_endpoint.clone()),
        ("MAYFLY_SANDBOX_PID", record.process_id.to_string()),
    ];
    // What an agent's container is given to trust, where it needs any.
    if record.azdo_url.scheme() == "https" {
        variables.push(("AZDO_CA_FILE", record.ca_file.display().to_string()));
    }
    // What a container is to be given that registers its agent with a principal of the directory.
    variables.extend(record.container_authority_host.iter().map(|url| ("AZDO_AUTHORITY_HOST", bare(url))));
    variables
}

/// Without the slash that a URL library puts behind a bare host: `az` and the SDKs join with one of their own.
fn bare(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
