use super::*;

fn kind(status: u16, body: &str) -> (&'static str, String) {
    match answer(status, body.as_bytes(), "canary-secret") {
        Verdict::Good(token) => ("good", token.expose_secret().to_owned()),
        Verdict::Away(text) => ("away", text),
        Verdict::Refused(text) => ("refused", text),
        Verdict::Wrong(text) => ("wrong", text),
        Verdict::Distrusted(text) => ("distrusted", text),
    }
}

#[test]
fn answers_tell_refused_from_wrong_from_away() {
    let fault = |error: &str, code: u64| {
        format!(
            r#"{{"error":"{error}","error_description":"AADSTS{code}: Text. Trace ID: 1\r\nMore","error_codes":[{code}]}}"#
        )
    };
    for (status, body, expected) in [
        (200, r#"{"access_token":"abc","expires_in":3599}"#.to_owned(), "good"),
        (200, r#"{"access_token":"a b"}"#.to_owned(), "wrong"),
        (200, "<html>".to_owned(), "wrong"),
        (401, fault("invalid_client", 7_000_215), "refused"),
        (401, fault("invalid_client", 7_000_222), "refused"),
        (400, fault("unauthorized_client", 700_016), "wrong"),
        (400, fault("invalid_request", 90_002), "wrong"),
        (400, fault("invalid_client", 700_213), "refused"),
        (400, fault("temporarily_unavailable", 90_033), "away"),
        (404, "nothing here".to_owned(), "wrong"),
        (302, String::new(), "wrong"),
        (429, String::new(), "away"),
        (503, String::new(), "away"),
    ] {
        assert_eq!(kind(status, &body).0, expected, "{status} {body}");
    }
    assert_eq!(kind(401, &fault("invalid_client", 7_000_215)).1, "AADSTS7000215: Text.");
}

#[test]
fn the_secret_is_not_repeated() {
    let (_, text) =
        kind(401, r#"{"error":"invalid_client","error_description":"no canary-secret\u001b[2J"}"#);
    assert_eq!(text, "no ***[2J");
}

#[test]
fn each_proof_has_its_fields() {
    let principal = |proof| Principal {
        client: "app".to_owned(),
        tenant: "t".to_owned(),
        authority: "https://login.example".parse().unwrap(),
        proof,
    };
    let names = |proof| {
        let principal = principal(proof);
        form(&principal, "scope").into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let basics = ["grant_type", "client_id", "scope"];
    assert_eq!(names(Evidence::Secret("x".into())), [&basics[..], &["client_secret"]].concat());
    assert_eq!(
        names(Evidence::Assertion("x".into())),
        [&basics[..], &["client_assertion_type", "client_assertion"]].concat()
    );
}
