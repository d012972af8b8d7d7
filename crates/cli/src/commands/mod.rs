//! One file for each noun of the command line. In: arguments and configuration. Out: an exit code,
//! or what went wrong.

mod adopt;
mod cases;
mod defects;
mod duties;
mod enrol;
mod events;
mod evidence;
mod findings;
mod list;
mod lists;
mod nodes;
mod points;
mod preview;
mod probe;
mod reconcile;
mod renew;
mod requests;
mod row;
mod rules;
mod summary;
mod target;
mod verify;
mod whole;

use remit_proto::v1::DecisionAct;
pub(crate) use requests::{Document, Erase, GiveApproval, RequestsApprove};

use crate::{
    cli::{
        Adopt, Cli, Command, EventsCommand, FindingsCommand, Lists, NodesCommand, Points,
        ProbeCommand, Requests, RulesCommand,
    },
    config::Config,
    exit::{CliError, Code},
};

/// What became of a request.
async fn step(config: &Config, command: Requests) -> Result<(), CliError> {
    use remit_proto::v1::{DecisionKind as Decision, TransitionKind as Kind};
    use requests::{Stated, change};
    let (kind, step, stated) = match command {
        Requests::Review(step) => (Kind::Review, step, Stated::default()),
        Requests::Accept(args) => (Kind::Accept, args.step.clone(), args.stated(Decision::Accept)?),
        Requests::Clarify(args) => {
            (Kind::Clarify, args.step.clone(), args.stated(Decision::Clarify)?)
        }
        Requests::Challenge(args) => {
            (Kind::Challenge, args.step.clone(), args.stated(Decision::Challenge)?)
        }
        Requests::Refuse(args) => (Kind::Refuse, args.step.clone(), args.stated(Decision::Refuse)?),
        Requests::Confirm { step, back_covers } => {
            (Kind::Confirm, step, Stated { back_covers, ..Stated::default() })
        }
        Requests::Suspend(step) => (Kind::Suspend, step, Stated::default()),
        Requests::Resume(step) => (Kind::Resume, step, Stated::default()),
        Requests::Withdraw(step) => (Kind::Withdraw, step, Stated::default()),
        Requests::Revoke(step) => (Kind::Revoke, step, Stated::default()),
        Requests::Annul(step) => (Kind::Annul, step, Stated::default()),
        Requests::Supersede { step, by } => {
            (Kind::Supersede, step, Stated { by: Some(by), ..Stated::default() })
        }
        Requests::Moot(step) => (Kind::Moot, step, Stated::default()),
        Requests::Close(step) => (Kind::Close, step, Stated::default()),
        // Dealt with by whoever called.
        Requests::Import(_)
        | Requests::List(_)
        | Requests::Show { .. }
        | Requests::Files(_)
        | Requests::Export(_)
        | Requests::Quick(_)
        | Requests::Amend(_)
        | Requests::Approve(_)
        | Requests::Erase(_)
        | Requests::Document(_)
        | Requests::ProceedingEnded(_) => return Ok(()),
    };
    change(config, kind, &step, stated).await
}

