//! Notes, checkpoints and cosignatures: what is taken, what is refused, and `signed_note` as a
//! second opinion.

mod common;

use common::flip_bit;
use proptest::prelude::*;
use signed_note::{Signer as _, Verifier as _};
use tlog::checkpoint::{Checkpoint, CheckpointError};
use tlog::cosignature::{self, CosignError, TIME_UNIX_S_MAX};
use tlog::note::{
    InvalidKey, KeyName, NOTE_BYTES_MAX, Note, NoteError, SIGNATURE_COUNT_MAX, Signature,
    SigningKey, VerifierKey, key_id,
};
use tlog::{Hash, SIZE_MAX, leaf_hash};

/// The key pair of the examples in Go's note package.
const NEUMANN_SECRET: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const NEUMANN: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const NEUMANN_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                            then you don't know what your problem is.\n";
const NEUMANN_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn name(name: &str) -> KeyName {
    KeyName::new(name).expect("a good name")
}

fn key() -> SigningKey {
    SigningKey::new(name("log.example/a"), [7; 32])
}

fn witness() -> cosignature::SigningKey {
    cosignature::SigningKey::new(name("witness.example/w"), [8; 32])
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new("log.example/a", 12_345, leaf_hash(b"root"))
}

// Keys

#[test]
fn names() {
    for good in ["a", "example.com/log42", "PeterNeumann", "ключ", "a\u{7f}", "—"] {
        assert_eq!(name(good).as_str(), good);
        assert!(signed_note::is_key_name_valid(good));
    }
    for bad in ["", " ", "a b", "a+b", "+", "a\n", "a\t", "a\u{a0}b", "a\u{2003}", "\u{1}", "\0"] {
        assert_eq!(KeyName::new(bad), Err(InvalidKey::Name), "{bad:?}");
    }
}

#[test]
fn verifier_keys() {
    let neumann: VerifierKey = NEUMANN.parse().unwrap();
    assert_eq!(neumann.to_string(), NEUMANN);
    assert_eq!(neumann.name().as_str(), "PeterNeumann");
    assert_eq!(neumann.id(), 0xc74f_20a3);
    assert_eq!(VerifierKey::new(name("PeterNeumann"), neumann.public_bytes()), Ok(neumann));

    let ours = key().verifier();
    assert_eq!(ours.to_string().parse(), Ok(ours.clone()));
    let theirs = signed_note::StandardVerifier::new(&ours.to_string()).unwrap();
    assert_eq!((theirs.name(), theirs.key_id()), (ours.name().as_str(), ours.id()));

    let ours = witness().verifier();
    assert_eq!(ours.to_string().parse(), Ok(ours.clone()));
    // Name and key being equal, the type alone makes another id.
    let same = SigningKey::new(name("witness.example/w"), [8; 32]).verifier();
    assert_eq!(same.public_bytes(), ours.public_bytes());
    assert_ne!(same.id(), ours.id());
    assert_eq!(ours.id(), key_id(ours.name(), 4, &ours.public_bytes()));
}

#[test]
fn what_is_no_verifier_key() {
    let refused = |text: &str| text.parse::<VerifierKey>().unwrap_err();
    assert_eq!(refused(""), InvalidKey::Format);
    assert_eq!(refused("PeterNeumann"), InvalidKey::Format);
    assert_eq!(refused("PeterNeumann+c74f20a3"), InvalidKey::Format);
    assert_eq!(refused(&NEUMANN.replace("PeterNeumann", "")), InvalidKey::Name);
    assert_eq!(refused(&NEUMANN.replace("PeterNeumann", "Peter Neumann")), InvalidKey::Name);
    assert_eq!(refused(&NEUMANN.replace("PeterNeumann", "OtherNeumann")), InvalidKey::Id);
    assert_eq!(refused(&NEUMANN.replace("c74f20a3", "c74f20a4")), InvalidKey::Id);
    // One spelling only.
    assert_eq!(refused(&NEUMANN.replace("c74f20a3", "C74F20A3")), InvalidKey::Id);
    assert_eq!(refused(&NEUMANN.replace("c74f20a3", "0c74f20a3")), InvalidKey::Id);
    assert_eq!(refused(&format!("{NEUMANN}\n")), InvalidKey::Format);
    assert_eq!(refused(&format!("{NEUMANN}=")), InvalidKey::Format);
    assert_eq!(refused(&NEUMANN[..NEUMANN.len() - 4]), InvalidKey::PublicKey);
    let other_type = witness().verifier().to_string();
    assert_eq!(refused(&other_type), InvalidKey::SignatureType { expected: 1, found: 4 });
    assert_eq!(
        key().verifier().to_string().parse::<cosignature::VerifierKey>(),
        Err(InvalidKey::SignatureType { expected: 4, found: 1 })
    );
    for bit in 0..NEUMANN.len() * 8 {
        let mut altered = NEUMANN.as_bytes().to_vec();
        flip_bit(&mut altered, bit);
        if let Ok(altered) = std::str::from_utf8(&altered) {
            assert!(altered.parse::<VerifierKey>().is_err(), "{altered}");
        }
    }
}

