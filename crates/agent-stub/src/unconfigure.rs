//! `config remove` (azure-pipelines-agent: ConfigurationManager.cs UnconfigureAsync).

use anyhow::bail;

use crate::{
    arguments::Arguments,
    configure::{pat, server_url},
    connection::Connection,
    connection::deployment_type,
    error::kind,
    http::{Credential, Identity},
    listener::Agent,
    server::AgentServer,
};

/// Takes the agent out of its pool and deletes its files. An error of the server leaves them.
pub(crate) async fn unconfigure(agent: &Agent, arguments: &Arguments) -> anyhow::Result<()> {
    let console = &agent.console;
    if agent.layout.is_configured() {
        if !arguments.flag("unattended") {
            bail!("This agent asks no questions: give --unattended and all arguments.");
        }
        console.line("Removing agent from the server");
        let settings = agent.layout.read_settings()?;
        let base = server_url(&settings.server_url)?;
        let http = agent.http(&agent.layout.read_certificates()?, &base)?;
        let credential = Credential::new(Identity::Pat(pat(arguments, &base)?));
        Connection::connect(&http, &base, &credential).await?;
        deployment_type(&http, &base, &credential).await?;
        console.line("Connecting to the server.");
        let server = AgentServer::connect(&http, &base, &credential).await?;
        let found = server.agents(settings.pool_id, &settings.agent_name).await?;
        if found.is_empty() {
            console.line("Does not exist. Skipping Removing agent from the server");
        } else {
            match server.delete_agent(settings.pool_id, settings.agent_id).await {
                Err(error) if !error.is(kind::AGENT_NOT_FOUND) => return Err(error.into()),
                _ => console.line("Succeeded: Removing agent from the server"),
            }
        }
    } else {
        console.line("Cannot connect to server, because config files are missing. Skipping removing agent from the server.");
    }
    console.line("Removing .credentials");
    for file in [agent.layout.credentials(), agent.layout.key(), agent.layout.certificates()] {
        remove(&file)?;
    }
    console.line("Removing .agent");
    remove(&agent.layout.settings())?;
    Ok(())
}

fn remove(file: &std::path::Path) -> anyhow::Result<()> {
    match fs_err::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
