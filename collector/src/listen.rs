//! Connections: how many there may be, and how long one may keep its place.
//!
//! In: a bound port, a number, a [`Patience`]. Out: [`Connection`]s, for gRPC and for the tiles alike.
//!
//! - Above the number a connection is closed at once: to wait in the kernel's queue looks to a client
//!   like a collector that hangs.
//! - Whoever has not said who he is has [`Patience::unidentified`], whatever he sends meanwhile; that is
//!   enough to enrol, to ask for health, or to read a tile. `access` says when somebody is known.
//! - Who is known may stay as long as something comes or goes. gRPC pings both ways, so what is idle
//!   for [`Patience::idle`] is gone.
//!
//! Not done here: bounds by address. Many nodes may come from one, behind the operator's own NAT.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use crate::metrics;

/// How long a connection may keep its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    pub unidentified: Duration,
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        // A bundle of 256 entries has 8 MiB at the most, and 128 KiB as entries are.
        Self { unidentified: Duration::from_secs(60), idle: Duration::from_secs(120) }
    }
}

/// After an error that is not one connection's, such as too many open files.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

pub struct Listener {
    /// As it is called in the metrics.
    name: &'static str,
    port: TcpListener,
    room: Arc<Semaphore>,
    patience: Patience,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Listener {
    pub async fn bind(
        name: &'static str,
        address: SocketAddr,
        connections_max: u32,
        patience: Patience,
    ) -> io::Result<Self> {
        let port = TcpListener::bind(address).await?;
        let count = usize::try_from(connections_max).unwrap_or(usize::MAX);
        let room = Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Ok(Self { name, port, room, patience, pause: None })
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Connection> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match ready!(self.port.poll_accept(context)) {
                Ok((stream, _)) => match Arc::clone(&self.room).try_acquire_owned() {
                    Ok(place) => {
                        let place = Place::new(self.name, place);
                        return Poll::Ready(Connection::new(stream, place, self.patience));
                    }
                    Err(_) => metrics::connection_refused(self.name),
                },
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(listener = self.name, %error, "no connection can be taken");
                    self.pause = Some(Box::pin(sleep(ERROR_PAUSE)));
                }
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// For tonic.
impl Stream for Listener {
    type Item = io::Result<Connection>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_accept(context).map(|connection| Some(Ok(connection)))
    }
}

/// For axum.
impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let connection = std::future::poll_fn(|context| self.poll_accept(context)).await;
        // Nobody asks for it.
        let address = connection.stream.peer_addr().unwrap_or_else(|_| ([0, 0, 0, 0], 0).into());
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.port.local_addr()
    }
}

/// Whether somebody with a valid certificate has spoken on a connection.
#[derive(Debug, Clone, Default)]
pub struct Peer(Arc<AtomicBool>);

impl Peer {
    pub fn is_known(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One of the connections that there may be.
struct Place {
    name: &'static str,
    #[expect(dead_code, reason = "held as long as the connection")]
    permit: OwnedSemaphorePermit,
}

impl Place {
    fn new(name: &'static str, permit: OwnedSemaphorePermit) -> Self {
        metrics::connections(name, 1.0);
        Self { name, permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::connections(self.name, -1.0);
    }
}

pub struct Connection {
    stream: TcpStream,
    peer: Peer,
    patience: Patience,
    begun: Instant,
    /// When something last came or went.
    active: Instant,
    alarm: Pin<Box<Sleep>>,
    #[expect(dead_code, reason = "held as long as the connection")]
    place: Place,
}

impl Connection {
    fn new(stream: TcpStream, place: Place, patience: Patience) -> Self {
        // Answers are small and waited for. Without it they come a little later.
        let _ = stream.set_nodelay(true);
        let now = Instant::now();
        let alarm = Box::pin(sleep(patience.unidentified));
        Self { stream, peer: Peer::default(), patience, begun: now, active: now, alarm, place }
    }

    /// Nothing came, or could go: an error once that has lasted too long.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        while self.alarm.as_mut().poll(context).is_ready() {
            let end = if self.peer.0.load(Ordering::Relaxed) {
                self.active + self.patience.idle
            } else {
                self.begun + self.patience.unidentified
            };
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.alarm.as_mut().reset(end);
        }
        Poll::Pending
    }

    fn after<T>(
        &mut self,
        done: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if done.is_pending() {
            return self.wait(context);
        }
        self.active = Instant::now();
        done
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_read(context, buffer);
        this.after(done, context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.after(done, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write_vectored(context, parts);
        this.after(done, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}