#[test]
fn a_secret_is_never_shown() {
    let shown = [format!("{:?}", key()), format!("{:?}", witness()), format!("{:#?}", key())];
    for shown in shown {
        // Neither in decimal, nor hex, nor base64.
        for secret in ["7, 7", "8, 8", "0707", "0808", "BwcHBwcH", "CAgICAgI"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains(".example/"), "{shown}");
    }
}

// Notes

#[test]
fn the_example_of_go() {
    let note = format!("{NEUMANN_TEXT}\n{NEUMANN_LINE}");
    let parsed = Note::parse(&note).unwrap();
    assert_eq!(parsed.text, NEUMANN_TEXT);
    assert_eq!(parsed.to_string(), note);
    assert_eq!(parsed.verify(&NEUMANN.parse().unwrap()), Ok(()));
}

#[test]
fn signed_note_opens_our_notes() {
    let mut note = key().sign("hello\n\nworld\n").unwrap();
    let second = SigningKey::new(name("second"), [9; 32]);
    note.add_signature(second.sign_text(&note.text).unwrap()).unwrap();
    let theirs = signed_note::Note::from_bytes(&note.encode()).unwrap();
    assert_eq!(theirs.text(), note.text.as_bytes());
    for verifier in [key().verifier(), second.verifier()] {
        let verifier = signed_note::StandardVerifier::new(&verifier.to_string()).unwrap();
        let list = signed_note::VerifierList::new(vec![Box::new(verifier)]);
        assert_eq!(theirs.verify(&list).unwrap().0.len(), 1);
    }
}

#[test]
fn we_open_notes_of_signed_note() {
    let signer = signed_note::StandardSigner::new(NEUMANN_SECRET).unwrap();
    let mut theirs = signed_note::Note::new(NEUMANN_TEXT.as_bytes(), &[]).unwrap();
    theirs.add_sigs(&[&signer]).unwrap();
    let note = Note::parse(theirs.to_bytes()).unwrap();
    assert_eq!(note.verify(&NEUMANN.parse().unwrap()), Ok(()));
    assert_eq!(note.encode(), theirs.to_bytes());
    assert_eq!(signer.key_id(), 0xc74f_20a3);
}

