//! What an agent is registered with, beside a token in a variable: each source, each refusal, and who is shown what.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use serde_json::json;
use wiremock::matchers::{body_string_contains, header, method, path, query_param};
use wiremock::{Mock, ResponseTemplate};

use crate::image::{CONFIGURE, Image, RUN, set_mode};

const TENANT: &str = "/tenant/oauth2/v2.0/token";
const IDENTITY: &str = "/identity";
const SECRET: &str = "canary-client-secret";

/// An image whose Entra ID, on the same server, answers like this.
async fn principal(response: ResponseTemplate) -> Image {
    let mut image = Image::new().await;
    let uri = image.server.uri();
    image
        .unset("AZDO_TOKEN")
        .set("AZDO_CLIENT_ID", "app")
        .set("AZDO_TENANT_ID", "tenant")
        .set("AZDO_AUTHORITY_HOST", &uri);
    Mock::given(method("POST"))
        .and(path(TENANT))
        .and(body_string_contains("grant_type=client_credentials"))
        .and(body_string_contains("client_id=app"))
        .and(body_string_contains("499b84ac-1321-427f-aa17-267ca6975798%2F.default"))
        .respond_with(response)
        .mount(&image.server)
        .await;
    image
}

fn issued(image_token: &str) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({"token_type": "Bearer", "expires_in": 3599, "access_token": image_token}))
}

fn refused(code: u64, error: &str) -> ResponseTemplate {
    ResponseTemplate::new(401).set_body_json(json!({
        "error": error, "error_description": format!("AADSTS{code}: No. Trace ID: x"), "error_codes": [code],
    }))
}

/// What was asked of Entra, as text.
async fn asked(image: &Image) -> Vec<String> {
    let requests = image.server.received_requests().await.unwrap();
    let of_entra = requests.iter().filter(|request| request.url.path() == TENANT);
    of_entra.map(|request| String::from_utf8(request.body.clone()).unwrap()).collect()
}

/// The secret of a principal is in the environment of no child, the registration's included.
fn assert_unseen(image: &Image, secret: &str) {
    for probe in ["configure.env", "run.env"] {
        let environment = image.probed(probe);
        assert!(!environment.contains(secret), "{probe} shows the secret");
        assert!(image.probed_environment(probe).keys().all(|name| !name.starts_with("AZDO_")), "{probe}");
    }
}

#[tokio::test]
async fn a_client_secret_becomes_a_token_that_registers_the_agent() {
    let mut image = principal(issued("entra-token")).await;
    image.set("AZDO_CLIENT_SECRET", SECRET);
    image.run().await.expect_code(0).says("Entra ID gave application app a token");
    assert_eq!(image.probed_environment("configure.env")["VSTS_AGENT_INPUT_TOKEN"], "entra-token");
    assert_eq!(asked(&image).await.len(), 1);
    assert!(asked(&image).await[0].contains(&format!("client_secret={SECRET}")));
    assert_unseen(&image, SECRET);
}

#[tokio::test]
async fn a_secret_and_a_federated_token_come_from_files_of_root_alone() {
    for (variable, field) in
        [("AZDO_CLIENT_SECRET_FILE", "client_secret="), ("AZDO_FEDERATED_TOKEN_FILE", "client_assertion=")]
    {
        for (mode, code) in [(0o400, 0), (0o644, 64)] {
            let mut image = principal(issued("entra-token")).await;
            let file = image.root().join("secret");
            fs::write(&file, format!("{SECRET}\n")).unwrap();
            set_mode(&file, mode);
            image.set(variable, file.to_str().unwrap());
            let finished = image.run().await.expect_code(code);
            if code == 64 {
                finished.says(&format!("{variable}: must be readable by root alone"));
                assert_eq!(asked(&image).await.len(), 0);
                continue;
            }
            assert!(asked(&image).await[0].contains(&format!("{field}{SECRET}")));
            assert_unseen(&image, SECRET);
        }
    }
}

