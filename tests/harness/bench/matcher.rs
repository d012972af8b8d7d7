//! The register's matcher at its largest ([`million`]): how long a verdict takes, on usual events and on
//! those that somebody may have thought of, and what the index needs beside a hash map.
//!
//! In this process, on one thread. A verdict is timed by itself, so what else the machine does is in the
//! highest values. The hash map is the standard one with the hash of rustc, from each name to one number:
//! it is asked for a name and the names above it until one is there. The index is asked for all that
//! hold the name, by any request. What each needs is what the resident memory of a process of its own grew by.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, Hasher},
    hint::black_box,
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use register::{
    Claim, Event, Known, KnownSizes, Parameters, Register, Span, Target, TargetIndex, judge,
};
use remit_proto::v1;

use super::{
    Row, Settings, cpu, median,
    million::{self, CROWDED, POPULAR},
};

/// Usual events.
const EVENTS: usize = 200_000;
/// Of these, what verdicts will need is asked for together, as the collector does; each has its share of the time
/// that takes.
const TOGETHER: usize = 32;
/// How often each odd one is judged.
const ASKED: usize = 1_000;
/// Names of the comparison with a hash map, and look-ups in them.
const NAMES: usize = 2_000_000;
const LOOK_UPS: usize = 1_000_000;

pub fn measure(settings: &Settings) -> Result<Vec<Row>> {
    // First: what was used before and given back would be taken again, and not be seen.
    let before = resident()?;
    let begin = Instant::now();
    let register = million::register()?;
    let seconds = begin.elapsed().as_secs_f64();
    let mib = (resident()? - before) / 1024.0;
    let peak = cpu::memory(own())?.peak_kib as f64 / 1024.0;
    let mut rows = vec![Row {
        what: "two million targets, load into the register",
        unit: "s",
        values: vec![seconds],
        target: Some(60.0),
        detail: format!("{} targets, {} requests", million::target_count(), million::REQUESTS),
    }];
    rows.push(Row {
        what: "the same, resident memory",
        unit: "MiB",
        values: vec![mib],
        target: Some(600.0),
        detail: format!("highest of the process that also made them {peak:.0} MiB"),
    });
    let (of_verdicts, p50_ns) = verdicts(&register)?;
    rows.extend(of_verdicts);
    rows.extend(beside_a_map(settings.rounds, p50_ns)?);
    Ok(rows)
}

/// What is asked of one verdict.
struct Question {
    target: Target,
    claims: Vec<Claim>,
    technique: v1::Technique,
}

impl Question {
    fn new(kind: v1::TargetKind, value: &str, claim: Option<&str>) -> Result<Self> {
        let wire = v1::Target { kind: kind.into(), value: value.to_owned() };
        let target = Target::from_wire(&wire).with_context(|| value.to_owned())?;
        let technique = match target {
            Target::Ip(_) | Target::Cidr(_) | Target::IpPort { .. } => v1::Technique::IpAclDrop,
            Target::Url(_) | Target::UrlPrefix(_) => v1::Technique::Http451,
            _ => v1::Technique::DnsNxdomain,
        };
        let claims = claim.map(str::parse).transpose()?.into_iter().collect();
        Ok(Self { target, claims, technique })
    }

    /// Nanoseconds of one verdict, and what it said.
    fn judge(&self, register: &Register, facts: &v1::NodeFacts) -> (f64, v1::VerdictCode) {
        let at_s = million::FROM_S + 10_000_000;
        let event = Event {
            target: Known::Known(self.target.clone()),
            narrowed: false,
            technique: self.technique,
            rate_bits_per_s: None,
            trigger: v1::Trigger::Other,
            actor: v1::Actor::OperatorAutomation,
            claims: &self.claims,
            attributed: None,
            baseline_until_s: None,
            response: None,
            span: Span { first_s: at_s, last_s: at_s + 900, clock_error_s: 1 },
            imported: false,
            place: Some(facts),
            observed: &[],
            ambiguous: 0,
            unseen: &[],
            stands: false,
            deed: None,
        };
        let (sizes, parameters) = (KnownSizes::default(), Parameters::default());
        let begin = Instant::now();
        let verdict = black_box(judge(&event, &register.view(), &sizes, &parameters));
        (begin.elapsed().as_nanos() as f64, verdict.code)
    }
}

