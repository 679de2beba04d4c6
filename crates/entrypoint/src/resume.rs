//! The second and third image of the process: registers the agent, then runs it. The standard library and system calls only.

use crate::exit::{Exit, Failure};
use crate::handover::{Handover, Plan, Stage};
use crate::lifecycle::Agent;
use crate::platform::{self, Signals};
use crate::report::{self, EndLine, StartLine, log};
use crate::start::hand_over;
use crate::token::Token;

/// Takes over from the image before and goes on. Nothing where there is no such image.
pub(crate) fn run(descriptor: i32, signals: &Signals) -> Option<Exit> {
    let closed = platform::forbid_inspection();
    let (handover, token) = platform::take_over(descriptor).ok()?;
    let plan = handover.plan.clone();
    let agent_id = match handover.stage {
        Stage::Configure => None,
        Stage::Supervise { agent_id } => Some(agent_id),
    };
    let outcome = closed
        .and_then(|()| platform::adopt_orphans())
        .map_err(|error| Failure::agent(format!("close this process to inspection: {error}")))
        .and_then(|()| go_on(handover, token, signals));
    let failure = match outcome {
        Ok(Next::EndLine) => None,
        Ok(Next::HandedOver(exit)) => return Some(exit),
        Err(failure) => Some(failure),
    };
    Some(end(&plan, agent_id, failure))
}

enum Next {
    /// The listener ran and returned 0.
    EndLine,
    /// Only where the next image is another process.
    HandedOver(Exit),
}

fn go_on(handover: Handover, token: Option<Token>, signals: &Signals) -> Result<Next, Failure> {
    let plan = handover.plan;
    match (handover.stage, token) {
        (Stage::Configure, Some(token)) => {
            let next = Agent::new(&plan).configure(token, signals)?.leave();
            let executable = std::env::current_exe()
                .map_err(|error| Failure::agent(format!("find the program of this process: {error}")))?;
            hand_over(&executable, &next, None).map(Next::HandedOver)
        }
        (Stage::Supervise { agent_id }, None) => {
            report::event(&StartLine {
                agent: &plan.agent,
                agent_id,
                pool: &plan.pool,
                url: &plan.url,
                image: plan.image.as_deref(),
                container: &plan.container,
                started: plan.started,
            });
            Agent::resumed(&plan, agent_id).start(signals)?.supervise().map(|()| Next::EndLine)
        }
        (Stage::Configure, None) | (Stage::Supervise { .. }, Some(_)) => {
            Err(Failure::agent("the stages of this process disagree about the token"))
        }
    }
}

fn end(plan: &Plan, agent_id: Option<u64>, failure: Option<Failure>) -> Exit {
    let (exit, reason) = match &failure {
        None => (Exit::Done, "the listener ended"),
        Some(failure) => (failure.exit, failure.message.as_str()),
    };
    match &failure {
        Some(failure) => report::failure(failure),
        None => log(format_args!("agent `{}` ended", plan.agent)),
    }
    report::event(&EndLine {
        agent: Some(&plan.agent),
        agent_id,
        exit_code: exit.code(),
        reason,
        duration_seconds: report::seconds_since(plan.started),
        hold_seconds: 0,
    });
    exit
}
