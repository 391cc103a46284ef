//! Goes through the frames of one segment and over damage to the next frame that can be read.
//! Recovery and readers both stand on it. Never reads beyond `limit`.

use std::io;

use crate::files::FileLayer;
use crate::frame::{FRAME_HEADER, FRAME_MAGIC, FrameHeader, u32_at};
use crate::segment::{Key, SEGMENT_HEADER};

const READ_AHEAD: usize = 64 << 10;

/// What comes next in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A frame; `Walker::body` holds its records.
    Frame(FrameHeader),
    /// Bytes from `from` that are no frame. The next frame starts at `to`, or there is none and `to`
    /// is the limit. `content` is one after the last byte that is not zero.
    Damaged { from: u64, to: u64, content: u64 },
    /// Nothing but zeros from `at` to the limit.
    End { at: u64 },
}

#[derive(Debug)]
pub(crate) struct Walker<F: FileLayer> {
    files: F,
    file: F::File,
    key: Key,
    offset: u64,
    limit: u64,
    window: Vec<u8>,
    window_at: u64,
    body: (usize, usize),
}

impl<F: FileLayer> Walker<F> {
    pub(crate) fn new(files: F, file: F::File, key: Key, limit: u64) -> Self {
        let window = Vec::new();
        Self { files, file, key, offset: SEGMENT_HEADER, limit, window, window_at: 0, body: (0, 0) }
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// More was synced.
    pub(crate) fn extend(&mut self, limit: u64) {
        self.limit = limit;
    }

    pub(crate) fn seek(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// The records of the frame that `next` answered last.
    pub(crate) fn body(&self) -> &[u8] {
        &self.window[self.body.0..self.body.1]
    }

    pub(crate) fn next(&mut self) -> io::Result<Step> {
        let at = self.offset;
        if at >= self.limit {
            return Ok(Step::End { at });
        }
        let ahead = READ_AHEAD.min(usize::try_from(self.limit - at).unwrap_or(usize::MAX));
        let key = self.key;
        let header = FrameHeader::decode(self.view(at, FRAME_HEADER, ahead)?, key, at);
        if let Some(header) = header.filter(|h| h.end_offset() <= self.limit) {
            let whole = FRAME_HEADER + header.body as usize;
            if self.view(at, whole, whole.max(ahead))?.len() == whole {
                let start = usize::try_from(at - self.window_at).unwrap_or(0);
                self.body = (start + FRAME_HEADER, start + whole);
                self.offset = header.end_offset();
                return Ok(Step::Frame(header));
            }
        }
        self.search(at)
    }

    /// Looks for the next frame behind `from`.
    fn search(&mut self, from: u64) -> io::Result<Step> {
        let (mut content, mut at) = (from, from);
        let key = self.key;
        while at < self.limit {
            let want = READ_AHEAD.min(usize::try_from(self.limit - at).unwrap_or(usize::MAX));
            let (limit, chunk) = (self.limit, self.view(at, want, want)?);
            if chunk.is_empty() {
                break;
            }
            let mut i = if at == from { 8 } else { 0 };
            while i + FRAME_HEADER <= chunk.len() {
                if u32_at(chunk, i) == FRAME_MAGIC {
                    let found = FrameHeader::decode(&chunk[i..], key, at + i as u64);
                    if found.is_some_and(|h| h.end_offset() <= limit) {
                        if let Some(last) = chunk[..i].iter().rposition(|b| *b != 0) {
                            content = at + last as u64 + 1;
                        }
                        self.offset = at + i as u64;
                        return Ok(Step::Damaged { from, to: self.offset, content });
                    }
                }
                i += 8;
            }
            if let Some(last) = chunk.iter().rposition(|b| *b != 0) {
                content = content.max(at + last as u64 + 1);
            }
            // The next chunk overlaps by what could not hold a header here.
            at += if chunk.len() < want || i == 0 { chunk.len() } else { i.min(chunk.len()) } as u64;
        }
        self.offset = self.limit;
        Ok(if content == from {
            Step::End { at: from }
        } else {
            Step::Damaged { from, to: self.limit, content }
        })
    }

    /// `want` bytes at `at`, fewer at the end of the file; reads `ahead` bytes when it must read.
    fn view(&mut self, at: u64, want: usize, ahead: usize) -> io::Result<&[u8]> {
        let inside = at >= self.window_at && at + want as u64 <= self.window_at + self.window.len() as u64;
        if !inside {
            self.window.resize(ahead.max(want), 0);
            self.window_at = at;
            // Nothing stale is left in the window when the read fails.
            let read = self.files.read_at(&self.file, &mut self.window, at);
            self.window.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        let start = usize::try_from(at - self.window_at).unwrap_or(0);
        let end = (start + want).min(self.window.len());
        Ok(&self.window[start.min(end)..end])
    }
}
