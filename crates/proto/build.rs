//! Compiles `proto/` without `protoc`: messages, clients, servers, and the descriptors for reflection.

use std::path::{Path, PathBuf};
use std::{env, error::Error, fs};

use prost::Message as _;

/// Fields that hold messages within messages, which are read in place: as often as they are nested, and at their size,
/// copies would cost more memory than the message has.
const SHARED_BYTES: [&str; 2] = [
    ".com.digitalasset.canton.protocol.v0.Envelope.content",
    ".com.digitalasset.canton.protocol.v1.BlindableNode",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from("proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &root, &mut files)?;
    files.sort();

    let mut descriptors = protox::compile(&files, [&root])?;

    // google.rpc is not below the package all others share, so that relative paths to it leave the crate.
    let mut foreign = descriptors.clone();
    foreign.file.retain(|file| file.package() == "google.rpc");
    tonic_prost_build::configure().compile_fds(foreign)?;
    let builder = tonic_prost_build::configure().extern_path(".google.rpc", "crate::google::rpc");
    SHARED_BYTES
        .iter()
        .fold(builder, |builder, path| builder.bytes(path))
        .compile_fds(descriptors.clone())?;

    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    let out = PathBuf::from(env::var("OUT_DIR")?).join("file_descriptor_set.bin");
    fs::write(out, descriptors.encode_to_vec())?;
    Ok(())
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path.strip_prefix(root)?.to_owned());
        }
    }
    Ok(())
}
