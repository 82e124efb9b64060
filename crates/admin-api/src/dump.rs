//! A health dump: one zip archive of small files, made in memory and sent in pieces.
//!
//! What is in it was made to be shown: the configuration without its secrets, versions, metrics, the last errors and
//! the last lines of the log.

use std::io::{Cursor, Write};

use cantle_proto::health::admin::v0::{HealthDumpChunk, NodeStatus};
use cantle_store::NodeIdentity;
use zip::{ZipWriter, result::ZipError, write::SimpleFileOptions};

use crate::handles::{Diagnostics, DumpFile};

/// Bytes of a piece when the caller does not say.
const CHUNK: usize = 1 << 20;
/// A piece has at least and at most this many.
const CHUNKS: std::ops::RangeInclusive<usize> = 1024..=4 << 20;

/// The files of a node's dump.
pub(crate) fn files(
    node: &NodeIdentity,
    status: &NodeStatus,
    diagnostics: &dyn Diagnostics,
) -> Vec<DumpFile> {
    let version = format!(
        "cantle {} ({} {})\nnode: {node}\nprocess: {}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        std::process::id(),
    );
    let mut errors = String::new();
    for error in diagnostics.last_errors() {
        errors.push_str(&format!("{} {}\n", error.trace_id, error.message));
        for line in diagnostics.error_trace(&error.trace_id).unwrap_or_default() {
            errors.push_str(&format!("    {line}\n"));
        }
    }
    let text = |name: &str, text: String| DumpFile { name: name.to_owned(), content: text.into_bytes() };
    let mut files = vec![
        text("version.txt", version),
        text("status.txt", format!("{status:#?}\n")),
        text("last-errors.txt", errors),
    ];
    files.extend(diagnostics.files());
    files
}

/// The archive of these files.
pub(crate) fn archive(files: &[DumpFile]) -> Result<Vec<u8>, ZipError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for file in files {
        archive.start_file(file.name.as_str(), SimpleFileOptions::default())?;
        archive.write_all(&file.content)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// The archive in pieces of the size that the caller wants, within reason.
pub(crate) fn chunks(archive: &[u8], wanted: Option<u32>) -> Vec<HealthDumpChunk> {
    let size = wanted.and_then(|size| usize::try_from(size).ok()).unwrap_or(CHUNK);
    let size = size.clamp(*CHUNKS.start(), *CHUNKS.end());
    archive.chunks(size).map(|chunk| HealthDumpChunk { chunk: chunk.to_vec() }).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use zip::ZipArchive;

    use super::*;
    use crate::NoDiagnostics;

    #[test]
    fn files_come_out_as_they_went_in() {
        let files = [("a.txt", vec![b'a'; 100_000]), ("b/c.json", b"{}".to_vec())]
            .map(|(name, content)| DumpFile { name: name.to_owned(), content });
        let bytes = archive(&files).unwrap();
        assert!(bytes.len() < 10_000, "{} bytes: it is compressed", bytes.len());
        let pieces = chunks(&bytes, Some(1));
        let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.chunk.clone()).collect();
        assert_eq!(joined, bytes);
        assert!(pieces.iter().all(|piece| piece.chunk.len() <= 1024));
        let mut read = ZipArchive::new(Cursor::new(joined)).unwrap();
        for file in &files {
            let mut content = Vec::new();
            read.by_name(&file.name).unwrap().read_to_end(&mut content).unwrap();
            assert_eq!(content, file.content, "{}", file.name);
        }
    }

    #[test]
    fn a_dump_says_which_node_and_version_it_is_of() {
        let node =
            NodeIdentity { kind: cantle_store::NodeKind::Participant, name: "participant1".parse().unwrap() };
        let files = files(&node, &NodeStatus::default(), &NoDiagnostics);
        let version = String::from_utf8(files[0].content.clone()).unwrap();
        assert!(version.contains("participant participant1") && version.contains("cantle 0."), "{version}");
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["version.txt", "status.txt", "last-errors.txt"]);
    }
}
