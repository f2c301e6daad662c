//! Any stream of requests, in any pieces: no write is read otherwise than by hyper.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sidecar::fuzzing::requests(input));
