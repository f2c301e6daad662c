//! Any body: no panic, no patch that doesn't apply, a second pass changes nothing.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use webhook::{config::Config, decide::decide, pod::Pod, review};

static CONFIG: LazyLock<Config> =
    LazyLock::new(|| Config::parse(include_str!("../../testdata/config.yaml")).unwrap());

fuzz_target!(|body: &[u8]| {
    match review::answer(&CONFIG, body) {
        Err(error) => assert!(!error.is_ours(), "{error}"),
        Ok(_) => check(body),
    }
});

fn check(body: &[u8]) {
    let review: Value = serde_json::from_slice(body).unwrap();
    let Some(object) = review.pointer("/request/object") else { return };
    let decision = decide(&CONFIG, Pod::new(object));
    let Ok(Some(patch)) = review::patch_for(&decision, &mut object.clone()) else { return };
    let mut patched = object.clone();
    json_patch::patch(&mut patched, &patch).unwrap();
    let again = decide(&CONFIG, Pod::new(&patched));
    assert_eq!(again.reason(), "already_injected");
}
