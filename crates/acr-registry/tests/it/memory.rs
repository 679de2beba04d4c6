//! A layer is never whole in memory. Linux tells a process its own peak; nextest gives each test a process.
#![cfg(target_os = "linux")]

use futures_util::StreamExt;
use reqwest::{Body, Method};

use crate::scene::{Scene, header};

const PIECE: usize = 1 << 20;
const PIECES: usize = 256;

/// The most memory that this process has had at once, in KiB.
fn peak() -> usize {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_large_layer_passes_in_and_out_without_being_in_memory() {
    let scene = Scene::new().await;
    scene.blob("a", &vec![1; PIECE]).await;
    let before = peak();
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    (0..PIECES).for_each(|_| hash.update(&vec![7; PIECE]));
    let digest = format!("sha256:{}", hex::encode(hash.finish()));
    let pieces = futures_util::stream::iter((0..PIECES).map(|_| Ok::<_, std::io::Error>(vec![7_u8; PIECE])));
    let location = scene.begin("a").await;
    let sent = scene.ask(Method::PATCH, &location).body(Body::wrap_stream(pieces)).send().await.unwrap();
    assert_eq!(sent.status(), 202);
    let put = scene.ask(Method::PUT, &format!("{location}?digest={digest}")).send().await.unwrap();
    assert_eq!(put.status(), 201);
    let answer = scene.get(&header(&put, "location")).await;
    let mut body = answer.bytes_stream();
    let mut got = 0;
    while let Some(piece) = body.next().await {
        got += piece.unwrap().len();
    }
    assert_eq!(got, PIECE * PIECES);
    let grown = peak() - before;
    assert!(grown < 48 * 1024, "{grown} KiB more for a layer of {} KiB", PIECE * PIECES / 1024);
    // Control: the peak would have told.
    let whole = vec![7_u8; 64 * PIECE];
    assert!(peak() - before > 60 * 1024, "{}", whole.len());
}
