//! The agent beside ulogd2, which is what operators run to write NFLOG down: CPU for each event, and
//! whether every event is there.
//!
//! Ten rules that each drop one address, hits counted in windows of 15 minutes as in production; the same
//! packets for each program, in turns, one program at a time bound to the group. ulogd2 writes as
//! Debian's configuration has it (LOGEMU; JSON), with the larger receive buffer that its manual advises.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use remit_agent::sources::nflog::{NflogReader, ReadStats, Settings as ReaderSettings};

use super::{
    Row, Settings,
    agent::{AgentBench, Running},
    cpu, flood, median,
};
use crate::{
    network::{Host, Network},
    process::Process,
    traffic::on,
};

/// CPU of a program for each event, without its idle share.
struct Cost {
    ns: f64,
    lost: u64,
}

pub fn measure(
    network: &Network,
    bench: &AgentBench<'_>,
    dir: &Path,
    settings: &Settings,
) -> Result<Vec<Row>> {
    fs::create_dir_all(dir)?;
    let (mut ours, mut logemu, mut json) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lost, mut peer_lost) = (0, 0);
    for _ in 0..settings.rounds {
        let agent = bench.windowed()?;
        let cost = by_agent(network, &agent, settings)?;
        agent.stop()?;
        ours.push(cost.ns);
        lost += cost.lost;
        for (output, costs) in [(Output::Logemu, &mut logemu), (Output::Json, &mut json)] {
            let cost = by_ulogd(network, dir, output, settings)?;
            costs.push(cost.ns);
            peer_lost += cost.lost;
        }
    }
    let row = |what, times: f64, peer: &[f64]| Row {
        what,
        unit: "×",
        values: ours.iter().zip(peer).map(|(ours, peer)| ours * times / peer).collect(),
        target: Some(1.0),
        detail: format!(
            "{:.0} ns over {:.0} ns an event, which is 1/{:.1}; {lost} events lost by the agent, \
             {peer_lost} by ulogd2",
            median(&ours),
            median(peer),
            median(peer) / median(&ours)
        ),
    };
    let mut rows = vec![
        row("agent CPU per event, windowed, over 1/8 of ulogd2 LOGEMU", 8.0, &logemu),
        row("the same, over 1/30 of ulogd2 JSON", 30.0, &json),
    ];
    rows.push(loss(network, bench, settings)?);
    Ok(rows)
}

fn by_agent(network: &Network, agent: &Running, settings: &Settings) -> Result<Cost> {
    let idle = idle_share(agent.process.id())?;
    let (before_lost, offered) = (agent.lost(network)?, flood::offered(network)?);
    let cpu = flooded(network, agent.process.id(), idle, settings)?;
    let events = flood::offered(network)? - offered;
    let lost = agent.lost(network)? - before_lost;
    Ok(Cost { ns: cpu.as_nanos() as f64 / events as f64, lost })
}

#[derive(Debug, Clone, Copy)]
enum Output {
    Logemu,
    Json,
}

