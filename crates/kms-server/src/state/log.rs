//! The state file: an append-only log of checksummed frames.
//!
//! A frame is a length, a CRC-32 and changes; it is read back whole or not at all. Appending is ordered by the caller
//! and buffered; one thread writes and syncs whatever has gathered, so that concurrent requests share an fsync. A
//! torn last frame is what `kill -9` or a power cut leaves and is cut off at the next opening; a broken frame with
//! sound ones behind it is damage and refuses to open.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use crc::{CRC_32_ISO_HDLC, Crc, Table};
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::change::Change;

const MAGIC: &[u8; 16] = b"cantle-kms-state";
const VERSION: u32 = 1;
/// Magic and version.
pub(super) const HEADER: u64 = HEADER_BYTES as u64;
const HEADER_BYTES: usize = 20;
const FRAME_HEADER: usize = 8;
const MAX_FRAME: usize = 64 << 20;
const CHECKSUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// A state file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file cannot be opened, read or written.
    #[error("cannot use the state file {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another server has the file open.
    #[error("the state file {} is in use by another server", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else, or of another version.
    #[error("{} is not a state file of this version", path.display())]
    NotAStateFile {
        /// The file.
        path: PathBuf,
    },
    /// A frame inside the file is damaged.
    #[error("the state file {} is damaged at byte {offset}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
}

/// One frame being built.
#[derive(Debug, Default)]
pub(super) struct Frame {
    payload: Zeroizing<Vec<u8>>,
}

impl Frame {
    /// Adds a change. Gives back where in the frame it ends.
    pub(super) fn push(&mut self, change: &Change<'_>) -> Result<usize, postcard::Error> {
        let payload = std::mem::take(&mut *self.payload);
        *self.payload = postcard::to_extend(change, payload)?;
        Ok(FRAME_HEADER + self.payload.len())
    }

    fn encoded(&self) -> Option<Zeroizing<Vec<u8>>> {
        let length = u32::try_from(self.payload.len()).ok().filter(|_| self.payload.len() <= MAX_FRAME)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(FRAME_HEADER + self.payload.len()));
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&CHECKSUM.checksum(&self.payload).to_le_bytes());
        bytes.extend_from_slice(&self.payload);
        Some(bytes)
    }
}

/// The log, open for appending.
#[derive(Debug)]
pub(crate) struct Log {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    file: File,
    queue: Mutex<Queue>,
    wake: Condvar,
    written: Condvar,
    /// How many frames are on the disk; `u64::MAX` after a failed write.
    durable: watch::Sender<u64>,
}

#[derive(Debug)]
struct Queue {
    buffer: Zeroizing<Vec<u8>>,
    appended: u64,
    end: u64,
    written: u64,
    closing: bool,
    failed: bool,
}

/// The number of a frame that never becomes durable.
const FAILED: u64 = u64::MAX;

/// What a reader of the file does with each change; the offset is that of the end of the change in the file.
pub(super) trait Replay {
    fn apply(&mut self, change: Change<'_>, end: u64) -> Result<(), StateError>;
}

impl Log {
    /// Opens or creates the file, locks it, and replays it.
    pub(super) fn open(path: &Path, replay: &mut impl Replay) -> Result<Self, StateError> {
        let failed = |source| StateError::Io { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(StateError::InUse { path: path.to_owned() });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let length = file.metadata().map_err(failed)?.len();
        let mut start = [0; HEADER_BYTES];
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&VERSION.to_le_bytes());
        let end = if length < HEADER {
            file.read_exact(&mut start[..usize::try_from(length).unwrap_or(0)]).map_err(failed)?;
            if !header.starts_with(&start[..usize::try_from(length).unwrap_or(0)]) {
                return Err(StateError::NotAStateFile { path: path.to_owned() });
            }
            file.set_len(0).map_err(failed)?;
            file.write_all_at(&header, 0).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            sync_folder(path).map_err(failed)?;
            HEADER
        } else {
            file.read_exact(&mut start).map_err(failed)?;
            if start.as_slice() != header.as_slice() {
                return Err(StateError::NotAStateFile { path: path.to_owned() });
            }
            replay_frames(path, &file, length, replay)?
        };
        if end < length {
            file.set_len(end).map_err(failed)?;
            file.sync_all().map_err(failed)?;
        }
        file.seek(SeekFrom::Start(end)).map_err(failed)?;
        Self::start(file, end).map_err(failed)
    }

    fn start(file: File, end: u64) -> io::Result<Self> {
        let (durable, _) = watch::channel(0);
        let shared = Arc::new(Shared {
            file,
            queue: Mutex::new(Queue {
                buffer: Zeroizing::default(),
                appended: 0,
                end,
                written: end,
                closing: false,
                failed: false,
            }),
            wake: Condvar::new(),
            written: Condvar::new(),
            durable,
        });
        let of_writer = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("kms-server-log".to_owned())
            .spawn(move || write_loop(&of_writer))?;
        Ok(Self { shared, writer: Mutex::new(Some(writer)) })
    }

