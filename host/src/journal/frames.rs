//! Frames of a backup file: kind, length, payload, CRC-32 of all three. So a backup that was cut or
//! damaged is refused before anything of it is used.

use std::io::{self, Read, Write};

use super::error::Error;

/// What every backup begins with.
const MAGIC: &[u8; 8] = b"orchbkup";

/// Longest payload that is read, in bytes: over the longest blob.
const PAYLOAD_BYTES_MAX: u32 = 1 << 30;

/// Writes frames.
pub(super) struct FrameWriter<W> {
    out: W,
}

impl<W: Write> FrameWriter<W> {
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        Ok(Self { out })
    }

    pub(super) fn write(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if length > PAYLOAD_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut head = [kind; 5];
        head[1..].copy_from_slice(&length.to_le_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&head);
        crc.update(payload);
        self.out.write_all(&head)?;
        self.out.write_all(payload)?;
        self.out.write_all(&crc.finalize().to_le_bytes())
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Reads frames.
pub(super) struct FrameReader<R> {
    input: R,
    number: u64,
}

impl<R: Read> FrameReader<R> {
    pub(super) fn new(mut input: R) -> Result<Self, Error> {
        let mut magic = [0; MAGIC.len()];
        match input.read_exact(&mut magic) {
            Ok(()) if &magic == MAGIC => Ok(Self { input, number: 0 }),
            Ok(()) => Err(Error::damaged("this is no backup of a state")),
            Err(error) => Err(cut_or(error, 0)),
        }
    }

    /// The next frame's kind and payload.
    pub(super) fn read(&mut self) -> Result<(u8, Vec<u8>), Error> {
        self.number += 1;
        let number = self.number;
        let mut head = [0; 5];
        self.input.read_exact(&mut head).map_err(|error| cut_or(error, number))?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        if length > PAYLOAD_BYTES_MAX {
            return Err(Error::damaged(format!("frame {number} of the backup has an absurd length")));
        }
        let mut payload = Vec::new();
        // Not reserved at once: the length hasn't been compared with its checksum yet.
        let read = self.input.by_ref().take(u64::from(length)).read_to_end(&mut payload);
        read.map_err(|error| cut_or(error, number))?;
        let mut crc = [0; 4];
        self.input.read_exact(&mut crc).map_err(|error| cut_or(error, number))?;
        let mut expected = crc32fast::Hasher::new();
        expected.update(&head);
        expected.update(&payload);
        if expected.finalize().to_le_bytes() != crc {
            return Err(Error::damaged(format!("frame {number} of the backup has a wrong checksum")));
        }
        Ok((head[0], payload))
    }
}

fn cut_or(error: io::Error, number: u64) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::damaged(format!("the backup ends in frame {number}")),
        _ => Error::unreadable("reading the backup", &error),
    }
}