fn by_ulogd(network: &Network, dir: &Path, output: Output, settings: &Settings) -> Result<Cost> {
    let (name, last, section) = match output {
        Output::Logemu => ("logemu", "print1:PRINTPKT,out1:LOGEMU", "LOGEMU"),
        Output::Json => ("json", "mac2str1:HWHDR,out1:JSON", "JSON"),
    };
    let written = dir.join(format!("ulogd-{name}.out"));
    fs::write(&written, "")?;
    let conf = dir.join(format!("ulogd-{name}.conf"));
    fs::write(
        &conf,
        format!(
            "[global]\nlogfile=\"{}\"\nloglevel=5\n\
             stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,{last}\n\
             [log1]\ngroup=7\nnetlink_socket_buffer_size=16777216\n\
             netlink_socket_buffer_maxsize=16777216\nnetlink_qthreshold=100\n\
             [out1]\nfile=\"{}\"\nsync=1\n",
            dir.join(format!("ulogd-{name}.log")).display(),
            written.display()
        ),
    )?;
    let mut command = network.command(Host::Router, Path::new("/usr/sbin/ulogd"));
    command.arg("-c").arg(&conf);
    let log = dir.join(format!("ulogd-{name}.printed"));
    let mut process = Process::start("ulogd", &mut command, &log)?;
    std::thread::sleep(SETTLE);
    ensure!(process.has_ended()?.is_none(), "ulogd ({section}) ended: {}", process.printed());
    let idle = idle_share(process.id())?;
    let offered = flood::offered(network)?;
    let cpu = flooded(network, process.id(), idle, settings)?;
    let events = flood::offered(network)? - offered;
    process.stop(Duration::from_secs(15))?;
    let lines = fs::read(&written)?.iter().filter(|byte| **byte == b'\n').count() as u64;
    fs::remove_file(&written)?;
    ensure!(lines > 0, "ulogd ({section}) wrote nothing");
    Ok(Cost { ns: cpu.as_nanos() as f64 / events as f64, lost: events.saturating_sub(lines) })
}

/// CPU that a process needs for one flood into the ten rules.
fn flooded(network: &Network, id: i32, idle: f64, settings: &Settings) -> Result<Duration> {
    let (begin, before) = (Instant::now(), cpu::of_process(id)?);
    flood::send_to(network, flood::TEN, settings.events, settings.rate)?;
    std::thread::sleep(SETTLE);
    let used = cpu::of_process(id)?.saturating_sub(before);
    Ok(used.saturating_sub(begin.elapsed().mul_f64(idle)))
}

fn idle_share(id: i32) -> Result<f64> {
    const IDLE: Duration = Duration::from_secs(2);
    let before = cpu::of_process(id)?;
    std::thread::sleep(IDLE);
    let used = cpu::of_process(id)?.saturating_sub(before);
    Ok(used.as_secs_f64() / IDLE.as_secs_f64())
}

/// What the agent loses at 95 % of the rate at which a reader that only counts is fed: the rate of as
/// many packets as one thread can send while that reader is bound.
fn loss(network: &Network, bench: &AgentBench<'_>, settings: &Settings) -> Result<Row> {
    let (mut values, mut rates, mut counted, mut counter_lost) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..settings.rounds {
        let (rate, stats) = count_only(network, settings)?;
        counter_lost += stats.lost_by_sequence;
        rates.push(rate);
        let agent = bench.windowed()?;
        let (lost, offered) = (agent.lost(network)?, flood::offered(network)?);
        let paced = (rate * 0.95) as u32;
        flood::send_to(network, flood::TEN, settings.events, paced)?;
        std::thread::sleep(SETTLE);
        values.push((agent.lost(network)? - lost) as f64);
        counted += flood::offered(network)? - offered;
        agent.stop()?;
    }
    Ok(Row {
        what: "events lost at 95 % of the rate of a count-only reader",
        unit: "events",
        values,
        target: Some(0.0),
        detail: format!(
            "of {counted}; the reader's rate was {:.0} events/s, of which it lost {counter_lost}",
            median(&rates)
        ),
    })
}

/// Events a second, as fast as they can be sent, while somebody counts them.
fn count_only(network: &Network, settings: &Settings) -> Result<(f64, ReadStats)> {
    let done = AtomicBool::new(false);
    let ready = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            on(network, Host::Router, || {
                let mut reader = NflogReader::bind(7, &ReaderSettings::default())?;
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
        let begin = Instant::now();
        let sent = flood::send_to(network, flood::TEN, settings.events, u32::MAX);
        let elapsed = begin.elapsed();
        done.store(true, Ordering::Release);
        let stats = reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
        sent?;
        Ok((f64::from(settings.events) / elapsed.as_secs_f64(), stats))
    })
}

/// Longer than a batch stays open, and than the kernel holds messages back.
const SETTLE: Duration = Duration::from_millis(1500);
