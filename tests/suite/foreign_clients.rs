//! Clients that nobody here wrote, with nothing but what `sandbox env` prints: `az` and Microsoft's Python libraries.
//! What they do and what is checked is in the scripts of `tests/clients`.

use anyhow::{Context, Result, ensure};
use e2e::{GroupOf, Stack, said};
use serde_json::json;

/// The image of the walks, with these tags, in the sandbox's registry.
async fn push(stack: &Stack, tags: &[&str]) -> Result<String> {
    let repository = format!("{}/team/tool", stack.variable("ACR_LOGIN_SERVER"));
    for tag in tags {
        stack.push(&stack.artifacts().base_image, &repository, tag).await?;
    }
    Ok(format!("{repository}:{}", tags[0]))
}

#[tokio::test(flavor = "multi_thread")]
async fn az_logs_in_and_keeps_groups_and_resources() -> Result<()> {
    let stack = Stack::builder().start().await?;
    stack.client()?.walk("az_groups.py").await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn az_foresees_and_makes_deployments_in_both_modes() -> Result<()> {
    let stack = Stack::builder().start().await?;
    stack.client()?.walk("az_deployments.py").await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn az_gives_roles_tags_exports_and_moves() -> Result<()> {
    let stack = Stack::builder().start().await?;
    stack.client()?.walk("az_administration.py").await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn az_keeps_registries_and_what_is_in_them() -> Result<()> {
    let stack = Stack::builder().start().await?;
    stack.client()?.walk("az_registry.py").await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn az_reads_and_deletes_what_is_in_a_registry() -> Result<()> {
    let stack = Stack::builder().start().await?;
    push(&stack, &["1", "2"]).await?;
    stack.client()?.walk("az_repositories.py").await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn az_runs_container_groups() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let image = push(&stack, &["1"]).await?;
    stack.client()?.with("TEAM_IMAGE", &image).walk("az_containers.py").await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn az_takes_the_options_that_templates_have_no_use_for() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let image = push(&stack, &["1"]).await?;
    stack.client()?.with("TEAM_IMAGE", &image).walk("az_options.py").await?;
    stack.finish().await
}

/// The script needs a terminal, which Python has on Unix alone.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn az_opens_a_terminal_in_a_container() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let image = push(&stack, &["1"]).await?;
    stack.client()?.with("TEAM_IMAGE", &image).walk("az_exec.py").await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_libraries_walk_through_all_of_it() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let image = push(&stack, &["1"]).await?;
    stack.client()?.with("TEAM_IMAGE", &image).walk("sdk.py").await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_libraries_give_roles_and_cancel_and_roll_back_deployments() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let image = push(&stack, &["1"]).await?;
    stack.client()?.with("TEAM_IMAGE", &image).walk("sdk_administration.py").await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_azure_devops_library_follows_runs_and_cancels_disables_and_deletes() -> Result<()> {
    let stack = Stack::builder().agents(1).start().await?;
    stack.client()?.walk("azdo.py").await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn az_cancels_a_deployment_under_way() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let image = push(&stack, &["1"]).await?;
    stack.client()?.with("TEAM_IMAGE", &image).walk("az_cancel.py").await?;
    stack.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sandbox_az_passes_words_and_exit_code_and_leaves_the_users_own_configuration_alone() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let home = tempfile::tempdir()?;
    let az = stack.foreign(if cfg!(windows) { "az.bat" } else { "az" })?;
    let run = async |words: &[&str], program: &std::path::Path| -> Result<(Option<i32>, String, String)> {
        let mut command = stack.command(&[&["sandbox", "az"], words].concat());
        let answer = command.env("HOME", home.path()).env("MAYFLY_AZ", program).output().await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((answer.status.code(), text(&answer.stdout), text(&answer.stderr)))
    };
    let listed = run(&["group", "list", "-o", "json"], &az).await?;
    let groups: serde_json::Value = serde_json::from_str(&listed.1).with_context(|| format!("{listed:?}"))?;
    ensure!(listed.0 == Some(0) && groups.is_array(), "{listed:?}");
    ensure!(listed.2.contains("logging `az` in"), "the first call logs in: {listed:?}");
    let missing = run(&["group", "show", "-n", "nowhere"], &az).await?;
    ensure!(
        missing.0 == Some(3) && missing.2.contains("ResourceGroupNotFound"),
        "az's own code: {missing:?}"
    );
    ensure!(!missing.2.contains("logging `az` in"), "later ones do not: {missing:?}");
    let version = run(&["--version"], &az).await?;
    ensure!(version.0 == Some(0) && version.1.contains("azure-cli"), "flags are az's too: {version:?}");
    ensure!(!home.path().join(".azure").exists(), "the user's own configuration was touched");

    let none = run(&["group", "list"], &home.path().join("az")).await?;
    ensure!(none.0 == Some(1) && none.2.contains("hint: MAYFLY_AZ"), "{none:?}");
    stack.finish().await
}

/// Says where the container is and what the identity endpoint knows it by, then passes on to that endpoint what comes in.
/// Perl is in every image that is made from Debian's.
const PASS_ON: &str = r#"
echo "address=$(hostname -i)"; echo "endpoint=$IDENTITY_ENDPOINT"; echo "header=$IDENTITY_HEADER"
exec perl -MIO::Socket::INET -MIO::Select -e '
  my ($there) = $ENV{IDENTITY_ENDPOINT} =~ m{//([^/]+)};
  my $door = IO::Socket::INET->new(LocalPort => 8080, Listen => 16) or die $!;
  $| = 1; print "listening\n"; $SIG{CHLD} = "IGNORE";
  while (my $in = $door->accept) {
    next if fork;
    my $out = IO::Socket::INET->new($there) or die $!;
    my $both = IO::Select->new($in, $out);
    while (my @ready = $both->can_read) {
      for my $one (@ready) { sysread($one, my $bytes, 65536) or exit; syswrite($one == $in ? $out : $in, $bytes); }
    }
  }'
"#;

#[tokio::test(flavor = "multi_thread")]
async fn azure_identity_is_the_identity_of_its_container() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    let image = push(&stack, &["1"]).await?;
    stack.set("MAYFLY_IMAGE", &image);
    let identity = stack.make_identity("worker").await?;
    let id = stack.identity_id("worker");
    let group = GroupOf {
        script: Some(PASS_ON.to_owned()),
        identity: Some(json!({ "type": "UserAssigned", "userAssignedIdentities": { id.as_str(): {} } })),
        ..GroupOf::default()
    };
    stack.put_group("worker", &group).await?;
    stack.add_member(&identity["principalId"], "read").await?;
    let log = stack.group_said("worker", "listening").await?;
    let endpoint = said(&log, "endpoint")?;
    let (_, path) = endpoint.split_once("/metadata").context("the endpoint has the documented path")?;
    let text = |name: &str| identity[name].as_str().unwrap_or_default().to_owned();
    stack
        .client()?
        .with("IDENTITY_ENDPOINT", &format!("http://{}:8080/metadata{path}", said(&log, "address")?))
        .with("IDENTITY_HEADER", said(&log, "header")?)
        .with("HOST_ENDPOINT", endpoint)
        .with("IDENTITY_CLIENT_ID", &text("clientId"))
        .with("IDENTITY_PRINCIPAL_ID", &text("principalId"))
        .with("IDENTITY_RESOURCE_ID", &id)
        .walk("managed_identity.py")
        .await?;
    stack.finish().await
}

/// Throttled calls of this method on this type: what the journal has of them.
async fn throttled(stack: &Stack, kind: &str) -> Result<Vec<serde_json::Value>> {
    let journal = stack.control("GET", &format!("/arm/journal?path_contains={kind}"), None).await?;
    let all = journal.as_array().context("a journal is a list")?;
    Ok(all.iter().filter(|entry| entry["status"] == 429).cloned().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn az_and_mayfly_wait_as_long_as_a_busy_resource_manager_tells_them() -> Result<()> {
    let mut stack = Stack::builder().start().await?;
    let fault = |method: &str, path: &str| json!({"service": "arm", "method": method, "path_contains": path, "status": 429, "retry_after": 2, "count": 2});
    stack.client()?.walk("az_throttled.py").await?;
    ensure!(throttled(&stack, "resourcegroups/busy").await?.len() == 4, "two of each kind of call");

    stack.build_image().await?;
    stack
        .control(
            "POST",
            "/arm/faults",
            Some(json!([fault("PUT", "/deployments/"), fault("GET", "/containerGroups")])),
        )
        .await?;
    let began = std::time::Instant::now();
    stack.ok(&["deploy", "--agents", "1"]).await?;
    ensure!(began.elapsed() >= std::time::Duration::from_secs(8), "it did not wait: {:?}", began.elapsed());
    ensure!(throttled(&stack, "deployments").await?.len() == 2);
    ensure!(throttled(&stack, "containergroups").await?.len() == 2);
    let agents = stack.azdo("GET", "/_apis/distributedtask/pools/1/agents").await?;
    ensure!(agents["count"] == 1, "{agents}");

    // A wait that nobody has time for is not waited for: the command ends and says whom to blame.
    stack.control("DELETE", "/arm/faults", None).await?;
    stack
        .control("POST", "/arm/faults", Some(json!([{"service": "arm", "status": 429, "retry_after": 3600}])))
        .await?;
    let refused = stack.mayfly(&["status"]).await?;
    ensure!(refused.code == 4 && refused.stderr.contains("SubscriptionRequestsThrottled"), "{refused:?}");
    stack.control("DELETE", "/arm/faults", None).await?;
    stack.finish().await
}

/// Controls: the same script fails where something is broken, at the check that concerns it.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_fails_with_a_wrong_secret_and_where_the_state_is_another() -> Result<()> {
    let stack = Stack::builder().start().await?;
    let wrong = stack.client()?.with("AZURE_CLIENT_SECRET", "wrong").run("az_groups.py").await?;
    ensure!(wrong.code != 0 && wrong.text().contains("AADSTS7000215"), "{}", wrong.text());
    ensure!(!wrong.text().contains("ok login answers"), "{}", wrong.text());

    let body = serde_json::json!({ "location": "westeurope" });
    stack.arm_with("PUT", "/resourceGroups/walk", "2021-04-01", Some(body)).await?;
    let other = stack.client()?.run("az_groups.py").await?;
    ensure!(other.code != 0 && other.text().contains("FAILED group exists: not before"), "{}", other.text());
    stack.finish().await
}
