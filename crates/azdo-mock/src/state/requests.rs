//! Job requests: queued, assigned, received, finished.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sessions::Message;
use super::{Document, EventKind, Moment, Refusal, State};
use crate::wire::demand::{Demand, minimum_agent};
use crate::wire::ids::{AgentId, JobId, PlanId, PoolId, RecordId, RequestId, SessionId};
use crate::wire::job::{JobSpec, Placement, Shell, Step, StepOptions, Variable};
use crate::wire::result::TaskResult;

/// The agent kills the worker a minute after the timeout; then the server need not wait any longer.
const CANCEL_GRACE: SignedDuration = SignedDuration::from_mins(2);

/// The server's record of one job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) pool_id: PoolId,
    pub(crate) job_id: JobId,
    pub(crate) plan_id: PlanId,
    pub(crate) name: String,
    pub(crate) build_number: String,
    pub(crate) demands: Vec<Demand>,
    pub(crate) queue_time: Timestamp,
    pub(crate) assignment: Option<Assignment>,
    pub(crate) receive_time: Option<Timestamp>,
    pub(crate) locked_until: Option<Timestamp>,
    pub(crate) finish_time: Option<Timestamp>,
    pub(crate) result: Option<TaskResult>,
    pub(crate) outputs: Map<String, Value>,
    /// When a cancelled job ends even if its agent keeps silent.
    pub(crate) cancel_deadline: Option<Timestamp>,
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// Whose job it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) agent_id: AgentId,
    pub(crate) agent_name: String,
    pub(crate) session_id: SessionId,
    pub(crate) generation: u32,
    pub(crate) time: Timestamp,
}

/// What is queued.
#[derive(Debug)]
pub(crate) struct NewJob {
    pub(crate) pool: PoolId,
    pub(crate) name: String,
    pub(crate) steps: Vec<NewStep>,
    pub(crate) demands: Vec<Demand>,
    pub(crate) variables: BTreeMap<String, Variable>,
    pub(crate) limits: Limits,
    pub(crate) placement: Placement,
}

/// How long a job may take, in minutes. The default is that of a job that is queued by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Limits {
    /// From when an agent has it; 0: without limit.
    pub(crate) timeout: u32,
    /// From when it is cancelled.
    pub(crate) cancel_timeout: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: 0, cancel_timeout: 5 }
    }
}

impl Limits {
    /// What an agent is given to end a cancelled job.
    pub(crate) fn to_cancel(self) -> SignedDuration {
        SignedDuration::from_mins(self.cancel_timeout.into())
    }
}

/// One step of what is queued.
#[derive(Debug)]
pub(crate) struct NewStep {
    pub(crate) display_name: String,
    pub(crate) script: String,
    pub(crate) shell: Shell,
    pub(crate) options: StepOptions,
}

impl Request {
    /// Neither assigned nor finished.
    pub(crate) fn queued(&self) -> bool {
        self.finish_time.is_none() && self.assignment.is_none()
    }

    /// The one word that the control API uses.
    pub(crate) fn phase(&self) -> &'static str {
        if self.finish_time.is_some() {
            "completed"
        } else if self.receive_time.is_some() {
            "running"
        } else if self.assignment.is_some() {
            "assigned"
        } else {
            "queued"
        }
    }

    /// Whether it is or was assigned to an agent.
    pub(crate) fn is_of(&self, agent: AgentId) -> bool {
        self.assignment.as_ref().is_some_and(|held| held.agent_id == agent)
    }

    fn held_by(&self, agent: AgentId, generation: u32) -> bool {
        self.assignment.as_ref().is_some_and(|held| held.agent_id == agent && held.generation == generation)
    }
}

impl State {
    /// The request of a pool.
    pub(crate) fn request(&self, pool: PoolId, id: RequestId) -> Result<&Request, Refusal> {
        self.pool(pool)?;
        self.requests.get(&id).filter(|request| request.pool_id == pool).ok_or(Refusal::JobNotFound(id))
    }

