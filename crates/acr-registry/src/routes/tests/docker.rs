//! The plain docker client against a registry of ours.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::*;

/// The docker client with a configuration of its own, so that no login of this machine is touched.
async fn docker(configuration: &Path, arguments: &[&str], stdin: &[u8]) -> (bool, String) {
    let mut child = Command::new("docker")
        .arg("--config")
        .arg(configuration)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the docker client is not installed: `cargo xtask test --install` brings it");
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(stdin).await.unwrap();
    drop(pipe);
    let output = child.wait_with_output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (output.status.success(), said)
}

/// Removes images also when the test fails before it has done so itself.
struct Removed(Vec<String>);

impl Drop for Removed {
    fn drop(&mut self) {
        let mut command = std::process::Command::new("docker");
        // Most often they are gone already.
        let _ = command.args(["image", "rm", "--force"]).args(&self.0).output();
    }
}

/// A file system with one file, as a tar archive.
fn tiny() -> Vec<u8> {
    let content = b"tiny\n";
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, "greeting");
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, "00000000005\0");
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(512 * 4, 0);
    archive
}

#[tokio::test(flavor = "multi_thread")]
async fn login_push_and_pull_work_and_strangers_are_refused() {
    let scene = Scene::new().await;
    let configuration = tempfile::tempdir().unwrap();
    let image = format!("{}/team/tiny:1", scene.server);
    let _removed = Removed(vec![image.clone()]);
    let run = async |arguments: &[&str], stdin: &[u8]| docker(configuration.path(), arguments, stdin).await;
    let works = async |arguments: &[&str], stdin: &[u8]| {
        let (worked, said) = run(arguments, stdin).await;
        assert!(worked, "docker {arguments:?}: {said}");
        said
    };
    let change = "LABEL mayfly.test=acr-registry";
    works(&["import", "--change", change, "-", &image], &tiny()).await;

    let (worked, said) = run(&["push", &image], b"").await;
    assert!(!worked && (said.contains("no basic auth") || said.contains("unauthorized")), "{said}");
    let login = ["login", "--username", NAME, "--password-stdin", &scene.server];
    let (worked, said) = run(&login, b"wrong").await;
    assert!(!worked && said.contains("unauthorized"), "{said}");
    works(&login, scene.password().as_bytes()).await;
    let pushed = works(&["push", &image], b"").await;
    let digest = pushed.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap().to_owned();
    let kept = scene.admin(Method::HEAD, "/v2/team/tiny/manifests/1").send().await.unwrap();
    assert_eq!(kept.headers()["docker-content-digest"], digest.as_str());
    // What is there already is not uploaded again.
    assert!(works(&["push", &image], b"").await.contains("Layer already exists"));

    works(&["rmi", "--force", &image], b"").await;
    let pinned = format!("{}/team/tiny@{digest}", scene.server);
    works(&["pull", &pinned], b"").await;
    works(&["pull", &image], b"").await;
    let label =
        works(&["inspect", "--format", "{{index .Config.Labels \"mayfly.test\"}}", &image], b"").await;
    assert_eq!(label.trim(), "acr-registry");
    let (worked, said) = run(&["pull", &format!("{}/team/other:1", scene.server)], b"").await;
    assert!(!worked && said.contains("not"), "{said}");

    // The refresh token that `az acr login` hands over.
    works(&["logout", &scene.server], b"").await;
    works(&["rmi", "--force", &image, &pinned], b"").await;
    let (worked, _) = run(&["pull", &image], b"").await;
    assert!(!worked, "control: nobody is logged in");
    let entra = scene.entra.issue("https://management.azure.com").unwrap();
    let token = ExposeSecret::expose_secret(&entra);
    let form = [("grant_type", "access_token"), ("service", scene.server.as_str()), ("access_token", token)];
    let exchanged = scene.bare(Method::POST, "/oauth2/exchange").form(&form).send().await.unwrap();
    let refresh = json(exchanged, 200).await["refresh_token"].as_str().unwrap().to_owned();
    let null = "00000000-0000-0000-0000-000000000000";
    works(&["login", "--username", null, "--password-stdin", &scene.server], refresh.as_bytes()).await;
    works(&["pull", &image], b"").await;
    works(&["rmi", "--force", &image], b"").await;
}
