//! How objects are read that are many: the first through the SDK, the others
//! directly, and through the SDK again whatever does not come whole.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use orgtrail::aws::{Aws, Objects, Pacing, Settings};

use crate::env::home;
use crate::loopback::{Answer, Asked, Loopback, answer, caller};

const BUCKET: &str = "logs";
/// What the SDK adds to the address, and nobody else.
const BY_SDK: &str = "x-id=GetObject";

async fn objects(server: &Loopback) -> Objects {
    let home_region = home();
    let settings =
        Settings { home_region: Some(home_region), pacing: Pacing::Off, ..Settings::default() };
    let aws = Aws::with_base(settings, server.config().build()).await.unwrap();
    let account = aws.caller().account.clone();
    Objects::new(aws.clients(&account, &home()))
}

async fn text(objects: &Objects, key: &str) -> String {
    let object = objects.get(BUCKET, key).await.unwrap();
    assert_eq!(object.metadata.get("signature").map(String::as_str), Some("5e"), "{key}");
    String::from_utf8(object.bytes().await.unwrap().to_vec()).unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "an `Answer` is what a test's closure returns")]
fn whole(key: &str) -> Answer {
    let response = Response::builder().header("x-amz-meta-signature", "5e");
    Some(response.body(Full::new(Bytes::from(format!("the body of {key}")))).unwrap())
}

fn who() -> Answer {
    caller("arn:aws:iam::111111111111:user/admin")
}

#[tokio::test]
async fn all_but_the_first_object_of_a_bucket_are_asked_for_directly() {
    let server = Loopback::start(|asked: &Asked, _| match asked.operation.as_str() {
        "GetCallerIdentity" => who(),
        key => whole(key),
    });
    let server = server.await;
    let objects = objects(&server).await;
    for key in ["a", "b", "c/d.json.gz"] {
        assert_eq!(text(&objects, key).await, format!("the body of /{BUCKET}/{key}"));
    }
    // An address would change this one.
    text(&objects, "a b").await;
    let queries = |key: &str| -> Vec<String> {
        server.asked(&format!("/{BUCKET}/{key}")).into_iter().map(|asked| asked.query).collect()
    };
    assert_eq!(queries("a"), [BY_SDK]);
    assert_eq!(queries("b"), [""]);
    assert_eq!(queries("c/d.json.gz"), [""]);
    assert_eq!(queries("a%20b"), [BY_SDK]);
    for asked in server.asked(&format!("/{BUCKET}/b")) {
        assert_eq!((asked.key.as_str(), asked.region.as_str()), ("BASE", "us-east-1"));
    }
}

#[tokio::test]
async fn what_does_not_come_directly_is_asked_for_through_the_sdk() {
    let server = Loopback::start(|asked: &Asked, _| match asked.operation.as_str() {
        "GetCallerIdentity" => who(),
        key if asked.query.is_empty() && key.ends_with("/busy") => answer(503, ""),
        key if key.ends_with("/gone") => {
            answer(404, "<Error><Code>NoSuchKey</Code><Message>There is none.</Message></Error>")
        }
        key => whole(key),
    });
    let server = server.await;
    let objects = objects(&server).await;
    text(&objects, "a").await;
    assert_eq!(text(&objects, "busy").await, format!("the body of /{BUCKET}/busy"));
    let asked = server.asked(&format!("/{BUCKET}/busy"));
    let queries: Vec<&str> = asked.iter().map(|asked| asked.query.as_str()).collect();
    assert_eq!(queries, ["", BY_SDK]);
    let error = objects.get(BUCKET, "gone").await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_directly_is_asked_no_more() {
    let server = Loopback::start(|asked: &Asked, _| match asked.operation.as_str() {
        "GetCallerIdentity" => who(),
        _ if asked.query.is_empty() => answer(403, ""),
        key => whole(key),
    });
    let server = server.await;
    let objects = objects(&server).await;
    let (mut direct, reads) = (0, 30);
    for at in 0..reads {
        let key = format!("{at}");
        text(&objects, &key).await;
        let asked = server.asked(&format!("/{BUCKET}/{key}"));
        direct += asked.iter().filter(|asked| asked.query.is_empty()).count();
    }
    assert!((1..reads - 1).contains(&direct), "{direct} of {reads}");
}
