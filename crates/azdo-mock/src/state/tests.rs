//! The laws of the queue, as properties over random histories.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Map, json};
use service_kit::SeededEntropy;

use super::project::Person;
use super::requests::{Limits, NewJob, NewStep};
use super::runs::{NewRun, Order, RunJob};
use super::sessions::Message;
use super::*;
use crate::wire::bodies::{AgentBody, AgentPatch, PoolBody, SessionBody};
use crate::wire::demand::Demand;
use crate::wire::job::{Placement, Shell, StepOptions};
use crate::wire::result::TaskResult;

const POOL: PoolId = PoolId(1);
const AGENTS: i32 = 3;

/// Pipeline files: one after the other, what a failure skips and what it starts, copies, a job that nobody can run.
const FILES: [&str; 4] = [
    "jobs:\n- job: A\n  steps: [{script: a}]\n- job: B\n  dependsOn: A\n  steps: [{script: b}]\n",
    "jobs:\n- job: A\n  timeoutInMinutes: 5\n  steps: [{script: a}]\n- job: B\n  dependsOn: A\n  condition: failed()\n  \
     steps: [{script: b}]\n- job: C\n  dependsOn: [A, B]\n  condition: always()\n  steps: [{script: c}]\n",
    "jobs:\n- job: A\n  strategy:\n    matrix:\n      x: {v: '1'}\n      y: {v: '2'}\n  steps: [{script: a}]\n- job: B\n  \
     dependsOn: A\n  steps: [{script: b}]\n",
    "jobs:\n- job: A\n  pool: {demands: [size -equals large]}\n  steps: [{script: a}]\n",
];

