//! The gateway's program once more, under another name, so that a build with faults never takes the place of the real
//! one.

use std::process::ExitCode;

#[path = "main.rs"]
mod program;

fn main() -> ExitCode {
    program::main()
}