/// Seven in ten block what is asked and say so, one claims nothing; one blocks a name below a subtree;
/// one has no basis.
fn usual(number: usize) -> Result<Question> {
    let at = (number * 7_919) % million::target_count();
    let (kind, value) = million::target(at);
    let id = million::id(million::request_of(at));
    match number % 10 {
        0..7 => Question::new(kind, &value, Some(&id)),
        7 => Question::new(kind, &value, None),
        8 => {
            let below = format!("www.{}", million::name(at / 20 * 20 + 10));
            Question::new(v1::TargetKind::DomainExact, &below, None)
        }
        _ => {
            let name = format!("unknown{number}.example.com");
            Question::new(v1::TargetKind::DomainExact, &name, None)
        }
    }
}

fn usual_word(number: usize) -> &'static str {
    match number % 10 {
        0..7 => "claimed",
        7 => "unclaimed",
        8 => "below a subtree",
        _ => "unknown",
    }
}

fn odd() -> Result<Vec<(&'static str, Question)>> {
    use v1::TargetKind as Kind;
    let last = million::id(million::REQUESTS - 1);
    let deep = million::deep_name();
    let url = million::deep_url();
    let query = format!("https://{POPULAR}/watch?v={}", "x".repeat(8_000));
    let segment = format!("https://{POPULAR}/{}", "y".repeat(8_000));
    Ok(vec![
        (
            "name of 50,000 requests, claimed",
            Question::new(Kind::DomainExact, CROWDED, Some(&last))?,
        ),
        ("name of 50,000 requests", Question::new(Kind::DomainExact, CROWDED, None)?),
        ("subtree over it", Question::new(Kind::DomainSubtree, CROWDED, None)?),
        ("subtree of com", Question::new(Kind::DomainSubtree, "com", None)?),
        ("subtree of com, claimed", Question::new(Kind::DomainSubtree, "com", Some("order-0"))?),
        ("server name with 100,000 URLs", Question::new(Kind::Sni, POPULAR, None)?),
        ("name of 127 labels", Question::new(Kind::DomainExact, &deep, Some("order-0"))?),
        ("URL of 8,000 slashes", Question::new(Kind::Url, &url, Some("order-0"))?),
        ("URL with a query of 8,000 bytes", Question::new(Kind::Url, &query, None)?),
        ("URL with a segment of 8,000 bytes", Question::new(Kind::Url, &segment, None)?),
        ("0.0.0.0/0", Question::new(Kind::Cidr, "0.0.0.0/0", None)?),
        ("::/0", Question::new(Kind::Cidr, "::/0", None)?),
        ("0.0.0.0/1, claimed", Question::new(Kind::Cidr, "0.0.0.0/1", Some("order-0"))?),
        ("port 853", Question::new(Kind::Port, "853/any", None)?),
        ("whole service", Question::new(Kind::WholeService, "*", None)?),
    ])
}

