//! The agent beside ulogd2, which is what operators run to write NFLOG down: CPU for each event, and
//! whether every event is there.
//!
//! Ten rules that each drop one address, hits counted in windows of 15 minutes as in production; the same
//! packets for each program, in turns, one program at a time bound to the group. ulogd2 writes as
//! Debian's configuration has it (LOGEMU; JSON; `sync=1`), with the larger receive buffer that its manual
//! advises. Ours is as large.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use remit_agent::sources::nflog::{NflogReader, ReadStats, Settings as ReaderSettings};

use super::{
    Row, Settings,
    agent::{self, Running},
    cpu, flood, median,
};
use crate::{
    collector::Collector,
    network::{Host, Network},
    node::Node,
    process::{Process, Programs, wait_for},
    traffic::on,
};

/// Who writes, one after the other in each round.
const WRITERS: usize = 5;

/// CPU of a program for each event, without its idle share.
#[derive(Debug, Default)]
struct Costs {
    ns: Vec<f64>,
    lost: u64,
    idle_ms: f64,
}

struct Rig<'a> {
    network: Network,
    dir: &'a Path,
    settings: &'a Settings,
    node: Node,
    release: PathBuf,
    size: PathBuf,
}

pub fn measure(programs: &Programs, dir: &Path, settings: &Settings) -> Result<Vec<Row>> {
    fs::create_dir_all(dir)?;
    let network = Network::new()?;
    network.nft(Host::Router, flood::TEN_RULES)?;
    let mut collector = Collector::start(&network, programs, &dir.join("collector"), super::PORT)?;
    let node = agent::node(&network, programs, &collector, dir, "bench-windowed", "")?;
    collector.stop()?;
    // The last section of the file is that of the source.
    node.configure(&format!("receive_buffer_kib = {}\n", BUFFER / 1024))?;
    let (release, size) = (programs.path("remit-agent"), agent::of_size_profile(programs)?);
    let rig = Rig { network, dir, settings, node, release, size };

    let mut costs: [Costs; WRITERS] = Default::default();
    for _ in 0..settings.rounds {
        let [ours, logemu, json, buffered, small] = &mut costs;
        rig.by_agent(&rig.release, ours)?;
        rig.by_ulogd(Output::Logemu, logemu)?;
        rig.by_ulogd(Output::Json, json)?;
        rig.by_ulogd(Output::Buffered, buffered)?;
        rig.by_agent(&rig.size, small)?;
    }
    let [ours, logemu, json, buffered, small] = &costs;
    let mut rows = vec![
        share("agent CPU per event, windowed, of ulogd2 LOGEMU's", Some(12.5), ours, logemu),
        share("the same, of ulogd2 JSON's", Some(3.33), ours, json),
        share("the same, of LOGEMU's with sync=0", None, ours, buffered),
        share("the same, size profile, of LOGEMU's", None, small, logemu),
    ];
    rows.extend(rig.loss()?);
    Ok(rows)
}

fn share(what: &'static str, target: Option<f64>, ours: &Costs, peer: &Costs) -> Row {
    let (own, its) = (median(&ours.ns), median(&peer.ns));
    Row {
        what,
        unit: "%",
        values: ours.ns.iter().zip(&peer.ns).map(|(ours, peer)| ours / peer * 100.0).collect(),
        target,
        detail: format!(
            "{own:.0} ns over {its:.0} ns an event, 1/{:.1}; lost {} and {} events; idle {:.1} and {:.1} \
             ms/s, not in it",
            its / own,
            ours.lost,
            peer.lost,
            ours.idle_ms,
            peer.idle_ms,
        ),
    }
}

/// How ulogd2 writes.
#[derive(Debug, Clone, Copy)]
enum Output {
    Logemu,
    Json,
    /// LOGEMU that leaves it to the C library when to write.
    Buffered,
}

