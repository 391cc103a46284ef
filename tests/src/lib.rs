//! Whole-system tests, crash tests and side-by-side benchmarks.
