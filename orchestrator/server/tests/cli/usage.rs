//! Wrong usage, and nobody there: exit status 2, and what to do about it.

use tokio::net::TcpListener;

use crate::support::{ID, saga};

/// Servers that `serve` needs a name of and does not reach in these tests.
const SERVERS: [&str; 2] =
    ["--amqp-url=amqp://u:secret@127.0.0.1:1", "--database-url=postgres://127.0.0.1:1/none"];

#[tokio::test]
async fn wrong_usage_is_told_from_a_no() {
    let wrong: &[&[&str]] = &[
        &[],
        &["begin"],
        &["show"],
        &["show", "order-1"],
        &["cancel", ID],
        &["list", "--limit", "0"],
        &["list", "--status", "failed"],
        &["list", "--older-than", "a while"],
        &["start", "order", "--input", "/nowhere"],
        &["serve"],
        &["show", ID, "--url", "ftp://127.0.0.1"],
        &["migrate", "--database-url", "amqp://u:secret@127.0.0.1"],
    ];
    for arguments in wrong {
        let said = saga(arguments).await;
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{arguments:?}: {said:?}");
        assert!(!said.stderr.contains("secret"), "{said:?}");
    }
}

#[tokio::test]
async fn nobody_there_names_the_way_out() {
    let said = saga(&["show", ID, "--url", "http://u:secret@127.0.0.1:1"]).await;
    assert_eq!(said.code, Some(2));
    insta::assert_snapshot!(said.stderr, @"
    error: cannot reach an orchestrator at `http://u:***@127.0.0.1:1/`
      Connection refused (os error 111)
    hint: start one with `saga dev` or `saga serve`, or name another with `--url` or `SAGA_URL`
    ");
    let said = saga(&["migrate", SERVERS[1]]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("hint: start it, or name another"), "{said:?}");
}

#[tokio::test]
async fn a_port_that_is_taken_names_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = format!("--listen={}", taken.local_addr().unwrap());
    let said = saga(&[&["serve", listen.as_str()], &SERVERS[..]].concat()).await;
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("another program has this port"), "{said:?}");
}
