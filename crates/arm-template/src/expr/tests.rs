use super::ast::{Accessor, Call, Expr, Kind, Step};
use super::{Text, classify};
use crate::functions;
use proptest::prelude::*;

fn error(text: &str) -> String {
    classify(text).expect_err(text).message
}

fn printed(text: &str) -> String {
    match classify(text).expect(text) {
        Text::Expression(expr) => format!("[{expr}]"),
        Text::Literal(literal) => literal,
    }
}

#[test]
fn tokens_may_stand_apart() {
    assert_eq!(
        printed("[ concat ( 'a' ,\n\t'it''s' , -5 ) [ 0 ] . name ]"),
        "[concat('a', 'it''s', -5)[0].name]"
    );
    assert_eq!(printed("[ns.f()]"), "[ns.f()]");
    assert_eq!(printed("[a.b.c]x"), "[a.b.c]x");
}

#[test]
fn the_message_names_the_token() {
    insta::assert_snapshot!(error("[concat('a']"), @"Unable to parse language expression 'concat('a'': expected token 'RightParenthesis' and actual 'EndOfData'");
    insta::assert_snapshot!(error("[]"), @"Unable to parse language expression '': expected token 'Identifier' and actual 'EndOfData'");
    insta::assert_snapshot!(error("['a']"), @"Unable to parse language expression ''a'': expected token 'Identifier' and actual 'Literal'");
    insta::assert_snapshot!(error("[concat]"), @"Unable to parse language expression 'concat': expected token 'LeftParenthesis' and actual 'EndOfData'");
    insta::assert_snapshot!(error("[concat('a) ]"), @"Unable to parse language expression 'concat('a) ': the string literal that starts at position '8' is not terminated");
    insta::assert_snapshot!(error("[concat('a',)]"), @"Unable to parse language expression 'concat('a',)': expected token 'Identifier' and actual 'RightParenthesis'");
    insta::assert_snapshot!(error("[concat('a').]"), @"Unable to parse language expression 'concat('a').': expected token 'Identifier' and actual 'EndOfData'");
    insta::assert_snapshot!(error("[concat('a'))]"), @"Unable to parse language expression 'concat('a'))': expected token 'EndOfData' and actual 'RightParenthesis'");
    insta::assert_snapshot!(error("[concat('a')['b']"), @"Unable to parse language expression 'concat('a')['b'': expected token 'RightSquareBracket' and actual 'EndOfData'");
    insta::assert_snapshot!(error("[concat(1.5)]"), @"Unable to parse language expression 'concat(1.5)': expected token 'RightParenthesis' and actual 'Dot'");
    insta::assert_snapshot!(error("[concat(#)]"), @"Unable to parse language expression 'concat(#)': unexpected character '#' at position '8'");
    insta::assert_snapshot!(error("[add(99999999999999999999, 1)]"), @"Unable to parse language expression 'add(99999999999999999999, 1)': the integer '99999999999999999999' is out of range");
}

#[test]
fn quotes_are_doubled_inside_of_a_literal() {
    for text in ["[f('')]", "[f('''')]", "[f('''a''')]", "[f('a''''b', '')]", "[f('é''€')]", "[f('a' , 'b')]"]
    {
        assert_eq!(printed(text), text.replace(" ,", ","));
    }
    let Ok(Text::Expression(expr)) = classify("[f('''it''s''')]") else { panic!("an expression") };
    assert_eq!(expr.call().unwrap().arguments[0].kind, Kind::String("'it's'".to_owned()));
    for (text, position) in [("[f(''')]", 3), ("[f('a''b)]", 3), ("[f('a', '''b)]", 8), ("[f(')]", 3)] {
        let message = format!("literal that starts at position '{position}' is not terminated");
        assert!(error(text).ends_with(&message), "{text}: {}", error(text));
    }
}

