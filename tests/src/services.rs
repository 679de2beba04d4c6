//! The emulated services, asked as any client would ask them.

use anyhow::{Context, Result, ensure};
use reqwest::{Certificate, Client};
use serde_json::{Value, json};

use crate::Stack;

impl Stack {
    /// A call of Azure DevOps with the token, below the organization.
    pub async fn azdo(&self, method: &str, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.variable("AZDO_URL"));
        let request =
            self.trusting()?.request(method.parse()?, url).basic_auth("", Some(self.variable("AZDO_TOKEN")));
        answer(request, path).await
    }

    /// A call of Azure Resource Manager, below the subscription.
    pub async fn arm(&self, method: &str, path: &str, api_version: &str) -> Result<Value> {
        self.arm_with(method, path, api_version, None).await
    }

    /// The same with a body.
    pub async fn arm_with(
        &self,
        method: &str,
        path: &str,
        api_version: &str,
        body: Option<Value>,
    ) -> Result<Value> {
        let client = self.trusting()?;
        let token = self.access_token(&client).await?;
        let url = format!(
            "{}/subscriptions/{}{path}?api-version={api_version}",
            self.variable("ARM_ENDPOINT"),
            self.variable("AZURE_SUBSCRIPTION_ID")
        );
        let mut request = client.request(method.parse()?, url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request, path).await
    }

    fn trusting(&self) -> Result<Client> {
        let own = fs_err::read(self.folder().join("ca.pem"))?;
        Ok(Client::builder().no_proxy().tls_certs_only([Certificate::from_pem(&own)?]).build()?)
    }

    async fn access_token(&self, client: &Client) -> Result<String> {
        let url = format!(
            "{}/{}/oauth2/v2.0/token",
            self.variable("AZURE_AUTHORITY_HOST"),
            self.variable("AZURE_TENANT_ID")
        );
        let scope = format!("{}/.default", self.variable("ARM_ENDPOINT"));
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.variable("AZURE_CLIENT_ID")),
            ("client_secret", self.variable("AZURE_CLIENT_SECRET")),
            ("scope", &scope),
        ];
        let body = answer(client.post(url).form(&form), "token").await?;
        body["access_token"].as_str().map(ToOwned::to_owned).context("a token answer holds a token")
    }
}

async fn answer(request: reqwest::RequestBuilder, what: &str) -> Result<Value> {
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "{what}: {status} {text}");
    Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
}

/// A container group that is not of the fleet: no tag of ours, an image that is there.
pub async fn stranger(stack: &Stack, group: &str, name: &str) -> Result<()> {
    let image = stack.variable("MAYFLY_IMAGE").to_owned();
    let body = json!({
        "location": "westeurope",
        "properties": {
            "osType": "Linux", "restartPolicy": "Never",
            "imageRegistryCredentials": [{
                "server": stack.variable("ACR_LOGIN_SERVER"),
                "username": stack.variable("ACR_USERNAME"), "password": stack.variable("ACR_PASSWORD"),
            }],
            "containers": [{ "name": "stranger", "properties": {
                "image": image, "command": ["sleep", "600"],
                "resources": { "requests": { "cpu": 1.0, "memoryInGB": 1.0 } },
            }}],
        },
    });
    let path =
        format!("/resourceGroups/{group}/providers/Microsoft.ContainerInstance/containerGroups/{name}");
    stack.arm_with("PUT", &path, "2023-05-01", Some(body)).await?;
    Ok(())
}

/// What a pipeline does that knows no drain: reads the groups and puts each of them again with a new token.
pub async fn redeploy_the_whole_fleet(stack: &Stack, agents: &[&str]) -> Result<()> {
    for agent in agents {
        let path = format!(
            "/resourceGroups/mayfly-agents/providers/Microsoft.ContainerInstance/containerGroups/{agent}"
        );
        let mut group = stack.arm("GET", &path, "2023-05-01").await?;
        for container in group["properties"]["containers"].as_array_mut().into_iter().flatten() {
            let variables = container["properties"]["environmentVariables"].as_array_mut();
            for variable in
                variables.into_iter().flatten().filter(|variable| variable["name"] == "AZDO_TOKEN")
            {
                variable["secureValue"] = stack.variable("AZDO_TOKEN").into();
            }
            if let Some(properties) = container["properties"].as_object_mut() {
                properties.remove("instanceView");
            }
        }
        for credential in group["properties"]["imageRegistryCredentials"].as_array_mut().into_iter().flatten()
        {
            credential["password"] = stack.variable("ACR_PASSWORD").into();
        }
        if let Some(properties) = group["properties"].as_object_mut() {
            for read_only in ["provisioningState", "instanceView", "isCreatedFromStandbyPool"] {
                properties.remove(read_only);
            }
        }
        stack.arm_with("PUT", &path, "2023-05-01", Some(group)).await?;
    }
    Ok(())
}
