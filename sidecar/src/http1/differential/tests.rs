use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::{streams::streams, *};
use crate::fuzzing::run;

/// So many streams: a second in an unoptimised build.
const STREAMS: u32 = 50_000;

#[test]
fn no_write_is_read_otherwise_than_by_hyper() {
    let (taken, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    // The same streams in every run.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases: STREAMS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, random);
    let ran = runner.run(&streams(), |stream| {
        let compared = run(compare(&Arrival::at_once(&stream)));
        let (ours, hypers) = compared.map_err(TestCaseError::fail)?;
        taken.fetch_add(ours, Ordering::Relaxed);
        refused.fetch_add(usize::from(ours < hypers), Ordering::Relaxed);
        Ok(())
    });
    // The stream is in the reason, as text.
    match ran {
        Ok(()) => {}
        Err(TestError::Fail(why, _) | TestError::Abort(why)) => panic!("{why}"),
    }
    // Both sides of the comparison were there, and often.
    let (taken, refused) = (taken.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    let streams = usize::try_from(STREAMS).unwrap();
    assert!(taken > streams / 4, "{taken} writes were taken by both");
    assert!(refused > streams / 100, "{refused} streams were refused by us alone");
}