#[test]
fn names_and_numbers_end_where_another_token_begins() {
    assert_eq!(printed("[$f_1é(-12)[3]]"), "[$f_1é(-12)[3]]");
    for (text, culprit) in [("[f(-)]", '-'), ("[f(--1)]", '-'), ("[f(٣)]", '٣'), ("[f(\u{a0})]", '\u{a0}')]
    {
        let message = format!("unexpected character '{culprit}' at position '3'");
        assert!(error(text).ends_with(&message), "{text}: {}", error(text));
    }
    assert!(error("[f(1a)]").ends_with("expected token 'RightParenthesis' and actual 'Identifier'"));
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("[{}{}]", "f(".repeat(depth), ")".repeat(depth));
    assert!(classify(&nested(200)).is_ok());
    assert!(error(&nested(257)).contains("nested deeper than '256' levels"));
    assert!(error(&nested(8_000)).contains("nested deeper than '256' levels"));
    assert!(error(&nested(13_000)).contains("length limit of '24576' exceeded"));
    let accessors = format!("[f(){}]", ".a".repeat(12_000));
    assert_eq!(printed(&accessors), accessors);
    let indexes = format!("[{}f(){}]", "f()[".repeat(300), "]".repeat(300));
    assert!(error(&indexes).contains("nested deeper than '256' levels"));
}

/// Any expression, without places.
fn any_expr() -> impl Strategy<Value = Expr> {
    let name = "[a-zA-Z_][a-zA-Z0-9_]{0,8}";
    let leaf = prop_oneof![
        any::<String>().prop_map(Kind::String),
        any::<i64>().prop_map(Kind::Integer),
        name.prop_map(|name| Kind::Call(call(None, name, Vec::new()))),
    ]
    .prop_map(|kind| Expr { kind, at: (0, 0) });
    leaf.prop_recursive(6, 64, 4, move |inner| {
        let arguments = proptest::collection::vec(inner.clone(), 0..4);
        let accessor = prop_oneof![
            name.prop_map(Accessor::Property),
            inner.prop_map(|index| Accessor::Index(Box::new(index))),
        ];
        (proptest::option::of(name), name, arguments, proptest::collection::vec(accessor, 0..3)).prop_map(
            |(namespace, name, arguments, accessors)| {
                let call = call(namespace, name, arguments);
                let steps: Vec<Step> =
                    accessors.into_iter().map(|accessor| Step { accessor, at: (0, 0) }).collect();
                let kind = if steps.is_empty() { Kind::Call(call) } else { Kind::Access(call, steps) };
                Expr { kind, at: (0, 0) }
            },
        )
    })
}

fn call(namespace: Option<String>, name: String, arguments: Vec<Expr>) -> Call {
    let function = if namespace.is_none() { functions::find(&name) } else { None };
    Call { namespace, name, arguments, function }
}

fn without_places(expr: Expr) -> Expr {
    let call_without =
        |call: Call| Call { arguments: call.arguments.into_iter().map(without_places).collect(), ..call };
    let kind = match expr.kind {
        Kind::Call(call) => Kind::Call(call_without(call)),
        Kind::Access(call, steps) => {
            let steps = steps.into_iter().map(|step| {
                let accessor = match step.accessor {
                    Accessor::Index(index) => Accessor::Index(Box::new(without_places(*index))),
                    property @ Accessor::Property(_) => property,
                };
                Step { accessor, at: (0, 0) }
            });
            Kind::Access(call_without(call), steps.collect())
        }
        leaf => leaf,
    };
    Expr { kind, at: (0, 0) }
}

proptest! {
    #[test]
    fn parsing_undoes_printing(expr in any_expr()) {
        prop_assume!(expr.call().is_some());
        let text = format!("[{expr}]");
        match classify(&text) {
            Ok(Text::Expression(parsed)) => prop_assert_eq!(without_places(parsed), expr),
            other => prop_assert!(false, "{}: {:?}", text, other),
        }
    }

    #[test]
    fn every_text_is_one_or_the_other_or_an_error(text in "\\[?[\\PC\\[\\]'().,a-f0-9 -]{0,60}\\]?") {
        if let Err(error) = classify(&text) {
            prop_assert!(error.at.0 <= error.at.1 && error.at.1 <= text.len(), "{:?}", error);
        }
    }
}
