//! `build-image`, and the hidden `base-image`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use image_builder::{
    BuildError, BuildOptions, Console, FolderLayer, Lock, PackageSource, Push, RegistryCredentials, TargetOs,
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
    if words.sbom.is_some() && options.os == TargetOs::Windows {
        return Err(
            Problem::new(Outcome::Usage, "list what is in the image: `--sbom` is for Linux images").into()
        );
    }
    let built = build_image(&options, &Console::stderr()).await.map_err(problem)?;
    if let Some(file) = &words.sbom {
        fs_err::write(file, &built.sbom)?;
    }
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
        dockerfile: words.dockerfile.clone(),
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
        created: created(environment)?,
        revision: commit(environment),
        source: source(environment),
        lock: lock(words),
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

/// A caller that names no lock file (such as `sandbox up --agents`) has none.
fn lock(words: &BuildImage) -> Lock {
    match (words.lock.as_os_str().is_empty(), words.update) {
        (true, _) => Lock::None,
        (false, true) => Lock::Move(words.lock.clone()),
        (false, false) => Lock::Obey(words.lock.clone()),
    }
}

/// `SOURCE_DATE_EPOCH` (reproducible-builds.org): seconds.
fn created(environment: &Environment) -> Result<Option<Timestamp>> {
    let read = |text: &str| text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let Some(text) = environment.get("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let wrong =
        || Problem::new(Outcome::Usage, format!("read SOURCE_DATE_EPOCH: `{text}` is no number of seconds"));
    Ok(Some(read(text).ok_or_else(wrong)?))
}

/// The commit, where a pipeline says it.
fn commit(environment: &Environment) -> Option<String> {
    let name = ["BUILD_SOURCEVERSION", "GITHUB_SHA"].iter().find_map(|name| environment.get(name))?;
    name.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| name.to_owned())
}

/// The repository, where a pipeline says it. Its URL may hold a login, which does not belong into a label.
fn source(environment: &Environment) -> Option<url::Url> {
    let github = || {
        let (server, name) = (environment.get("GITHUB_SERVER_URL")?, environment.get("GITHUB_REPOSITORY")?);
        Some(format!("{server}/{name}"))
    };
    let text = environment.get("BUILD_REPOSITORY_URI").map(ToOwned::to_owned).or_else(github)?;
    let mut url: url::Url = text.parse().ok()?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&'static str, &str)]) -> Environment {
        Environment::default().with(pairs.iter().map(|(name, value)| (*name, (*value).to_owned())))
    }

    #[test]
    fn a_login_in_a_repositorys_url_does_not_become_a_label() {
        let found = environment(&[(
            "BUILD_REPOSITORY_URI",
            "https://someone:planted@dev.azure.com/o/_git/r?x=planted",
        )]);
        assert_eq!(source(&found).unwrap().as_str(), "https://dev.azure.com/o/_git/r");
        let found = environment(&[("GITHUB_SERVER_URL", "https://github.com"), ("GITHUB_REPOSITORY", "o/r")]);
        assert_eq!(source(&found).unwrap().as_str(), "https://github.com/o/r");
        assert_eq!(source(&environment(&[])), None);
    }

    #[test]
    fn a_time_that_is_none_is_wrong_usage() {
        let seconds = |text| created(&environment(&[("SOURCE_DATE_EPOCH", text)]));
        assert_eq!(seconds("1686355200").unwrap().unwrap().to_string(), "2023-06-10T00:00:00Z");
        assert!(seconds("yesterday").is_err());
        assert_eq!(commit(&environment(&[("GITHUB_SHA", "$(x)")])), None);
    }
}