impl Rig<'_> {
    fn start(&self, program: &Path) -> Result<Running> {
        Running::start(&self.network, &self.node, program)
    }

    fn by_agent(&self, program: &Path, costs: &mut Costs) -> Result<()> {
        let agent = self.start(program)?;
        let idle = agent.idle_share()?;
        let before = agent.account(&self.network)?;
        let used = self.flooded(agent.process.id(), idle)?;
        let missing = agent.missing_since(&self.network, before)?;
        let after = agent.account(&self.network)?;
        agent.stop()?;
        costs.ns.push(used.as_nanos() as f64 / (after.offered - before.offered) as f64);
        costs.lost += after.lost - before.lost + missing as u64;
        costs.idle_ms = idle * 1000.0;
        Ok(())
    }

    fn by_ulogd(&self, output: Output, costs: &mut Costs) -> Result<()> {
        let (name, last, sync) = match output {
            Output::Logemu => ("logemu", "print1:PRINTPKT,out1:LOGEMU", 1),
            Output::Json => ("json", "mac2str1:HWHDR,out1:JSON", 1),
            Output::Buffered => ("buffered", "print1:PRINTPKT,out1:LOGEMU", 0),
        };
        let file = |extension: &str| self.dir.join(format!("ulogd-{name}.{extension}"));
        let (written, conf) = (file("out"), file("conf"));
        fs::write(
            &conf,
            format!(
                "[global]\nlogfile=\"{}\"\nloglevel=5\n\
                 stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,{last}\n\
                 [log1]\ngroup=7\nnetlink_socket_buffer_size={BUFFER}\n\
                 netlink_socket_buffer_maxsize={BUFFER}\nnetlink_qthreshold=100\n\
                 [out1]\nfile=\"{}\"\nsync={sync}\n",
                file("log").display(),
                written.display()
            ),
        )?;
        let mut command = self.network.command(Host::Router, Path::new("/usr/sbin/ulogd"));
        command.arg("-c").arg(&conf);
        let mut process = Process::start("ulogd", &mut command, &file("printed"))?;
        wait_for("ulogd's output", Duration::from_secs(10), || {
            ensure!(process.has_ended()?.is_none(), "ulogd ended: {}", process.printed());
            ensure!(written.exists(), "no {}", written.display());
            Ok(())
        })?;
        std::thread::sleep(SETTLE);
        let idle = idle_share(process.id())?;
        let offered = flood::offered(&self.network)?;
        let used = self.flooded(process.id(), idle)?;
        let events = flood::offered(&self.network)? - offered;
        // What a buffer holds is written when it ends.
        process.stop(Duration::from_secs(15))?;
        let lines = fs::read(&written)?.iter().filter(|byte| **byte == b'\n').count() as u64;
        fs::remove_file(&written)?;
        ensure!(lines > 0, "ulogd ({name}) wrote nothing");
        costs.ns.push(used.as_nanos() as f64 / events as f64);
        costs.lost += events.saturating_sub(lines);
        costs.idle_ms = idle * 1000.0;
        Ok(())
    }

    /// CPU that a process needs for one flood into the ten rules.
    fn flooded(&self, id: i32, idle: f64) -> Result<Duration> {
        let Settings { events, rate, .. } = *self.settings;
        let (begin, before) = (Instant::now(), cpu::of_process(id)?);
        flood::send_to(&self.network, flood::TEN, events, flood::Pace::Rate(rate))?;
        std::thread::sleep(SETTLE);
        let used = cpu::of_process(id)?.saturating_sub(before);
        Ok(used.saturating_sub(begin.elapsed().mul_f64(idle)))
    }

    /// What the agent loses of as many packets as one thread can send, and how many those are beside what
    /// a reader takes that only counts. A rate that is set beforehand could not be kept on a shared machine.
    fn loss(&self) -> Result<[Row; 2]> {
        let (mut lost, mut slower) = (Vec::new(), Vec::new());
        let (mut ours, mut counters) = (Vec::new(), Vec::new());
        let (mut offered, mut known, mut counter_lost) = (0, 0, 0);
        for _ in 0..self.settings.rounds {
            let (rate, stats) = self.count_only()?;
            counter_lost += stats.lost_by_sequence;
            counters.push(rate);
            let agent = self.start(&self.release)?;
            let before = agent.account(&self.network)?;
            let reached = self.sent(flood::Pace::Full)?;
            let missing = agent.missing_since(&self.network, before)?;
            let after = agent.account(&self.network)?;
            agent.stop()?;
            ours.push(reached);
            slower.push((1.0 - reached / rate) * 100.0);
            lost.push((after.lost - before.lost) as f64 + missing);
            offered += after.offered - before.offered;
            known += after.lost - before.lost;
        }
        let detail = format!(
            "of {offered}, sent at {:.0} a second; {known} of them counted as lost by the agent; the reader \
             lost {counter_lost} at {:.0} a second",
            median(&ours),
            median(&counters)
        );
        Ok([
            Row {
                what: "agent, windowed, as fast as one thread can send: events that are no hits",
                unit: "events",
                values: lost,
                target: Some(0.0),
                detail,
            },
            Row {
                what: "the same: rate, below that of a reader that only counts",
                unit: "%",
                values: slower,
                target: Some(5.0),
                detail: "both at the same settings and as fast as one thread can send".to_owned(),
            },
        ])
    }

    /// Events a second that a reader which only counts took, as fast as they could be sent.
    fn count_only(&self) -> Result<(f64, ReadStats)> {
        let done = AtomicBool::new(false);
        let ready = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                on(&self.network, Host::Router, || {
                    let settings = ReaderSettings {
                        receive_buffer_bytes: BUFFER as usize,
                        ..ReaderSettings::default()
                    };
                    let mut reader = NflogReader::bind(7, &settings)?;
                    ready.store(true, Ordering::Release);
                    let mut all = ReadStats::default();
                    loop {
                        let stats = reader.read(Duration::from_millis(200), &mut |_| {})?;
                        all.add(stats);
                        if stats == ReadStats::default() && done.load(Ordering::Acquire) {
                            return Ok(all);
                        }
                    }
                })
            });
            while !ready.load(Ordering::Acquire) && !reader.is_finished() {
                std::thread::yield_now();
            }
            let sent = self.sent(flood::Pace::Full);
            done.store(true, Ordering::Release);
            let stats = reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
            let all = f64::from(self.settings.events) * LONGER;
            Ok((sent? * (stats.messages as f64 / all).min(1.0), stats))
        })
    }

    /// Events a second that were sent: so many that no buffer holds them.
    fn sent(&self, pace: flood::Pace) -> Result<f64> {
        let count = f64::from(self.settings.events) * LONGER;
        let took = flood::send_to(&self.network, flood::TEN, count as u32, pace)?;
        Ok(count / took.as_secs_f64())
    }
}

fn idle_share(id: i32) -> Result<f64> {
    const IDLE: Duration = Duration::from_secs(2);
    let before = cpu::of_process(id)?;
    std::thread::sleep(IDLE);
    let used = cpu::of_process(id)?.saturating_sub(before);
    Ok(used.as_secs_f64() / IDLE.as_secs_f64())
}

/// Receive buffer of everybody here, in bytes.
const BUFFER: u32 = 16 << 20;
/// Times the events of a flood: 16 MiB hold some 130,000 messages.
const LONGER: f64 = 8.0;
/// Longer than a batch stays open, and than the kernel holds messages back.
const SETTLE: Duration = Duration::from_millis(1500);