#[test]
fn whose_signature_is_wrong() {
    let note = key().sign("hello\n").unwrap();
    let verifier = key().verifier();
    let (name, key_id) = (verifier.name().clone(), verifier.id());
    assert_eq!(note.verify(&verifier), Ok(()));

    let other = SigningKey::new(name.clone(), [1; 32]).verifier();
    let not_signed = NoteError::NotSignedBy { name: name.clone(), key_id: other.id() };
    assert_eq!(note.verify(&other), Err(not_signed));

    let mut altered = note.clone();
    altered.text = "hallo\n".into();
    let wrong = NoteError::WrongSignature { name, key_id };
    assert_eq!(altered.verify(&verifier), Err(wrong.clone()));

    // A good line does not excuse a wrong one by the same key, in either order.
    for position in [0, 1] {
        let mut both = note.clone();
        both.signatures
            .insert(position, Signature { bytes: vec![0; 64], ..note.signatures[0].clone() });
        assert_eq!(both.verify(&verifier), Err(wrong.clone()));
    }
    // Wrong lengths.
    for bytes in [vec![0], note.signatures[0].bytes[..63].to_vec(), vec![0; 65]] {
        let mut altered = note.clone();
        altered.signatures[0].bytes = bytes;
        assert_eq!(altered.verify(&verifier), Err(wrong.clone()));
    }
    // A line of a key with our name or our id, but not both, is none of our business.
    let mut unknown = note.clone();
    let line = note.signatures[0].clone();
    unknown.signatures.push(Signature { key_id: key_id ^ 1, ..line.clone() });
    unknown.signatures.push(Signature { name: self::name("other"), ..line });
    assert_eq!(unknown.verify(&verifier), Ok(()));
}

#[test]
fn every_flipped_bit_of_a_note_is_refused() {
    let note = key().sign("hello\n\nworld\n").unwrap().encode();
    for bit in 0..note.len() * 8 {
        let mut altered = note.clone();
        flip_bit(&mut altered, bit);
        let verified = Note::parse(&altered).and_then(|note| note.verify(&key().verifier()));
        assert!(verified.is_err(), "bit {bit}");
    }
}

#[test]
fn what_is_no_note() {
    let line = NEUMANN_LINE;
    let refused = |note: &str| {
        // Theirs refuses them, too.
        assert!(signed_note::Note::from_bytes(note.as_bytes()).is_err(), "{note:?}");
        Note::parse(note).unwrap_err()
    };
    assert_eq!(refused(""), NoteError::NoSignatures);
    assert_eq!(refused("text\n"), NoteError::NoSignatures);
    assert_eq!(refused("text\n\n"), NoteError::NoSignatures);
    assert_eq!(refused(line), NoteError::NoSignatures);
    assert_eq!(refused(&format!("\n{line}")), NoteError::NoSignatures);
    assert_eq!(refused(&format!("text\n{line}")), NoteError::NoSignatures);
    assert_eq!(refused(&format!("text\n\n{}", line.trim_end())), NoteError::NoSignatures);
    assert_eq!(refused(&format!("text\n\n{line}\n")), NoteError::NoSignatures);
    let malformed = |number| NoteError::MalformedSignature { line: number };
    assert_eq!(refused(&format!("text\n\n{line}more\n")), malformed(2));
    for altered in [
        line.replace('—', "-"),
        line.replace("— ", "—"),
        line.replace("— ", "—  "),
        line.replace("Neumann ", "Neumann  "),
        line.replace("PeterNeumann ", ""),
        line.replace("PeterNeumann", "Peter+Neumann"),
        line.replace("PeterNeumann", "Peter\u{a0}Neumann"),
        line.replace("=", ""),
        line.replace("=", "=="),
        line.replace("AM=", "AN="),
        line.replace("\n", " \n"),
        format!(" {line}"),
        "— PeterNeumann \n".into(),
        "— PeterNeumann\n".into(),
        "— PeterNeumann x08gow==\n".into(),
        "— PeterNeumann x08g\n".into(),
    ] {
        assert_eq!(refused(&format!("text\n\n{altered}")), malformed(1), "{altered}");
    }
    for control in ['\0', '\t', '\r', '\u{1b}', '\u{1f}'] {
        let note = format!("te{control}xt\n\n{line}");
        assert_eq!(refused(&note), NoteError::ControlCharacter);
        assert_eq!(key().sign(format!("te{control}xt\n")), Err(NoteError::ControlCharacter));
    }
    let mut not_utf8 = format!("text\n\n{line}").into_bytes();
    not_utf8[0] = 0xff;
    assert_eq!(Note::parse(&not_utf8), Err(NoteError::NotUtf8));
    assert_eq!(key().sign("text"), Err(NoteError::UnfinishedText));
    assert_eq!(key().sign(""), Err(NoteError::UnfinishedText));
    assert_eq!(Note::new("text\n", vec![]), Err(NoteError::NoSignatures));
}

