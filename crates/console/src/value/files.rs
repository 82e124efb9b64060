//! Files of values: what `writeToFile` writes and `tryReadFromFile` reads.

use std::io::Read;
use std::sync::Arc;

use super::{Data, Function, ids};
use crate::failure::Failure;

/// The largest file that is read.
const LIMIT: u64 = 64 << 20;

/// `x.writeToFile(path)`.
pub(crate) fn write_function(bytes: Arc<[u8]>) -> Function {
    const SIGNATURE: &str = "writeToFile(outputFile: text)";
    Function::new(SIGNATURE, move |args| {
        let path = ids::text_of(args.one(SIGNATURE, "outputFile")?)
            .ok_or_else(|| Failure::value("a file name is a text"))?;
        write_file(&path, &bytes)?;
        Ok(Data::None)
    })
}

/// `X.tryReadFromFile(path)`.
pub(crate) fn read_function(
    name: &str,
    parse: impl Fn(&[u8]) -> Result<Data, Failure> + Send + Sync + 'static,
) -> Data {
    let signature = format!("{name}.tryReadFromFile(inputFile: text)");
    let shown = signature.clone();
    Data::object(Function::new(signature, move |args| {
        let path = ids::text_of(args.one(&shown, "inputFile")?)
            .ok_or_else(|| Failure::value("a file name is a text"))?;
        let bytes = read_file(&path)?;
        parse(&bytes).map_err(|failure| Failure::File { action: "read", path, cause: failure.to_string() })
    }))
}

pub(crate) fn write_file(path: &str, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|error| Failure::File {
        action: "write",
        path: path.to_owned(),
        cause: error.to_string(),
    })
}

/// Reads a file of at most 64 MiB.
pub(crate) fn read_file(path: &str) -> Result<Vec<u8>, Failure> {
    let failed = |cause: String| Failure::File { action: "read", path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > LIMIT {
        return Err(failed("it is larger than 64 MiB".to_owned()));
    }
    Ok(bytes)
}

/// `BinaryFileUtil`: bytes of any kind.
pub(crate) fn companion() -> (&'static str, Data) {
    const READ: &str = "BinaryFileUtil.tryReadByteStringFromFile(inputFile: text)";
    const WRITE: &str = "BinaryFileUtil.writeByteStringToFile(outputFile: text, bytes: bytes)";
    let read = Function::new(READ, |args| {
        let path = ids::text_of(args.one(READ, "inputFile")?)
            .ok_or_else(|| Failure::value("a file name is a text"))?;
        read_file(&path).map(Data::bytes)
    });
    let write = Function::new(WRITE, |args| match args.positional.as_slice() {
        [Data::Text(path), Data::Bytes(bytes)] => write_file(path, bytes).map(|()| Data::None),
        _ => Err(Failure::value(format!("writeByteStringToFile takes a file name and bytes\n  {WRITE}"))),
    });
    let holder = Function::holder("BinaryFileUtil")
        .with("tryReadByteStringFromFile", Data::object(read))
        .with("writeByteStringToFile", Data::object(write));
    ("BinaryFileUtil", Data::object(holder))
}
