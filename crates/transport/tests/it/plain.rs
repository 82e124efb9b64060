//! Without TLS: addresses, and what a server does about its connections.

use std::time::Duration;

use cantle_transport::{ClientKeepAlive, Listener, endpoint};
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::{SOON, call, serve};

#[tokio::test]
async fn a_server_without_tls_is_called_by_name_and_by_address() {
    let running = serve(None).await;
    call("127.0.0.1", running.port, None).await.unwrap();
    call("localhost", running.port, None).await.unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_refused_and_free_again_after_the_server() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address();
    Listener::bind(address).await.unwrap_err();
    let incoming = listener.incoming(None);
    drop(incoming);
    let bound = tokio::time::timeout(SOON, async {
        while Listener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    bound.await.unwrap();
}

#[tokio::test]
async fn a_client_that_says_nothing_holds_up_nobody() {
    let running = serve(None).await;
    let mut silent = TcpStream::connect(("127.0.0.1", running.port)).await.unwrap();
    call("127.0.0.1", running.port, None).await.unwrap();
    let mut first = [0; 1];
    tokio::time::timeout(SOON, silent.read_exact(&mut first)).await.unwrap().unwrap();
}

#[test]
fn addresses_become_uris() {
    let keep_alive = ClientKeepAlive {
        time: Duration::from_secs(40),
        timeout: Duration::from_secs(20),
        without_calls: false,
    };
    let uri = |host| endpoint(host, 5012, None, Some(keep_alive)).unwrap().uri().to_string();
    assert_eq!(uri("localhost"), "http://localhost:5012/");
    assert_eq!(uri("::1"), "http://[::1]:5012/");
    assert_eq!(uri("[::1]"), "http://[::1]:5012/");
    endpoint("no host", 1, None, None).unwrap_err();
}
