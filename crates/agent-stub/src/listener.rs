//! `Agent.Listener`: the command line, and `run` (azure-pipelines-agent: Agent.Listener/Program.cs, Agent.cs).

use std::{process::ExitCode, sync::Arc};

use serde_json::json;
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    arguments::{Arguments, Command},
    clock,
    configure::{configure, server_url},
    console::Console,
    diagnostics::Diagnostics,
    dispatcher::{Dispatcher, RunMode},
    environment::Environment,
    error::kind,
    http::{Credential, HttpClient, Identity},
    keys::AgentKey,
    layout::Layout,
    masking::Masker,
    messages::{LiveSession, Poller, keep_alive},
    noise,
    oauth::OAuthClient,
    reception::Reception,
    session::SessionMaker,
    settings::CertificateSettings,
    unconfigure::unconfigure,
};

/// Exit codes (azure-pipelines-agent: Constants.Agent.ReturnCode).
pub(crate) const SUCCESS: u8 = 0;
const TERMINATED: u8 = 1;
const RETRYABLE: u8 = 2;
pub(crate) const UPDATING: u8 = 3;
pub(crate) const RUN_ONCE_UPDATING: u8 = 4;

/// What every part of the listener needs.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) layout: Layout,
    pub(crate) environment: Environment,
    pub(crate) masker: Masker,
    pub(crate) console: Console,
}

impl Agent {
    pub(crate) fn http(&self, certificates: &CertificateSettings, base: &Url) -> anyhow::Result<HttpClient> {
        HttpClient::new(&self.environment, certificates, &self.layout.agent_version(), base)
    }
    pub(crate) fn diagnostics(&self) -> &Diagnostics {
        self.console.diagnostics()
    }
}

/// The whole program.
pub fn listener_main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
    else {
        return ExitCode::from(RETRYABLE);
    };
    let code = runtime.block_on(start());
    // A poll that is still open must not hold up the end.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn start() -> u8 {
    let masker = Masker::default();
    let layout = match Layout::of_program() {
        Ok(layout) => layout,
        Err(error) => {
            Console::new(masker.clone(), Diagnostics::open(std::path::Path::new("_diag"), "Agent", masker))
                .error(&format!("{error:#}"));
            return TERMINATED;
        }
    };
    let mut environment = Environment::of_process();
    environment.load_file(&layout.environment());
    let diagnostics = Diagnostics::open(&layout.diagnostics(), "Agent", masker.clone());
    let console = Console::new(masker.clone(), diagnostics);
    let arguments = match Arguments::parse(std::env::args().skip(1), &mut environment) {
        Ok(arguments) => arguments,
        Err(error) => {
            console.error(&format!("{error:#}"));
            return TERMINATED;
        }
    };
    if let Some(token) = arguments.token() {
        use secrecy::ExposeSecret as _;
        masker.add_value(token.expose_secret());
    }
    let agent = Agent { layout, environment, masker, console };
    let console = &agent.console;
    match arguments.command {
        Command::Version => {
            console.line(&agent.layout.agent_version());
            SUCCESS
        }
        Command::Commit => {
            console.line("0000000000000000000000000000000000000000");
            SUCCESS
        }
        Command::Help => {
            console.line(HELP);
            SUCCESS
        }
        Command::Configure | Command::Remove => {
            console.line(&format!("agent v{}", agent.layout.agent_version()));
            let result = if arguments.command == Command::Configure {
                configure(&agent, &arguments).await
            } else {
                unconfigure(&agent, &arguments).await
            };
            match result {
                Ok(()) => SUCCESS,
                Err(error) => {
                    console.error(&format!("{error:#}"));
                    TERMINATED
                }
            }
        }
        Command::Run => run(&agent, arguments.flag("once")).await,
    }
}

const HELP: &str = "\
Commands:
 configure   registers this agent, through config.sh or config.cmd:
             --unattended --url URL --auth PAT --token TOKEN [--pool NAME] [--agent NAME] [--work FOLDER]
             [--replace] [--acceptTeeEula] [--sslcacert FILE] [--sslskipcertvalidation]
 remove      --unattended --auth PAT --token TOKEN
 run         [--once], through run.sh or run.cmd
