//! Any file of a certificate: it is used or explained.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sidecar::fuzzing::certificates(input));