    /// Puts a job into the queue.
    pub(crate) fn queue_job(&mut self, job: NewJob, moment: Moment<'_>) -> Result<RequestId, Refusal> {
        self.pool(job.pool)?;
        let id = RequestId(self.meta.next_request);
        self.meta.next_request += 1;
        let number = || format!("{}.{id}", moment.now.strftime("%Y%m%d"));
        let build_number = job.placement.run_name.clone().unwrap_or_else(number);
        let names = reference_names(&job.steps);
        let steps = job
            .steps
            .into_iter()
            .zip(names)
            .map(|(step, name)| Step {
                id: RecordId(moment.entropy.uuid()),
                name,
                display_name: step.display_name,
                script: step.script,
                shell: step.shell,
                options: step.options,
            })
            .collect();
        let placed = job.placement.run.zip(job.placement.identifier.as_deref());
        let job_id = placed.map(|(run, identifier)| self.job_id(run, identifier, job.placement.attempt));
        let job_id = job_id.unwrap_or_else(|| JobId(moment.entropy.uuid()));
        let spec = JobSpec {
            request_id: id,
            job_id,
            plan_id: job.placement.plan.unwrap_or_else(|| PlanId(moment.entropy.uuid())),
            name: job.name,
            build_number: build_number.clone(),
            steps,
            variables: job.variables,
            placement: job.placement,
        };
        let request = Request {
            id,
            pool_id: job.pool,
            job_id: spec.job_id,
            plan_id: spec.plan_id,
            name: spec.name.clone(),
            build_number,
            demands: job.demands.into_iter().chain([minimum_agent()]).collect(),
            queue_time: moment.now,
            assignment: None,
            receive_time: None,
            locked_until: None,
            finish_time: None,
            result: None,
            outputs: Map::new(),
            cancel_deadline: None,
            limits: job.limits,
        };
        self.begin_plan(&spec, moment.now);
        self.note(moment.now, EventKind::JobQueued { request_id: id, name: spec.name.clone() });
        self.requests.insert(id, request);
        self.jobs.insert(id, spec);
        self.dirty.extend([Document::Meta, Document::Request(id), Document::Job(id)]);
        Ok(id)
    }

    /// Extends the lock of a job. The first renewal comes before the worker starts, so whoever is refused here
    /// runs nothing.
    pub(crate) fn renew(
        &mut self,
        pool: PoolId,
        id: RequestId,
        (agent, generation): (AgentId, u32),
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.check_holder(pool, id, agent, generation)?;
        let lock = self.lock_from(now);
        let session = self.requests.get(&id).and_then(|r| r.assignment.as_ref()).map(|held| held.session_id);
        if let Some(session) = session {
            self.receive(id, session, now);
        }
        if let Some(request) = self.requests.get_mut(&id) {
            request.locked_until = Some(lock);
            self.dirty.insert(Document::Request(id));
        }
        Ok(())
    }

    /// Whether an agent may speak for a running job.
    pub(crate) fn check_holder(
        &self,
        pool: PoolId,
        id: RequestId,
        agent: AgentId,
        generation: u32,
    ) -> Result<(), Refusal> {
        let request = self.request(pool, id)?;
        let refuse = |reason| Err(Refusal::JobTokenExpired { request: id, reason });
        if request.finish_time.is_some() {
            return refuse("it is already completed");
        }
        if !request.held_by(agent, generation) {
            return refuse("it is not assigned to this agent");
        }
        Ok(())
    }

    /// Ends a job. Repeating the same end changes nothing; another end is refused.
    pub(crate) fn complete(
        &mut self,
        id: RequestId,
        result: TaskResult,
        outputs: Map<String, Value>,
        shutting_down: Option<bool>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let request = self.requests.get_mut(&id).ok_or(Refusal::JobNotFound(id))?;
        if request.finish_time.is_some() {
            return if request.result == Some(result) {
                Ok(())
            } else {
                Err(Refusal::JobTokenExpired { request: id, reason: "it is already completed" })
            };
        }
        if request.assignment.is_none() {
            return Err(Refusal::JobTokenExpired { request: id, reason: "it is not assigned to an agent" });
        }
        request.receive_time = request.receive_time.or(Some(now));
        request.outputs = outputs;
        self.finish(id, result, shutting_down, now);
        Ok(())
    }