pub(crate) async fn run(cli: Cli) -> Result<Code, CliError> {
    let Cli { global, command } = cli;
    let config = Config::load(&global)?;
    let output = global.output;
    match command {
        Command::Enrol(args) => enrol::enrol(&config, &global, &args).await?,
        Command::Renew(args) => renew::renew(&config, &args).await?,
        Command::Requests(Requests::Import(args)) => return requests::import(&config, &args).await,
        Command::Requests(Requests::List(args)) => requests::list(&config, &args, output).await?,
        Command::Requests(Requests::Show { id }) => requests::show(&config, &id, output).await?,
        Command::Requests(Requests::Export(args)) => {
            requests::export(&config, &args, output).await?
        }
        Command::Requests(Requests::Files(args)) => requests::files(&config, &args, output).await?,
        Command::Requests(Requests::Quick(args)) => requests::quick(&config, &args).await?,
        Command::Requests(Requests::Amend(args)) => requests::amend(&config, &args).await?,
        Command::Requests(Requests::Document(args)) => {
            return requests::document(&config, &args, output).await;
        }
        Command::Requests(Requests::Approve(args)) => requests::approve(&config, &args).await?,
        Command::Requests(Requests::Erase(args)) => requests::erase(&config, &args).await?,
        Command::Requests(Requests::ProceedingEnded(args)) => {
            requests::proceeding(&config, &args).await?;
        }
        Command::Requests(other) => step(&config, other).await?,
        Command::Lists(Lists::Feed(args)) => lists::feed(&config, &args).await?,
        Command::Lists(Lists::Import(args)) => return lists::import(&config, &args).await,
        Command::Lists(Lists::Approve(args)) => lists::approve(&config, &args).await?,
        Command::Lists(Lists::List(page)) => lists::list(&config, &page, output).await?,
        Command::Lists(Lists::Show { list }) => lists::show(&config, &list, output).await?,
        Command::Lists(Lists::Diff(args)) => lists::diff(&config, &args, output).await?,
        Command::Lists(Lists::Compile(args)) => return lists::compile(&config, &args).await,
        Command::Adopt(Adopt::Plan(args)) => adopt::plan(&config, &args).await?,
        Command::Adopt(Adopt::Apply(args)) => adopt::apply(&config, &args, output).await?,
        Command::Adopt(Adopt::Baseline(args)) => adopt::baseline(&config, &args).await?,
        Command::Adopt(Adopt::BasisMap(args)) => adopt::basis_map(&config, &args).await?,
        Command::Adopt(Adopt::LateRegister(args)) => adopt::late_register(&config, &args).await?,
        Command::Adopt(Adopt::Show(page)) => adopt::show(&config, &page, output).await?,
        Command::Points(Points::Declare { file }) => points::declare(&config, &file).await?,
        Command::Points(Points::List(page)) => points::list(&config, &page, output).await?,
        Command::Nodes(NodesCommand::List(page)) => nodes::nodes(&config, &page, output).await?,
        Command::Rules(RulesCommand::List(args)) => rules::rules(&config, &args, output).await?,
        Command::Events(EventsCommand::List(args)) => {
            events::events(&config, &args, output).await?
        }
        Command::Findings(FindingsCommand::List(args)) => {
            findings::findings(&config, &args, output).await?;
        }
        Command::Findings(FindingsCommand::Show { id }) => {
            cases::show(&config, &id, output).await?;
        }
        Command::Findings(FindingsCommand::Acknowledge(args)) => {
            cases::decide(&config, &args, DecisionAct::Acknowledge).await?;
        }
        Command::Findings(FindingsCommand::Explain(args)) => {
            cases::decide(&config, &args, DecisionAct::Explain).await?;
        }
        Command::Findings(FindingsCommand::Remedy(args)) => {
            cases::decide(&config, &args, DecisionAct::Remedy).await?;
        }
        Command::Findings(FindingsCommand::Dispute(args)) => {
            cases::decide(&config, &args, DecisionAct::Dispute).await?;
        }
        Command::Findings(FindingsCommand::Reopen(args)) => {
            cases::decide(&config, &args, DecisionAct::Reopen).await?;
        }
        Command::Probe(ProbeCommand::Import { file }) => {
            return probe::import(&config, &file).await;
        }
        Command::Target(args) => target::target(&config, &args, output).await?,
        Command::Summary(args) => summary::summary(&config, &args, output).await?,
        Command::Reconcile(args) => return reconcile::reconcile(&config, &args, output).await,
        Command::Checkpoint(args) => evidence::checkpoint(&config, &args).await?,
        Command::Export(args) => evidence::export(&config, &args).await?,
        Command::Verify(args) => return verify::verify(&config, &args, output),
    }
    Ok(Code::Ok)
}
