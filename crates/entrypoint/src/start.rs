//! The first image of the process: checks everything, asks the server, and hands over. Starts nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::credential::{self, Credential, Endpoint};
use crate::environment;
use crate::exit::{Exit, Failure};
use crate::handover::{Handover, Plan, Stage};
use crate::health;
use crate::layer;
use crate::layout::Layout;
use crate::platform::{self, Signals};
use crate::preflight::{self, AgentProxy, Questions};
use crate::report::{self, log};
use crate::settings::{self, Life, Problem, Settings};
use crate::trust::{self, Authorities};
use crate::update;
use crate::variables::{self, Variables};

/// How this image ends where it does not become the next one.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) failure: Failure,
    pub(crate) agent: Option<String>,
    pub(crate) hold: Duration,
}

/// Runs the first image. On Unix this returns only on a failure; on Windows also when the images after it have ended.
pub(crate) fn run(environment: Variables, started: Timestamp, signals: &Signals) -> Result<Exit, Ending> {
    let reading = settings::read(&environment);
    let agent = reading.settings.as_ref().map(|settings| settings.agent.clone());
    // By hand and without the rights there is nothing to hold back.
    let by_hand = platform::check_privileges().is_err() && !platform::is_first_process();
    let hold = if by_hand { Duration::ZERO } else { reading.fatal_hold };
    prepare(environment, reading, started, signals).map_err(|failure| Ending { failure, agent, hold })
}

fn prepare(
    environment: Variables,
    reading: settings::Reading,
    started: Timestamp,
    signals: &Signals,
) -> Result<Exit, Failure> {
    platform::check_privileges().map_err(|text| {
        Failure::configuration(text)
            .hint("the image starts this program as root; the agent then runs as its own user")
    })?;
    platform::forbid_inspection()
        .and_then(|()| platform::forbid_core_dumps())
        .map_err(|error| Failure::agent(format!("close this process to inspection: {error}")))?;
    let executable = std::env::current_exe()
        .map_err(|error| Failure::agent(format!("find the program of this process: {error}")))?;
    let layout = Layout::discover(&executable);
    layer::claim(&layout, started)?;
    if !platform::is_first_process() && cfg!(unix) {
        log("warning: this is not PID 1: what started it keeps an environment with the token, as root");
    }
    for name in &reading.unknown {
        log(format_args!("warning: {name} is no setting of this program (see --help)"));
    }
    let prove_identities = !reading.allow_identity;
    let Checked { plan, credential, settings, authorities, declared } =
        check(reading, layout, &environment, started)?;
    layer::check_agent_folder(&plan.layout)?;
    if let Some(authorities) = &authorities {
        authorities.install(&plan.layout, declared.as_deref()).map_err(|error| {
            Failure::configuration(format!("write the trusted authorities for the agent: {error}"))
        })?;
    }
    platform::prepare_work_folder(&plan.work, &plan.layout).map_err(Failure::configuration)?;
    let questions = Questions {
        url: &settings.url,
        pool: &plan.pool,
        server_wait: settings.server_wait,
        proxy: agent_proxy(&environment),
        authorities: authorities.as_ref(),
        agent_version: plan.layout.agent_version.as_deref(),
        follow_updates: plan.life.follow_updates,
    };
    let credential = read_pipe(credential, &plan, settings.server_wait, signals)?;
    let endpoint = Endpoint::find(&environment);
    let token =
        preflight::run(&questions, credential, &endpoint, prove_identities, || signals.stop_requested())?;
    hand_over(&executable, &Handover { stage: Stage::Configure, plan }, Some(&token))
}

/// Becomes the next image.
pub(crate) fn hand_over(
    executable: &Path,
    handover: &Handover,
    token: Option<&SecretString>,
) -> Result<Exit, Failure> {
    platform::hand_over(
        executable,
        handover,
        token.map(ExposeSecret::expose_secret),
        &handover.plan.environment,
    )
    .map_err(|error| Failure::agent(format!("begin the next stage of this process: {error}")))
}

/// What was found good.
struct Checked {
    plan: Plan,
    credential: Credential,
    settings: Settings,
    authorities: Option<Authorities>,
    /// The file of authorities that the agent would use without them.
    declared: Option<String>,
}

