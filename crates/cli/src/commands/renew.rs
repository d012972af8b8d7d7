//! `remit renew`: another certificate for the keys that are here.

use enrolment::{TlsKey, TlsKeyError};
use remit_proto::v1::EnrolResponse;

use crate::{cli::Renew, client, config::Config, exit::CliError, home};

pub(crate) async fn renew(config: &Config, args: &Renew) -> Result<(), CliError> {
    let Some(token) = &args.token else {
        let until_s = client::renew(config, client::channel(config).await?).await?;
        return said(until_s);
    };
    let failed =
        |error: TlsKeyError| CliError::Malformed(format!("the TLS key cannot be used: {error}"));
    let tls_key = TlsKey::from_pem(&home::read_text(&config.home.path(home::TLS_KEY))?);
    let tls_key = tls_key.map_err(failed)?;
    let request = enrolment::request(token, &config.statement_key()?, &tls_key).map_err(failed)?;
    let response = client::ingest(config).await?.enrol(request).await?.into_inner();
    let EnrolResponse { certificates, operator, subject, role, log_vkey: _, register_vkey: _ } =
        response;
    let here = config.person()?;
    if (operator, &subject, role) != (config.file.operator.clone(), &here.person, here.role) {
        return Err(CliError::Usage(format!(
            "--token: it is of {subject}, or of another role, and this is {} ({}); enrol in another \
             --dir",
            here.person, config.file.role
        )));
    }
    said(client::keep(config, &certificates)?)
}

fn said(until_s: i64) -> Result<(), CliError> {
    eprintln!("renewed: your certificate holds until {}", crate::time::utc(until_s));
    Ok(())
}