#[tokio::test]
async fn what_kubernetes_injects_is_enough() {
    let mut image = principal(issued("entra-token")).await;
    let file = image.root().join("secret");
    fs::write(&file, SECRET).unwrap();
    set_mode(&file, 0o400);
    let uri = image.server.uri();
    for name in ["AZDO_CLIENT_ID", "AZDO_TENANT_ID", "AZDO_AUTHORITY_HOST"] {
        image.unset(name);
    }
    image
        .set("AZURE_CLIENT_ID", "app")
        .set("AZURE_TENANT_ID", "tenant")
        .set("AZURE_AUTHORITY_HOST", &uri)
        .set("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap());
    image.run().await.expect_code(0);
    assert!(asked(&image).await[0].contains("client-assertion-type%3Ajwt-bearer"));
    assert!(!image.probed("run.env").contains("AZURE_"));
}

#[tokio::test]
async fn entras_refusals_have_their_codes_and_its_words() {
    for (response, code, text) in [
        (refused(7_000_215, "invalid_client"), 77, "refused application app: AADSTS7000215: No."),
        (refused(700_016, "unauthorized_client"), 64, "AADSTS700016: No."),
        (ResponseTemplate::new(404).set_body_string("what?"), 64, "not in Entra's words"),
        (ResponseTemplate::new(503), 69, "no answer from Entra ID"),
    ] {
        let mut image = principal(response).await;
        image.set("AZDO_CLIENT_SECRET", SECRET).set("AZDO_SERVER_WAIT", "1");
        let finished = image.run().await.expect_code(code);
        finished.says(text);
        assert!(!finished.stderr.contains(SECRET) && !finished.stdout.contains(SECRET));
        assert!(!image.probe("run.env").exists());
        if code != 69 {
            assert_eq!(asked(&image).await.len(), 1, "a refused login must not be repeated");
        }
    }
}

#[tokio::test]
async fn the_secret_may_be_in_no_variable_of_a_job() {
    let mut image = principal(issued("entra-token")).await;
    image.set("AZDO_CLIENT_SECRET", SECRET).set("SPARE", SECRET).set("AZDO_PASS_ENV", "SPARE");
    image.run().await.expect_code(64).says("SPARE: holds the token");
    let mut image = principal(issued("entra-token")).await;
    image.set("AZDO_CLIENT_SECRET", SECRET).set("AZDO_PASS_ENV", "AZDO_CLIENT_SECRET");
    image.run().await.expect_code(64).says("may not name AZDO_CLIENT_SECRET");
}

/// The binary behind a shell that feeds its standard input.
fn fed(image: &mut Image, shell: &str) {
    image.unset("AZDO_TOKEN").set("AZDO_TOKEN_FILE", "-");
    image.through(&["bash", "-c", shell, "bash"]);
}

#[tokio::test]
async fn a_token_comes_through_standard_input() {
    let mut image = Image::new().await;
    let token = image.token.clone();
    image.agent(CONFIGURE, &format!("{RUN}\nread -r -t 1 line; echo \"rest=$line\" > \"$probe/rest\""));
    fed(&mut image, &format!("printf '%s\\n' {token} | \"$@\""));
    image.run().await.expect_code(0);
    assert_eq!(image.probed_environment("configure.env")["VSTS_AGENT_INPUT_TOKEN"], image.token);
    assert_eq!(image.probed("rest"), "rest=\n");
}

#[tokio::test]
async fn standard_input_without_a_token_says_why() {
    for (shell, text) in [
        ("\"$@\" < /dev/null", "a container that is restarted needs it written again"),
        ("head -c 70000 /dev/zero | tr '\\0' x | \"$@\"", "more than 64 KiB"),
        (
            "exec \"$@\" < <(exec sleep 60 2> /dev/null)",
            "nobody wrote a whole token into the pipe within 1 s",
        ),
    ] {
        let mut image = Image::new().await;
        fed(&mut image, shell);
        image.set("AZDO_SERVER_WAIT", "1");
        image.run().await.expect_code(64).says(text);
        assert_eq!(image.server.received_requests().await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_token_comes_through_a_named_pipe_of_root_alone() {
    for (mode, code) in [(0o600, 0), (0o622, 64), (0o644, 64)] {
        let mut image = Image::new().await;
        let pipe = image.root().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        set_mode(&pipe, mode);
        image.unset("AZDO_TOKEN").set("AZDO_TOKEN_FILE", pipe.to_str().unwrap());
        let run = image.start();
        if code == 0 {
            let token = image.token.clone();
            tokio::task::spawn_blocking(move || {
                let mut writer = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
                writer.write_all(token.as_bytes()).unwrap();
            })
            .await
            .unwrap();
        }
        run.finish().await.expect_code(code);
    }
}

fn basic(token: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("VstsAgent:{token}")))
}

/// A container with an identity: `able` is whether it may manage the pool.
async fn identity(image: &mut Image, able: bool) {
    let uri = image.server.uri();
    image.set("IDENTITY_ENDPOINT", &format!("{uri}{IDENTITY}")).set("IDENTITY_HEADER", "proof");
    Mock::given(path(IDENTITY))
        .and(header("X-IDENTITY-HEADER", "proof"))
        .and(query_param("resource", "499b84ac-1321-427f-aa17-267ca6975798"))
        .respond_with(issued("identity-token"))
        .mount(&image.server)
        .await;
    let pools = if able { json!([{"id": 3, "name": "Default"}]) } else { json!([]) };
    Mock::given(path("/org/_apis/distributedtask/pools"))
        .and(header("Authorization", basic("identity-token")))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"count": 1, "value": pools})))
        .with_priority(1)
        .mount(&image.server)
        .await;
}