/// And the median, in nanoseconds.
fn verdicts(register: &Register) -> Result<(Vec<Row>, f64)> {
    let facts =
        v1::NodeFacts { node: "router-1".into(), country: "DE".into(), ..v1::NodeFacts::default() };
    let mut covered = 0;
    let mut times = Vec::with_capacity(EVENTS);
    let mut of_kind: BTreeMap<(&str, v1::TargetKind), Vec<f64>> = BTreeMap::new();
    for first in (0..EVENTS).step_by(TOGETHER) {
        let numbers = first..(first + TOGETHER).min(EVENTS);
        let questions = numbers.clone().map(usual).collect::<Result<Vec<_>>>()?;
        let begin = Instant::now();
        register
            .view()
            .load(questions.iter().map(|asked| (&asked.target, asked.claims.as_slice())));
        let share = begin.elapsed().as_nanos() as f64 / questions.len() as f64;
        for (number, question) in numbers.zip(&questions) {
            let (ns, code) = question.judge(register, &facts);
            let ns = share + ns;
            times.push(ns);
            of_kind.entry((usual_word(number), question.target.kind())).or_default().push(ns);
            covered += usize::from(code == v1::VerdictCode::Authorised);
        }
    }
    let kinds: Vec<String> = of_kind
        .into_iter()
        .map(|((word, kind), mut times)| {
            let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
            let kind = kind.as_str_name().trim_start_matches("TARGET_KIND_").to_lowercase();
            format!("{} {kind} {word} {:.1} and {:.1}", times.len(), p50 / 1_000.0, p99 / 1_000.0)
        })
        .collect();
    let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    let highest = quantile(&mut times, 1.0);
    let mut worst = (0.0, String::new());
    let mut all = Vec::new();
    for (what, question) in odd()? {
        let mut code = v1::VerdictCode::Unspecified;
        let mut times: Vec<f64> = (0..ASKED)
            .map(|_| {
                let (ns, said) = question.judge(register, &facts);
                code = said;
                ns / 1_000.0
            })
            .collect();
        let (middle, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
        all.push(format!("{what} {middle:.1} (p99 {p99:.1}) {code:?}"));
        if middle > worst.0 {
            worst = (middle, what.to_owned());
        }
    }
    let share = 100 * covered / EVENTS;
    let rows = vec![
        Row {
            what: "verdict, usual events, p50",
            unit: "µs",
            values: vec![p50 / 1_000.0],
            target: Some(2.0),
            detail: format!(
                "{EVENTS} events, {share} % of them AUTHORISED; highest {:.0} µs",
                highest / 1_000.0
            ),
        },
        Row {
            what: "verdict, usual events, p99",
            unit: "µs",
            values: vec![p99 / 1_000.0],
            target: Some(20.0),
            detail: format!("of the same; p50 and p99 in µs: {}", kinds.join(", ")),
        },
        Row {
            what: "verdict, the slowest odd target, median",
            unit: "µs",
            values: vec![worst.0],
            target: Some(50.0),
            detail: format!("{}; each {ASKED} times, in µs: {}", worst.1, all.join(", ")),
        },
    ];
    Ok((rows, p50))
}

fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * part) as usize).copied().unwrap_or(f64::NAN)
}

/// The hash of rustc and Firefox.
#[derive(Default)]
struct Fx(u64);

impl Hasher for Fx {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        let (words, rest) = rest.as_chunks::<4>();
        words.iter().for_each(|word| self.add(u32::from_le_bytes(*word).into()));
        rest.iter().for_each(|byte| self.add((*byte).into()));
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Fx {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x51_7c_c1_b7_27_22_0a_95);
    }
}

type Map = HashMap<Box<str>, u32, BuildHasherDefault<Fx>>;