/// All checks that need no server, and all their problems together.
fn check(
    reading: settings::Reading,
    layout: Layout,
    environment: &Variables,
    started: Timestamp,
) -> Result<Checked, Failure> {
    let mut problems = reading.problems;
    let life = reading.settings.as_ref().map(|settings| settings.life);
    if life.is_some_and(|life| life.as_root)
        && let Some(file) = reading.credential.as_ref().and_then(credential::Source::file_variable)
    {
        let text = format!("a job that is root can read {file}; give the secret itself in a variable");
        problems.push(Problem::new(variables::RUN_AS.name, text));
    }
    let credential = reading
        .credential
        .and_then(|source| credential::load(source).map_err(|problem| problems.push(problem)).ok());
    let authorities = reading
        .authorities
        .and_then(|named| Authorities::load(named).map_err(|problem| problems.push(problem)).ok());
    let image_file = layout.image_file.display().to_string();
    let layout = platform::read_image_file(&layout.image_file)
        .map_err(|text| Problem::new(image_file, text))
        .and_then(|text| layout.with_image_file(text.as_deref()))
        .map(|layout| if life.is_some_and(|life| life.as_root) { layout.with_root() } else { layout })
        .map_err(|problem| problems.push(problem))
        .ok();
    if let (Some(life), Some(layout)) = (life, &layout) {
        problems.extend(check_life(life, layout));
    }
    if let (Some(settings), Some(credential), Some(layout), true) =
        (reading.settings, credential, layout, problems.is_empty())
    {
        let mut agent_environment =
            environment::of_agent(&layout, environment, &settings.pass_environment, settings.life);
        let declared = authorities.as_ref().and_then(|_| {
            let bundle = trust::bundle(&layout).display().to_string();
            agent_environment.insert(trust::BUNDLE.to_owned(), bundle)
        });
        let secret = credential.secret().unwrap_or_default();
        let Some(problem) = exposed(&agent_environment, secret) else {
            let mut plan = plan(&settings, layout, agent_environment, started);
            plan.ca_file = authorities.is_some().then(|| trust::own_file(&plan.layout));
            return Ok(Checked { plan, credential, settings, authorities, declared });
        };
        problems.push(problem);
    }
    Err(configuration(&problems))
}

/// A variable of the job that holds the secret.
fn exposed(environment: &BTreeMap<String, String>, secret: &str) -> Option<Problem> {
    let name = environment::holding(environment, secret)?;
    Some(Problem::new(name, "holds the token and would be seen by every job"))
}

/// Reads a token that can be read only once, after everything else has been found to be good.
fn read_pipe(
    credential: Credential,
    plan: &Plan,
    limit: Duration,
    signals: &Signals,
) -> Result<Credential, Failure> {
    let Credential::Pipe(pipe) = credential else { return Ok(credential) };
    let token = credential::read_pipe(pipe, limit, || signals.stop_requested())
        .map_err(|problem| configuration(&[problem]))?
        .ok_or_else(Failure::stopped)?;
    match exposed(&plan.environment, token.expose_secret()) {
        Some(problem) => Err(configuration(&[problem])),
        None => Ok(Credential::Token(token)),
    }
}

fn configuration(problems: &[Problem]) -> Failure {
    let count = problems.len();
    let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let list = list.join("\n  ");
    let noun = if count == 1 { "problem" } else { "problems" };
    Failure::configuration(format!("{count} {noun} in the configuration:\n  {list}"))
        .hint("mayfly-entrypoint --help explains every variable")
}

/// What of the later life can be tried out now.
fn check_life(life: Life, layout: &Layout) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(address) = life.health
        && let Err(error) = health::check(address)
    {
        problems.push(Problem::new(variables::HEALTH.name, format!("cannot listen at {address}: {error}")));
    }
    if life.follow_updates {
        problems.extend(update::check_folder(layout).err());
    }
    problems
}

fn agent_proxy(environment: &Variables) -> Option<AgentProxy> {
    let text = |name| environment.get(name).and_then(|value| value.to_str()).map(str::to_owned);
    Some(AgentProxy {
        address: text("VSTS_HTTP_PROXY").filter(|address| !address.is_empty())?,
        user: text("VSTS_HTTP_PROXY_USERNAME"),
        password: text("VSTS_HTTP_PROXY_PASSWORD").map(SecretString::from),
    })
}

fn plan(
    settings: &Settings,
    layout: Layout,
    environment: BTreeMap<String, String>,
    started: Timestamp,
) -> Plan {
    Plan {
        url: settings.url.to_string().trim_end_matches('/').to_owned(),
        pool: settings.pool.clone(),
        agent: settings.agent.clone(),
        work: settings.work.clone().unwrap_or_else(|| layout.work_directory.clone()),
        ca_file: None,
        image: settings.image.clone(),
        container: platform::host_name(),
        started,
        config_timeout: settings.config_timeout.as_secs(),
        life: settings.life,
        layout,
        environment,
    }
}

/// Reports how the first image ended.
pub(crate) fn report(ending: &Ending, started: Timestamp, signals: &Signals) -> Exit {
    report::end(&ending.failure, ending.agent.as_deref(), started, ending.hold, |time| signals.wait(time))
}
