use super::*;
use remit_agent::sources::person::wire::{End, Word};

/// What the words mean; without an environment.
fn parsed(line: &str) -> Result<Arguments, Instead> {
    parse(line.split_whitespace().map(OsString::from), |_| None)
}

fn command(line: &str) -> Command {
    parsed(line).unwrap().command
}

#[track_caller]
fn refused(line: &str, says: &str) {
    let Err(Instead::Mistake(said)) = parsed(line) else { panic!("{line} was taken") };
    assert!(said.contains(says), "{line}: {said}");
}

#[test]
fn without_a_command_the_agent_runs() {
    for line in ["", "run", "--log debug", "run --log=debug"] {
        let Command::Run(RunArguments {
            config,
            check_config: false,
            print_config: false,
            until_stdin_ends: false,
        }) = command(line)
        else {
            panic!("{line}")
        };
        assert_eq!(config, PathBuf::from(CONFIG));
    }
    for line in ["--config a.toml --check-config", "run --check-config --config=a.toml"] {
        let Command::Run(RunArguments { config, check_config: true, .. }) = command(line) else {
            panic!("{line}")
        };
        assert_eq!(config, PathBuf::from("a.toml"));
    }
    // As `selftest` starts it.
    let line = "run --until-stdin-ends --log warn --config a.toml";
    let Command::Run(RunArguments { until_stdin_ends: true, .. }) = command(line) else { panic!() };
}

#[test]
fn a_self_test_is_of_the_configuration_that_the_agent_runs_with() {
    let Command::Selftest { config, json: false } = command("selftest") else { panic!() };
    assert_eq!(config, PathBuf::from(CONFIG));
    let Command::Selftest { config, json: true } = command("selftest --json --config a.toml")
    else {
        panic!()
    };
    assert_eq!(config, PathBuf::from("a.toml"));
    refused("selftest now", "unexpected: now");
}

#[test]
fn a_level_comes_from_the_option_before_the_environment() {
    let words = |line: &str| line.split_whitespace().map(OsString::from).collect::<Vec<_>>();
    let env = |name: &str| (name == "REMIT_LOG").then(|| OsString::from("warn"));
    assert_eq!(parse(words(""), env).unwrap().log, LevelFilter::WARN);
    assert_eq!(parse(words("--log error"), env).unwrap().log, LevelFilter::ERROR);
    assert_eq!(parsed("").unwrap().log, LevelFilter::INFO);
    refused("--log loud", "--log wants off, error");
}

#[test]
fn a_token_comes_from_the_option_or_the_environment() {
    let line = "enrol --collector https://c:1 --ca ca.pem --dir d";
    let words = || line.split_whitespace().map(OsString::from);
    let parsed_with =
        |value: &str| parse(words(), |name| (name == "REMIT_TOKEN").then(|| OsString::from(value)));
    let Ok(Arguments { command: Command::Enrol(enrolment), .. }) = parsed_with("t1") else {
        panic!("not taken")
    };
    assert_eq!((enrolment.token.as_str(), enrolment.tls_name), ("t1", None));
    refused(line, "--token is missing");
    refused("enrol --token t --ca ca.pem --dir d", "--collector is missing");
}

#[test]
fn an_import_takes_its_file_wherever_it_stands() {
    for line in [
        "import old.log --source unbound_rpz --config i.toml --utc-offset -3600 --offline",
        "import --source=unbound_rpz --offline --utc-offset=-3600 --config i.toml old.log",
        "import --source=unbound_rpz --offline --utc-offset=-3600 --config i.toml -- old.log",
    ] {
        let Command::Import { config, order } = command(line) else { panic!("{line}") };
        assert_eq!((config, order.file), ("i.toml".into(), "old.log".into()));
        assert_eq!((order.offline, order.options.utc_offset_s), (true, -3600));
        assert_eq!(order.options.year, None);
    }
    refused("import old.log --source bind --config i.toml", "unbound_rpz alone");
    refused("import --source unbound_rpz --config i.toml", "the file to import is missing");
    refused("import a --source unbound_rpz --config i.toml --year soon", "--year wants");
}

#[test]
fn a_template_is_found_by_its_name() {
    for template in template::ALL {
        let Command::Template { text } = command(&format!("template {}", template.name)) else {
            panic!("{}", template.name)
        };
        assert_eq!(text, template.text);
    }
    refused("template apache", "there are nftables, iptables-legacy, unbound");
}

#[test]
fn what_nobody_asked_for_is_a_mistake() {
    refused("stop", "no command `stop`");
    refused("run now", "unexpected: now");
    refused("doctor --verbose", "unexpected: --verbose");
    refused("--config", "--config wants a value");
    refused("-- run", "unexpected: run");
}

#[test]
fn help_lists_every_template_and_the_version_is_told() {
    for line in ["--help", "-h", "help", "doctor --help"] {
        let Err(Instead::Print(text)) = parsed(line) else { panic!("{line}") };
        for template in template::ALL {
            assert!(text.contains(template.name) && text.contains(template.about), "{text}");
        }
        assert!(!text.contains("TEMPLATES"), "{text}");
    }
    let version = format!("remit-agent {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(parsed("-V").unwrap_err(), Instead::Print(version));
}

fn word(line: &str) -> Word {
    let Command::Record(order) = command(line) else { panic!("{line}") };
    order.word
}

#[test]
fn a_deed_says_what_it_claims() {
    let line = "record throttle --target domain_exact:a.example --claim de/1,class:law --rate 64000 \
                --from 2026-11-29T06:00:00+01:00";
    let Word::Record(record) = word(line) else { panic!("{line}") };
    assert_eq!(record.claims, ["de/1", "class:law"]);
    assert_eq!((record.from_s, record.until_s), (1_795_928_400, 0));
    assert_eq!(
        (record.rate_bits_per_s, record.target.as_str()),
        (64_000, "domain_exact:a.example")
    );
    let line = "record shutdown --target cell_area:mitte --claim none";
    let Word::Record(record) = word(line) else { panic!("{line}") };
    assert!(record.claims.is_empty());
    refused("record shutdown --target cell_area:mitte", "--claim is missing");
    refused("record shutdown --claim none", "--target is missing");
    refused("record shutdown --claim none --target cell_area:m --rate 5", "unexpected: --rate");
    refused(
        "record shutdown --claim none --target cell_area:m --from monday",
        "--from wants a time",
    );
    refused(
        "record shutdown --claim none --target cell_area:m --from 2026-11-29T06:00:00",
        "a time",
    );
    refused("record", "what to record is missing");
    refused("record rain", "no `rain`");
}

#[test]
fn a_line_never_stands_on_the_command_line() {
    let Command::Record(order) = command("record line-suspension --claim none") else { panic!() };
    assert!(order.reads_line);
    refused("record line-suspension 4711 --claim none", "unexpected: 4711");
    refused(
        "record line-suspension --claim none --target line_account:4711",
        "unexpected: --target",
    );
}

#[test]
fn a_deed_is_named_by_its_number() {
    assert_eq!(word("record confirm 00000000000000ff --socket /s"), Word::Confirm(255));
    let end = End { number: 255, until_s: 1_795_928_400 };
    assert_eq!(word("record end 00000000000000ff --at 2026-11-29T05:00:00Z"), Word::End(end));
    refused("record confirm ff", "16 hex digits");
    refused("record confirm", "the number of a deed is missing");
}