fn beside_a_map(rounds: usize, verdict_ns: f64) -> Result<Vec<Row>> {
    let names: Vec<String> = (0..NAMES).map(million::name).collect();
    let asked: Vec<String> = (0..LOOK_UPS)
        .map(|number| {
            let name = &names[(number * 7_919) % NAMES];
            match number % 4 {
                0 | 1 => name.clone(),
                2 => format!("www.{name}"),
                _ => format!("n{number}.example.com"),
            }
        })
        .collect();
    let targets: Vec<Target> = asked
        .iter()
        .map(|name| Target::parse(v1::TargetKind::DomainExact, name).map(|(target, _)| target))
        .collect::<Result<_, _>>()?;
    let (of_index, of_map) = (held_alone(INDEX)?, held_alone(MAP)?);
    let (index, map) = (index_of(&names)?, map_of(&names));
    let (mut ratios, mut per_index, mut per_map) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begin = Instant::now();
        let mut found = 0_usize;
        for name in &asked {
            let mut walk = std::iter::successors(Some(name.as_str()), |name| {
                name.split_once('.').map(|(_, above)| above)
            });
            found += usize::from(walk.any(|name| map.contains_key(name)));
        }
        black_box(found);
        let by_map = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        let mut found = 0_usize;
        for target in &targets {
            found += index.holding(target).len();
        }
        black_box(found);
        let by_index = begin.elapsed().as_secs_f64();
        ratios.push(by_index / by_map);
        per_index.push(by_index * 1e9 / LOOK_UPS as f64);
        per_map.push(by_map * 1e9 / LOOK_UPS as f64);
    }
    let mut alone: Vec<f64> = asked
        .iter()
        .take(EVENTS)
        .map(|name| {
            let begin = Instant::now();
            black_box(map.contains_key(name.as_str()));
            begin.elapsed().as_nanos() as f64
        })
        .collect();
    let (p50, p99) = (quantile(&mut alone, 0.5), quantile(&mut alone, 0.99));
    let each = |kib: f64| kib * 1024.0 / NAMES as f64;
    Ok(vec![
        Row {
            what: "look-up of all that hold a name, time over that of a hash map's first match",
            unit: "×",
            values: ratios,
            target: Some(2.5),
            detail: format!(
                "0.4 of its speed is 2.5 × its time; {:.0} ns over {:.0} ns, {NAMES} names",
                median(&per_index),
                median(&per_map)
            ),
        },
        Row {
            what: "verdict, usual events, p50, over a look-up in the hash map",
            unit: "×",
            values: vec![verdict_ns / median(&per_map)],
            target: None,
            detail: format!(
                "how fast memory is on this machine, and in this hour, is in both; one question of the map, timed as a \
                 verdict is, p50 {p50:.0} ns and p99 {p99:.0} ns"
            ),
        },
        Row {
            what: "memory of these names in the index, over the hash map's",
            unit: "×",
            values: vec![of_index / of_map],
            target: Some(0.7),
            detail: format!("{:.0} bytes a name over {:.0}", each(of_index), each(of_map)),
        },
    ])
}

fn index_of(names: &[String]) -> Result<TargetIndex> {
    let mut index = TargetIndex::default();
    for name in names {
        index.insert(&Target::parse(v1::TargetKind::DomainSubtree, name)?.0);
    }
    Ok(index)
}

fn map_of(names: &[String]) -> Map {
    names.iter().zip(0..).map(|(name, at)| (name.as_str().into(), at)).collect()
}

const INDEX: &str = "index";
const MAP: &str = "map";

/// KiB by which resident memory grows with one of the two.
pub fn held(what: &str) -> Result<f64> {
    let names: Vec<String> = (0..NAMES).map(million::name).collect();
    let before = resident()?;
    let grown = match what {
        INDEX => {
            let index = black_box(index_of(&names)?);
            let grown = resident()? - before;
            drop(index);
            grown
        }
        MAP => {
            let map = black_box(map_of(&names));
            let grown = resident()? - before;
            drop(map);
            grown
        }
        other => bail!("{other:?}: want {INDEX} or {MAP}"),
    };
    Ok(grown)
}

/// The same in a process whose allocator gives back what is freed (mallopt(3), M_MMAP_THRESHOLD): else it keeps the
/// tables that one outgrew for the other to use.
fn held_alone(what: &str) -> Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .args(["held", what])
        .env("MALLOC_MMAP_THRESHOLD_", "131072")
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

fn own() -> i32 {
    i32::try_from(std::process::id()).unwrap_or(0)
}

/// KiB.
fn resident() -> Result<f64> {
    Ok(cpu::memory(own())?.resident_kib as f64)
}
