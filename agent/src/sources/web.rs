//! One question over HTTP to a program on this host, for its counters.

use std::{
    io::{self, BufRead, BufReader, Read as _, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Programs answer between two queries; longer means that they hang.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// BIND's `zone-statistics full` of some 20,000 zones; more is not read.
const ANSWER_SIZE_MAX: u64 = 64 * 1024 * 1024;

/// The answer with its head. An answer to HTTP/1.0 is plain and ends with the connection.
pub fn get(address: SocketAddr, path: &str) -> io::Result<impl BufRead + use<>> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    Ok(BufReader::new(stream.take(ANSWER_SIZE_MAX)))
}
