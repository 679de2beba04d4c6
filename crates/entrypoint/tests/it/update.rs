//! `AZDO_AGENT_UPDATE`: by default no update happens at all; followed, it goes as the vendor's script does it.

use std::os::unix::fs::chown;

use serde_json::json;
use wiremock::ResponseTemplate;

use crate::image::{CONFIGURE, Image, RUN, UID};

async fn offers(image: &Image, minor: u32) {
    let body = json!({"count": 1, "value": [{"type": "agent", "version": {"major": 4, "minor": minor, "patch": 0}}]});
    image
        .mount("/org/_apis/distributedtask/packages/agent", ResponseTemplate::new(200).set_body_json(body))
        .await;
    image.declare(json!({"agentVersion": "4.260.0", "environment": {}}));
}

#[tokio::test]
async fn updates_are_refused_and_a_newer_agent_is_mentioned() {
    let image = Image::new().await;
    offers(&image, 270).await;
    let finished = image.run().await.expect_code(0);
    finished.says("hint: the server offers agent 4.270.0 and this image has 4.260.0");
    assert_eq!(image.probed_environment("run.env")["agent.disableupdate"], "true");
}

#[tokio::test]
async fn the_present_version_is_not_worth_a_word() {
    let image = Image::new().await;
    offers(&image, 260).await;
    assert!(!image.run().await.expect_code(0).stderr.contains("offers agent"));
}

#[tokio::test]
async fn a_server_that_does_not_say_holds_nothing_up() {
    let image = Image::new().await;
    image.declare(json!({"agentVersion": "4.260.0"}));
    image.run().await.expect_code(0);
}

/// An agent that wants to update although it was told not to: it did not run a job.
#[tokio::test]
async fn an_update_against_the_order_is_70() {
    let image = Image::new().await;
    image.agent(CONFIGURE, "touch update.finished; exit 4");
    image.run().await.expect_code(70).says("the server wants a newer agent");
}

#[tokio::test]
async fn a_followed_update_runs_the_listener_once_more() {
    let mut image = Image::new().await;
    image.set("AZDO_AGENT_UPDATE", "follow");
    chown(image.root().join("azp/agent"), Some(UID), Some(UID)).unwrap();
    let update = r#"if ! [ -e "$probe/first" ]; then
  touch "$probe/first"
  # As the agent does it: a process that outlives the listener puts the new one in place.
  ( sleep 0.3; mv bin bin.old; cp -r bin.old bin; touch update.finished ) > /dev/null 2>&1 &
  exit 4
fi"#;
    image.agent(CONFIGURE, &format!("{update}\n{RUN}"));
    let finished = image.run().await.expect_code(0);
    finished.says("it is started once more when that is done");
    finished.says("Running job: one");
    assert!(!image.probed_environment("run.env").contains_key("agent.disableupdate"));
    assert!(image.root().join("azp/agent/bin.old").exists());
}

/// An update that came during the job ends the listener with 4 after it. A second job must not get these files.
#[tokio::test]
async fn after_a_job_the_listener_is_not_started_again() {
    let mut image = Image::new().await;
    image.set("AZDO_AGENT_UPDATE", "follow");
    chown(image.root().join("azp/agent"), Some(UID), Some(UID)).unwrap();
    let late = r#"echo run >> "$probe/runs"; touch update.finished; exit 4"#;
    image.agent(CONFIGURE, &format!("{RUN}\n{late}"));
    image.run().await.expect_code(0).says("Running job: one");
    let runs = fs_err::read_to_string(image.probe("runs")).unwrap();
    assert_eq!(runs.lines().count(), 1, "{runs}");
}

#[tokio::test]
async fn a_folder_that_the_agent_cannot_replace_cannot_be_updated() {
    let mut image = Image::new().await;
    image.set("AZDO_AGENT_UPDATE", "follow");
    image
        .run()
        .await
        .expect_code(64)
        .says("AZDO_AGENT_UPDATE: follow needs an agent that its own user can replace");
}
