//! Real builds on the engine of this machine.

use std::collections::HashMap;
use std::sync::Mutex;

use bollard::models::{ContainerCreateBody, HostConfig, ImageInspect};
use bollard::query_parameters::{
    CreateContainerOptions, ListImagesOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

/// The token that must be found nowhere.
const PLANTED: &str = "planted-token-4f1c9a";

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Reporter for Heard {
    fn step(&self, message: &str) {
        self.log(message);
    }
    fn log(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
    fn progress(&self, _: u64, _: Option<u64>) {}
}

impl Heard {
    fn all(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

fn base_image() -> String {
    std::env::var("MAYFLY_TEST_BASE_IMAGE")
        .expect("MAYFLY_TEST_BASE_IMAGE names no image: run `cargo xtask test`, which makes one and sets it")
}

/// An organization that offers the package, for the planted token.
async fn organization(file: &Path) -> MockServer {
    let server = MockServer::start().await;
    let bytes = fs_err::read(file).unwrap();
    let list = serde_json::json!({"count": 1, "value": [{
        "version": {"major": 4, "minor": 270, "patch": 0}, "filename": NAME,
        "downloadUrl": format!("{}/{NAME}", server.uri()), "hashValue": hex::encode(Sha256::digest(&bytes)),
    }]});
    Mock::given(path("/o/_apis/distributedtask/packages/agent"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list))
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path(format!("/{NAME}")))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(bytes))
        .expect(1)
        .mount(&server)
        .await;
    server
}

/// Runs a script in the image, as its user or another one, and returns what it printed.
async fn run(docker: &Docker, image: &str, user: Option<&str>, script: &str) -> String {
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        user: user.map(str::to_owned),
        entrypoint: Some(vec!["/bin/sh".into(), "-c".into(), script.into()]),
        labels: Some(HashMap::from([("mayfly.test".to_owned(), "image-builder".to_owned())])),
        host_config: Some(HostConfig { network_mode: Some("none".into()), ..HostConfig::default() }),
        ..ContainerCreateBody::default()
    };
    let created = docker.create_container(None::<CreateContainerOptions>, body).await.unwrap().id;
    docker.start_container(&created, None::<StartContainerOptions>).await.unwrap();
    let mut ended = docker.wait_container(&created, None::<WaitContainerOptions>);
    while ended.next().await.is_some() {}
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).build();
    let printed: Vec<_> = docker.logs(&created, Some(options)).collect().await;
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    docker.remove_container(&created, Some(options)).await.unwrap();
    printed.into_iter().map(|line| line.unwrap().to_string()).collect()
}

/// Removes images at the end, also of a test that fails.
struct Removed(Vec<String>);

impl Drop for Removed {
    fn drop(&mut self) {
        let mut command = std::process::Command::new("docker");
        // A test that failed early has made none of them.
        let _ = command.args(["image", "rm", "--force"]).args(&self.0).output();
    }
}

/// Searches with the standard library's own compiled code: a loop in a debug build takes minutes for a whole image.
fn contains(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

/// History, configuration and every layer, as `docker save` gives them out.
async fn check_holds_no_secret(docker: &Docker, image: &str) {
    let history = format!("{:?}", docker.image_history(image).await.unwrap());
    assert!(history.contains("mayfly: agent: 4.270.0") && !history.contains(PLANTED), "{history}");
    let mut chunks = docker.export_image(image);
    let mut saved = Vec::new();
    while let Some(chunk) = chunks.next().await {
        saved.extend_from_slice(&chunk.unwrap());
    }
    assert!(contains(&saved, "Agent.Listener"), "control: what is in a layer is found");
    assert!(!contains(&saved, PLANTED), "a layer or the configuration holds the token");
}

#[tokio::test]
async fn an_image_is_built_safe_and_without_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    let server = organization(&folder.path().join(NAME)).await;
    options.package = PackageSource::Organization {
        url: format!("{}/o", server.uri()).parse().unwrap(),
        token: PLANTED.into(),
    };
    options.base_image = Some(base_image());
    options.repository = format!("mayfly-test-build-{}", std::process::id()).parse().unwrap();
    options.tags = vec!["extra".parse().unwrap()];
    let _removed =
        Removed(["4.270.0-20261125", "extra"].map(|tag| format!("{}:{tag}", options.repository)).to_vec());
    options.labels = BTreeMap::from([("mayfly.test".into(), "image-builder".into())]);

    let heard = Heard::default();
    let built = build_image(&options, &heard).await.unwrap();
    assert!(built.image_id.starts_with("sha256:"), "{built:?}");
    assert_eq!(built.repository_digest, None);
    assert!(!heard.all().contains(PLANTED));
    check_layers(&built, &heard.all());

    let docker = engine::connect(None).await.unwrap();
    for reference in &built.tags {
        let found = docker.inspect_image(&reference.to_string()).await.unwrap();
        check_configuration(&found, &built);
    }
    check_holds_no_secret(&docker, &built.tags[0].to_string()).await;
    check_ownership(&docker, &built.image_id).await;
    check_as_the_agent(&docker, &built.image_id).await;

    // The second build downloads nothing: the server expects one download.
    let heard = Heard::default();
    build_image(&options, &heard).await.unwrap();
    assert!(heard.all().contains("is in the cache"), "{}", heard.all());
}