#[test]
fn limits_of_notes() {
    let many = |count| format!("text\n\n{}", NEUMANN_LINE.repeat(count));
    assert_eq!(Note::parse(many(SIGNATURE_COUNT_MAX)).unwrap().signatures.len(), 100);
    assert_eq!(Note::parse(many(SIGNATURE_COUNT_MAX + 1)), Err(NoteError::TooManySignatures));
    let mut full = Note::parse(many(SIGNATURE_COUNT_MAX)).unwrap();
    // Replacing all lines of Neumann's key leaves room.
    let neumann = full.signatures[0].clone();
    full.add_signature(neumann).unwrap();
    assert_eq!(full.signatures.len(), 1);

    let long = "a".repeat(NOTE_BYTES_MAX) + "\n";
    assert_eq!(key().sign(long.clone()), Err(NoteError::TooLarge(NOTE_BYTES_MAX + 1)));
    assert_eq!(Note::parse(&long), Err(NoteError::TooLarge(NOTE_BYTES_MAX + 1)));
    // The text alone would fit, the note does not.
    assert!(matches!(key().sign(&long[2..]), Err(NoteError::TooLarge(_))));
}

#[test]
fn a_text_may_hold_blank_lines_and_signature_lines() {
    for text in ["\n", "\n\n", "a\n\n", "\n\na\n\n\nb\n\n", &format!("x\n\n{NEUMANN_LINE}")] {
        let note = key().sign(text).unwrap();
        let parsed = Note::parse(note.encode()).unwrap();
        assert_eq!(parsed, note);
        assert_eq!(parsed.text, text);
    }
}

// Checkpoints

#[test]
fn a_checkpoint_is_signed_and_opened() {
    let note = checkpoint().sign(&key()).unwrap();
    let text = format!("log.example/a\n12345\n{}\n", leaf_hash(b"root"));
    assert_eq!(note.text, text);
    assert_eq!(Checkpoint::open(note.encode(), &key().verifier()), Ok(checkpoint()));
    let theirs = tlog_tiles::Checkpoint::from_bytes(note.text.as_bytes()).unwrap();
    assert_eq!((theirs.origin(), theirs.size()), ("log.example/a", 12_345));
    assert_eq!(theirs.hash().0, leaf_hash(b"root").0);

    let extended = Checkpoint { extensions: vec!["one".into(), "two".into()], ..checkpoint() };
    let note = extended.sign(&key()).unwrap();
    assert_eq!(note.text, format!("{text}one\ntwo\n"));
    assert_eq!(Checkpoint::open(note.encode(), &key().verifier()), Ok(extended));
}

#[test]
fn a_checkpoint_of_another_log_by_the_same_key_is_refused() {
    let other = Checkpoint { origin: "log.example/b".into(), ..checkpoint() };
    let note = other.sign(&key()).unwrap();
    let wrong = CheckpointError::WrongOrigin {
        expected: "log.example/a".into(),
        found: "log.example/b".into(),
    };
    assert_eq!(Checkpoint::open(note.encode(), &key().verifier()), Err(wrong));
    // Unless that log was asked for.
    let opened = Checkpoint::from_note(&note, &key().verifier(), "log.example/b");
    assert_eq!(opened, Ok(other));
}

#[test]
fn a_signature_is_checked_before_its_meaning() {
    let note = key().sign("no checkpoint\n").unwrap();
    let other = SigningKey::new(name("log.example/a"), [1; 32]).verifier();
    assert!(matches!(
        Checkpoint::open(note.encode(), &other),
        Err(CheckpointError::Note(NoteError::NotSignedBy { .. }))
    ));
    assert_eq!(
        Checkpoint::open(note.encode(), &key().verifier()),
        Err(CheckpointError::TooFewLines)
    );
}

