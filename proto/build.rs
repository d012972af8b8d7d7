//! Generates the messages (and, by feature, clients and servers) with protox: no protoc to install.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const FILES: [&str; 9] = [
    "remit/v1/common.proto",
    "remit/v1/leaf.proto",
    "remit/v1/log.proto",
    "remit/v1/statement.proto",
    "remit/v1/verdict.proto",
    "remit/v1/ingest.proto",
    "remit/v1/register.proto",
    "remit/v1/query.proto",
    "remit/v1/evidence.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=remit");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is set by cargo")?);
    fs::write(out.join("remit.protoset"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_client(env::var_os("CARGO_FEATURE_CLIENT").is_some())
        .build_server(env::var_os("CARGO_FEATURE_SERVER").is_some())
        // What arrives stays where it arrived, until it is written to disk.
        .bytes(".remit.v1.SubmitRequest")
        .compile_fds(descriptors)?;
    Ok(())
}
