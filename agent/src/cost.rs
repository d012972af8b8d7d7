//! `remit-agent doctor --measure-cost`: what logging takes of the datapath on this machine, as a share.
//!
//! In: nothing. Out: a [`Finding`]. In a network namespace of its own, which nobody else sees and which ends with
//! its thread, packets to the loopback device are dropped by three rules in turn: a plain drop, one with
//! a counter, one with a counter and a log to a group that is read as the agent reads its own. What the
//! machine's own network does meanwhile is not touched, though it shares the CPU.
//!
//! - A share and no rate: on loopback sender and firewall are one path on one core, and a forwarded packet costs
//!   more. Of that more the log is a smaller share, so what is said is the most that it takes.
//! - Rounds are interleaved, and the median of each kind counts: a busy moment hits one round of each.
//! - It needs to be root (`CAP_SYS_ADMIN` for the namespace) and `nft`; if not, it says that it cannot.

use std::{
    io,
    net::UdpSocket,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    doctor::Finding,
    kernel::NetlinkSocket,
    logging,
    nft::{self, NftError},
    sources::nflog::{NflogError, NflogReader, Settings},
};

/// Packets in a second, the median of the rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    plain: f64,
    counted: f64,
    logged: f64,
    /// Of the logged packets, those that the reader was too slow for.
    lost: u64,
}

#[derive(Debug, thiserror::Error)]
enum CostError {
    #[error("a network namespace of its own needs root (CAP_SYS_ADMIN)")]
    Namespace(#[source] nix::Error),
    #[error(transparent)]
    Nft(#[from] NftError),
    #[error("reading NFLOG")]
    Nflog(#[from] NflogError),
    #[error("sending over loopback")]
    Send(#[source] io::Error),
    #[error("the thread that measures ended by a defect")]
    Defect,
}

/// Before privileges are given up.
pub fn measure() -> Finding {
    let measured = thread::spawn(in_own_namespace).join().unwrap_or(Err(CostError::Defect));
    match measured {
        Ok(cost) => Finding::fine(PART, cost.says()),
        Err(error) => Finding::incomplete(
            PART,
            format!("what logging costs was not measured: {}", logging::chain(&error)),
            "give the command as root, with nft installed",
        ),
    }
}

impl Cost {
    fn says(self) -> String {
        let Self { plain, counted, logged, lost } = self;
        let share = |rate: f64| (rate / plain * 100.0).round();
        let lost = match lost {
            0 => String::new(),
            lost => format!("; {lost} messages came too fast for the reader, and were counted"),
        };
        format!(
            "of {plain:.0} packets/s that this core sends and drops over loopback, {}% with a counter, \
             {}% with a counter and a log: packets that are not blocked cost nothing{lost}",
            share(counted),
            share(logged)
        )
    }
}

fn in_own_namespace() -> Result<Cost, CostError> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).map_err(CostError::Namespace)?;
    loopback_up().map_err(CostError::Send)?;
    nft::load(RULES)?;
    let mut reader = NflogReader::bind(GROUP, &Settings::default())?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // The socket stays in the namespace in which it was made.
        let reading = scope.spawn(|| {
            let mut lost = 0;
            while !stop.load(Ordering::Relaxed) {
                lost += reader.read(WAIT, &mut |_| ())?.lost_by_sequence;
            }
            Ok::<u64, NflogError>(lost)
        });
        let rates = rounds();
        stop.store(true, Ordering::Relaxed);
        let lost = reading.join().unwrap_or(Ok(0))?;
        let [plain, counted, logged] = rates?.map(median);
        Ok(Cost { plain, counted, logged, lost })
    })
}

fn rounds() -> Result<[Vec<f64>; 3], CostError> {
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(CostError::Send)?;
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (rates, port) in rates.iter_mut().zip(PORTS) {
            let (begun, mut count) = (Instant::now(), 0_u32);
            while begun.elapsed() < ROUND {
                // Some at once: to ask for the time costs as well.
                for _ in 0..64 {
                    socket.send_to(&[0; 32], ("127.0.0.1", port)).map_err(CostError::Send)?;
                }
                count += 64;
            }
            rates.push(f64::from(count) / begun.elapsed().as_secs_f64());
        }
    }
    Ok(rates)
}

fn median(mut rates: Vec<f64>) -> f64 {
    crate::order::sort_by(&mut rates, f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}

/// `RTM_NEWLINK` with `IFF_UP` for interface 1, which is `lo` in every namespace (rtnetlink(7)).
fn loopback_up() -> io::Result<()> {
    let (size, kind, flags): (u32, u16, u16) = (32, 16, 1);
    let mut message = Vec::new();
    message.extend(size.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    // Sequence number, port id; then family, padding and type, which are not looked at.
    message.extend([0; 12]);
    for word in [1_u32, 1, 1] {
        message.extend(word.to_ne_bytes());
    }
    NetlinkSocket::route()?.send(&message)
}

const PART: &str = "cost";
const GROUP: u16 = 1;
const PORTS: [u16; 3] = [10_001, 10_002, 10_003];
/// One look-up finds the chain of each, so that none passes the rules of another.
const RULES: &str = "table inet remit_cost {
 chain plain { drop; }
 chain counted { counter drop; }
 chain logged { counter log prefix \"remit=class:operator_tos\" group 1 drop; }
 chain input { type filter hook input priority 0; policy accept;
  udp dport vmap { 10001 : goto plain, 10002 : goto counted, 10003 : goto logged }
 }
}
";
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(200);
const WAIT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[test]
    fn the_three_ways_are_measured_and_nothing_is_left_behind() {
        let found = measure();
        assert_eq!(found.grade, Grade::Fine, "{found:?}");
        assert!(found.says.contains("% with a counter and a log"), "{found:?}");
        // It was another namespace: here nobody knows of the table.
        let listed = std::process::Command::new("nft").args(["list", "tables"]).output().unwrap();
        assert!(!String::from_utf8_lossy(&listed.stdout).contains("remit_cost"));
    }

    #[test]
    fn a_share_is_said_and_losses_of_the_measurement_too() {
        let cost = Cost { plain: 1000.0, counted: 990.0, logged: 704.0, lost: 0 };
        assert!(cost.says().contains("of 1000 packets/s"), "{}", cost.says());
        assert!(cost.says().contains(" 99% with a counter, 70% with a counter and a log"));
        assert!(Cost { lost: 7, ..cost }.says().contains("; 7 messages came too fast"));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn rules_that_nft_refuses_are_said_and_not_measured() {
        let refused = CostError::from(nft::load("table inet remit_cost { nonsense }").unwrap_err());
        let said = logging::chain(&refused);
        assert_eq!(said.matches("nft does not take the rules").count(), 1, "{said}");
    }
}
