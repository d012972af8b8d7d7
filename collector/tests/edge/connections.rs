//! Who holds connections open, and for how long.

use std::{net::SocketAddr, time::Duration};

use axum::serve::Listener as _;
use remit_collector::{
    config::Limits,
    http,
    listen::{Listener, Patience},
};
use remit_proto::v1::{self, Role, submit_response::Message};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::rig::{Collector, hello, signing_key};

const ORIGIN: &str = "example.net/agent/edge-1/0000000000000001";

async fn listener(connections_max: u32, patience: Patience) -> (Listener, SocketAddr) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind("test", any, connections_max, patience).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Waits until the other side has closed it, whatever came before.
async fn until_closed(stream: &mut TcpStream) {
    let closed = async {
        let mut bytes = [0; 1024];
        while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
    };
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("it is closed");
}

#[tokio::test]
async fn one_more_than_there_may_be_is_closed_until_another_goes() {
    let (mut listener, address) = listener(2, Patience::default()).await;
    let (_one, _two) =
        (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
    let (first, _) = listener.accept().await;
    let (_second, _) = listener.accept().await;
    let mut third = TcpStream::connect(address).await.unwrap();
    tokio::select! {
        _ = listener.accept() => panic!("a third connection"),
        () = until_closed(&mut third) => {}
    }
    drop(first);
    let _fourth = TcpStream::connect(address).await.unwrap();
    let accepted = tokio::time::timeout(Duration::from_secs(20), listener.accept()).await;
    assert!(accepted.is_ok(), "its place is free again");
}

#[tokio::test]
async fn who_sends_a_tile_request_byte_by_byte_loses_his_place() {
    let patience = Patience { unidentified: Duration::from_millis(300), ..Patience::default() };
    let (listener, address) = listener(1, patience).await;
    let dir = tempfile::tempdir().unwrap();
    let served = tokio::spawn(http::serve(listener, dir.path().to_owned()));
    let mut slow = TcpStream::connect(address).await.unwrap();
    let (mut answers, mut requests) = slow.split();
    let drip = async {
        // It ends when the other side has closed.
        while requests.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let closed = async {
        let mut bytes = [0; 1024];
        while answers.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
    };
    let both = async { tokio::join!(drip, closed) };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("it is closed");
    let mut next = TcpStream::connect(address).await.unwrap();
    next.write_all(b"GET /healthz HTTP/1.1\r\nHost: log\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    next.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    served.abort();
}

#[tokio::test]
async fn a_stranger_is_cut_off_and_an_agent_stays() {
    let patience = Patience { unidentified: Duration::from_secs(1), ..Patience::default() };
    let collector = Collector::start_with(Limits { patience, ..Limits::default() }).await;
    let agent = collector.enrol("edge-1", Role::Agent, 1).await;
    let mut stream = collector.submit(&agent).await;
    let mut silent = TcpStream::connect(collector.address()).await.unwrap();
    let mut stranger = HealthClient::new(collector.connect(None).await);
    let request = HealthCheckRequest::default();
    let mut watch = stranger.watch(request).await.unwrap().into_inner();
    let ended = async { while watch.message().await.is_ok_and(|answer| answer.is_some()) {} };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the watch ends");
    until_closed(&mut silent).await;
    let resume = stream.ask(hello(ORIGIN, &signing_key(ORIGIN, 1))).await;
    assert_eq!(resume, Message::Resume(v1::Resume { size: 0 }));
    collector.stop().await.unwrap();
}

#[tokio::test]
async fn who_was_known_and_is_gone_is_noticed() {
    // The alarm was set for strangers; it looks again who it is.
    let short = Duration::from_millis(50);
    let (mut listener, address) =
        listener(1, Patience { unidentified: short, idle: short * 6 }).await;
    let _client = TcpStream::connect(address).await.unwrap();
    let (mut connection, _) = listener.accept().await;
    tonic::transport::server::Connected::connect_info(&connection).is_known();
    let ended = tokio::time::timeout(Duration::from_secs(20), connection.read(&mut [0; 1])).await;
    assert_eq!(ended.expect("an end").unwrap_err().kind(), std::io::ErrorKind::TimedOut);
}
