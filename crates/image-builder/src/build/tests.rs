use std::collections::BTreeMap;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::engine::EngineError;
use crate::options::{Lock, PackageSource};
use crate::report::Silent;

mod docker;

const NAME: &str = "vsts-agent-linux-x64-4.270.0.tar.gz";

/// A package as small as one can be.
fn package(folder: &Path) -> PathBuf {
    package_saying(folder, "listening")
}

fn package_saying(folder: &Path, word: &str) -> PathBuf {
    let listener = format!("#!/bin/sh\necho {word}\n");
    let file = folder.join(NAME);
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, mode, content) in [
        ("config.sh", 0o755, "#!/bin/bash\n"),
        ("bin/Agent.Listener", 0o755, listener.as_str()),
        ("bin/installdependencies.sh", 0o755, "#!/bin/bash\necho installed > /var/lib/dependencies\n"),
        ("externals/readme", 0o644, "x"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    fs_err::write(&file, archive.into_inner().unwrap().finish().unwrap()).unwrap();
    file
}

pub(crate) fn options(folder: &TempDir) -> BuildOptions {
    let entrypoint = folder.path().join("mayfly-entrypoint");
    fs_err::write(&entrypoint, "#!/bin/sh\necho started\n").unwrap();
    BuildOptions {
        os: TargetOs::Linux,
        package: PackageSource::File(package(folder.path())),
        cache_dir: folder.path().join("cache"),
        entrypoint,
        dockerfile: None,
        base_image: None,
        layers: Vec::new(),
        repository: "localhost:5000/mayfly-agent".parse().unwrap(),
        tags: Vec::new(),
        push: Push::No,
        environment: BTreeMap::from([("LANG".into(), "C.UTF-8".into())]),
        labels: BTreeMap::new(),
        docker_host: None,
        ca_file: None,
        now: "2026-11-24T23:30:00-05:00".parse().unwrap(),
        created: None,
        revision: None,
        source: None,
        lock: Lock::None,
    }
}

#[tokio::test]
async fn a_plan_names_everything_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    options.tags = vec!["latest".parse().unwrap(), "other/agent".parse().unwrap(), "latest".parse().unwrap()];
    let plan = plan_build(&options).await.unwrap();
    let sha256 = hex::encode(Sha256::digest(fs_err::read(folder.path().join(NAME)).unwrap()));
    let expected = format!(
        "agent    4.270.0 ({})\nsha256   {sha256}\nbase     {}\n\
         tag      localhost:5000/mayfly-agent:4.270.0-20261125\n\
         tag      localhost:5000/mayfly-agent:latest\n\
         tag      other/agent:latest\n\
         push     no",
        folder.path().join(NAME).display(),
        base_image::intended(TargetOs::Linux, None),
    );
    assert_eq!(plan.to_string(), expected);
    assert!(!folder.path().join("cache").exists(), "a plan makes no cache");
}

#[tokio::test]
async fn a_hash_beside_the_package_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let beside = folder.path().join(format!("{NAME}.sha256"));
    let sha256 = hex::encode(Sha256::digest(fs_err::read(folder.path().join(NAME)).unwrap()));
    fs_err::write(&beside, format!("{}  {NAME}\n", sha256.to_ascii_uppercase())).unwrap();
    plan_build(&options).await.unwrap();
    fs_err::write(&beside, "00".repeat(32)).unwrap();
    assert!(matches!(plan_build(&options).await.unwrap_err(), BuildError::FileHash { .. }));
    fs_err::write(&beside, "no hash").unwrap();
    assert!(matches!(plan_build(&options).await.unwrap_err(), BuildError::FileHashShape { .. }));
}

#[tokio::test]
async fn missing_inputs_are_named_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let whole = options(&folder);
    let absent = folder.path().join("absent");
    for changed in [
        BuildOptions { entrypoint: absent.clone(), ..whole.clone() },
        BuildOptions { entrypoint: folder.path().to_owned(), ..whole.clone() },
        BuildOptions { dockerfile: Some(absent.clone()), ..whole.clone() },
    ] {
        let error = build_image(&changed, &Silent).await.unwrap_err();
        assert!(matches!(error, BuildError::Input { .. }), "{error}");
    }
    let unnamed = BuildOptions { package: PackageSource::File(folder.path().join("agent.tgz")), ..whole };
    assert!(matches!(plan_build(&unnamed).await.unwrap_err(), BuildError::Version(_)));
}

#[test]
fn a_package_for_another_system_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = package(folder.path());
    let read = unpack(&file, Limits::default()).unwrap();
    check_agent(TargetOs::Linux, &file, &read).unwrap();
    let error = check_agent(TargetOs::Windows, &file, &read).unwrap_err();
    assert!(error.to_string().contains("bin/Agent.Listener.exe"), "{error}");
}

#[test]
fn the_dockerfiles_differ_from_place_to_place_in_the_base_image_alone() {
    for text in [DOCKERFILE_LINUX, DOCKERFILE_WINDOWS] {
        let instructions: Vec<_> =
            text.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase())).collect();
        let arguments: Vec<_> = instructions.iter().filter(|line| line.starts_with("ARG ")).collect();
        assert!(arguments.len() == 1 && arguments[0].starts_with("ARG BASE_IMAGE="), "{arguments:?}");
        assert!(!instructions.iter().any(|line| line.starts_with("ENV ") || line.starts_with("HEALTHCHECK")));
    }
    assert!(DOCKERFILE_WINDOWS.contains("\nENTRYPOINT [\""), "in exec form");
}
