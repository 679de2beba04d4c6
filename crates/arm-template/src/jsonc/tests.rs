use super::{MAX_DEPTH, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

fn value(text: &str) -> Value {
    parse(text).expect(text).to_value()
}

fn error(text: &str) -> String {
    parse(text).expect_err(text).detail
}

#[test]
fn reads_what_az_sends() {
    let body = "{\"properties\": {\"mode\": \"Incremental\", template:{\n// a comment\n\"a\": /* b */ 1, \"s\": \"two\nlines\"\n}}}";
    assert_eq!(
        value(body),
        json!({"properties": {"mode": "Incremental", "template": {"a": 1, "s": "two\nlines"}}})
    );
}

#[test]
fn reads_what_the_service_reads() {
    assert_eq!(
        value("\u{feff} {'a': 'it\\'s', b_1: [true, false, null, -1.5e3]} // end"),
        json!({"a": "it's", "b_1": [true, false, null, -1500.0]})
    );
    assert_eq!(value(r#""A\u00e4\ud83d\ude00\n\/\ud83d""#), json!("Aä😀\n/\u{fffd}"));
    assert_eq!(value("{\"a\": 1, \"a\": 2}"), json!({"a": 2}));
    assert_eq!(value("[]"), json!([]));
    assert_eq!(value("{}"), json!({}));
}

#[test]
fn says_where_it_stops() {
    insta::assert_snapshot!(error(""), @"Unexpected end of content while loading JSON. Path '', line 1, position 1.");
    insta::assert_snapshot!(error("{\n  \"a\": 1,,\n}"), @"Invalid property identifier character: ,. Path '', line 2, position 10.");
    insta::assert_snapshot!(error("[1,,]"), @"Unexpected character encountered while parsing value: ,. Path '', line 1, position 4.");
    assert_eq!(parse("[1, ]").expect("a comma at the end").to_value(), serde_json::json!([1]));
    assert_eq!(parse("{a: 1, }").expect("a comma at the end").to_value(), serde_json::json!({"a": 1}));
    insta::assert_snapshot!(error("{\"a\" 1}"), @"Invalid character after parsing property name. Expected ':' but got: 1. Path '', line 1, position 6.");
    insta::assert_snapshot!(error("{\"a\": 1 \"b\": 2}"), @r#"After parsing a value an unexpected character was encountered: ". Path '', line 1, position 9."#);
    insta::assert_snapshot!(error("{\"a\": tru}"), @"Unexpected character encountered while parsing value: t. Path '', line 1, position 7.");
    insta::assert_snapshot!(error("{\"a\": \"open}"), @r#"Unterminated string. Expected delimiter: ". Path '', line 1, position 7."#);
    insta::assert_snapshot!(error("{} x"), @"Additional text encountered after finished reading JSON content: x. Path '', line 1, position 4.");
    insta::assert_snapshot!(error("/* open"), @"Unexpected end while parsing comment. Path '', line 1, position 1.");
    insta::assert_snapshot!(error("\"\\q\""), @"Bad JSON escape sequence. Path '', line 1, position 2.");
    insta::assert_snapshot!(error("-"), @"Input string '-' is not a valid number. Path '', line 1, position 1.");
    insta::assert_snapshot!(error("[99999999999999999999]"), @"JSON integer 99999999999999999999 is too large or small for an Int64. Path '', line 1, position 2.");
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert!(error(&nested(MAX_DEPTH + 1)).contains("MaxDepth of 100"));
    assert!(error(&nested(1_000_000)).contains("MaxDepth of 100"));
}

#[test]
fn paths_lead_to_places() {
    let text = "{\"resources\": [{\"name\": \"x\"}, {\"a b\": {\"c\": [0, 1]}}]}";
    let root = parse(text).expect("JSON");
    for (needle, path) in [
        ("\"x\"", "resources[0].name"),
        ("1]", "resources[1]['a b'].c[1]"),
        ("\"c\"", "resources[1]['a b'].c"),
    ] {
        let at = text.find(needle).expect(needle);
        assert_eq!(root.path_of(crate::Span::new(at, at + 1)), path);
    }
}

#[test]
fn offsets_count_escapes() {
    let text = r#"  "a\u00e4\n[x]" "#;
    let span = crate::Span::new(2, text.len() - 1);
    let decoded = "aä\n[x]";
    let at = super::reader::source_offset(text, span, decoded.find('[').expect("a bracket"));
    assert_eq!(&text[at..=at], "[");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reads_all_json(json in any_json()) {
        prop_assert_eq!(value(&json.to_string()), json.clone());
        let pretty = serde_json::to_string_pretty(&json).expect("JSON");
        prop_assert_eq!(value(&pretty), json);
    }

    #[test]
    fn never_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn never_panics_on_what_looks_like_json(text in "[{}\\[\\]:,\"'\\\\/*u0-9a-f\\- \n.eE]{0,80}") {
        if let Err(fault) = parse(&text) {
            let span = fault.span.expect("a place");
            prop_assert!(text.get(span.start..span.end).is_some());
        }
    }
}