#[test]
fn every_flipped_bit_of_a_checkpoint_is_refused() {
    let mut note = checkpoint().sign(&key()).unwrap();
    let cosignature = witness().sign(&note.text, 1_700_000_000).unwrap();
    note.add_signature(cosignature).unwrap();
    let note = note.encode();
    let (log, witness) = (key().verifier(), witness().verifier());
    for bit in 0..note.len() * 8 {
        let mut altered = note.clone();
        flip_bit(&mut altered, bit);
        // Each bit is under the log's signature, or under the witness's, or in one of their lines.
        let log_says = Checkpoint::open(&altered, &log).is_ok();
        let witness_says =
            Note::parse(&altered).is_ok_and(|note| witness.verify(&note) == Ok(1_700_000_000));
        assert!(!(log_says && witness_says), "bit {bit}");
    }
}

#[test]
fn what_is_no_checkpoint() {
    let root = leaf_hash(b"root");
    let refused = |text: &str| {
        assert!(tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).is_err(), "{text:?}");
        Checkpoint::parse_text(text).unwrap_err()
    };
    assert_eq!(refused(""), CheckpointError::TooFewLines);
    assert_eq!(refused("origin\n1\n"), CheckpointError::TooFewLines);
    assert_eq!(refused(&format!("origin\n1\n{root}")), CheckpointError::TooFewLines);
    assert_eq!(refused(&format!("\n1\n{root}\n")), CheckpointError::Line);
    assert_eq!(refused(&format!("origin\n1\n{root}\next\n\next\n")), CheckpointError::Line);
    for size in ["", "-1", "+1", "01", "00", " 1", "1 ", "1.0", "0x1", "18446744073709551616"] {
        assert_eq!(refused(&format!("o\n{size}\n{root}\n")), CheckpointError::Size, "{size}");
    }
    let text = root.to_string();
    for root in ["", "AAAA", &text[1..], &format!("{text}="), &text.replace('=', "")] {
        assert_eq!(refused(&format!("origin\n1\n{root}\n")), CheckpointError::Root);
    }
    let control = format!("ori\rgin\n1\n{root}\n");
    let expected = CheckpointError::Note(NoteError::ControlCharacter);
    assert_eq!(Checkpoint::parse_text(&control), Err(expected));
    // Theirs takes what we do not: a blank last line, and sizes from 2^63 on.
    let blank = format!("origin\n1\n{root}\n\n");
    assert_eq!(Checkpoint::parse_text(&blank), Err(CheckpointError::Line));
    let large = format!("origin\n{}\n{root}\n", SIZE_MAX + 1);
    assert_eq!(Checkpoint::parse_text(&large), Err(CheckpointError::Size));
    assert!(Checkpoint::parse_text(&format!("origin\n{SIZE_MAX}\n{root}\n")).is_ok());
}

#[test]
fn what_does_not_read_back_is_not_signed() {
    let sign = |checkpoint: Checkpoint| checkpoint.sign(&key()).unwrap_err();
    let bad = |origin: &str| Checkpoint { origin: origin.into(), ..checkpoint() };
    for origin in ["", "a\nb", "a\0"] {
        assert_eq!(sign(bad(origin)), CheckpointError::Line);
    }
    for line in ["", "a\nb", "\n"] {
        let bad = Checkpoint { extensions: vec![line.into()], ..checkpoint() };
        assert_eq!(sign(bad), CheckpointError::Line);
    }
    assert_eq!(sign(Checkpoint { size: SIZE_MAX + 1, ..checkpoint() }), CheckpointError::Size);
}

// Cosignatures

/// What a witness signs, written out by hand, as `signed_note` would have to check it.
struct ByHand(cosignature::VerifierKey);

impl signed_note::Verifier for ByHand {
    fn name(&self) -> &str {
        self.0.name().as_str()
    }

    fn key_id(&self) -> u32 {
        self.0.id()
    }

    fn verify(&self, text: &[u8], payload: &[u8]) -> bool {
        let (time, signature) = payload.split_at(8);
        let time = u64::from_be_bytes(time.try_into().expect("8 bytes"));
        let message = [b"cosignature/v1\ntime ", time.to_string().as_bytes(), b"\n", text].concat();
        // The same public key under the other type checks plain signatures.
        VerifierKey::new(self.0.name().clone(), self.0.public_bytes())
            .expect("usable key")
            .verify_raw(&message, signature)
    }
}

