use super::*;

fn kind(status: u16, content_type: &str) -> &'static str {
    match (Answer { status, content_type }).verdict::<()>() {
        None => "read",
        Some(Verdict::Good(())) => "good",
        Some(Verdict::Away(_)) => "away",
        Some(Verdict::Refused(_)) => "refused",
        Some(Verdict::Wrong(_)) => "wrong",
        Some(Verdict::Distrusted(_)) => "distrusted",
    }
}

#[test]
fn heads_tell_away_from_refused() {
    for (status, content_type, expected) in [
        (200, "application/json; charset=utf-8", "read"),
        (200, "text/html", "refused"),
        (200, "text/plain", "away"),
        (203, "text/html", "refused"),
        (203, "application/json", "refused"),
        (302, "", "refused"),
        (301, "", "wrong"),
        (401, "application/json", "refused"),
        (403, "", "refused"),
        (404, "text/html", "wrong"),
        (407, "", "wrong"),
        (408, "", "away"),
        (429, "", "away"),
        (500, "application/json", "away"),
        (503, "text/html", "away"),
    ] {
        assert_eq!(kind(status, content_type), expected, "{status} {content_type}");
    }
}

#[test]
fn connection_data_must_name_an_instance() {
    assert_eq!(connection(br#"{"instanceId":"x"}"#), Verdict::Good(()));
    assert_eq!(connection(br#"{"locationServiceData":{}}"#), Verdict::Good(()));
    assert!(matches!(connection(b"{}"), Verdict::Wrong(_)));
    assert!(matches!(connection(b"{\"inst"), Verdict::Away(_)));
}

#[test]
fn the_pool_is_the_one_of_that_name() {
    let body =
        br#"{"count":2,"value":[{"id":1,"name":"linux-big"},{"id":2,"name":"Linux","isHosted":true}]}"#;
    assert_eq!(
        pool(body, "linux"),
        Verdict::Good(Some(Pool { id: 2, name: "Linux".to_owned(), is_hosted: true, auto_update: None }))
    );
    assert_eq!(pool(br#"{"count":0,"value":[]}"#, "linux"), Verdict::Good(None));
    assert!(matches!(pool(b"[]", "linux"), Verdict::Away(_)));
}
