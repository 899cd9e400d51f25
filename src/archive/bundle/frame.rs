//! A zstd frame of raw blocks.
//!
//! Nearly all of a bundle is gzip already, which no second compression makes
//! smaller: the frame stores, and every zstd reads it.
//!
//! Source: RFC 8878, sections 3.1.1 and 3.1.1.2.

use std::io::{self, Write};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// No single segment, no content size, no checksum, no dictionary.
const DESCRIPTOR: u8 = 0;
/// A window of 2^17 bytes: exponent 7 above 10, no mantissa.
const WINDOW: u8 = 7 << 3;
/// The largest block of such a frame.
const BLOCK: usize = 1 << 17;

/// Writes a zstd frame.
#[derive(Debug)]
pub(super) struct FrameWriter<W: Write> {
    to: W,
    block: Vec<u8>,
}

impl<W: Write> FrameWriter<W> {
    pub(super) fn new(mut to: W) -> io::Result<Self> {
        to.write_all(&MAGIC)?;
        to.write_all(&[DESCRIPTOR, WINDOW])?;
        Ok(Self { to, block: Vec::with_capacity(BLOCK) })
    }

    /// Ends the frame.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write_block(true)?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn write_block(&mut self, last: bool) -> io::Result<()> {
        // Last block: bit 0; type raw: bits 1 and 2 are zero; the size above.
        let size = u32::try_from(self.block.len()).map_err(io::Error::other)?;
        let header = (size << 3 | u32::from(last)).to_le_bytes();
        self.to.write_all(&header[..3])?;
        self.to.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> Write for FrameWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.write_block(false)?;
        }
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend(bytes.iter().take(taken));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
