//! `remit enrol`: keys are made here and never leave; a one-time token stands for the person.
//!
//! Order: keys are written before the request is sent, because a token works once. If the collector
//! refuses, or the answer is lost, the keys stay and nothing refers to them; a second attempt needs
//! another directory or their removal, and says so.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use enrolment::TlsKey;
use remit_proto::v1::EnrolResponse;
use tlog::note::{KeyName, SigningKey};

use crate::{
    cli::{Enrol, Global},
    client,
    config::{Config, ConfigFile, role_word},
    exit::CliError,
    home::{self, Home},
};

pub(crate) async fn enrol(config: &Config, global: &Global, args: &Enrol) -> Result<(), CliError> {
    let collector = config.collector()?.to_owned();
    let ca = global.ca.as_deref().ok_or_else(|| {
        CliError::Usage(
            "--ca: give the certificate of the collector's authority, which the operator hands you \
             with the token"
                .into(),
        )
    })?;
    let ca = home::read(ca)?;
    let home = &config.home;
    if home.path(home::CONFIG).exists() {
        return Err(CliError::Usage(format!(
            "{} exists: you are enrolled there; choose another --dir",
            home.path(home::CONFIG).display()
        )));
    }
    // Before anything is made: can the collector be reached at all?
    let mut client = client::ingest(config).await?;

    home.create()?;
    let statement = statement_key(home)?;
    let failed = |error: enrolment::TlsKeyError| {
        CliError::Malformed(format!("the TLS key cannot be made: {error}"))
    };
    let tls_key = TlsKey::generate().map_err(failed)?;
    home.write_secret(home::TLS_KEY, tls_key.to_pem().as_bytes())?;
    let request = enrolment::request(&args.token, &statement, &tls_key).map_err(failed)?;
    let response = match client.enrol(request).await {
        Ok(response) => response.into_inner(),
        Err(status) => {
            // Nothing refers to these keys; the next attempt makes new ones.
            for name in [home::TLS_KEY, home::STATEMENT_KEY] {
                let _ = std::fs::remove_file(home.path(name));
            }
            return Err(status.into());
        }
    };
    store(home, collector, &ca, response)
}

fn store(
    home: &Home,
    collector: String,
    ca: &[u8],
    response: EnrolResponse,
) -> Result<(), CliError> {
    let role = role_word(response.role());
    let EnrolResponse { certificates, operator, subject, role: _, log_vkey, register_vkey } =
        response;
    let pem = enrolment::chain_pem(&certificates);
    home.write_public(home::CA, ca)?;
    home.write_public(home::TLS_CERTIFICATE, pem.as_bytes())?;
    let file = ConfigFile {
        collector,
        operator,
        person: subject,
        role: role.to_owned(),
        log_vkey,
        register_vkey,
    };
    let text = toml::to_string(&file)
        .map_err(|error| CliError::Malformed(format!("config.toml cannot be written: {error}")))?;
    // Last: only now is the person enrolled here.
    home.write_public(home::CONFIG, text.as_bytes())?;
    eprintln!(
        "enrolled as {} ({role}) at {}; keys and certificate are in {}",
        file.person,
        file.operator,
        home.path("").display()
    );
    Ok(())
}

/// The key that signs statements, written before it is used.
fn statement_key(home: &Home) -> Result<SigningKey, CliError> {
    let mut secret = [0_u8; 32];
    getrandom::fill(&mut secret).map_err(|_| CliError::Random)?;
    home.write_secret(
        home::STATEMENT_KEY,
        format!("{}\n", BASE64_STANDARD.encode(secret)).as_bytes(),
    )?;
    // The name is not known yet and is not part of what is signed.
    let name = KeyName::new("person").map_err(|error| CliError::Malformed(error.to_string()))?;
    Ok(SigningKey::new(name, secret))
}