fn names(built: &BuiltImage) -> Vec<&str> {
    built.layers.iter().map(|layer| layer.name.as_str()).collect()
}

fn check_layers(built: &BuiltImage, log: &str) {
    assert_eq!(names(built), ["base", "system", "agent", "mayfly"]);
    assert!(log.contains("layer agent") && log.contains(&built.image_id), "{log}");
    assert!(built.layers.iter().all(|layer| layer.bytes > 0 && !layer.diff_ids.is_empty()));
    assert!(!log.contains("of package lists and caches"), "{log}");
    let list: serde_json::Value = serde_json::from_slice(&built.sbom).unwrap();
    let components = list["components"].as_array().unwrap();
    assert_eq!(components[0]["hashes"][0]["content"], built.package_sha256);
    assert!(
        components
            .iter()
            .any(|one| one["name"] == "git" && one["purl"].as_str().unwrap().contains("pkg:deb/debian/git@"))
    );
}

/// The same inputs at another time, in another folder, into another repository: the same image.
#[tokio::test]
async fn the_same_inputs_give_the_same_image_and_one_changed_input_one_changed_layer() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let in_folder = |folder: &TempDir, name: &str| BuildOptions {
        base_image: Some(base_image()),
        repository: format!("mayfly-test-{name}-{}", std::process::id()).parse().unwrap(),
        ..options(folder)
    };
    let (first, mut second) = (in_folder(&one, "same"), in_folder(&other, "again"));
    second.now = "2027-01-01T00:00:00Z".parse().unwrap();
    let _removed = Removed(vec![
        format!("{}:4.270.0-20261125", first.repository),
        format!("{}:4.270.0-20270101", second.repository),
    ]);
    let built = build_image(&first, &Silent).await.unwrap();
    let again = build_image(&second, &Silent).await.unwrap();
    assert_eq!(built.image_id, again.image_id);
    assert_eq!(built.layers, again.layers);

    // A new entrypoint changes its own layer alone.
    fs_err::write(&second.entrypoint, "#!/bin/sh\necho another\n").unwrap();
    let entrypoint = build_image(&second, &Silent).await.unwrap();
    assert_ne!(entrypoint.image_id, built.image_id);
    assert_eq!(entrypoint.layers[..3], built.layers[..3]);
    assert_ne!(entrypoint.layers[3], built.layers[3]);

    // A new agent leaves what is below it as it was.
    package_saying(other.path(), "another agent");
    let agent = build_image(&second, &Silent).await.unwrap();
    assert_eq!(agent.layers[..2], built.layers[..2]);
    assert_ne!(agent.layers[2].diff_ids, built.layers[2].diff_ids);
}

