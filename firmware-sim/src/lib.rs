//! Field devices in software: fleet, replay of real data, load and faults.
