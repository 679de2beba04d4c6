//! The shared wire examples, read with this agent's own types.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ConnectionData, JobMessage, List, Message, Pool, RenewedRequest, Session};

fn example(name: &str) -> Value {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire/azdo").join(name);
    let text = fs_err::read_to_string(file).expect(name);
    // Placeholders stand for any value of their form.
    let text = text.replace("<time>", "2026-01-02T03:04:05.678Z").replace("<base64", "YWJj<");
    serde_json::from_str(&text).expect(name)
}

fn response<T: DeserializeOwned>(name: &str) -> T {
    let body = example(name)["response"]["body"].take();
    serde_json::from_value(body).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_answer_of_the_examples_is_understood() {
    let data: ConnectionData = response("02-connection-data.json");
    assert_eq!(data.deployment_type.as_deref(), Some("hosted"));
    let pools: List<Pool> = response("03-pools.json");
    assert_eq!((pools.value[0].id, pools.value[0].name.as_str()), (1, "Default"));
    let agents: List<Value> = response("04-agent-lookup.json");
    assert!(agents.value.is_empty());
    let session: Session = response("08-session-open.json");
    assert!(session.encryption_key.is_some_and(|key| key.encrypted && key.value.is_some()));
    let message: Message = response("10-message.json");
    assert_eq!((message.message_id, message.message_type.as_str()), (1, "PipelineAgentJobRequest"));
    assert!(message.iv.is_some() && message.body.is_some());
    let renewed: RenewedRequest = response("11-renewal.json");
    assert!(renewed.locked_until.is_some());
}

#[test]
fn the_errors_of_the_examples_have_their_types() {
    for (name, type_key) in [
        ("06-agent-add-taken.json", "TaskAgentExistsException"),
        ("09-session-conflict.json", "TaskAgentSessionConflictException"),
    ] {
        let body = example(name)["response"]["body"].to_string();
        assert!(crate::error::of_answer(409, true, body.as_bytes(), None).is(type_key), "{name}");
    }
}

#[test]
fn the_job_of_the_examples_is_understood() {
    let job: JobMessage = serde_json::from_value(example("job-message.json")["body"].take()).expect("a job");
    assert!(job.plan.version >= 8 && !job.steps.is_empty());
    assert!(job.system_connection().and_then(super::Endpoint::access_token).is_some());
    for step in &job.steps {
        assert!(step.reference.is_some() && step.input("script").is_some(), "{step:?}");
    }
}
