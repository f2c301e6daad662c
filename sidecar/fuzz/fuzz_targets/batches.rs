//! Any batch that Azure refuses: nothing of it is lost or changed in pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sidecar::fuzzing::batches(input));
