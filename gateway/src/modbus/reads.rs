//! Which requests read all registers of a device: neighbours of one table go together. Pure.
//!
//! Always: each register is read whole by exactly one request; none asks for more than the device gives at once, nor for
//! more registers in between, that nobody wants, than are allowed: some devices refuse a request over a gap.

use super::registers::{Register, Table};

/// Registers of one request at most (MODBUS Application Protocol 1.1b3, sections 6.3 and 6.4).
pub const MOST_REGISTERS: u16 = 125;
/// Coils or discrete inputs of one request at most (sections 6.1 and 6.2).
const MOST_BITS: u16 = 2_000;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What it reads.
    pub table: Table,
    /// From where.
    pub address: u16,
    /// How many.
    pub count: u16,
    /// The registers in it, as places in the list that it was made of.
    pub registers: Vec<usize>,
}

/// The requests for these registers. `gap`: registers in between at most; `most`: registers of one request at most.
#[must_use]
pub fn reads(registers: &[Register], gap: u16, most: u16) -> Vec<Read> {
    let mut sorted: Vec<usize> = (0..registers.len()).collect();
    sorted.sort_by_key(|n| (registers[*n].table, registers[*n].address, registers[*n].end()));
    let mut reads: Vec<Read> = Vec::new();
    for n in sorted {
        let register = &registers[n];
        let most = if register.table.is_bits() { MOST_BITS } else { most.clamp(4, MOST_REGISTERS) };
        match reads.last_mut().filter(|read| read.table == register.table) {
            Some(read) if read.takes(register, gap, most) => {
                let end = register.end().max(read.end());
                read.count = u16::try_from(end - u32::from(read.address)).unwrap_or(most);
                read.registers.push(n);
            }
            _ => reads.push(Read::of(register, n)),
        }
    }
    reads
}

impl Read {
    /// For this register alone, the `n`th.
    #[must_use]
    pub fn of(register: &Register, n: usize) -> Self {
        let Register { table, address, kind, .. } = register;
        Self { table: *table, address: *address, count: kind.registers(), registers: vec![n] }
    }

    fn end(&self) -> u32 {
        u32::from(self.address) + u32::from(self.count)
    }

    fn takes(&self, register: &Register, gap: u16, most: u16) -> bool {
        let near = u32::from(register.address) <= self.end() + u32::from(gap);
        near && register.end().max(self.end()) - u32::from(self.address) <= u32::from(most)
    }
}
