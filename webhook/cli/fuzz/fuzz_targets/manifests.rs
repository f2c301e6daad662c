//! Any text of manifests: no panic, and a second pass changes nothing.
#![no_main]

use std::sync::LazyLock;

use cli::manifests::{explain::explain, inject};
use libfuzzer_sys::fuzz_target;
use webhook::config::ConfigFile;

static CONFIG: LazyLock<ConfigFile> =
    LazyLock::new(|| ConfigFile::parse(include_str!("../../../testdata/config.yaml")).unwrap());

fuzz_target!(|text: &str| {
    let _ = explain(&CONFIG, text);
    let Ok(injected) = inject(&CONFIG, text) else { return };
    let again = inject(&CONFIG, &injected.text).unwrap();
    assert_eq!(again.text, injected.text);
});
