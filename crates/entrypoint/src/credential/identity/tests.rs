use std::ffi::OsString;

use super::*;

fn endpoint(pairs: &[(&str, &str)]) -> Endpoint {
    Endpoint::find(&Variables::new(
        pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))),
    ))
}

#[test]
fn the_platforms_variables_tell_where_to_ask() {
    let both = [("IDENTITY_ENDPOINT", "http://10.0.0.1/token"), ("IDENTITY_HEADER", "h")];
    assert!(matches!(endpoint(&both), Endpoint::Named { url, .. } if url.path() == "/token"));
    for hint in [both[0], ("Fabric_NodeIPOrFQDN", "10.0.0.1"), ("KUBERNETES_SERVICE_HOST", "10.0.0.1")] {
        assert!(matches!(endpoint(&[hint]), Endpoint::Likely), "{hint:?}");
    }
    assert!(matches!(endpoint(&[("PATH", "/bin"), ("MSI_ENDPOINT", "")]), Endpoint::Unlikely));
}

#[test]
fn requests_have_the_form_of_their_endpoint() {
    let client = client().unwrap();
    let named = endpoint(&[("IDENTITY_ENDPOINT", "http://10.0.0.1/token"), ("IDENTITY_HEADER", "h")]);
    let request = named.request(&client, Some("app")).build().unwrap();
    assert_eq!(
        request.url().as_str(),
        format!("http://10.0.0.1/token?api-version=2019-08-01&resource={AZURE_DEVOPS}&client_id=app")
    );
    assert_eq!(request.headers()["X-IDENTITY-HEADER"], "h");
    let request = Endpoint::Likely.request(&client, None).build().unwrap();
    assert_eq!(request.url().as_str(), format!("{METADATA}?api-version=2018-02-01&resource={AZURE_DEVOPS}"));
    assert_eq!(request.headers()["Metadata"], "true");
}

#[test]
fn no_token_is_no_danger_but_a_choice_is() {
    let kind = |status, body: &str| match answer(status, body.as_bytes()) {
        Verdict::Good(_) => "good",
        Verdict::Away(_) => "away",
        Verdict::Refused(_) => "several",
        Verdict::Wrong(_) => "none",
        Verdict::Distrusted(_) => "distrusted",
    };
    assert_eq!(kind(200, r#"{"access_token":"abc","expires_in":"28799"}"#), "good");
    assert_eq!(kind(200, "hello"), "none");
    assert_eq!(kind(400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#), "none");
    assert_eq!(
        kind(
            400,
            r#"{"error":"invalid_request","error_description":"Multiple user assigned identities exist, please specify"}"#
        ),
        "several"
    );
    assert_eq!(kind(404, "<html>"), "none");
    assert_eq!(kind(429, ""), "away");
    assert_eq!(kind(500, ""), "away");
}
