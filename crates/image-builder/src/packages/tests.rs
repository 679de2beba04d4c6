use wiremock::matchers::{header as has_header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const HASH: &str = "00ffeeddccbbaa99887766554433221100ffeeddccbbaa998877665544332211";

fn listed() -> serde_json::Value {
    serde_json::json!({"count": 1, "value": [{
        "type": "agent", "platform": "linux-x64", "createdOn": "2026-08-20T15:03:29.000Z",
        "version": {"major": 4, "minor": 270, "patch": 0},
        "downloadUrl": "https://example.org/agent/4.270.0/vsts-agent-linux-x64-4.270.0.tar.gz",
        "hashValue": HASH.to_ascii_uppercase(),
        "infoUrl": "https://example.org/info", "filename": "vsts-agent-linux-x64-4.270.0.tar.gz"
    }]})
}

async fn answering(answer: ResponseTemplate) -> Result<AgentPackage, PackagesError> {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/organization/_apis/distributedtask/packages/agent"))
        .and(query_param("platform", "linux-x64"))
        .and(query_param("$top", "1"))
        // Basic with an empty user name: `:planted`.
        .and(has_header("authorization", "Basic OnBsYW50ZWQ="))
        .respond_with(answer)
        .expect(1)
        .mount(&server)
        .await;
    let organization: Url = format!("{}/organization/", server.uri()).parse().unwrap();
    newest_package(&organization, &"planted".into(), TargetOs::Linux, None).await
}

#[tokio::test]
async fn the_documented_answer_is_read() {
    let package = answering(ResponseTemplate::new(200).set_body_json(listed())).await.unwrap();
    assert_eq!(package.version.to_string(), "4.270.0");
    assert_eq!(package.file_name, "vsts-agent-linux-x64-4.270.0.tar.gz");
    assert_eq!(package.sha256, HASH);
}

#[tokio::test]
async fn the_newest_of_several_is_taken_and_the_name_may_come_from_the_url() {
    let mut answer = listed();
    let mut older = answer["value"][0].clone();
    older["version"]["minor"] = 99.into();
    answer["value"][0].as_object_mut().unwrap().remove("filename");
    answer["value"].as_array_mut().unwrap().insert(0, older);
    let package = answering(ResponseTemplate::new(200).set_body_json(answer)).await.unwrap();
    assert_eq!(package.version.to_string(), "4.270.0");
    assert_eq!(package.file_name, "vsts-agent-linux-x64-4.270.0.tar.gz");
}

#[tokio::test]
async fn a_refused_token_is_told_from_a_broken_service() {
    let page = || ResponseTemplate::new(203).set_body_raw("<html>sign in</html>", "text/html");
    let sign_in = ResponseTemplate::new(302).insert_header("location", "https://login.example.org/");
    for answer in [
        ResponseTemplate::new(401),
        ResponseTemplate::new(403),
        page(),
        ResponseTemplate::new(200).set_body_raw("<html>sign in</html>", "text/html; charset=utf-8"),
        sign_in,
    ] {
        let error = answering(answer).await.unwrap_err();
        assert!(matches!(error, PackagesError::Refused { .. }), "{error}");
        assert!(!error.is_retryable() && error.hint().unwrap().contains("AZDO_TOKEN"));
        assert!(!format!("{error:?}").contains("planted"));
    }
    let error = answering(ResponseTemplate::new(503).set_body_string("try later")).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("try later"), "{error}");
    let error = answering(ResponseTemplate::new(404)).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
}

#[tokio::test]
async fn odd_lists_are_refused_by_what_is_wrong_with_them() {
    let empty = serde_json::json!({"count": 0, "value": []});
    let error = answering(ResponseTemplate::new(200).set_body_json(empty)).await.unwrap_err();
    assert!(matches!(error, PackagesError::None { platform: "linux-x64", .. }), "{error}");

    let with = |name: &str, value: serde_json::Value| {
        let mut answer = listed();
        answer["value"][0][name] = value;
        ResponseTemplate::new(200).set_body_json(answer)
    };
    for (answer, named) in [
        (ResponseTemplate::new(200).set_body_string("{not json"), "read the list"),
        (ResponseTemplate::new(200).set_body_json(serde_json::json!({"count": 0})), "value"),
        (with("hashValue", "abc".into()), "hashValue"),
        (with("hashValue", serde_json::Value::Null), "hashValue"),
        (with("downloadUrl", serde_json::Value::Null), "downloadUrl"),
        (with("downloadUrl", "file:///etc/passwd".into()), "downloadUrl"),
        (with("filename", "../../etc/cron.d/x.tar.gz".into()), "filename"),
        (with("filename", "x.exe".into()), "filename"),
        (with("version", "4.270.0".into()), "read the list"),
    ] {
        let error = answering(answer).await.unwrap_err();
        assert!(matches!(error, PackagesError::Shape { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error} does not name `{named}`");
    }
}

#[tokio::test]
async fn nobody_there_may_be_tried_again() {
    // Bound and dropped, so that nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let organization: Url = format!("http://127.0.0.1:{port}/organization").parse().unwrap();
    let error = newest_package(&organization, &"planted".into(), TargetOs::Linux, None).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
}
