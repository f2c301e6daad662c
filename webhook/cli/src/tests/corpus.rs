//! The seed corpus of fuzzing, with its findings.

use super::config_file;
use crate::manifests::inject;

#[test]
fn the_corpus_is_survived() {
    let mut texts = 0;
    for file in std::fs::read_dir("fuzz/corpus/manifests").unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        texts += 1;
        let Ok(injected) = inject(&config_file(), &text) else { continue };
        let again = inject(&config_file(), &injected.text).unwrap();
        assert_eq!(again.text, injected.text);
    }
    assert!(texts >= 3, "the corpus has gone");
}
