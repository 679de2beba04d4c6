//! `config.sh` and `config.sh remove`.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use serde_json::{Value, json};

use crate::{
    agent::{InstalledAgent, finish, text},
    server::{FakeAzure, PAT},
};

const LIMIT: Duration = Duration::from_secs(60);

fn configure(agent: &InstalledAgent, change: impl FnOnce(&mut std::process::Command)) -> (i32, String) {
    let mut command = agent.config();
    change(&mut command);
    let output = finish(command.spawn().expect("config.sh"), LIMIT);
    (output.status.code().unwrap_or(-1), text(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn config_makes_its_calls_in_order_and_writes_its_files() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::new(&server.url());
    let (code, output) = configure(&agent, |command| {
        command.env("VISIBLE", "yes").env("HIDDEN", "no").env("VSO_AGENT_IGNORE", "HIDDEN").env("LEAK", PAT);
    });
    assert_eq!(code, 0, "{output}");
    assert!(
        output.contains("Successfully added the agent") && output.contains("Settings Saved."),
        "{output}"
    );
    assert!(!output.contains(PAT), "{output}");

    let state = server.state();
    let expected = [
        // The kind of server: one connection, its credential asked for first.
        "nobody GET _apis/connectionData",
        "pat GET _apis/connectionData",
        "pat GET _apis/connectionData",
        // The test of the token: three connections.
        "pat GET _apis/connectionData",
        "pat GET _apis/connectionData",
        "pat GET _apis/connectionData",
        "pat OPTIONS _apis/",
        "pat GET _apis/distributedtask/pools",
        "pat GET _apis/distributedtask/pools/3/agents",
        "pat POST _apis/distributedtask/pools/3/agents",
        // The agent's own identity: challenged once, then three connections.
        "nobody GET _apis/connectionData",
        "nobody POST _apis/oauth2/token",
        "agent GET _apis/connectionData",
        "agent GET _apis/connectionData",
        "agent GET _apis/connectionData",
        // Telemetry over a connection of its own.
        "agent GET _apis/connectionData",
        "agent OPTIONS _apis/",
        "agent POST _apis/customerintelligence/Events",
    ];
    assert_eq!(state.requests, expected);

    let registered = state.agent.clone().expect("registered");
    let capabilities = &registered["systemCapabilities"];
    assert_eq!(capabilities["VISIBLE"], "yes");
    assert_eq!(capabilities["VSO_AGENT_IGNORE"], "HIDDEN");
    assert_eq!(capabilities["HIDDEN"], Value::Null);
    assert_eq!(capabilities["LEAK"], "***", "the token is known to `config` and masked");
    assert_eq!(capabilities["Agent.Name"], "a1");
    assert_eq!(capabilities["Agent.Version"], "4.270.0");
    assert_eq!(registered["status"], 0);
    drop(state);

    let read = |name: &str| -> Value {
        serde_json::from_str(&fs_err::read_to_string(agent.path(name)).expect(name)).expect("JSON")
    };
    let url = format!("{}/", server.url());
    assert_eq!(
        read(".agent"),
        json!({ "acceptTeeEula": true, "agentId": 7, "agentName": "a1", "poolId": 3, "poolName": "linux",
            "serverUrl": url, "workFolder": "_work" })
    );
    let token_url = format!("{url}_apis/oauth2/token");
    assert_eq!(
        read(".credentials"),
        json!({ "scheme": "OAuth", "data": { "clientId": "client-7", "authorizationUrl": token_url,
            "oauthEndpointUrl": token_url } })
    );
    let key = fs_err::metadata(agent.path(".credentials_rsaparams")).expect("the key");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    for name in [".env", ".path", "svc.sh"] {
        assert!(agent.path(name).exists(), "{name}");
    }
    for (path, content) in agent.files() {
        assert!(!content.contains(PAT), "the token is in {}", path.display());
    }
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_come_by_environment_too_and_are_not_uploaded() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::new(&server.url());
    let mut command = agent.script("config.sh");
    command.args(["--unattended", "--agent", "from-argv"]).envs([
        ("VSTS_AGENT_INPUT_URL", server.url().as_str()),
        ("VSTS_AGENT_INPUT_AUTH", "pat"),
        ("VSTS_AGENT_INPUT_TOKEN", PAT),
        ("VSTS_AGENT_INPUT_POOL", "linux"),
        ("VSTS_AGENT_INPUT_AGENT", "from-environment"),
    ]);
    let output = finish(command.spawn().expect("config.sh"), LIMIT);
    assert!(output.status.success(), "{}", text(&output));
    let registered = server.state().agent.clone().expect("registered");
    assert_eq!(registered["name"], "from-argv");
    let capabilities = registered["systemCapabilities"].as_object().expect("capabilities");
    assert!(capabilities.keys().all(|name| !name.starts_with("VSTS_AGENT_INPUT_")), "{capabilities:?}");
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_ends_with_1_and_says_why() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::new(&server.url());

    let (code, output) = configure(&agent, |command| {
        command.args(["--token", "wrong"]);
    });
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("VS30063: You are not authorized to access"), "{output}");

    server.state().no_pool = true;
    let (code, output) = configure(&agent, |_| {});
    assert_eq!((code, output.contains("Agent pool not found: 'linux'")), (1, true), "{output}");
    server.state().no_pool = false;

    server.state().existing_agent = Some(json!({ "id": 7, "name": "a1", "enabled": false }));
    let (code, output) = configure(&agent, |_| {});
    let taken = output.contains("Pool 3 already contains an agent with name a1.");
    assert_eq!((code, taken), (1, true), "{output}");
    assert!(!agent.path(".agent").exists());

    let mut bare = agent.script("config.sh");
    let output = finish(bare.args(["--unattended"]).spawn().expect("config.sh"), LIMIT);
    assert_eq!((output.status.code(), text(&output).contains("url")), (Some(1), true), "{}", text(&output));
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_replaced_with_its_other_fields_echoed() {
    let server = FakeAzure::start().await;
    server.state().existing_agent = Some(json!({
        "id": 7, "name": "a1", "enabled": false, "userCapabilities": { "mine": "1" },
        "systemCapabilities": { "old": "kept" }
    }));
    let agent = InstalledAgent::new(&server.url());
    let (code, output) = configure(&agent, |command| {
        command.arg("--replace");
    });
    assert_eq!(code, 0, "{output}");
    let registered = server.state().agent.clone().expect("replaced");
    assert_eq!(registered["enabled"], false);
    assert_eq!(registered["userCapabilities"]["mine"], "1");
    assert_eq!(registered["systemCapabilities"]["old"], "kept");
    assert_eq!(registered["systemCapabilities"]["Agent.Name"], "a1");

    let (code, output) = configure(&agent, |command| {
        command.arg("--replace");
    });
    assert_eq!(code, 1, "{output}");
    assert!(output.contains("Cannot configure the agent because it is already configured"), "{output}");
    server.finish();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_replacement_is_repeated_without_pause() {
    let server = FakeAzure::start().await;
    {
        let mut state = server.state();
        state.existing_agent = Some(json!({ "id": 7, "name": "a1" }));
        state.fail_put = 25;
    }
    let agent = InstalledAgent::new(&server.url());
    let (code, output) = configure(&agent, |command| {
        command.arg("--replace");
    });
    assert_eq!(code, 0, "{output}");
    assert_eq!(output.matches("the database is away").count(), 25, "{output}");
    server.finish();
}

#[test]
fn root_is_refused_by_both_scripts() {
    let agent = InstalledAgent::new("http://127.0.0.1:1/acme");
    // The scripts ask `id` who they are, so that this test says the same for every user.
    let programs = agent.path("programs");
    fs_err::create_dir_all(&programs).expect("folder");
    let id = programs.join("id");
    fs_err::write(&id, "#!/bin/bash\necho 0\n").expect("written");
    fs_err::set_permissions(&id, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let run = |script: &str, allowed: bool| {
        let mut command = agent.script(script);
        command.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
        if !allowed {
            command.env_remove("AGENT_ALLOW_RUNASROOT");
        }
        let output = finish(command.spawn().expect(script), LIMIT);
        (output.status.code(), text(&output).contains("Must not run"))
    };
    for script in ["config.sh", "run.sh"] {
        assert_eq!(run(script, false), (Some(1), true), "{script}");
        assert_eq!(
            run(script, true),
            (Some(1), false),
            "{script}: the listener itself has reasons of its own"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_deletes_the_agent_and_its_files() {
    let server = FakeAzure::start().await;
    let agent = InstalledAgent::configured(&server.url());
    server.state().existing_agent = Some(json!({ "id": 7, "name": "a1" }));
    let mut command = agent.script("config.sh");
    command.args(["remove", "--unattended", "--auth", "PAT", "--token", PAT]);
    let output = finish(command.spawn().expect("config.sh"), LIMIT);
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        server
            .state()
            .requests
            .iter()
            .any(|line| line == "pat DELETE _apis/distributedtask/pools/3/agents/7")
    );
    for name in [".agent", ".credentials", ".credentials_rsaparams"] {
        assert!(!agent.path(name).exists(), "{name}");
    }
    server.finish();
}
