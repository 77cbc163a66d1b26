//! Makes Rust of flagd's services. The compiler of `.proto` files is a crate: no protoc is needed.

use std::error::Error;
use std::path::{Path, PathBuf};

const FILES: [&str; 3] = [
    "flagd/evaluation/v1/evaluation.proto",
    "flagd/evaluation/v2/evaluation.proto",
    "flagd/sync/v1/sync.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    tonic_prost_build::configure()
        .build_client(false)
        .bytes(".flagd.sync.v1")
        .compile_fds(descriptors.clone())?;
    // The tests' client stands beside it, so that the product does not carry one.
    let client: &Path = &out.join("client");
    std::fs::create_dir_all(client)?;
    tonic_prost_build::configure()
        .build_server(false)
        .out_dir(client)
        .compile_fds(descriptors)?;
    Ok(())
}
