//! CPU time of a process, from /proc.

use std::{fs, io};

use super::LoadError;

/// Linux reports in hundredths of a second to programs, whatever the kernel's own tick.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of all threads so far, in seconds, to 10 ms.
pub(crate) fn seconds(pid: u32) -> Result<f64, LoadError> {
    let source = |source| LoadError::Process { pid, source };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).map_err(source)?;
    parse(&stat).ok_or_else(|| source(io::Error::other("/proc/PID/stat cannot be read")))
}

fn parse(stat: &str) -> Option<f64> {
    // The name stands in parentheses and may hold anything: fields are counted after its last one.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((ticks(11)? + ticks(12)?) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_are_counted_after_a_name_with_blanks() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 9 0 1 2 3";
        assert_eq!(super::parse(stat), Some(2.0));
        assert_eq!(super::parse("42 (x) S"), None);
        assert!(super::seconds(std::process::id()).is_ok());
    }
}
