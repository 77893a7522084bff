//! A whole cluster in one process, over real gRPC.

#![allow(clippy::unwrap_used)]

mod support;

use support::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn three_stores_elect_and_serve() {
    let cluster = Cluster::start(3).await;
    let mut client = cluster.client().await;
    client.put("", b"k", b"v").await.unwrap();
    assert_eq!(client.get("", b"k").await.unwrap().as_deref(), Some(&b"v"[..]));
    for n in 0..100 {
        client.put("", format!("n{n:03}").as_bytes(), b"x").await.unwrap();
    }
    assert_eq!(client.scan("", b"n", b"o", 1000).await.unwrap().len(), 100);
    client.delete("", b"k").await.unwrap();
    assert_eq!(client.get("", b"k").await.unwrap(), None);
    assert_eq!(client.compare_and_swap("", b"k", None, b"1").await.unwrap(), (true, None));
    assert_eq!(client.compare_and_swap("", b"k", None, b"2").await.unwrap(), (false, Some("1".into())));
    cluster.stop().await;
}
