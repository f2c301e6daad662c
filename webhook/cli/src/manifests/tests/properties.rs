//! What holds for any text.

use proptest::prelude::*;

use super::*;
use crate::yaml::tests::style::written;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn however_it_is_written_it_means_the_same(
        styles in prop::collection::vec(prop::bool::weighted(0.9), 1..40),
        profile in prop::sample::select(vec!["default", "application", "stack"]),
    ) {
        let pod = prometheus(&[("inject", "true"), ("profile", profile)]);
        let mut styles = styles.iter().cycle();
        let text = written(&pod, &mut || *styles.next().unwrap(), 0);
        let before: Value = serde_saphyr::from_str(&text).unwrap();
        prop_assert_eq!(&before, &pod, "{}", text);
        let injected = inject(&config_file(), &text).unwrap();
        assert_same_meaning(&text, &injected.text);
        let comments = |text: &str| text.matches("# ").count();
        prop_assert_eq!(comments(&text), comments(&injected.text), "written anew: {}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[-{}\\[\\]a:#&*|> \n'\"]{0,60}") {
        let text = format!("{text}\nprom-remotewrite/inject: 'true'");
        let _ = inject(&config_file(), &text);
        let _ = explain::explain(&config_file(), &text);
    }
}