#[tokio::test]
async fn an_identity_that_only_pulls_images_is_no_obstacle() {
    let mut image = Image::new().await;
    identity(&mut image, false).await;
    image.run().await.expect_code(0).says("this container's identity may not register agents");
    assert!(!image.probed("run.env").contains("IDENTITY_"));
}

#[tokio::test]
async fn an_identity_that_may_register_agents_is_refused_unless_accepted() {
    let mut image = Image::new().await;
    identity(&mut image, true).await;
    image
        .run()
        .await
        .expect_code(64)
        .says("may register agents in pool `Default`, and every job can get its token");
    let mut image = Image::new().await;
    identity(&mut image, true).await;
    image.set("AZDO_ALLOW_JOB_READABLE_IDENTITY", "1");
    image.run().await.expect_code(0);
}

#[tokio::test]
async fn an_identity_that_the_server_does_not_know_is_no_obstacle() {
    let mut image = Image::new().await;
    let uri = image.server.uri();
    image.set("IDENTITY_ENDPOINT", &format!("{uri}{IDENTITY}")).set("IDENTITY_HEADER", "proof");
    Mock::given(header("Authorization", basic("identity-token")))
        .respond_with(ResponseTemplate::new(401))
        .with_priority(1)
        .mount(&image.server)
        .await;
    Mock::given(path(IDENTITY)).respond_with(issued("identity-token")).mount(&image.server).await;
    image.run().await.expect_code(0);
}

#[tokio::test]
async fn an_endpoint_that_is_named_and_silent_is_waited_for() {
    let mut image = Image::new().await;
    image.set("IDENTITY_ENDPOINT", "http://127.0.0.1:9/identity").set("IDENTITY_HEADER", "proof");
    image.set("AZDO_SERVER_WAIT", "1");
    image
        .run()
        .await
        .expect_code(69)
        .says("the identity endpoint that IDENTITY_ENDPOINT names did not answer");
}

#[tokio::test]
async fn an_identity_registers_agents_only_where_that_is_accepted() {
    let mut image = Image::new().await;
    identity(&mut image, true).await;
    image.unset("AZDO_TOKEN").set("AZDO_IDENTITY", "system");
    image.run().await.expect_code(64).says("AZDO_IDENTITY: would register agents with an identity");
    assert_eq!(image.server.received_requests().await.unwrap().len(), 0);
    // Control: the same works where the operator says so.
    let mut image = Image::new().await;
    identity(&mut image, true).await;
    image.unset("AZDO_TOKEN").set("AZDO_IDENTITY", "system").set("AZDO_ALLOW_JOB_READABLE_IDENTITY", "1");
    image.run().await.expect_code(0).says("warning: agents are registered with an identity");
    assert_eq!(image.probed_environment("configure.env")["VSTS_AGENT_INPUT_TOKEN"], "identity-token");
}

/// Root can read what is closed to all but root, whichever secret it is.
#[tokio::test]
async fn a_root_job_and_a_secret_in_a_file_exclude_each_other() {
    for variable in ["AZDO_CLIENT_SECRET_FILE", "AZDO_FEDERATED_TOKEN_FILE"] {
        let mut image = principal(issued("entra-token")).await;
        let file = image.root().join("secret");
        fs::write(&file, SECRET).unwrap();
        set_mode(&file, 0o400);
        image.set(variable, file.to_str().unwrap()).set("AZDO_RUN_AS", "root");
        image.run().await.expect_code(64).says(&format!("a job that is root can read {variable}"));
    }
}