/// A baked folder is there for every job, and a job cannot write to it, whatever owners and modes it had.
#[tokio::test]
async fn a_baked_folder_is_shared_input_that_nobody_changes() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("nuget");
    fs_err::create_dir_all(cache.join("pkg")).unwrap();
    fs_err::write(cache.join("pkg/a.nupkg"), "package").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, chown};
        fs_err::set_permissions(cache.join("pkg"), std::fs::Permissions::from_mode(0o777)).unwrap();
        // Only root may give a file away; for anybody else the mode is what is tested.
        let _ = chown(cache.join("pkg/a.nupkg"), Some(10001), Some(10001));
    }
    let mut options = options(&folder);
    options.base_image = Some(base_image());
    options.repository = format!("mayfly-test-baked-{}", std::process::id()).parse().unwrap();
    options.layers = vec![crate::FolderLayer { folder: cache, target: "/opt/cache/nuget".into() }];
    let _removed = Removed(vec![format!("{}:4.270.0-20261125", options.repository)]);
    let built = build_image(&options, &Silent).await.unwrap();
    assert_eq!(names(&built), ["base", "system", "agent", "folder", "mayfly"]);
    let docker = engine::connect(None).await.unwrap();
    let script = "cd /opt/cache/nuget; cat pkg/a.nupkg; echo; stat -c '%a %u:%g' . pkg pkg/a.nupkg
        for try in 'touch pkg/b' 'rm pkg/a.nupkg' 'mv pkg gone' 'sh -c \"echo x >> pkg/a.nupkg\"' 'chmod 777 pkg' 'mv /opt/cache /opt/c'; do
            if sh -c \"$try\" 2>/dev/null; then echo \"$try works\"; fi
        done";
    let expected = "package\n755 0:0\n755 0:0\n644 0:0\n";
    // Twice: two containers of one image, as two jobs are.
    for _ in 0..2 {
        assert_eq!(run(&docker, &built.image_id, Some("10001:10001"), script).await, expected);
    }
}

fn check_configuration(found: &ImageInspect, built: &BuiltImage) {
    assert_eq!(found.id.as_deref(), Some(built.image_id.as_str()));
    let config = found.config.as_ref().unwrap();
    assert_eq!(
        config.entrypoint.as_deref(),
        Some(["/usr/local/bin/mayfly-entrypoint".to_owned()].as_slice())
    );
    assert!(config.healthcheck.is_none());
    assert!(config.user.as_deref().unwrap_or_default().is_empty(), "PID 1 is root");
    let labels = config.labels.as_ref().unwrap();
    assert_eq!(labels["org.opencontainers.image.version"], "4.270.0");
    assert_eq!(labels["mayfly.package-sha256"], built.package_sha256);
    assert_eq!(labels["mayfly.test"], "image-builder");
}

async fn check_ownership(docker: &Docker, image: &str) {
    let script = "stat -c '%a %U:%G %n' /azp /azp/agent /azp/agent/bin /azp/agent/bin/Agent.Listener /azp/work \
                  /home/agent /usr/local/bin/mayfly-entrypoint /etc/mayfly /etc/mayfly/image.json; \
                  id agent; find / -xdev -type f -perm /6000; \
                  find /var/lib/apt/lists /var/cache/apt -type f -size +0";
    let expected = "755 root:root /azp\n\
                    1770 root:agent /azp/agent\n\
                    755 root:root /azp/agent/bin\n\
                    755 root:root /azp/agent/bin/Agent.Listener\n\
                    755 agent:agent /azp/work\n\
                    750 agent:agent /home/agent\n\
                    755 root:root /usr/local/bin/mayfly-entrypoint\n\
                    755 root:root /etc/mayfly\n\
                    644 root:root /etc/mayfly/image.json\n\
                    uid=10001(agent) gid=10001(agent) groups=10001(agent)\n";
    assert_eq!(run(docker, image, None, script).await, expected);
    let described = run(docker, image, None, "cat /etc/mayfly/image.json").await;
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    assert_eq!(described["agentVersion"], "4.270.0");
    assert_eq!(described["environment"]["LANG"], "C.UTF-8");
    assert_eq!(described["package"], NAME);
}

