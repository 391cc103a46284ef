//! One column in the wrapped format of pco 1: header, one chunk's metadata, one page. The count is kept outside.

use pco::ChunkConfig;
use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};

use super::super::bytes::Malformed;

/// Appends a column; if pco refuses it, nothing.
pub(super) fn put_pco<T: Number>(out: &mut Vec<u8>, numbers: &[T], config: &ChunkConfig) -> bool {
    let start = out.len();
    let mut write = || {
        let file = FileCompressor::default();
        file.write_header(&mut *out)?;
        let mut chunk = file.chunk_compressor(numbers, config)?;
        chunk.write_meta(&mut *out)?;
        chunk.write_page(0, &mut *out)?;
        Ok::<(), pco::errors::PcoError>(())
    };
    let written = write().is_ok();
    if !written {
        out.truncate(start);
    }
    written
}

/// The counterpart of [`put_pco`].
pub(super) fn get_pco<T: Number>(bytes: &[u8], count: usize) -> Result<Vec<T>, Malformed> {
    let mut numbers = vec![T::default(); count];
    let mut read = || {
        let (file, rest) = FileDecompressor::new(bytes)?;
        let (mut chunk, rest) = file.chunk_decompressor::<T, _>(rest)?;
        let progress = chunk.page_decompressor(rest, count)?.read(&mut numbers)?;
        Ok::<bool, pco::errors::PcoError>(progress.finished && progress.n_processed == count)
    };
    match read() {
        Ok(true) => Ok(numbers),
        _ => Err(Malformed("a column does not decompress")),
    }
}
