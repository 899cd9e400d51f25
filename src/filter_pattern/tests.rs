use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parse(text: &str) -> FilterPattern {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn patterns_match_as_documented() {
    let event = json!({
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{ "name": "a", "id": 1 }, { "name": "b", "id": 2 }],
        "SomeObject": null,
        "ThisFlag": true,
        "OtherFlag": false,
        "bandwidth": 75.5,
        "account": "000123456789",
        "errorCode": "Client.UnauthorizedOperation",
        "quoted": "say \"*\" \\ now",
        "object": { "deep": { "er": 400 } },
    });
    for (pattern, matches) in [
        (r#"{ $.eventType = "UpdateTrail" }"#, true),
        (r"{ $.eventType = UpdateTrail }", true),
        (r"{$.eventType=UpdateTrail}", true),
        (r"{ $.eventType = updatetrail }", false),
        (r"{ $.eventType != UpdateTrail }", false),
        (r"{ $.eventType = Update* }", true),
        (r#"{ $.eventType = "*Trail" }"#, true),
        (r#"{ $.eventType = "U*e*l" }"#, true),
        (r#"{ $.eventType = "Update*UpdateTrail" }"#, false),
        (r"{ $.eventType = * }", true),
        (r"{ $.sourceIPAddress != 123.123.* }", true),
        (r"{ $.sourceIPAddress = 111.111.* }", true),
        (r#"{ $.arrayKey[0] = "value" }"#, true),
        (r#"{ $.arrayKey[2] = "value" }"#, false),
        (r"{ $.objectList[1].id = 2 }", true),
        (r"{ $.objectList[0].id != 2 }", true),
        (r"{ $.SomeObject IS NULL }", true),
        (r"{ $.Missing IS NULL }", false),
        (r"{ $.SomeOtherObject NOT EXISTS }", true),
        (r"{ $.SomeObject NOT EXISTS }", false),
        (r"{ $.ThisFlag IS TRUE }", true),
        (r"{ $.OtherFlag IS TRUE }", false),
        (r"{ $.OtherFlag IS FALSE }", true),
        (r"{ $.bandwidth > 75 }", true),
        (r"{ $.bandwidth >= 75.5 }", true),
        (r"{ $.bandwidth < 7.55e1 }", false),
        (r"{ $.bandwidth <= 7.55e1 }", true),
        (r"{ $.bandwidth = 75.50 }", true),
        (r"{ $.bandwidth = 7* }", true),
        (r#"{ $.bandwidth = "75.5" }"#, false),
        (r"{ $.eventType > 3 }", false),
        // An id is a string, whose zeros count.
        (r"{ $.account = 000123456789 }", true),
        (r"{ $.account = 123456789 }", false),
        // What is missing, null or no scalar equals nothing and differs from nothing.
        (r"{ $.missing = x }", false),
        (r"{ $.missing != x }", false),
        (r"{ $.SomeObject != x }", false),
        (r"{ $.object != x }", false),
        // Nor is what is of another kind.
        (r#"{ $.ThisFlag = "true" }"#, false),
        (r"{ $.ThisFlag != true }", false),
        (r"{ $.ThisFlag != false }", false),
        (r#"{ $.bandwidth != "75.5" }"#, false),
        (r"{ $.object.deep.er = 4* }", true),
        (r#"{ $.quoted = "say \"*\" \\ now" }"#, true),
        // `&&` binds tighter.
        (r"{ $.eventType = UpdateTrail || $.a = 1 && $.b = 2 }", true),
        (r"{ ($.eventType = UpdateTrail || $.a = 1) && $.b = 2 }", false),
        (r#"{ ($.errorCode ="*UnauthorizedOperation") || ($.errorCode ="AccessDenied*") }"#, true),
    ] {
        let parsed = parse(pattern);
        assert_eq!(parsed.matches(&event), matches, "{pattern}");
        assert_eq!(parse(&parsed.to_string()), parsed, "{pattern}");
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    for (pattern, at, found, expected) in [
        ("", 1, "its end", "JSON events"),
        ("ERROR", 1, "`E`", "JSON events"),
        ("[ip, user]", 1, "`[`", "JSON events"),
        ("{ }", 3, "`}`", "$.name"),
        ("{ $.a = 1", 10, "its end", "`}`"),
        ("{ $.a = 1 } x", 13, "`x`", "nothing"),
        ("{ ($.a = 1 }", 12, "`}`", "`)`"),
        ("{ $a = 1 }", 4, "`a`", "property's name"),
        ("{ $. = 1 }", 5, "` `", "a name"),
        ("{ $.a[*].b = 1 }", 7, "`*`", "wildcards"),
        ("{ $.a[99999999999999999999999] = 1 }", 30, "`]`", "item's number"),
        ("{ $.a = %x% }", 9, "`%`", "regular expressions"),
        ("{ $.a = }", 9, "`}`", "a value"),
        ("{ $.a > \"x\" }", 9, "`\"`", "a number"),
        ("{ $.a > nan }", 9, "`n`", "a number"),
        ("{ $.a = \"x }", 13, "its end", "closing quote"),
        ("{ $.a = \"\\n\" }", 11, "`n`", "backslash"),
        ("{ $.a EXISTS }", 7, "`E`", "NOT EXISTS"),
        ("{ $.a IS NOT NULL }", 7, "`I`", "IS NULL"),
        ("{ $.a = 1 & $.b = 2 }", 11, "`&`", "`&&`"),
    ] {
        let error = pattern.parse::<FilterPattern>().unwrap_err();
        assert_eq!((error.at, error.found.as_str()), (at, found), "{pattern}: {error}");
        assert!(error.expected.contains(expected), "{pattern}: {error}");
    }
    let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(400), ")".repeat(400));
    assert!(deep.parse::<FilterPattern>().unwrap_err().expected.contains("64 parentheses"));
    let long = format!("{{ $.a = {} }}", "x".repeat(MAX_LENGTH));
    assert!(long.parse::<FilterPattern>().unwrap_err().expected.contains("1024 characters"));
}

fn expression() -> impl Strategy<Value = Expression> {
    let segment = prop_oneof![
        "[A-Za-z0-9_-]{1,8}".prop_map(Segment::Key),
        (0..1000_usize).prop_map(Segment::Index),
    ];
    let literal = prop_oneof![
        "[A-Za-z0-9.*:/_@-]{1,10}".prop_map(Literal::Bare),
        "[ -~]{0,10}".prop_map(Literal::Quoted),
    ];
    let either = prop_oneof![Just(Operator::Equal), Just(Operator::NotEqual)];
    let order = prop_oneof![
        Just(Operator::Less),
        Just(Operator::LessOrEqual),
        Just(Operator::Greater),
        Just(Operator::GreaterOrEqual),
    ];
    let test = prop_oneof![
        (either, literal).prop_map(|(operator, literal)| Test::Compare(operator, literal)),
        (order, any::<i32>())
            .prop_map(|(operator, n)| Test::Compare(operator, Literal::Bare(n.to_string()))),
        Just(Test::IsNull),
        Just(Test::IsTrue),
        Just(Test::IsFalse),
        Just(Test::NotExists),
    ];
    let property = (proptest::collection::vec(segment, 1..4), test)
        .prop_map(|(path, test)| Expression::Property(path, test));
    property.prop_recursive(3, 10, 3, |inner| {
        let parts = proptest::collection::vec(inner, 2..4);
        prop_oneof![parts.clone().prop_map(Expression::All), parts.prop_map(Expression::Any),]
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_as_the_same(expression in expression()) {
        let pattern = FilterPattern(expression);
        let text = pattern.to_string();
        prop_assume!(text.len() <= MAX_LENGTH);
        prop_assert_eq!(text.parse(), Ok(pattern));
    }

    #[test]
    fn whatever_text_comes_is_read_or_refused_with_a_place_in_it(
        text in r#"[ -~]{0,40}|\{[ $.a=!<>()&|"*%\\]{0,40}\}|\PC{0,40}"#,
    ) {
        if let Err(error) = text.parse::<FilterPattern>() {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.at));
        }
    }
}
