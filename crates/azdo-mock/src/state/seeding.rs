//! A seed becomes part of the organization: all of it, or none.

use std::fmt;

use pipeline_yaml::{Faults, Found};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::Entropy;
use zeroize::ZeroizeOnDrop;

use super::requests::NewJob;
use super::{Document, Moment, Refusal, State, run_jobs};
use crate::seed::{NewAgent, NewToken, ParallelJobs, Placed, Seed, SeedJob};
use crate::wire::bodies::{AgentBody, AgentPatch, AuthorizationBody};
use crate::wire::crypto::PublicKey;
use crate::wire::ids::{AgentId, PoolId, RequestId};
use crate::wire::job::Placement;

/// The pool of what names none.
const DEFAULT_POOL: &str = "Default";

/// A seed that was applied, and the tokens that were generated for it: a reset gives them out again. Serialized only into the
/// encrypted store.
#[derive(Clone, Serialize, Deserialize, ZeroizeOnDrop)]
pub(crate) struct KeptSeed {
    pub(crate) text: String,
    /// In the order of the tokens that have no text of their own.
    pub(crate) generated: Vec<String>,
}

impl fmt::Debug for KeptSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptSeed({} tokens generated)", self.generated.len())
    }
}

/// A seed that is to be applied.
#[derive(Debug)]
pub(crate) struct NewSeed<'a> {
    pub(crate) text: &'a str,
    /// What the text says.
    pub(crate) seed: &'a Seed,
    /// Tokens that were generated for it before, at a reset.
    pub(crate) generated: &'a [String],
    /// The organization's name.
    pub(crate) organization: &'a str,
    /// The key of agents that bring none; nobody has its private half.
    pub(crate) nobodys_key: Option<&'a PublicKey>,
}

/// What came of a seed.
#[derive(Debug, Default)]
pub(crate) struct SeedOutcome {
    /// Tokens that were generated, by name. Shown once.
    pub(crate) tokens: Vec<(String, SecretString)>,
    pub(crate) agents: Vec<AgentId>,
    pub(crate) jobs: Vec<RequestId>,
}

impl State {
    /// Adds what a seed holds, or changes nothing and says what is wrong with it.
    pub(crate) fn seed(&mut self, new: &NewSeed<'_>, moment: Moment<'_>) -> Result<SeedOutcome, Faults> {
        let mut tried = self.clone();
        let (outcome, generated) = tried.apply_seed(new, moment)?;
        let number = tried.seeds.last_key_value().map_or(1, |(last, _)| last + 1);
        tried.seeds.insert(number, KeptSeed { text: new.text.to_owned(), generated });
        tried.dirty.insert(Document::Seed(number));
        *self = tried;
        Ok(outcome)
    }

    /// The same in place: after an error some of it may have been done.
    fn apply_seed(
        &mut self,
        new: &NewSeed<'_>,
        moment: Moment<'_>,
    ) -> Result<(SeedOutcome, Vec<String>), Faults> {
        let seed = new.seed;
        let mut found = Found::default();
        if let Some(named) = &seed.organization
            && !named.it.eq_ignore_ascii_case(new.organization)
        {
            let why = format!("is `{}`; this is the organization `{}`", named.it, new.organization);
            found.add(named.at, &named.path, why);
        }
        for pool in &seed.pools {
            self.ensure_pool(&pool.it, moment.now);
        }
        let (mut outcome, mut generated, mut again) =
            (SeedOutcome::default(), Vec::new(), new.generated.iter());
        for Placed { it: token, .. } in &seed.tokens {
            let before = if token.token.is_none() { again.next() } else { None };
            let made = self.add_token(token, before, moment);
            generated.extend(made.clone());
            outcome.tokens.extend(made.map(|text| (token.name.clone(), text.into())));
        }
        for agent in &seed.agents {
            let added = self.add_offline(&agent.it, new.nobodys_key, moment);
            outcome.agents.extend(told(added, agent, &mut found));
        }
        for pipeline in &seed.pipelines {
            let put = self.put_definition(&pipeline.it.name, pipeline.it.yaml.clone(), moment);
            if let Err(refusal) = put {
                found.add(pipeline.at, &pipeline.path, format!("is refused: {refusal}"));
            }
            for (path, text) in &pipeline.it.templates {
                self.put_file(path, text.clone());
            }
        }
        for job in &seed.jobs {
            let queued = self.queue_seeded(&job.it, moment);
            outcome.jobs.extend(told(queued, job, &mut found));
        }
        match seed.parallel_jobs {
            Some(ParallelJobs::Unlimited) => self.set_parallel_jobs(None),
            Some(ParallelJobs::AtMost(limit)) => self.set_parallel_jobs(Some(limit)),
            None => {}
        }
        let whole = found.count() == 0;
        found.or(whole.then_some((outcome, generated)))
    }