#[test]
fn a_cosignature_is_made_and_checked() {
    let mut note = checkpoint().sign(&key()).unwrap();
    let verifier = witness().verifier();
    let not_signed =
        NoteError::NotSignedBy { name: verifier.name().clone(), key_id: verifier.id() };
    assert_eq!(verifier.verify(&note), Err(not_signed));

    note.add_signature(witness().sign(&note.text, 1_679_315_147).unwrap()).unwrap();
    let note = Note::parse(note.encode()).unwrap();
    assert_eq!(verifier.verify(&note), Ok(1_679_315_147));
    assert_eq!(Checkpoint::open(note.encode(), &key().verifier()), Ok(checkpoint()));
    let payload = &note.signatures[1].bytes;
    assert_eq!(payload.len(), 72);
    assert_eq!(payload[..8], 1_679_315_147_u64.to_be_bytes());

    let theirs = signed_note::Note::from_bytes(&note.encode()).unwrap();
    let list = signed_note::VerifierList::new(vec![Box::new(ByHand(verifier))]);
    assert_eq!(theirs.verify(&list).unwrap().0.len(), 1);
}

#[test]
fn the_example_of_the_cosignature_page() {
    let example = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let note = Note::parse(example).unwrap();
    assert_eq!(note.to_string(), example);
    let checkpoint = Checkpoint::parse_text(&note.text).unwrap();
    assert_eq!(
        (&checkpoint.origin[..], checkpoint.size),
        ("example.com/behind-the-sofa", 20_852_163)
    );
    // The page does not publish the keys; the layout is what can be held against it.
    let [log, witness] = &note.signatures[..] else { panic!("two lines") };
    assert_eq!((log.key_id, log.bytes.len()), (0x033d_e0ae, 64));
    assert_eq!((witness.key_id, witness.bytes.len()), (0x8d66_cf3f, 72));
    assert_eq!(witness.bytes[..8], 1_679_315_147_u64.to_be_bytes());
}

#[test]
fn the_latest_of_several_times_counts() {
    let text = checkpoint().to_string();
    let lines = [200, 300, 100].map(|time| witness().sign(&text, time).unwrap());
    let note = Note::new(text.clone(), lines.to_vec()).unwrap();
    assert_eq!(witness().verifier().verify(&note), Ok(300));
    // And each must be right.
    let mut altered = note;
    altered.signatures[2].bytes[70] ^= 1;
    let refused = witness().verifier().verify(&altered);
    assert!(matches!(refused, Err(NoteError::WrongSignature { .. })));
}

#[test]
fn only_checkpoints_are_cosigned_and_only_at_possible_times() {
    let text = checkpoint().to_string();
    assert!(witness().sign(&text, 0).is_ok());
    assert!(witness().sign(&text, TIME_UNIX_S_MAX).is_ok());
    let late = TIME_UNIX_S_MAX + 1;
    assert_eq!(witness().sign(&text, late), Err(CosignError::Time(late)));
    assert!(matches!(witness().sign("hello\n", 1), Err(CosignError::Checkpoint(_))));

    // A time out of bounds is refused even with a right signature; so is a short payload.
    let raw = SigningKey::new(name("witness.example/w"), [8; 32]);
    let signature = raw.sign_raw(format!("cosignature/v1\ntime {late}\n{text}").as_bytes());
    let verifier = witness().verifier();
    for bytes in [[&late.to_be_bytes()[..], &signature].concat(), vec![0; 7], vec![0; 8]] {
        let line = Signature { name: verifier.name().clone(), key_id: verifier.id(), bytes };
        let note = Note::new(text.clone(), vec![line]).unwrap();
        assert!(matches!(verifier.verify(&note), Err(NoteError::WrongSignature { .. })));
    }
}

