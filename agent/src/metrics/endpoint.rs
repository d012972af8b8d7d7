//! The HTTP of the metrics endpoint: one request, one answer, and the end of the connection
//! (RFC 9112). A few at a time, and none for long, so that nobody who can reach it holds the agent's
//! memory.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::Semaphore,
    time::timeout,
};

/// Answers until the runtime ends.
pub(super) async fn serve(listener: TcpListener, text: fn() -> String) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    // It is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(async move {
                    // Who does not get its answer asks again.
                    let _ = timeout(WITHIN, answer(stream, text)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the metrics endpoint was not taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    text: fn() -> String,
) -> io::Result<()> {
    let mut request = Vec::new();
    let mut limited = (&mut stream).take(REQUEST_SIZE_MAX);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if limited.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    let (status, body) = if request.starts_with(b"GET ") {
        ("200 OK", text())
    } else {
        ("405 Method Not Allowed\r\nAllow: GET", String::new())
    };
    let size = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\n\
         Content-Length: {size}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// Connections that are answered at the same time; the others wait in the kernel's queue.
const AT_ONCE: usize = 4;
const WITHIN: Duration = Duration::from_secs(5);
/// Without a file descriptor to be had, another try at once would fail as well.
const PAUSE: Duration = Duration::from_secs(1);
const REQUEST_SIZE_MAX: u64 = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is answered to a request that comes in these parts.
    fn check(parts: &[&str], expected: &[&str]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let got = runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(64);
            let server = tokio::spawn(answer(server, || "remit_agent_hits_total 5\n".to_owned()));
            for part in parts {
                client.write_all(part.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
            let mut got = String::new();
            client.read_to_string(&mut got).await.unwrap();
            server.await.unwrap().unwrap();
            got
        });
        for part in expected {
            assert!(got.contains(part), "{part}: {got}");
        }
    }

    #[test]
    fn a_request_is_answered_once_it_is_whole() {
        let ok =
            ["HTTP/1.1 200 OK\r\n", "Content-Length: 25\r\n", "\r\n\r\nremit_agent_hits_total 5\n"];
        check(&["GET /metrics HTTP/1.0\r\n\r\n"], &ok);
        check(&["GET /metrics HTTP/1.1\r\nHost: a\r", "\n\r", "\n"], &ok);
    }

    #[test]
    fn what_is_no_question_changes_nothing() {
        check(&["POST / HTTP/1.1\r\n\r\n"], &["HTTP/1.1 405 ", "Content-Length: 0\r\n"]);
    }
}