    /// Asks for the end of a job: at once while nobody has it, through its agent otherwise.
    pub(crate) fn cancel(&mut self, id: RequestId, now: Timestamp) -> Result<(), Refusal> {
        let request = self.requests.get_mut(&id).ok_or(Refusal::JobNotFound(id))?;
        if request.finish_time.is_some() {
            return Err(Refusal::JobTokenExpired { request: id, reason: "it is already completed" });
        }
        if request.receive_time.is_none() {
            self.finish(id, TaskResult::Canceled, Some(false), now);
            return Ok(());
        }
        if request.cancel_deadline.is_some() {
            return Ok(());
        }
        request.cancel_deadline = now.checked_add(request.limits.to_cancel() + CANCEL_GRACE).ok();
        let job = request.job_id;
        self.dirty.insert(Document::Request(id));
        self.tell_agent_of(id, Message::Cancel { job });
        Ok(())
    }

    /// Tells the agent that runs a job how often to send what the console shows. Whether somebody runs it.
    pub(crate) fn set_console_rate(&mut self, id: RequestId, milliseconds: u32) -> Result<bool, Refusal> {
        let request = self.requests.get(&id).ok_or(Refusal::JobNotFound(id))?;
        let job = request.job_id;
        let runs = request.receive_time.is_some() && request.finish_time.is_none();
        Ok(runs && self.tell_agent_of(id, Message::ConsoleRate { job, milliseconds }))
    }

    /// A message to the agent that has a job, where it listens.
    fn tell_agent_of(&mut self, id: RequestId, message: Message) -> bool {
        let held = self.requests.get(&id).and_then(|request| request.assignment.as_ref());
        let session = held.and_then(|held| self.session_of(held.agent_id)).map(|session| session.id);
        let Some(session) = session.and_then(|id| self.sessions.get_mut(&id)) else { return false };
        session.push(message);
        self.dirty.insert(Document::Session(session.id));
        true
    }

    /// The agent has the job: from here on nobody else gets it.
    pub(super) fn receive(&mut self, id: RequestId, session: SessionId, now: Timestamp) {
        let lock = self.lock_from(now);
        let Some(request) = self.requests.get_mut(&id) else { return };
        let Some(held) = &request.assignment else { return };
        if request.finish_time.is_some() || request.receive_time.is_some() || held.session_id != session {
            return;
        }
        let (agent, agent_id) = (held.agent_name.clone(), held.agent_id);
        request.receive_time = Some(now);
        request.locked_until = Some(lock);
        self.dirty.insert(Document::Request(id));
        self.note(now, EventKind::JobReceived { request_id: id, agent, agent_id });
    }

    pub(super) fn lock_from(&self, now: Timestamp) -> Timestamp {
        let lock = SignedDuration::try_from(self.switches.job_lock).unwrap_or(SignedDuration::MAX);
        now.saturating_add(lock).unwrap_or(Timestamp::MAX)
    }

    /// Ends a request, its session's message and its records.
    pub(super) fn finish(
        &mut self,
        id: RequestId,
        result: TaskResult,
        shutting_down: Option<bool>,
        now: Timestamp,
    ) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.finish_time = Some(now);
        request.result = Some(result);
        request.locked_until = None;
        request.cancel_deadline = None;
        let (job, held) = (request.job_id, request.assignment.clone());
        let ran = request.receive_time.is_some();
        self.dirty.insert(Document::Request(id));
        if let Some(session) = held.and_then(|held| self.sessions.get_mut(&held.session_id)) {
            session.messages.retain(|_, message| !message.is_of(id, job));
            if ran && shutting_down != Some(false) {
                session.finished_at = Some(now);
                session.retired |= shutting_down == Some(true);
            }
            self.dirty.insert(Document::Session(session.id));
        }
        self.end_plan(id, result, now);
        self.note(now, EventKind::JobCompleted { request_id: id, result });
    }
}

/// The steps' own names, and for the others that of their task, numbered where it is taken.
fn reference_names(steps: &[NewStep]) -> Vec<String> {
    let mut taken: BTreeSet<_> =
        steps.iter().filter_map(|step| step.options.name.as_ref()).map(|name| name.to_lowercase()).collect();
    let mut name = |step: &NewStep| {
        if let Some(name) = &step.options.name {
            return name.clone();
        }
        let task = step.shell.task().name;
        let numbered =
            (1_u32..).map(|number| if number == 1 { task.to_owned() } else { format!("{task}{number}") });
        let mut free = numbered.filter(|name| taken.insert(name.to_lowercase()));
        free.next().unwrap_or_default()
    };
    steps.iter().map(&mut name).collect()
}
