//! The two connections of a worker, with the job's own token (azure-pipelines-agent: JobRunner.cs).

use anyhow::Context as _;
use url::Url;

use super::{
    WorkerContext,
    plan_server::{PlanServer, TaskServer, job_credential, job_url},
};
use crate::{http::HttpClient, wire::JobMessage};

/// Connects to the plan's server and to that of the tasks.
pub(crate) async fn connect(
    context: &WorkerContext,
    message: &JobMessage,
) -> anyhow::Result<(PlanServer, TaskServer)> {
    let variable = |name: &str| {
        let found = message.variables.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.and_then(|(_, variable)| variable.value.as_ref()).map(|value| value.0.as_str())
    };
    let hosted = variable("system.servertype").is_some_and(|kind| kind.eq_ignore_ascii_case("hosted"));
    let own: Url = context.settings.server_url.parse().context("the agent's server URL cannot be read")?;
    // A server on premises may call itself by a name that only its own network knows.
    let adjust = |mut url: Url| {
        if !hosted {
            _ = url.set_scheme(own.scheme());
            _ = url.set_host(own.host_str());
            _ = url.set_port(own.port());
        }
        url
    };
    let url = adjust(job_url(message)?);
    let task_url =
        variable("system.taskDefinitionsUri").or_else(|| variable("system.teamFoundationCollectionUri"));
    let task_url = match task_url.filter(|text| !text.is_empty()) {
        Some(text) => adjust(text.parse().context("the URL of the tasks cannot be read")?),
        None => url.clone(),
    };
    let credential = job_credential(message)?;
    let http =
        HttpClient::new(&context.environment, &context.certificates, &context.layout.agent_version(), &url)?;
    let plan = PlanServer::connect(&http, &url, &credential, message).await?;
    let tasks = TaskServer::connect(&http, &task_url, &credential).await?;
    if !hosted {
        tasks.probe().await;
    }
    Ok((plan, tasks))
}