Any argument can be given as an environment variable VSTS_AGENT_INPUT_<NAME>.";

async fn run(agent: &Agent, once: bool) -> u8 {
    let console = &agent.console;
    if !agent.layout.is_configured() {
        console.error("Not configured. Run config.(sh/cmd) to configure the agent.");
        return TERMINATED;
    }
    let stop = stop_signal();
    match listen(agent, if once { RunMode::Once } else { RunMode::Service }, &stop).await {
        Ok(code) => code,
        Err(error) => {
            console.error(&format!("An error occurred: {error:#}"));
            RETRYABLE
        }
    }
}

async fn listen(agent: &Agent, mode: RunMode, stop: &CancellationToken) -> anyhow::Result<u8> {
    let console = &agent.console;
    let settings = agent.layout.read_settings()?;
    let base = server_url(&settings.server_url)?;
    let http = agent.http(&agent.layout.read_certificates()?, &base)?;
    let identity = OAuthClient {
        data: agent.layout.read_credentials()?.data,
        key: AgentKey::load(&agent.layout.key())?,
    };
    let credential = Credential::new(Identity::Agent(Box::new(identity)));

    noise::telemetry(&http, &base, &credential, "AgentStart", json!({ "RunOnce": mode == RunMode::Once }))
        .await;
    noise::feature_flag(&http, &base, &credential, "CheckPsModulesLocations").await;
    let maker = SessionMaker { agent, http: &http, settings: &settings, credential: &credential };
    let session = tokio::select! {
        session = maker.open() => match session {
            Ok(session) => session,
            Err(code) => return Ok(code),
        },
        () = stop.cancelled() => return Ok(SUCCESS),
    };
    let live: LiveSession = Arc::new(RwLock::new(Arc::new(session)));
    noise::feature_flag(&http, &base, &credential, "UseEnhancedLogging").await;
    let report_crashes = noise::feature_flag(&http, &base, &credential, "EnhancedWorkerCrashHandling").await;
    noise::feature_flag(&http, &base, &credential, "EnableProgressiveRetryBackoff").await;
    let keeper = tokio::spawn(keep_alive(live.clone(), settings.pool_id));
    console.line(&format!("{}: Listening for Jobs", clock::console_time()));

    let mut dispatcher = Dispatcher::new(agent.clone(), settings.clone(), mode, report_crashes);
    let poller = Poller::new(live.clone(), maker, settings.pool_id);
    let result = Reception::new(agent, mode, &mut dispatcher).run(poller, stop).await;

    if stop.is_cancelled() {
        console.line("Exiting...");
        if dispatcher.is_busy() {
            noise::feature_flag(&http, &base, &credential, "FailJobWhenAgentDies").await;
        }
    }
    dispatcher.shut_down().await;
    keeper.abort();
    let session = live.read().await.clone();
    if let Err(error) = session.server.delete_session(settings.pool_id, &session.id).await {
        agent.diagnostics().error(&format!("The session could not be deleted: {error}"));
    }
    match result {
        Ok(code) => Ok(code),
        Err(error) if error.is(kind::ACCESS_TOKEN_EXPIRED) => {
            console.error(&error.to_string());
            Ok(SUCCESS)
        }
        Err(error) => Err(error.into()),
    }
}

/// A token that is cancelled by Ctrl-C, SIGTERM or the end of the console session.
fn stop_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // Both streams are made before the first await, so that no signal is lost.
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            tokio::spawn(async move {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                cancelled.cancel();
            });
        }
    }
    #[cfg(windows)]
    {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
        if let (Ok(mut c), Ok(mut brk), Ok(mut close), Ok(mut down)) =
            (ctrl_c(), ctrl_break(), ctrl_close(), ctrl_shutdown())
        {
            tokio::spawn(async move {
                tokio::select! { _ = c.recv() => {}, _ = brk.recv() => {}, _ = close.recv() => {}, _ = down.recv() => {} }
                cancelled.cancel();
            });
        }
    }
    stop
}