/// What can happen next. Numbers pick one of what is there.
#[derive(Debug, Clone)]
enum Step {
    Queue {
        large: bool,
    },
    /// A pipeline file with dependencies, conditions and copies.
    QueueRun(usize),
    CancelRun(usize),
    /// The organization's limit of parallel jobs.
    Limit(Option<u32>),
    /// A further agent.
    Register,
    /// The agent lost its process; somebody lets go of its session.
    Release(i32),
    Open(i32),
    Close(i32),
    Replace(i32),
    Enable(i32, bool),
    Poll(i32),
    /// The agent takes the job of the message it read: the first renewal, then the deletion, each of which may be
    /// lost.
    Take {
        agent: i32,
        renew: bool,
        delete: bool,
    },
    /// The same by a process of the agent that lost its session.
    LateRenew(usize),
    Renew(i32),
    Finish {
        agent: i32,
        shutting_down: Option<bool>,
    },
    Cancel(usize),
    Delete(i32),
    /// A pool with a job that nobody there can run.
    AddPool,
    /// Not that of the agents, which only must not go while they work.
    DeletePool(usize),
    Wait(i64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    // One more than there are from the start.
    let agent = 1..=AGENTS + 1;
    prop_oneof![
        4 => any::<bool>().prop_map(|large| Step::Queue { large }),
        1 => (0..FILES.len()).prop_map(Step::QueueRun),
        1 => (0..4_usize).prop_map(Step::CancelRun),
        1 => prop_oneof![Just(None), (0..3_u32).prop_map(Some)].prop_map(Step::Limit),
        1 => Just(Step::Register),
        1 => agent.clone().prop_map(Step::Release),
        4 => agent.clone().prop_map(Step::Open),
        2 => agent.clone().prop_map(Step::Close),
        1 => agent.clone().prop_map(Step::Replace),
        1 => (agent.clone(), any::<bool>()).prop_map(|(agent, enabled)| Step::Enable(agent, enabled)),
        4 => agent.clone().prop_map(Step::Poll),
        5 => (agent.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(agent, renew, delete)| Step::Take { agent, renew, delete }),
        2 => (0..20_usize).prop_map(Step::LateRenew),
        2 => agent.clone().prop_map(Step::Renew),
        4 => (agent.clone(), proptest::option::of(any::<bool>()))
            .prop_map(|(agent, shutting_down)| Step::Finish { agent, shutting_down }),
        1 => (0..10_usize).prop_map(Step::Cancel),
        1 => agent.prop_map(Step::Delete),
        1 => Just(Step::AddPool),
        1 => (0..4_usize).prop_map(Step::DeletePool),
        3 => (1..900_i64).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

struct World {
    state: State,
    now: Timestamp,
    entropy: SeededEntropy,
    keys: Vec<serde_json::Value>,
    next_key: usize,
    /// Every job message that was ever read, by whom and with which key.
    read: Vec<(RequestId, AgentId, u32)>,
    /// Workers that were started: a renewal of theirs was taken after they read the message.
    started: BTreeMap<RequestId, BTreeSet<(AgentId, u32)>>,
    /// How often a request was seen to end.
    ended: BTreeMap<RequestId, TaskResult>,
    /// The largest numbers that were ever given out.
    given: (AgentId, i64),
    /// Plans and jobs that were ever seen, by request.
    named: BTreeMap<Uuid, RequestId>,
}

fn keys() -> Vec<serde_json::Value> {
    // Making keys is slow; a few are enough to tell generations apart.
    static KEYS: std::sync::OnceLock<Vec<serde_json::Value>> = std::sync::OnceLock::new();
    let make = || {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key can be made");
        let public = pair.public_key();
        json!({
            "modulus": STANDARD.encode(public.modulus().big_endian_without_leading_zero()),
            "exponent": STANDARD.encode(public.exponent().big_endian_without_leading_zero()),
        })
    };
    KEYS.get_or_init(|| (0..4).map(|_| make()).collect()).clone()
}

impl World {
    fn new() -> Self {
        let now = "2026-11-24T12:00:00Z".parse().expect("a time");
        let entropy = SeededEntropy::new(1);
        let meta = Meta::create(Moment { now, entropy: &entropy });
        let mut state = State::new(meta, Switches::default());
        state.ensure_pool("Default", now);
        let mut world = Self {
            state,
            now,
            entropy,
            keys: keys(),
            next_key: 0,
            read: Vec::new(),
            started: BTreeMap::new(),
            ended: BTreeMap::new(),
            given: (AgentId(0), 0),
            named: BTreeMap::new(),
        };
        for _ in 1..=AGENTS {
            world.apply(Step::Register);
        }
        world
    }

    /// Agent 1 is large, the others are not.
    fn agent_body(&mut self, number: i32) -> AgentBody {
        self.next_key += 1;
        let key = &self.keys[self.next_key % self.keys.len()];
        let size = if number == 1 { "large" } else { "small" };
        serde_json::from_value(json!({
            "name": format!("agent-{number}"),
            "authorization": {"publicKey": key},
            "version": "4.270.0",
            "systemCapabilities": {"size": size},
        }))
        .expect("a body")
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut State, Moment<'_>) -> T) -> T {
        let moment = Moment { now: self.now, entropy: &self.entropy };
        self.state.settle(moment);
        let outcome = change(&mut self.state, moment);
        self.state.settle(moment);
        outcome
    }

    fn session(&self, agent: AgentId) -> Option<(SessionId, u32)> {
        self.state.session_of(agent).map(|session| (session.id, session.generation))
    }

    fn read_job(&mut self, agent: AgentId) -> Option<(SessionId, i64, RequestId, u32)> {
        let now = self.now;
        self.change(|state, _| {
            let (session, generation) = state.session_of(agent).map(|s| (s.id, s.generation))?;
            state.poll_begins(POOL, session, agent, now).ok()?;
            let found = state.next_message(POOL, session, agent, None).ok().flatten();
            state.poll_ends(session, now);
            match found {
                Some((number, Message::Job { request })) => Some((session, number, request, generation)),
                _ => None,
            }
        })
        .inspect(|(_, _, request, generation)| self.read.push((*request, agent, *generation)))
    }

    fn renew(&mut self, request: RequestId, agent: AgentId, generation: u32) {
        let now = self.now;
        let taken = self.change(|state, _| state.renew(POOL, request, (agent, generation), now)).is_ok();
        if taken && self.read.contains(&(request, agent, generation)) {
            self.started.entry(request).or_default().insert((agent, generation));
        }
    }

    /// A job of one step.
    fn queue(&mut self, pool: PoolId, demands: Vec<Demand>) {
        let step = NewStep {
            display_name: "x".into(),
            script: "x".into(),
            shell: Shell::Default,
            options: StepOptions::default(),
        };
        let job = NewJob {
            pool,
            name: "Job".into(),
            steps: vec![step],
            demands,
            variables: BTreeMap::new(),
            limits: Limits::default(),
            placement: Placement::default(),
        };
        let id = self.change(|state, moment| state.queue_job(job, moment)).expect("the pool is there");
        self.numbered(id.0);
    }

    fn apply(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Queue { large } => {
                let demands =
                    if large { vec!["size -equals large".parse().expect("a demand")] } else { vec![] };
                self.queue(POOL, demands);
            }
            Step::AddPool => {
                let body = PoolBody {
                    name: Some(format!("pool-{}", self.state.meta.next_pool)),
                    auto_provision: Some(true),
                    ..PoolBody::default()
                };
                let owner = Person { id: Uuid::nil(), name: "user".into() };
                let pool =
                    self.change(|state, _| state.add_pool(&body, owner, now)).expect("the name is new");
                assert!(self.state.queue_of(pool).is_some());
                self.queue(pool, Vec::new());
            }
            Step::DeletePool(pick) => {
                let pools: Vec<_> = self.state.pools.keys().copied().filter(|pool| *pool != POOL).collect();
                if let Some(pool) = pools.get(pick).copied() {
                    self.change(|state, _| state.delete_pool(pool, now)).expect("nobody works there");
                }
                if self.state.agents.values().any(|agent| self.state.assigned_request(agent.id).is_some()) {
                    let refused = self.change(|state, _| state.delete_pool(POOL, now));
                    assert!(refused.is_err(), "a pool that works was deleted");
                }
            }
            Step::QueueRun(file) => {
                let plan = pipeline_yaml::Plan::parse(FILES[file]).expect("the file is right");
                let new = NewRun { pool: POOL, name: None, plan, order: Order::default() };
                let id =
                    self.change(|state, moment| state.queue_run(new, moment)).expect("the pool is there");
                self.numbered(id.0);
            }
            Step::CancelRun(pick) => {
                let ids: Vec<_> = self.state.runs.all.keys().copied().collect();
                if let Some(id) = ids.get(pick % ids.len().max(1)).copied() {
                    self.change(|state, _| state.cancel_run(id, now));
                }
            }
            Step::Limit(limit) => self.change(|state, _| state.set_parallel_jobs(limit)),
            Step::Register => {
                let number = self.given.0.0 + 1;
                let body = self.agent_body(number);
                let id =
                    self.change(|state, moment| state.add_agent(POOL, body, moment)).expect("a new name");
                assert!(id > self.given.0, "{id} was an agent's before");
                self.given.0 = id;
            }
            Step::Release(number) => {
                self.change(|state, _| {
                    state.end_sessions_of(AgentId(number), now, |agent, agent_id| {
                        EventKind::SessionReleased { agent, agent_id }
                    })
                });
            }
            Step::Open(number) => {
                let Some(agent) = self.state.agents.get(&AgentId(number)) else { return };
                let generation = agent.key_generation;
                let body: SessionBody =
                    serde_json::from_value(json!({"ownerName": "host", "agent": {"id": number}}))
                        .expect("a body");
                let _ = self.change(|state, moment| state.open_session(POOL, body, generation, moment));
            }
            Step::Close(number) => {
                let agent = AgentId(number);
                if let Some((session, _)) = self.session(agent) {
                    self.change(|state, _| state.delete_session(POOL, session, agent, now))
                        .expect("it is there");
                }
            }
            Step::Replace(number) => {
                let body = self.agent_body(number);
                let _ = self.change(|state, moment| state.replace_agent(POOL, AgentId(number), body, moment));
            }
            Step::Enable(number, enabled) => {
                let patch = AgentPatch { id: None, enabled: Some(enabled), max_parallelism: None };
                let _ = self.change(|state, _| state.patch_agent(POOL, AgentId(number), &patch, now));
            }
            Step::Poll(number) => drop(self.read_job(AgentId(number))),
            Step::Take { agent, renew, delete } => {
                let agent = AgentId(agent);
                if let Some((session, number, request, generation)) = self.read_job(agent) {
                    if renew {
                        self.renew(request, agent, generation);
                    }
                    if delete {
                        self.change(|state, _| state.delete_message(POOL, session, agent, number, now))
                            .expect("the session is there");
                    }
                }
            }
            Step::LateRenew(pick) => {
                if let Some((request, agent, generation)) =
                    self.read.get(pick % self.read.len().max(1)).copied()
                {
                    self.renew(request, agent, generation);
                }
            }
            Step::Renew(number) => {
                let held = self.state.assigned_request(AgentId(number)).and_then(|request| {
                    request.assignment.as_ref().map(|held| (request.id, held.agent_id, held.generation))
                });
                if let Some((request, agent, generation)) = held
                    && self.read.contains(&(request, agent, generation))
                {
                    self.renew(request, agent, generation);
                }
            }
            Step::Finish { agent, shutting_down } => {
                let running = self.state.assigned_request(AgentId(agent)).map(|request| request.id);
                if let Some(id) = running.filter(|id| self.started.contains_key(id)) {
                    self.change(|state, _| {
                        state.complete(id, TaskResult::Succeeded, Map::new(), shutting_down, now)
                    })
                    .expect("it runs");
                }
            }
            Step::Cancel(pick) => {
                let ids: Vec<_> = self.state.requests.keys().copied().collect();
                if let Some(id) = ids.get(pick % ids.len().max(1)).copied() {
                    let _ = self.change(|state, _| state.cancel(id, now));
                }
            }
            Step::Delete(number) => {
                let busy = self.state.assigned_request(AgentId(number)).is_some();
                let there = self.state.agents.contains_key(&AgentId(number));
                let deleted = self.change(|state, _| state.delete_agent(POOL, AgentId(number), now));
                // What passes while time passes may end the job, never give one.
                assert!(deleted.is_ok() || busy || !there, "an idle agent can be deleted: {deleted:?}");
            }
            Step::Wait(seconds) => {
                self.now += SignedDuration::from_secs(seconds);
                self.change(|_, _| ());
            }
            Step::Restart => self.restart(),
        }
    }

    /// Jobs and runs share their numbers, and none is given out twice.
    fn numbered(&mut self, number: i64) {
        assert!(number > self.given.1, "{number} was given out before");
        let requests = self.state.requests.keys().map(|id| id.0);
        let all = requests.chain(self.state.runs.all.keys().map(|id| id.0));
        self.given.1 = all.max().unwrap_or_default().max(number);
    }

    /// All documents, but for what a restart may put off: locks and the end of a cancellation.
    fn kept(&self) -> BTreeMap<String, serde_json::Value> {
        let shown = self.state.everything().into_iter().map(|document| {
            let mut value = self.state.content(&document).expect("it can be encoded").unwrap_or_default();
            if let (Document::Request(_), Some(request)) = (&document, value.as_object_mut()) {
                request.retain(|name, _| name != "locked_until" && name != "cancel_deadline");
            }
            (format!("{:?}", document.address()), value)
        });
        shown.collect()
    }

    /// Through the documents and back, as a restart does.
    fn restart(&mut self) {
        let store = service_kit::Store::in_memory();
        let all = self.state.everything();
        store
            .write(crate::persist::batch(&self.state, &all).expect("it can be encoded"))
            .expect("it can be written");
        let kept = self.kept();
        let moment = Moment { now: self.now, entropy: &self.entropy };
        self.state = crate::persist::restore(&store, Switches::default(), moment).expect("it can be read");
        assert_eq!(self.kept(), kept, "what was saved is what is there again");
    }

    fn check(&mut self) {
        self.state.reindex();
        assert_eq!(*self.state.index(), self.state.recomputed(), "the index follows what it is made from");
        let state = &self.state;
        for request in state.requests.values().filter(|request| request.queued()) {
            let free = state.matched_agents(request).find(|agent| state.ready_session(agent).is_some());
            assert!(
                free.is_none() || state.free_parallel_jobs() == 0,
                "{} could be given to {free:?}",
                request.id
            );
        }
        let mut busy = BTreeSet::new();
        for request in state.requests.values() {
            let Some(result) = request.result else {
                assert!(request.finish_time.is_none());
                assert!(state.pools.contains_key(&request.pool_id), "{} waits for nothing", request.id);
                let Some(held) = &request.assignment else {
                    assert!(request.receive_time.is_none(), "what was received is never queued again");
                    continue;
                };
                assert!(busy.insert(held.agent_id), "an agent has one job");
                assert!(state.agents.contains_key(&held.agent_id), "the agent of a job stays");
                assert!(
                    request.locked_until.is_some(),
                    "a job that is assigned ends if its agent keeps silent"
                );
                if request.receive_time.is_none() {
                    let session = state.sessions.get(&held.session_id).expect("an untaken job has a session");
                    assert!(session.messages.values().any(|m| *m == Message::Job { request: request.id }));
                }
                continue;
            };
            assert!(request.finish_time.is_some());
            let before = *self.ended.entry(request.id).or_insert(result);
            assert_eq!(before, result, "a job ends once");
        }
        for run in state.runs.all.values() {
            let open = run.jobs.values().any(|job| match job {
                RunJob::Queued(id) => state.requests[id].finish_time.is_none(),
                RunJob::Ended(_) => false,
            });
            assert!(run.result.is_none() || !open, "run {} ended before its jobs", run.id);
            assert!(run.result.is_some() || open, "run {} waits for nothing", run.id);
        }
        for request in state.requests.values() {
            for id in [request.plan_id.0, request.job_id.0] {
                assert_eq!(*self.named.entry(id).or_insert(request.id), request.id, "{id} names two jobs");
            }
        }
        for (request, workers) in &self.started {
            assert!(workers.len() <= 1, "{request} was started by {workers:?}");
        }
    }

    /// With a new, enabled, large agent every job that waits comes to its end.
    fn drain(&mut self) {
        self.apply(Step::Limit(None));
        while self.state.pools.len() > 1 {
            self.apply(Step::DeletePool(0));
        }
        let agents: Vec<_> = self.state.agents.keys().copied().collect();
        for agent in agents {
            self.apply(Step::Enable(agent.0, false));
        }
        let body: AgentBody = serde_json::from_value(json!({
            "name": "fresh", "version": "4.270.0", "authorization": {"publicKey": self.keys[0]},
            "systemCapabilities": {"size": "large"},
        }))
        .expect("a body");
        let fresh = self.change(|state, moment| state.add_agent(POOL, body, moment)).expect("it is new");
        // Runs bring further jobs as theirs end.
        let rounds = self.state.requests.len() + 3 * self.state.runs.all.len() + 5;
        for _ in 0..rounds {
            self.apply(Step::Wait(700));
            self.apply(Step::Open(fresh.0));
            self.apply(Step::Take { agent: fresh.0, renew: true, delete: true });
            self.apply(Step::Finish { agent: fresh.0, shutting_down: Some(true) });
            self.apply(Step::Close(fresh.0));
            self.check();
        }
        let left: Vec<_> = self.state.requests.values().filter(|r| r.finish_time.is_none()).collect();
        assert!(left.is_empty(), "no job is lost: {left:?}");
        assert!(self.state.runs.all.values().all(|run| run.result.is_some()), "every run ends");
    }
}

impl State {
    fn everything(&self) -> BTreeSet<Document> {
        let mut all = BTreeSet::from([Document::Meta]);
        all.extend(self.pools.keys().map(|id| Document::Pool(*id)));
        all.extend(self.agents.keys().map(|id| Document::Agent(*id)));
        all.extend(self.sessions.keys().map(|id| Document::Session(*id)));
        all.extend(self.runs.all.keys().map(|id| Document::Run(*id)));
        all.extend(self.requests.keys().flat_map(|id| [Document::Request(*id), Document::Job(*id)]));
        all.extend(self.project.queues.keys().map(|id| Document::Queue(*id)));
        all.extend(self.project.definitions.keys().map(|id| Document::Definition(*id)));
        all.extend(self.project.variable_groups.keys().map(|id| Document::VariableGroup(*id)));
        all.extend(self.project.files.keys().map(|path| Document::File(path.clone())));
        all.extend(self.project.notes.keys().map(|id| Document::Build(*id)));
        for plan in self.plans.values() {
            all.insert(Document::Plan(plan.id));
            all.extend(plan.records.keys().map(|key| Document::Record(plan.id, key.0, key.1)));
            all.extend(plan.logs.keys().map(|id| Document::Log(plan.id, *id)));
        }
        all
    }
}

/// Jobs of two kinds, in turns; that of the large agent's alone is the first.
fn waiting(jobs: usize) -> World {
    let mut world = World::new();
    for number in 0..jobs {
        world.queue(POOL, if number % 2 == 0 { vec!["size -equals large".parse().unwrap()] } else { vec![] });
    }
    world
}

/// The control is the count itself: each pass looks at something.
#[test]
fn what_waits_does_not_make_giving_away_a_job_dearer() {
    let looked_at = |jobs: usize| {
        let mut world = waiting(jobs);
        let before = world.state.looked_at;
        for agent in 1..=AGENTS {
            world.apply(Step::Open(agent));
            world.apply(Step::Take { agent, renew: true, delete: true });
            world.apply(Step::Finish { agent, shutting_down: Some(false) });
        }
        world.state.looked_at - before
    };
    let few = looked_at(20);
    assert!((1..40).contains(&few), "{few}");
    assert_eq!(looked_at(2_000), few);
}

#[test]
fn jobs_are_given_away_in_the_order_of_the_queue_whatever_they_want() {
    let mut world = waiting(8);
    world.apply(Step::Limit(Some(1)));
    world.apply(Step::Open(1));
    let mut given = Vec::new();
    while let Some(id) = world.state.assigned_request(AgentId(1)).map(|request| request.id) {
        given.push(id.0);
        world.apply(Step::Take { agent: 1, renew: true, delete: true });
        world.apply(Step::Finish { agent: 1, shutting_down: Some(false) });
        assert!(given.len() <= 8, "{given:?}");
    }
    assert_eq!(given, (1..=8).collect::<Vec<_>>());

    // Who cannot have the first gets the first that it can.
    let mut world = waiting(8);
    world.apply(Step::Open(2));
    assert_eq!(world.state.assigned_request(AgentId(2)).map(|request| request.id.0), Some(2));
}

#[test]
fn jobs_that_want_the_same_are_given_to_all_who_wait_at_once() {
    let mut world = World::new();
    (0..=AGENTS).for_each(|_| world.queue(POOL, Vec::new()));
    world.apply(Step::Limit(Some(0)));
    (1..=AGENTS).for_each(|agent| world.apply(Step::Open(agent)));
    let given = |world: &World| {
        let of = |agent| world.state.assigned_request(AgentId(agent)).map(|request| request.id.0);
        (1..=AGENTS).filter_map(of).collect::<BTreeSet<_>>()
    };
    assert!(given(&world).is_empty(), "{:?}", given(&world));
    world.apply(Step::Limit(None));
    assert_eq!(given(&world), (1..=i64::from(AGENTS)).collect());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_job_is_lost_or_started_twice_or_given_to_a_busy_agent(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            // Who gets a job is looked at in the moment it is given.
            let before: BTreeMap<_, _> =
                world.state.requests.values().map(|r| (r.id, r.assignment.as_ref().map(|a| a.session_id))).collect();
            world.apply(step);
            for request in world.state.requests.values().filter(|request| request.finish_time.is_none()) {
                let Some(held) = &request.assignment else { continue };
                if before.get(&request.id).copied().flatten() != Some(held.session_id) {
                    let agent = &world.state.agents[&held.agent_id];
                    prop_assert!(agent.meets(&request.demands) && agent.enabled);
                    prop_assert_eq!(agent.key_generation, held.generation);
                    prop_assert!(world.state.online(agent.id));
                    let held = world.state.requests.values().filter(|r| r.finish_time.is_none() && r.assignment.is_some());
                    prop_assert!(world.state.meta.parallel_jobs.is_none_or(|limit| held.count() <= limit as usize));
                }
            }
            world.check();
        }
        world.drain();
    }

    #[test]
    fn what_is_stored_is_what_is_restored(steps in prop::collection::vec(step(), 1..30)) {
        let mut world = World::new();
        let mut stored: BTreeMap<String, serde_json::Value> = BTreeMap::new();
        for step in steps {
            if !matches!(step, Step::Restart) {
                world.apply(step);
            }
            for document in std::mem::take(&mut world.state.dirty) {
                let key = format!("{:?}", document.address());
                match world.state.content(&document).expect("it can be encoded") {
                    Some(value) => drop(stored.insert(key, value)),
                    None => drop(stored.remove(&key)),
                }
            }
        }
        // Every change was marked: the marked documents together are the whole state.
        let whole: BTreeMap<String, serde_json::Value> = world
            .state
            .everything()
            .into_iter()
            .map(|document| {
                (format!("{:?}", document.address()), world.state.content(&document).ok().flatten().unwrap_or_default())
            })
            .collect();
        prop_assert_eq!(stored, whole);
    }
}
