//! What frames the immutable files: a header that says which part a file belongs to, and at the very end a directory with
//! a footer. Exists so that both kinds of files are written and checked alike.
//!
//! ```text
//! header, 32 bytes                          footer, 32 bytes, at the very end
//!  0 8 bytes, which kind                     0 u64 offset of the directory
//!  8 u16 version, u16 class                  8 u32 bytes of the directory, 12 u32 entries
//! 12 i32 month, 0 = January 1970            16 u32 CRC-32C of the directory, 20 u32 0
//! 16 u64 sequence number                    24 u32 CRC-32C of bytes 0..24 of the footer
//! 24 u32 generation                         28 4 bytes, which kind
//! 28 u32 CRC-32C of bytes 0..28
//! ```

use std::io;

use pantau_journal::FileLayer;

use super::bytes::{Cursor, Malformed};
use super::datafile::{FileId, malformed};

const HEADER: usize = 32;
const FOOTER: usize = 32;

/// One kind of file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) magic: [u8; 8],
    /// What is written; older ones are read.
    pub(crate) version: u16,
    pub(crate) end: [u8; 4],
}

impl Frame {
    /// Where what is framed begins.
    pub(crate) const START: u64 = HEADER as u64;

    pub(crate) fn put_header(&self, out: &mut Vec<u8>, id: FileId) {
        let start = out.len();
        out.extend_from_slice(&self.magic);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&id.class.to_le_bytes());
        out.extend_from_slice(&(id.month as i32).to_le_bytes());
        out.extend_from_slice(&id.seq.to_le_bytes());
        out.extend_from_slice(&id.generation.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out[start..]).to_le_bytes());
    }

    /// What the header says, and the version of the file.
    pub(crate) fn read_header<F: FileLayer>(&self, files: &F, file: &F::File) -> io::Result<(FileId, u16)> {
        let mut header = [0; HEADER];
        files.read_at(file, &mut header, 0)?;
        self.parse_header(&header).map_err(malformed)
    }

    fn parse_header(&self, header: &[u8; HEADER]) -> Result<(FileId, u16), Malformed> {
        let mut cursor = Cursor::new(header);
        if cursor.take(8)? != self.magic {
            return Err(Malformed("not a file of the store"));
        }
        let version = cursor.u16()?;
        if version == 0 || version > self.version {
            return Err(Malformed("a file of another version"));
        }
        let class = cursor.u16()?;
        let (month, seq, generation) = (i64::from(cursor.i32()?), cursor.u64()?, cursor.u32()?);
        if cursor.u32()? != crc32c::crc32c(&header[..28]) {
            return Err(Malformed("the header's checksum is wrong"));
        }
        Ok((FileId { seq, generation, month, class }, version))
    }

    /// Appends directory and footer. `offset` is where the directory begins in the file.
    pub(crate) fn put_tail(&self, out: &mut Vec<u8>, offset: u64, entries: usize, directory: &[u8]) {
        out.extend_from_slice(directory);
        let start = out.len();
        out.extend_from_slice(&offset.to_le_bytes());
        for number in [directory.len() as u32, entries as u32, crc32c::crc32c(directory), 0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&crc32c::crc32c(&out[start..]).to_le_bytes());
        out.extend_from_slice(&self.end);
    }

    /// Where the directory of a file of so many bytes begins, its entries, and its bytes, checked by their CRC.
    pub(crate) fn read_tail<F: FileLayer>(
        &self,
        files: &F,
        file: &F::File,
        bytes: u64,
    ) -> io::Result<(u64, usize, Vec<u8>)> {
        if bytes < (HEADER + FOOTER) as u64 {
            return Err(malformed(Malformed("the file is too short")));
        }
        let end = bytes - FOOTER as u64;
        let mut footer = [0; FOOTER];
        files.read_at(file, &mut footer, end)?;
        let (offset, len, entries, crc) = self.parse_footer(&footer).map_err(malformed)?;
        if offset < Self::START || offset.checked_add(u64::from(len)) != Some(end) {
            return Err(malformed(Malformed("the footer points elsewhere")));
        }
        let mut directory = vec![0; len as usize];
        let read = files.read_at(file, &mut directory, offset)?;
        if read != directory.len() || crc32c::crc32c(&directory) != crc {
            return Err(malformed(Malformed("the directory's checksum is wrong")));
        }
        Ok((offset, entries as usize, directory))
    }

    /// Where the directory begins, if the footer is sound.
    pub(crate) fn directory_at<F: FileLayer>(&self, files: &F, file: &F::File, bytes: u64) -> Option<u64> {
        let mut footer = [0; FOOTER];
        let end = bytes.checked_sub(FOOTER as u64)?;
        files.read_at(file, &mut footer, end).ok()?;
        let (offset, len, ..) = self.parse_footer(&footer).ok()?;
        (offset >= Self::START && offset.checked_add(u64::from(len))? == end).then_some(offset)
    }

    fn parse_footer(&self, footer: &[u8; FOOTER]) -> Result<(u64, u32, u32, u32), Malformed> {
        let mut cursor = Cursor::new(footer);
        let found = (cursor.u64()?, cursor.u32()?, cursor.u32()?, cursor.u32()?);
        cursor.u32()?;
        if cursor.u32()? != crc32c::crc32c(&footer[..24]) || cursor.rest() != self.end {
            return Err(Malformed("the footer is damaged"));
        }
        Ok(found)
    }
}
