//! What PowerDNS Recursor counts (`/metrics` of its webserver, Prometheus text): the messages that it handed
//! over for this agent, and those that it threw away because they did not get out fast enough.

use std::{
    io::{self, BufRead},
    net::SocketAddr,
};

use crate::sources::web;

/// Since PowerDNS started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Handed {
    pub queued: u64,
    /// Pipe full, too large, or another error: counted there, and sent nowhere.
    pub thrown_away: u64,
}

/// What the doctor shows beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// `None`: nothing is sent to this address.
    pub handed: Option<Handed>,
    /// Hits of policies; an answer from the packet cache is none.
    pub policy_hits: Option<u64>,
    /// Queries that got no answer: of these PowerDNS sends nothing.
    pub dropped: u64,
}

pub fn ask(webserver: SocketAddr, listen: SocketAddr) -> io::Result<Counted> {
    read(web::get(webserver, "/metrics")?, listen)
}

pub fn read(answer: impl BufRead, listen: SocketAddr) -> io::Result<Counted> {
    let mut counted = Counted::default();
    let ours = format!("address=\"{listen}\"");
    for line in answer.lines() {
        let line = line?;
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let Ok(value) = value.parse::<u64>() else { continue };
        if let Some(labels) = name.strip_prefix("pdns_recursor_remote_logger_count{") {
            if !labels.contains(&ours) || !labels.contains("type=\"protobuf\"") {
                continue;
            }
            let handed = counted.handed.get_or_insert_default();
            if labels.contains("count=\"queued\"") {
                handed.queued = handed.queued.saturating_add(value);
            } else {
                handed.thrown_away = handed.thrown_away.saturating_add(value);
            }
        } else if name == "pdns_recursor_policy_hits" {
            counted.policy_hits = Some(value);
        } else if name == "pdns_recursor_policy_result_drop" {
            counted.dropped = value;
        }
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_4_8() {
        let text = "HTTP/1.0 200 OK\r\n\r\n# HELP x\npdns_recursor_policy_hits 12\n\
            pdns_recursor_policy_hits{type=\"rpz\",policyname=\"remit=de/42\"} 12\n\
            pdns_recursor_policy_result_drop 1\n\
            pdns_recursor_remote_logger_count{address=\"127.0.0.1:5394\",type=\"protobuf\",count=\"otherError\"} 0\n\
            pdns_recursor_remote_logger_count{address=\"127.0.0.1:5394\",type=\"protobuf\",count=\"pipeFull\"} 2\n\
            pdns_recursor_remote_logger_count{address=\"127.0.0.1:5394\",type=\"protobuf\",count=\"queued\"} 15\n\
            pdns_recursor_remote_logger_count{address=\"127.0.0.1:53940\",type=\"protobuf\",count=\"queued\"} 7\n";
        let listen = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let handed = Some(Handed { queued: 15, thrown_away: 2 });
        let want = Counted { handed, policy_hits: Some(12), dropped: 1 };
        assert_eq!(read(text.as_bytes(), listen(5394)).expect("read"), want);
        assert_eq!(read(text.as_bytes(), listen(1)).expect("read").handed, None);
        assert!(read(&b"\xff\n"[..], listen(1)).is_err());
    }
}
