//! `remit-collector`: thin; everything is in the library.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use nix::sys::stat::{Mode, umask};
use remit_collector::{
    access::role_word, admin, config::Config, ingest::Again, revoke::Outcome, serve,
};
use remit_proto::v1::Role;

#[derive(Parser)]
#[command(version, about = "Verifies, logs and judges what agents record")]
struct Arguments {
    /// Configuration file (TOML).
    #[arg(
        long,
        short,
        env = "REMIT_COLLECTOR_CONFIG",
        default_value = "/etc/remit/collector.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make keys, CA and directories, once.
    Init {
        /// DNS name or address under which agents and people reach this collector; repeatable.
        #[arg(long = "name", required = true)]
        names: Vec<String>,
    },
    /// Make a one-time token for a node or a person.
    Enrol {
        #[command(subcommand)]
        who: Enrol,
    },
    /// Run.
    Serve,
    /// Check the configuration and stop.
    CheckConfig,
    /// Revoke a node's or a person's keys and unused tokens, within seconds and without a restart; or
    /// void what is unused of a token for many nodes.
    Revoke {
        /// Whose key.
        #[arg(value_enum)]
        kind: Kind,
        /// As it was enrolled; of a series its name, as `enrol nodes` and `tokens` say it.
        id: String,
    },
    /// List the tokens that may still be used, without showing them.
    Tokens,
    /// Make index and tiles anew from the evidence; the collector must be stopped.
    Rebuild,
}

#[derive(Subcommand)]
enum Enrol {
    /// A token for a node: a device with an agent, which `remit-agent enrol` then enrols.
    Node {
        /// The node's name in every record and answer, such as edge-1: 1 to 63 of a-z, 0-9 and -.
        id: String,
        /// The token is refused after this many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
        ttl_s: i64,
        #[command(flatten)]
        again: AgainArguments,
    },
    /// One token for many nodes, each of which makes a key of its own and may use it once.
    Nodes {
        /// The nodes' names. A node says with `remit-agent enrol --node` which one it is, or takes the
        /// next.
        #[arg(required_unless_present = "count", conflicts_with = "count")]
        ids: Vec<String>,
        /// Instead of names: so many, numbered.
        #[arg(long, requires = "prefix")]
        count: Option<u32>,
        /// Before the number, such as edge-.
        #[arg(long, requires = "count")]
        prefix: Option<String>,
        /// The first number.
        #[arg(long, requires = "count", default_value_t = 1)]
        first: u32,
        /// The token is refused after this many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
        ttl_s: i64,
        #[command(flatten)]
        again: AgainArguments,
    },
    /// A token for a person, who then enrols with `remit enrol`.
    Person {
        /// An opaque id such as person-7, and never a name: it stands in the log for ever.
        id: String,
        /// operator: asks, and writes register and inventory; officer: asks; assessor: asks, and
        /// takes evidence home.
        #[arg(long, value_enum)]
        role: PersonRole,
        /// The token is refused after this many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
        ttl_s: i64,
        #[command(flatten)]
        again: AgainArguments,
    },
}

#[derive(Args)]
struct AgainArguments {
    /// Although enrolled: another certificate for the key that is there, after the old one has ended
    /// (`remit-agent renew --token`, `remit renew --token`).
    #[arg(long, conflicts_with = "replace")]
    renew: bool,
    /// Although enrolled: the key that is there is revoked when the new one is enrolled; a person's role
    /// becomes this one.
    #[arg(long)]
    replace: bool,
}

impl From<AgainArguments> for Again {
    fn from(arguments: AgainArguments) -> Self {
        match arguments {
            AgainArguments { renew: true, .. } => Self::SameKey,
            AgainArguments { replace: true, .. } => Self::Replace,
            AgainArguments { .. } => Self::No,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Node,
    Person,
    Series,
}

#[derive(Clone, Copy, ValueEnum)]
enum PersonRole {
    Operator,
    Officer,
    Assessor,
}

fn main() -> ExitCode {
    // Keys, targets, what was hit when: its files are its own.
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("remit-collector: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    match arguments.command {
        Command::CheckConfig => {
            println!("{} is sound", arguments.config.display());
            Ok(())
        }
        Command::Init { names } => {
            let keys = admin::init(&config, &names)?;
            println!("log key       {}", keys.log.verifier());
            println!("register key  {}", keys.register.verifier());
            println!("CA            {}", config.dir.join("keys/ca.pem").display());
            Ok(())
        }
        Command::Enrol { who } => {
            let (id, role, ttl_s, again) = match who {
                Enrol::Node { id, ttl_s, again } => (id, Role::Agent, ttl_s, again),
                Enrol::Nodes { ids, count, prefix, first, ttl_s, again } => {
                    let ids = match (count, prefix) {
                        (Some(count), Some(prefix)) => admin::numbered(&prefix, first, count),
                        _ => ids,
                    };
                    let count = ids.len();
                    let (token, series) = admin::series(&config, ids, ttl_s, again.into())?;
                    eprintln!("token for {count} nodes (series {series}), valid for {ttl_s} s:");
                    println!("{token}");
                    return Ok(());
                }
                Enrol::Person { id, role, ttl_s, again } => {
                    let role = match role {
                        PersonRole::Operator => Role::Operator,
                        PersonRole::Officer => Role::Officer,
                        PersonRole::Assessor => Role::Assessor,
                    };
                    (id, role, ttl_s, again)
                }
            };
            let token = admin::token(&config, &id, role, ttl_s, again.into())?;
            eprintln!("one-time token for {} {id}, valid for {ttl_s} s:", role_word(role));
            println!("{token}");
            Ok(())
        }
        Command::Revoke { kind, id } => {
            let kind = match kind {
                Kind::Node => "node",
                Kind::Person => "person",
                Kind::Series => {
                    let places = admin::void_series(&config, &id)?;
                    eprintln!(
                        "series {id}: {places} unused places are void; nodes that were enrolled with it \
                         stay enrolled"
                    );
                    return Ok(());
                }
            };
            match admin::revoke(&config, kind, &id)? {
                Outcome::Revoked => eprintln!("{kind} {id} is revoked"),
                Outcome::Waiting => eprintln!(
                    "{kind} {id} is not revoked yet: the collector is not running or busy, and does \
                     it as soon as it can"
                ),
                Outcome::Refused { reason } => {
                    anyhow::bail!("{kind} {id} was not revoked: {reason}")
                }
            }
            Ok(())
        }
        Command::Tokens => {
            for (token, left_s) in admin::open_tokens(&config)? {
                let series = if token.series.is_empty() { "-" } else { &token.series };
                println!("{series:<12}  {:<8}  {}  {left_s} s", token.role, token.subject);
            }
            Ok(())
        }
        Command::Rebuild => {
            let report = admin::rebuild(&config)?;
            println!("{report}");
            Ok(())
        }
        Command::Serve => {
            if let Some(address) = config.metrics_listen {
                metrics_exporter_prometheus::PrometheusBuilder::new()
                    .with_http_listener(address)
                    .install()
                    .with_context(|| format!("metrics_listen: cannot listen on {address}"))?;
            }
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let served = runtime.block_on(serve::serve(config, stop_signal()?));
            // An export that nobody waits for any more does not hold up the end.
            runtime.shutdown_background();
            Ok(served?)
        }
    }
}

/// SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut term), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::error!("signals cannot be caught; stop with SIGKILL");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
