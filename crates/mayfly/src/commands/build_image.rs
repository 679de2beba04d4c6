//! `build-image`, and the hidden `base-image`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use image_builder::{
    BuildError, BuildOptions, Console, FolderLayer, PackageSource, Push, RegistryCredentials, TargetOs,
    build_image, plan_build,
};
use jiff::Timestamp;

use crate::cli::{BuildImage, Common, Format, Os};
use crate::environment::Environment;
use crate::outcome::{Outcome, Problem};
use crate::output;

pub(crate) async fn run(words: BuildImage, common: &Common, environment: &Environment) -> Result<Outcome> {
    let options = options(&words, environment)?;
    if words.dry_run {
        let plan = plan_build(&options).await.map_err(problem)?;
        if common.output == Format::Json {
            output::document(&plan)?;
        } else {
            output::result(&plan.to_string());
        }
        return Ok(Outcome::Done);
    }
    let built = build_image(&options, &Console::stderr()).await.map_err(problem)?;
    if common.output == Format::Json {
        output::document(&built)?;
    } else {
        let name = built.repository_digest.as_ref().or(built.tags.first());
        output::result(&name.map_or(built.image_id.clone(), ToString::to_string));
    }
    Ok(Outcome::Done)
}

/// Builds and pushes, for a caller that goes on with the image; its name by digest.
pub(crate) async fn pushed(words: &BuildImage, environment: &Environment) -> Result<String> {
    let built = build_image(&options(words, environment)?, &Console::stderr()).await.map_err(problem)?;
    let digest = built.repository_digest.context("a pushed image has a digest")?;
    Ok(digest.to_string())
}

/// Makes or finds the base image and prints its name.
pub(crate) async fn base(environment: &Environment) -> Result<Outcome> {
    let docker_host = environment.get("DOCKER_HOST").map(ToOwned::to_owned);
    let image =
        image_builder::ensure_base_image(docker_host.as_deref(), &environment.cache(), &Console::stderr())
            .await
            .map_err(problem)?;
    output::result(&image);
    Ok(Outcome::Done)
}

fn options(words: &BuildImage, environment: &Environment) -> Result<BuildOptions> {
    let os = match words.os {
        Os::Linux => TargetOs::Linux,
        Os::Windows => TargetOs::Windows,
    };
    let server = environment.get("ACR_LOGIN_SERVER");
    let repository = match server {
        Some(server) => format!("{server}/{}", os.default_repository()),
        None => os.default_repository().to_owned(),
    };
    let push = if words.push { Push::Yes(Some(credentials(server, environment)?)) } else { Push::No };
    let wrong = |what: &str| Problem::new(Outcome::Usage, format!("build the image: {what}"));
    let entrypoint = environment.entrypoint().ok_or_else(|| {
        wrong("the entrypoint's binary is not beside this program").hint("name it with MAYFLY_ENTRYPOINT")
    })?;
    Ok(BuildOptions {
        os,
        package: package(words, environment)?,
        cache_dir: environment.cache(),
        entrypoint,
        dockerfile: None,
        base_image: words.source.base_image.clone(),
        layers: layers(words, os)?,
        repository: repository.parse().with_context(|| format!("read ACR_LOGIN_SERVER in `{repository}`"))?,
        tags: words
            .tag
            .iter()
            .map(|tag| tag.parse())
            .collect::<Result<_, image_builder::ImageRefError>>()
            .map_err(|error| Problem::from_error(Outcome::Usage, error))?,
        push,
        environment: BTreeMap::new(),
        labels: BTreeMap::new(),
        docker_host: environment.get("DOCKER_HOST").map(ToOwned::to_owned),
        ca_file: environment.get("MAYFLY_CA_FILE").map(Into::into),
        now: now(),
    })
}

fn layers(words: &BuildImage, os: TargetOs) -> Result<Vec<FolderLayer>> {
    if os == TargetOs::Windows && !words.layer.is_empty() {
        return Err(Problem::new(
            Outcome::Usage,
            "bake a folder into the image: `--layer` is for Linux images; on Windows nothing keeps a job from writing to it",
        )
        .hint("copy it in a Dockerfile of your own, protect it with icacls, and name that image with --base-image")
        .into());
    }
    let read = |text: &String| text.parse::<FolderLayer>();
    let layers: Result<_, _> = words.layer.iter().map(read).collect();
    Ok(layers.map_err(|error| Problem::from_error(Outcome::Usage, error))?)
}

#[expect(clippy::disallowed_methods, reason = "a command begins now; the library takes the time as an input")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn package(words: &BuildImage, environment: &Environment) -> Result<PackageSource> {
    if let Some(file) = &words.source.agent_package {
        return Ok(PackageSource::File(file.clone()));
    }
    let (Some(url), Some(token)) = (environment.get("AZDO_URL"), environment.get("AZDO_TOKEN")) else {
        return Err(Problem::new(
            Outcome::Usage,
            "build the image: where the agent comes from is not said: AZDO_URL and AZDO_TOKEN are not set",
        )
        .hint("set both, or give the package with --agent-package FILE")
        .into());
    };
    let url = url.parse().with_context(|| "read AZDO_URL".to_owned())?;
    Ok(PackageSource::Organization { url, token: token.to_owned().into() })
}

fn credentials(server: Option<&str>, environment: &Environment) -> Result<RegistryCredentials> {
    let (Some(server), Some(username), Some(password)) =
        (server, environment.get("ACR_USERNAME"), environment.get("ACR_PASSWORD"))
    else {
        return Err(Problem::new(
            Outcome::Usage,
            "push the image: ACR_LOGIN_SERVER, ACR_USERNAME and ACR_PASSWORD are not all set",
        )
        .hint("for a sandbox: eval \"$(mayfly sandbox env)\"")
        .into());
    };
    Ok(RegistryCredentials {
        server: server.to_owned(),
        username: username.to_owned(),
        password: password.to_owned().into(),
    })
}

fn problem(error: BuildError) -> Problem {
    let outcome = if error.is_retryable() { Outcome::Service } else { Outcome::Failed };
    let hint = error.hint();
    let problem = Problem::from_error(outcome, error);
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}
