//! Any answer, in any pieces: a connection is kept only where hyper reads the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sidecar::fuzzing::answers(input));