    /// Makes a token valid; its text if it was generated.
    fn add_token(&mut self, token: &NewToken, again: Option<&String>, moment: Moment<'_>) -> Option<String> {
        let expires = token.expires.moment(moment.now);
        let made = match (&token.token, again) {
            (Some(_), _) => None,
            (None, Some(text)) => Some(text.clone()),
            (None, None) => Some(personal_access_token(moment.entropy)),
        };
        let text = token.token.as_ref().map(ExposeSecret::expose_secret).or(made.as_deref());
        if let Some(text) = text {
            self.add_pat_until(text, token.scopes, expires, moment.now);
        }
        made
    }

    fn pool_for(&self, name: Option<&str>) -> Result<PoolId, Refusal> {
        let name = name.unwrap_or(DEFAULT_POOL);
        self.pool_named(name).map(|pool| pool.id).ok_or_else(|| {
            let known = self.pool_names();
            Refusal::Invalid(format!("there is no pool `{name}`, only `{known}`; add it to `pools`"))
        })
    }

    /// Registers an agent that nobody is yet.
    fn add_offline(
        &mut self,
        agent: &NewAgent,
        nobodys_key: Option<&PublicKey>,
        moment: Moment<'_>,
    ) -> Result<AgentId, Refusal> {
        let pool = self.pool_for(agent.pool.as_deref())?;
        let key = agent.public_key.clone().or_else(|| nobodys_key.cloned());
        let body = AgentBody {
            name: Some(agent.name.clone()),
            version: Some(agent.version.clone()),
            os_description: Some(agent.os_description.clone()),
            max_parallelism: Some(agent.max_parallelism),
            authorization: Some(AuthorizationBody { public_key: key }),
            system_capabilities: Some(agent.system_capabilities.clone().into()),
        };
        let id = self.add_agent(pool, body, moment)?;
        self.set_user_capabilities(pool, id, agent.user_capabilities.clone().into())?;
        let patch = AgentPatch { id: None, enabled: Some(agent.enabled), max_parallelism: None };
        self.patch_agent(pool, id, &patch, moment.now)?;
        Ok(id)
    }

    fn queue_seeded(&mut self, job: &SeedJob, moment: Moment<'_>) -> Result<RequestId, Refusal> {
        let new = NewJob {
            pool: self.pool_for(job.pool.as_deref())?,
            name: job.name.clone(),
            steps: job.steps.iter().map(run_jobs::step).collect(),
            demands: job.demands.clone(),
            variables: job.variables.clone(),
            limits: job.limits,
            placement: Placement::default(),
        };
        self.queue_job(new, moment)
    }
}

fn told<T, U>(done: Result<T, Refusal>, placed: &Placed<U>, found: &mut Found) -> Option<T> {
    done.map_err(|refusal| found.add(placed.at, &placed.path, format!("is refused: {refusal}"))).ok()
}

/// A token in the form of a personal access token: 52 lower-case letters and digits.
fn personal_access_token(entropy: &dyn Entropy) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = [0; 52];
    entropy.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}