    /// Appends a frame; gives back the file offset at which it begins. `None`: the disk failed, nothing is accepted.
    pub(super) fn append(&self, frame: &Frame) -> Option<u64> {
        let bytes = frame.encoded()?;
        let mut queue = self.shared.queue.lock();
        if queue.failed || queue.closing {
            return None;
        }
        let offset = queue.end;
        queue.buffer.extend_from_slice(&bytes);
        queue.end += bytes.len() as u64;
        queue.appended += 1;
        self.shared.wake.notify_one();
        Some(offset)
    }

    /// The number of the last frame appended.
    pub(crate) fn appended(&self) -> u64 {
        self.shared.queue.lock().appended
    }

    /// Waits until that frame is on the disk. False: it never will be.
    pub(crate) async fn durable(&self, frame: u64) -> bool {
        if *self.shared.durable.borrow() >= frame {
            return !self.failed();
        }
        let mut durable = self.shared.durable.subscribe();
        durable.wait_for(|written| *written >= frame).await.is_ok() && !self.failed()
    }

    fn failed(&self) -> bool {
        *self.shared.durable.borrow() == FAILED
    }

    /// Reads bytes back.
    pub(super) fn read(&self, offset: u64, length: u32) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(vec![0; usize::try_from(length).ok()?]);
        let end = offset + u64::from(length);
        let mut queue = self.shared.queue.lock();
        while queue.written < end && !queue.failed {
            self.shared.written.wait(&mut queue);
        }
        drop(queue);
        self.shared.file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }

    /// Writes what is left and stops the writer.
    pub(crate) fn close(&self) {
        self.shared.queue.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.lock().take() {
            drop(writer.join());
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

fn write_loop(shared: &Shared) {
    loop {
        let (batch, frames, end) = {
            let mut queue = shared.queue.lock();
            while queue.buffer.is_empty() {
                if queue.closing {
                    return;
                }
                shared.wake.wait(&mut queue);
            }
            (std::mem::take(&mut queue.buffer), queue.appended, queue.end)
        };
        let written = (&shared.file).write_all(&batch).and_then(|()| shared.file.sync_data());
        let mut queue = shared.queue.lock();
        match written {
            Ok(()) => {
                queue.written = end;
                drop(queue);
                shared.durable.send_replace(frames);
            }
            Err(error) => {
                queue.failed = true;
                drop(queue);
                tracing::error!(%error, "the state file cannot be written; every request fails from now on");
                shared.durable.send_replace(FAILED);
            }
        }
        shared.written.notify_all();
    }
}

/// Replays the frames; gives back where the sound part of the file ends.
fn replay_frames(path: &Path, file: &File, length: u64, replay: &mut impl Replay) -> Result<u64, StateError> {
    let failed = |source| StateError::Io { path: path.to_owned(), source };
    let damaged = |offset| StateError::Damaged { path: path.to_owned(), offset };
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut offset = HEADER;
    let mut payload = Zeroizing::new(Vec::new());
    loop {
        let left = length - offset;
        if left < FRAME_HEADER as u64 {
            return Ok(offset);
        }
        let mut header = [0; FRAME_HEADER];
        reader.read_exact(&mut header).map_err(failed)?;
        let [a, b, c, d, e, f, g, h] = header;
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        let checksum = u32::from_le_bytes([e, f, g, h]);
        if size > left - FRAME_HEADER as u64 {
            return Ok(offset);
        }
        payload.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
        reader.read_exact(&mut payload).map_err(failed)?;
        let start = offset + FRAME_HEADER as u64;
        let end = start + size;
        if size == 0 || CHECKSUM.checksum(&payload) != checksum {
            // The last frame may be torn; anything behind it that is not zeroes means damage.
            if end == length || rest_is_zero(&mut reader, &payload).map_err(failed)? {
                return Ok(offset);
            }
            return Err(damaged(offset));
        }
        let mut rest = payload.as_slice();
        while !rest.is_empty() {
            let (change, after) =
                postcard::take_from_bytes::<Change<'_>>(rest).map_err(|_| damaged(offset))?;
            rest = after;
            replay.apply(change, end - rest.len() as u64)?;
        }
        offset = end;
    }
}

fn rest_is_zero(reader: &mut impl Read, payload: &[u8]) -> io::Result<bool> {
    if payload.iter().any(|byte| *byte != 0) {
        return Ok(false);
    }
    let mut buffer = [0; 8192];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(true),
            read if buffer[..read].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}

/// Writes a whole new file of frames beside the old one and puts it in its place.
pub(super) fn replace(path: &Path, frames: impl Iterator<Item = Frame>) -> Result<(), StateError> {
    let failed = |source| StateError::Io { path: path.to_owned(), source };
    let temporary = path.with_extension("compacting");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(failed)?;
    let mut writer = io::BufWriter::with_capacity(1 << 20, file);
    writer.write_all(MAGIC).map_err(failed)?;
    writer.write_all(&VERSION.to_le_bytes()).map_err(failed)?;
    for frame in frames {
        if let Some(bytes) = frame.encoded() {
            writer.write_all(&bytes).map_err(failed)?;
        }
    }
    let file = writer.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&temporary, path).map_err(failed)?;
    sync_folder(path).map_err(failed)
}
