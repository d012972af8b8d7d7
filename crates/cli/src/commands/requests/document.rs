//! `remit requests document`: documents by their digest, and signatures of authorities under them.
//!
//! The document itself goes nowhere: what is entered is its digest, and of a signature the CMS structure and
//! the digest of what it covers. Both are a closed part of the request unless somebody says otherwise, for a
//! signature names who gave it.

use std::path::PathBuf;

use authority::{Form, Kept, Status};
use clap::{Args, Subcommand};
use evidence::{canonical, chunk::SetBuilder};
use register::words as field;
use remit_proto::v1;

use super::{
    amend::{follows, newest},
    check_next, enter_requests_with, salt,
};
use crate::{
    cli::{Format, Secrecy},
    client,
    config::Config,
    exit::{CliError, Code, chain},
    home,
    output::{self, Layout, fields},
    time, words,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Document {
    /// Enter the next version of a request, with this document
    Add(DocumentAdd),
    /// Check the signature of an authority under a document, without a collector
    Check(DocumentCheck),
}

#[derive(Debug, Args)]
pub(crate) struct Signed {
    /// The document
    pub(crate) file: PathBuf,
    /// Its signature in a file of its own, CMS in DER (.p7s); a PDF file may hold its own
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Option<PathBuf>,
    /// Certificates under which it is checked, PEM or DER; may be repeated
    #[arg(long = "anchor", env = "REMIT_ANCHORS", value_name = "FILE", value_delimiter = ',')]
    pub(crate) anchors: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DocumentAdd {
    /// The request
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) signed: Signed,
    #[command(flatten)]
    pub(crate) said: Said,
    #[command(flatten)]
    pub(crate) secrecy: Secrecy,
    /// Everybody may see that there are documents, and who signed them; else it is restricted
    #[arg(long)]
    pub(crate) public: bool,
    /// Why, in a few words, without names of persons
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    /// Check and report, and enter nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What is said of a document that the request does not have yet.
#[derive(Debug, Default, Args)]
pub(crate) struct Said {
    /// order, confirmation, appeal, translation, ... [default: order]
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Such as application/pdf
    #[arg(long)]
    pub(crate) media_type: Option<String>,
    /// BCP 47
    #[arg(long)]
    pub(crate) language: Option<String>,
    /// Who keeps it, and where
    #[arg(long)]
    pub(crate) custody: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DocumentCheck {
    #[command(flatten)]
    pub(crate) signed: Signed,
    /// When the certificates must be valid: when it came [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
}

pub(crate) async fn document(
    config: &Config,
    command: &Document,
    out: Format,
) -> Result<Code, CliError> {
    match command {
        Document::Add(args) => add(config, args).await.map(|()| Code::Ok),
        Document::Check(args) => check(args, out),
    }
}

async fn add(config: &Config, args: &DocumentAdd) -> Result<(), CliError> {
    let DocumentAdd { id, signed, said, secrecy, public, reason, dry_run } = args;
    let now_s = time::now_s();
    let import = v1::Import { rows_read: 1, reason: reason.clone(), ..v1::Import::default() };
    let mut client = client::register(config).await?;
    let newest = newest(&mut client, id).await?;
    let mut next = follows(&newest);
    let import = secrecy.of_next(&newest, import, now_s)?;
    let came_s = next.notification.as_ref().map_or(0, |came| came.received_at_s);
    let bytes = home::read(&signed.file)?;
    let digest = authority::digest(&bytes).to_vec();
    let held = next.documents.iter().position(|held| held.digest == digest);
    let before = held.and_then(|at| next.documents.get(at)).cloned();
    // Of one that the request has, what is known of its signature is new.
    if let Some(before) = &before {
        said.agrees(before)
            .map_err(|why| CliError::Usage(format!("{}: {why}", signed.file.display())))?;
    }
    let mut document = match before.clone() {
        Some(held) => v1::Document {
            signature: None,
            signature_status: v1::SignatureStatus::Unspecified.into(),
            signature_digest: Vec::new(),
            signature_note: String::new(),
            anchor_digest: Vec::new(),
            ..held
        },
        None => v1::Document { digest, ..said.document() },
    };
    let mut chunks = Vec::new();
    let mut stored = String::new();
    if let Some(kept) = signed.kept(&bytes)? {
        let at_s = if came_s == 0 { now_s } else { came_s };
        let status = authority::check(&kept, &anchors(&signed.anchors)?, at_s);
        eprintln!("signature {status}");
        chunks = put(&mut document, kept, &status)?;
        stored =
            ", and of its signature the CMS structure and the digest of what it covers".to_owned();
    }
    let unchecked = not_checked(&document);
    if let Some(before) = &before
        && !says_more(before, &document)
    {
        let remedy = match (&document.signature, before.signature_status()) {
            (None, _) => "--signature FILE gives it, and --anchor FILE checks it",
            (Some(_), v1::SignatureStatus::Valid) => "it is valid already",
            (Some(_), _) => "--anchor FILE checks it, and --signature FILE gives another one",
        };
        let file = signed.file.display();
        let problem = format!(
            "{file}: the request has this document already, and of its signature nothing more is known by now; \
             {remedy}"
        );
        return Err(CliError::Usage(problem));
    }
    prove(&mut next, &document);
    match held.and_then(|at| next.documents.get_mut(at)) {
        Some(held) => *held = document,
        None => next.documents.push(document),
    }
    // Else the officer's name in the certificate would be everybody's.
    let part = v1::RequestPart::Documents;
    if !public && !next.closed.iter().any(|closed| closed.part() == part) {
        let (part, tier) = (part.into(), v1::DisclosureTier::Restricted.into());
        next.closed.push(v1::ClosedPart { part, tier, ..v1::ClosedPart::default() });
    }
    check_next(&next, &newest)?;
    let proof = field::basis_proof(next.basis_proof());
    let requests = vec![next];
    enter_requests_with(config, &mut client, import, requests, chunks, now_s, *dry_run).await?;
    let file = signed.file.display();
    let entered = if *dry_run { "would be entered" } else { "entered" };
    eprintln!(
        "{id}: {entered}: the SHA-256 of {file}{stored}; the document itself stays where it is"
    );
    eprintln!("{id}: not checked: {unchecked}");
    eprintln!("{id}: its basis is proved by {proof}");
    Ok(())
}

/// Of the same document: its signature was not looked at before, or not found, or did not hold, and now it is known
/// better; or it is another signature, for a wrong file may have been given, unless the one before holds.
fn says_more(before: &v1::Document, now: &v1::Document) -> bool {
    let decided = |document: &v1::Document| {
        use v1::SignatureStatus as Status;
        match document.signature_status() {
            Status::Valid => 3,
            Status::Invalid => 2,
            Status::NotChecked | Status::Unsupported => 1,
            Status::Unspecified | Status::None | Status::NotMachineReadable => 0,
        }
    };
    let is_another = now.signature.is_some() && before.signature_digest != now.signature_digest;
    let may_go = before.signature_status() != v1::SignatureStatus::Valid;
    decided(before) < decided(now) || (is_another && may_go)
}

impl Said {
    fn document(&self) -> v1::Document {
        let Self { kind, media_type, language, custody } = self;
        v1::Document {
            kind: kind.clone().unwrap_or_else(|| "order".to_owned()),
            media_type: media_type.clone().unwrap_or_default(),
            language: language.clone().unwrap_or_default(),
            custody: custody.clone().unwrap_or_default(),
            ..v1::Document::default()
        }
    }

    /// Of a document that the request has, only what is known of its signature is replaced.
    fn agrees(&self, held: &v1::Document) -> Result<(), String> {
        let Self { kind, media_type, language, custody } = self;
        for (flag, said, held) in [
            ("--kind", kind, &held.kind),
            ("--media-type", media_type, &held.media_type),
            ("--language", language, &held.language),
            ("--custody", custody, &held.custody),
        ] {
            if said.as_ref().is_some_and(|said| said != held) {
                return Err(format!(
                    "{flag}: the request has this document already, with {held:?} for it, and only what is known of \
                     its signature can be replaced; leave it out, and say otherwise with remit requests amend --file"
                ));
            }
        }
        Ok(())
    }
}

/// What nobody looked at when the document was entered.
fn not_checked(document: &v1::Document) -> String {
    let text = "whether the document asks what the request says";
    match document.signature_status() {
        v1::SignatureStatus::Valid | v1::SignatureStatus::Invalid => text.to_owned(),
        v1::SignatureStatus::NotChecked => {
            format!("its signature, for want of an --anchor that leads to the signer; and {text}")
        }
        v1::SignatureStatus::Unsupported => {
            format!("its signature, which is of a kind that is not understood; and {text}")
        }
        v1::SignatureStatus::Unspecified
        | v1::SignatureStatus::None
        | v1::SignatureStatus::NotMachineReadable => {
            format!("who made it, for it has no signature; and {text}")
        }
    }
}

/// How well the basis is proved by now: never less than before.
fn prove(request: &mut v1::Request, document: &v1::Document) {
    let held = request.basis_proof();
    request.basis_proof = match (document.signature_status(), held) {
        (v1::SignatureStatus::Valid, _) => v1::BasisProof::AuthoritySigned,
        (_, v1::BasisProof::Oral | v1::BasisProof::OperatorsWord | v1::BasisProof::Unspecified) => {
            v1::BasisProof::DocumentHeld
        }
        (_, held @ (v1::BasisProof::AuthoritySigned | v1::BasisProof::DocumentHeld)) => held,
    }
    .into();
}

/// What is kept goes into a chunk, and its commitment and status into the document.
fn put(document: &mut v1::Document, kept: Kept, status: &Status) -> Result<Vec<Vec<u8>>, CliError> {
    let Kept { form, cms, content_digest, whole } = kept;
    if form == Form::Detached {
        document.signature_digest = authority::digest(&cms).to_vec();
    }
    let form = match form {
        Form::Detached => v1::SignatureForm::DetachedCms,
        Form::Pdf => v1::SignatureForm::Pdf,
    };
    let item = v1::DocumentSignature { form: form.into(), cms, content_digest, whole };
    let mut builder = SetBuilder::new();
    let mut chunks: Vec<Vec<u8>> =
        builder.push(salt()?, canonical::encode(&item)).into_iter().collect();
    let (set, last) = builder.finish();
    chunks.extend(last);
    document.signature = Some(set);
    document.signature_note = status.to_string().chars().take(300).collect();
    document.signature_status = known(status).into();
    if let Status::Valid { anchor, .. } = status {
        document.anchor_digest = anchor.to_vec();
    }
    Ok(chunks)
}

fn check(args: &DocumentCheck, out: Format) -> Result<Code, CliError> {
    let DocumentCheck { signed, at } = args;
    let now_s = time::now_s();
    let at_s = at.as_deref().map_or(Ok(now_s), |text| time::parse(text, "--at", now_s))?;
    let bytes = home::read(&signed.file)?;
    let Some(kept) = signed.kept(&bytes)? else {
        let problem = format!("{}: no signature; give --signature", signed.file.display());
        return Err(CliError::Usage(problem));
    };
    let status = authority::check(&kept, &anchors(&signed.anchors)?, at_s);
    let checked = {
        let (file, digest) = (signed.file.display().to_string(), authority::digest(&bytes));
        Checked { file, digest, at_s, status }
    };
    checked.print(out)?;
    Ok(match checked.status {
        Status::Valid { .. } => Code::Ok,
        Status::Invalid(_) => Code::Contradicted,
        Status::Unchecked => Code::Incomplete,
        Status::Unsupported(_) => Code::CouldNotCheck,
    })
}

/// A signature that was looked at.
struct Checked {
    file: String,
    digest: [u8; 32],
    at_s: i64,
    status: Status,
}

impl Checked {
    /// A sentence for people, and for programs a row.
    fn print(&self, out: Format) -> Result<(), CliError> {
        match out {
            Format::Table => {
                let sentence = output::escape(&self.status.to_string());
                output::write(format!("{sentence}\n").as_bytes())
            }
            Format::Json | Format::Jsonl | Format::Csv => {
                layout().listing(std::slice::from_ref(self), None).print(out)
            }
        }
    }

    fn signer(&self) -> Option<(&str, &[u8])> {
        match &self.status {
            Status::Valid { signer, anchor } => Some((signer, anchor)),
            Status::Invalid(_) | Status::Unchecked | Status::Unsupported(_) => None,
        }
    }
}

fn layout() -> Layout<Checked> {
    let fields = fields![row: Checked;
        "file" => row.file,
        "sha256" => words::base16(&row.digest),
        "at" => time::utc(row.at_s),
        "status" => field::signature_status(known(&row.status)),
        "signer" => row.signer().map(|(signer, _)| signer.to_owned()),
        "anchor" => row.signer().map(|(_, anchor)| words::base16(anchor)),
        "told" => row.status.to_string(),
    ];
    Layout { noun: "signatures", fields, cells: Vec::new(), below: |_| Vec::new() }
}

/// As a request has it of its document.
fn known(status: &Status) -> v1::SignatureStatus {
    match status {
        Status::Valid { .. } => v1::SignatureStatus::Valid,
        Status::Invalid(_) => v1::SignatureStatus::Invalid,
        Status::Unchecked => v1::SignatureStatus::NotChecked,
        Status::Unsupported(_) => v1::SignatureStatus::Unsupported,
    }
}

impl Signed {
    /// `None`: the document has no signature that a machine could read.
    fn kept(&self, document: &[u8]) -> Result<Option<Kept>, CliError> {
        let wrong = |file: &PathBuf, error: authority::Unreadable| {
            CliError::Malformed(format!("{}: {}", file.display(), chain(&error)))
        };
        match &self.signature {
            Some(file) => authority::detached(document, &home::read(file)?)
                .map(Some)
                .map_err(|error| wrong(file, error)),
            None if document.starts_with(b"%PDF-") => match authority::in_pdf(document) {
                Ok(kept) => Ok(Some(kept)),
                Err(authority::Unreadable::NoSignature) => Ok(None),
                Err(error) => Err(wrong(&self.file, error)),
            },
            None => Ok(None),
        }
    }
}

/// The certificates of anchor files.
pub(crate) fn anchors(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, CliError> {
    let mut anchors = Vec::new();
    for file in files {
        let read = authority::anchors(&home::read(file)?).map_err(|error| {
            CliError::Malformed(format!("--anchor: {}: {}", file.display(), chain(&error)))
        })?;
        anchors.extend(read);
    }
    Ok(anchors)
}

#[cfg(test)]
mod tests {
    use v1::SignatureStatus as Status;

    use super::*;

    fn signed(status: Status, signature: u8) -> v1::Document {
        v1::Document {
            signature: Some(v1::ItemSet::default()),
            signature_status: status.into(),
            signature_digest: vec![signature; 32],
            ..Said::default().document()
        }
    }

    #[test]
    fn a_signature_is_replaced_by_one_that_says_more_and_a_wrong_one_by_another() {
        let unsigned = Said::default().document();
        for (before, now, replaces) in [
            (unsigned.clone(), signed(Status::NotChecked, 1), true),
            (signed(Status::NotChecked, 1), signed(Status::Invalid, 1), true),
            (signed(Status::Invalid, 1), signed(Status::Valid, 1), true),
            (signed(Status::Invalid, 1), signed(Status::Valid, 2), true),
            (signed(Status::Invalid, 1), signed(Status::NotChecked, 2), true),
            (signed(Status::Invalid, 1), signed(Status::Invalid, 1), false),
            (signed(Status::NotChecked, 1), signed(Status::NotChecked, 1), false),
            (signed(Status::Valid, 1), signed(Status::Valid, 2), false),
            (signed(Status::Valid, 1), signed(Status::Invalid, 2), false),
            (signed(Status::Invalid, 1), unsigned, false),
        ] {
            assert_eq!(says_more(&before, &now), replaces, "{before:?} {now:?}");
        }
    }

    #[test]
    fn what_is_said_otherwise_of_a_document_that_is_there_is_refused() {
        let kind = |kind: &str| Said { kind: Some(kind.to_owned()), ..Said::default() };
        let held = kind("appeal").document();
        assert_eq!((Said::default().agrees(&held), kind("appeal").agrees(&held)), (Ok(()), Ok(())));
        let refused = kind("order").agrees(&held).unwrap_err();
        assert!(refused.starts_with("--kind: ") && refused.contains("\"appeal\""), "{refused}");
    }
}
