use super::*;

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

#[test]
fn versions_compare_by_number() {
    assert!(version("4.99.0") < version("4.270.0"));
    assert_eq!(version("4.270.1").to_string(), "4.270.1");
    for text in ["", "4", "4.270", "4.270.0.1", "4.x.0", "v4.270.0"] {
        assert_eq!(Version::parse(text), None, "{text}");
    }
}

#[test]
fn the_newest_package_is_found_in_any_order() {
    let body = br#"{"count":3,"value":[{"type":"agent","version":{"major":4,"minor":99,"patch":0}},
        {"version":{"major":4,"minor":270,"patch":0}},{"version":{"major":3,"minor":300,"patch":9}}]}"#;
    assert_eq!(newest(body), Some(version("4.270.0")));
    assert_eq!(newest(br#"{"count":0,"value":[]}"#), None);
    assert_eq!(newest(b"<html>"), None);
}

#[test]
fn only_a_newer_version_is_worth_a_word() {
    let text = advice(Some("4.260.0"), Some(version("4.270.0")), false).unwrap();
    assert!(text.contains("4.270.0") && text.contains("4.260.0"), "{text}");
    assert!(advice(Some("4.260.0"), Some(version("4.270.0")), true).unwrap().contains("update itself"));
    assert_eq!(advice(Some("4.270.0"), Some(version("4.270.0")), false), None);
    assert_eq!(advice(Some("4.271.0"), Some(version("4.270.0")), false), None);
    assert_eq!(advice(None, Some(version("4.270.0")), false), None);
    assert_eq!(advice(Some("4.260.0"), None, false), None);
}