async fn check_as_the_agent(docker: &Docker, image: &str) {
    let script = "
        try() { if ( \"$@\" ) 2>/dev/null; then echo \"$* works\"; fi; }
        cd /azp/agent
        try mv bin/Agent.Listener bin/other
        try rm -f bin/Agent.Listener
        try sh -c 'echo x >> bin/Agent.Listener'
        try mv bin away
        try rm -rf externals
        try mv config.sh away
        try touch bin/new
        try touch .agent
        try mkdir _diag
        try rm .agent
        try touch /azp/work/x
        try touch /home/agent/x
        try touch /etc/mayfly/x
        try touch /usr/local/bin/x
        IFS=:; for folder in $PATH; do [ -w $folder ] && echo \"$folder is writable\"; done
        find $PATH -xdev -maxdepth 1 ! -type l -writable -print 2>/dev/null
        echo done";
    let expected = "touch .agent works\n\
                    mkdir _diag works\n\
                    rm .agent works\n\
                    touch /azp/work/x works\n\
                    touch /home/agent/x works\n\
                    done\n";
    assert_eq!(run(docker, image, Some("10001:10001"), script).await, expected);
}

#[tokio::test]
async fn a_failing_step_is_named_and_leaves_no_image() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    let dockerfile = folder.path().join("Dockerfile");
    fs_err::write(&dockerfile, "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo 'no luck' && false\n").unwrap();
    options.dockerfile = Some(dockerfile);
    options.base_image = Some(base_image());
    options.repository = format!("mayfly-test-fails-{}", std::process::id()).parse().unwrap();
    let heard = Heard::default();
    let error = build_image(&options, &heard).await.unwrap_err();
    assert!(error.to_string().contains("RUN echo"), "{error}");
    assert!(heard.all().contains("no luck"), "{}", heard.all());
    let docker = engine::connect(None).await.unwrap();
    let images = docker.list_images(None::<ListImagesOptions>).await.unwrap();
    let is_left = |tag: &String| tag.contains("mayfly-test-fails") || tag.starts_with("mayfly-base:own-");
    assert!(!images.iter().any(|image| image.repo_tags.iter().any(is_left)));
}

#[tokio::test]
async fn a_windows_image_is_refused_on_a_linux_engine() {
    let folder = tempfile::tempdir().unwrap();
    let options = BuildOptions { os: TargetOs::Windows, ..options(&folder) };
    let error = build_image(&options, &Silent).await.unwrap_err();
    assert!(matches!(error, BuildError::Engine(EngineError::WrongSystem { .. })), "{error}");
    assert!(error.hint().unwrap().contains("--os linux"));
}

#[tokio::test]
async fn a_push_to_nobody_fails_as_a_network_fault() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    options.base_image = Some(base_image());
    options.labels = BTreeMap::from([("mayfly.test".into(), "image-builder".into())]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    options.repository = format!("localhost:{port}/mayfly-test-push").parse().unwrap();
    let _removed = Removed(vec![format!("{}:4.270.0-20261125", options.repository)]);
    options.push = Push::Yes(Some(crate::RegistryCredentials {
        server: format!("localhost:{port}"),
        username: "someone".into(),
        password: PLANTED.into(),
    }));
    let heard = Heard::default();
    let error = build_image(&options, &heard).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(!format!("{error:?} {}", heard.all()).contains(PLANTED));
}

#[tokio::test]
async fn a_base_image_is_found_pulled_or_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let name = ensure_base_image(None, folder.path(), &Silent).await.unwrap();
    let docker = engine::connect(None).await.unwrap();
    let first = docker.inspect_image(&name).await.unwrap();
    let heard = Heard::default();
    assert_eq!(ensure_base_image(None, folder.path(), &heard).await.unwrap(), name);
    assert_eq!(heard.all(), "", "the second time nothing is left to do");
    assert_eq!(docker.inspect_image(&name).await.unwrap().id, first.id);
    if name.starts_with("mayfly-base:") {
        let labels = first.config.unwrap().labels.unwrap();
        assert_eq!(labels[base_image::KEPT_LABEL], "base-image");
        let found = run(
            &docker,
            &name,
            None,
            "command -v git; command -v curl; command -v ps; ls /etc/ssl/certs/ca-certificates.crt",
        )
        .await;
        assert_eq!(found.lines().count(), 4, "{found}");
    }
    let left: Vec<_> =
        fs_err::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "base-image.lock"), "{left:?}");
}