#[test]
fn a_signature_of_one_type_does_not_pass_for_the_other() {
    // The same secret and name, once as a log and once as a witness.
    let log = SigningKey::new(name("same"), [5; 32]);
    let witness = cosignature::SigningKey::new(name("same"), [5; 32]);
    let text = checkpoint().to_string();
    let as_log = log.sign_text(&text).unwrap();
    let as_witness = witness.sign(&text, 1).unwrap();
    let relabelled = Note::new(
        text,
        vec![
            Signature { key_id: witness.id(), ..as_log },
            Signature { key_id: log.id(), bytes: as_witness.bytes[8..].to_vec(), ..as_witness },
        ],
    )
    .unwrap();
    let wrong = |result| matches!(result, Err(NoteError::WrongSignature { .. }));
    assert!(wrong(relabelled.verify(&log.verifier())));
    assert!(wrong(witness.verifier().verify(&relabelled).map(|_| ())));
}

// Round trips, and no panics

fn any_text() -> impl Strategy<Value = String> {
    "([^\u{0}-\u{1f}]{0,20}\n){1,5}"
}

fn any_name() -> impl Strategy<Value = KeyName> {
    "\\PC{1,20}".prop_filter_map("a key name", |name| KeyName::new(name).ok())
}

fn any_signature() -> impl Strategy<Value = Signature> {
    (any_name(), any::<u32>(), proptest::collection::vec(any::<u8>(), 1..100))
        .prop_map(|(name, key_id, bytes)| Signature { name, key_id, bytes })
}

/// Pieces that notes are made of, so that random text comes near to one.
fn near_note() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\n\n".to_owned()),
        Just("— ".to_owned()),
        Just("log.example/a".to_owned()),
        Just(" ".to_owned()),
        Just("12345".to_owned()),
        Just("0".to_owned()),
        Just(leaf_hash(b"").to_string()),
        Just(NEUMANN_LINE.to_owned()),
        Just("AAAAAAA=".to_owned()),
        ".{0,5}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn note_round_trip(
        text in any_text(), lines in proptest::collection::vec(any_signature(), 1..5),
    ) {
        let note = Note::new(text, lines).unwrap();
        prop_assert_eq!(Note::parse(note.encode()), Ok(note.clone()));
        let theirs = signed_note::Note::from_bytes(&note.encode()).unwrap();
        prop_assert_eq!(theirs.to_bytes(), note.encode());
    }

    #[test]
    fn checkpoint_round_trip(
        origin in "[^\u{0}-\u{1f}]{1,30}", size in 0..=SIZE_MAX, root in any::<[u8; 32]>(),
        extensions in proptest::collection::vec("[^\u{0}-\u{1f}]{1,30}", 0..4), secret: [u8; 32],
    ) {
        let checkpoint = Checkpoint { origin, size, root: Hash(root), extensions };
        prop_assert_eq!(Checkpoint::parse_text(&checkpoint.to_string()), Ok(checkpoint.clone()));
        let key = SigningKey::new(name("k"), secret);
        let note = Note::parse(checkpoint.sign(&key).unwrap().encode()).unwrap();
        let opened = Checkpoint::from_note(&note, &key.verifier(), &checkpoint.origin);
        prop_assert_eq!(opened, Ok(checkpoint));
    }

    #[test]
    fn key_round_trip(name in any_name(), secret: [u8; 32]) {
        let key = SigningKey::new(name.clone(), secret).verifier();
        prop_assert_eq!(key.to_string().parse(), Ok(key));
        let key = cosignature::SigningKey::new(name, secret).verifier();
        prop_assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn parsers_never_panic_and_keep_what_they_take(text in near_note()) {
        let note = Note::parse(&text);
        prop_assert_eq!(note.is_ok(), signed_note::Note::from_bytes(text.as_bytes()).is_ok());
        if let Ok(note) = note {
            prop_assert_eq!(note.to_string(), &text[..]);
            prop_assert!(note.verify(&key().verifier()).is_err());
            prop_assert!(witness().verifier().verify(&note).is_err());
        }
        if let Ok(checkpoint) = Checkpoint::parse_text(&text) {
            prop_assert_eq!(checkpoint.to_string(), &text[..]);
        }
        prop_assert!(Checkpoint::open(&text, &key().verifier()).is_err());
        let _ = text.parse::<VerifierKey>();
        let _ = Signature::parse_line(&text);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Checkpoint::open(&bytes, &key().verifier()).is_err());
    }
}
