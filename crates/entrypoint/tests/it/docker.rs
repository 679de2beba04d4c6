//! The binary as PID 1 of real containers.

use std::time::Duration;

use testcontainers::core::wait::ExitWaitStrategy;
use testcontainers::core::{AccessMode, Mount, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};

use crate::image::{CONFIGURE, Image, RUN, eventually};

/// What a job does that looks for the token: everything that it can read about PID 1, and about itself.
const HUNT: &str = r#"{ id -u; cat /proc/1/cmdline; cat /proc/1/environ /proc/self/environ; ls -l /proc/1/fd /proc/1/exe; cat /proc/1/maps
  head -c 1 /proc/1/mem; ls /var/lib/mayfly; cat /var/lib/mayfly/started; grep -a . /proc/[0-9]*/environ; } > "$probe/hunt" 2>&1
ps -e -o pid=,uid=,args= > "$probe/processes""#;

fn base_image() -> (String, String) {
    let image = std::env::var("MAYFLY_TEST_BASE_IMAGE")
        .expect("MAYFLY_TEST_BASE_IMAGE names no image: run the docker tests with `cargo xtask test`");
    let (name, tag) = image.rsplit_once(':').expect("MAYFLY_TEST_BASE_IMAGE is NAME:TAG");
    (name.to_owned(), tag.to_owned())
}

/// A container with the test's image folder mounted where the real image has it. Nothing else in it is shared.
fn request(image: &Image, entrypoint: &str) -> ContainerRequest<GenericImage> {
    let (name, tag) = base_image();
    let root = image.root();
    let mount = |from: &str, to: &str| Mount::bind_mount(root.join(from).to_str().unwrap(), to);
    let mut request = GenericImage::new(&name, &tag)
        .with_entrypoint(entrypoint)
        .with_wait_for(WaitFor::exit(ExitWaitStrategy::new()))
        .with_network("host")
        .with_label("mayfly.instance", "entrypoint-tests")
        .with_mount(mount("azp", "/azp"))
        .with_mount(mount("etc/mayfly", "/etc/mayfly").with_access_mode(AccessMode::ReadOnly))
        .with_mount(
            mount("usr/local/bin/mayfly-entrypoint", "/usr/local/bin/mayfly-entrypoint")
                .with_access_mode(AccessMode::ReadOnly),
        )
        .with_mount(Mount::bind_mount(
            root.join("probe").to_str().unwrap(),
            root.join("probe").to_str().unwrap(),
        ));
    for (name, value) in image.environment().iter().filter(|(name, _)| *name != "PATH") {
        request = request.with_env_var(name, value);
    }
    request
}

async fn run(image: &Image) -> ContainerAsync<GenericImage> {
    request(image, "/usr/local/bin/mayfly-entrypoint").start().await.unwrap()
}

async fn output(container: &ContainerAsync<GenericImage>) -> (String, String) {
    let [stdout, stderr] =
        [container.stdout_to_vec().await.unwrap(), container.stderr_to_vec().await.unwrap()];
    (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn a_job_finds_no_token_and_no_privilege() {
    let image = Image::new().await;
    image.agent(CONFIGURE, &format!("{RUN}\n{HUNT}"));
    let container = run(&image).await;
    let (stdout, stderr) = output(&container).await;
    assert_eq!(container.exit_code().await.unwrap(), Some(0), "{stdout}\n{stderr}");
    assert!(!stdout.contains(&image.token) && !stderr.contains(&image.token));
    let hunt = image.probed("hunt");
    assert!(!hunt.contains(&image.token), "{hunt}");
    for text in [
        "10001",
        "mayfly-entrypoint\0--resume",
        "/proc/1/environ: Permission denied",
        "'/proc/1/fd': Permission denied",
        "/var/lib/mayfly",
    ] {
        assert!(hunt.contains(text), "`{text}` is missing in {hunt}");
    }
    let processes = image.probed("processes");
    for line in processes.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields[0] == "1", fields[1] == "0", "only PID 1 may be root: {processes}");
    }
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    container.rm().await.unwrap();
}

/// Control: a start script that unsets its variable and runs the job as itself is caught by the same hunt.
#[tokio::test]
async fn the_hunt_catches_a_naive_start_script() {
    let image = Image::new().await;
    let script = format!(
        "probe='{}'; unset AZDO_TOKEN; bash -c '{}' naive; true",
        image.root().join("probe").display(),
        HUNT.replace("$probe", "'$probe'")
    );
    let container = request(&image, "/bin/bash").with_cmd(["-c", &script]).start().await.unwrap();
    assert_eq!(container.exit_code().await.unwrap(), Some(0), "{:?}", output(&container).await);
    let hunt = image.probed("hunt");
    assert!(hunt.contains(&image.token), "{hunt}");
    container.rm().await.unwrap();
}

#[tokio::test]
async fn a_second_start_of_the_same_container_is_refused() {
    let image = Image::new().await;
    let container = run(&image).await;
    assert_eq!(container.exit_code().await.unwrap(), Some(0), "{:?}", output(&container).await);
    fs_err::remove_file(image.root().join("azp/agent/.agent")).unwrap();
    fs_err::remove_file(image.probe("run.env")).unwrap();
    container.start().await.unwrap();
    let ended = async {
        while container.is_running().await.unwrap() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        container.exit_code().await.unwrap()
    };
    let code =
        tokio::time::timeout(Duration::from_secs(30), ended).await.expect("the second start did not end");
    assert_eq!(code, Some(73), "{:?}", output(&container).await);
    assert!(!image.probe("run.env").exists());
    container.rm().await.unwrap();
}

#[tokio::test]
async fn survivors_do_not_keep_the_container() {
    let image = Image::new().await;
    let mark = format!("94{}.5", std::process::id());
    image.agent(CONFIGURE, &format!("setsid bash -c 'trap \"\" TERM HUP INT; exec sleep {mark}' &\n{RUN}"));
    let container = run(&image).await;
    assert_eq!(container.exit_code().await.unwrap(), Some(0), "{:?}", output(&container).await);
    eventually("no survivor", || crate::probe::with_argument(&mark).is_empty().then_some(())).await;
    container.rm().await.unwrap();
}
