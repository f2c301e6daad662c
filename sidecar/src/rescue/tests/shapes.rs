//! Batches of all shapes: too large, too old, of several samples a series.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_batch_of_any_size_and_compression_is_cut() {
    let noise = |seed: usize, length: usize| {
        let mut state = seed as u64 + 0x9e37_79b9_7f4a_7c15;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + (state % 90) as u8)
        };
        (0..length).map(|_| next()).collect::<String>()
    };
    // Series, and the bytes of a label that does and of one that does not compress.
    for (count, compressible, incompressible, latency, attempts) in [
        (3000, 1000, 350_usize, SLOW, 1),
        (1000, 0, 6000, SLOW, 2),
        (1500, 0, 10_000, QUICK, 1),
        (2000, 20_000, 700, SLOW, 3),
        (3000, 20_000, 1, QUICK, 1),
    ] {
        let body = encoded((0..count).map(|number| {
            let mut one = series("large", number, [(number, NOW_MILLIS)]);
            let mut push =
                |name: &str, value| one.labels.push(Label { name: name.to_owned(), value });
            for part in 0..compressible / 1000 {
                push(&format!("text_{part}"), "lorem ipsum ".repeat(83));
            }
            for part in 0..incompressible.div_ceil(1000) {
                push(&format!("noise_{part}"), noise(number * 50 + part, incompressible.min(1000)));
            }
            one
        }));
        let what = format!("{count} series, {} bytes", body.len());
        let sender = Sender::new();
        let endpoint = Endpoint { latency, ..Endpoint::new([]) };
        let ended = sender.send(&endpoint, &body).await;
        assert!(ended.status == 204 && ended.attempts <= attempts, "{what}: {ended:?}");
        assert!(ended.most_requests <= 64, "{what}: {ended:?}");
        check_stored(&endpoint, count, 1);
        // And with bad ones in it.
        let sender = Sender::new();
        let endpoint = Endpoint { latency, ..Endpoint::new([3, count - 2]) };
        let ended = sender.send(&endpoint, &body).await;
        assert!(matches!(ended.status, 400 | 413) && ended.attempts <= 8, "{what}: {ended:?}");
        check_stored(&endpoint, count, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_smaller_limit_than_azures_is_found() {
    let sender = Sender::new();
    let endpoint = Endpoint { max_bytes: 5000, ..Endpoint::new([]) };
    let ended = sender.send(&endpoint, &batch(2000)).await;
    assert_eq!((ended.status, ended.attempts), (204, 1));
    check_stored(&endpoint, 2000, 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_finds_everything_too_large_loses_nothing() {
    let sender = Sender::new();
    let endpoint = Endpoint { max_bytes: 10, ..Endpoint::new([]) };
    for _ in 0..10 {
        let rescued = sender.attempt(&endpoint, &batch(200)).await;
        assert!(!matches!(rescued, Rescued::Settled { .. }), "{rescued:?}");
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(sender.count("refused_samples_total"), 0);
}

#[tokio::test(start_paused = true)]
async fn samples_that_are_too_old_are_left_out_one_by_one() {
    let minutes = |count: i64| NOW_MILLIS - count * 60_000;
    for refusal in ["Samples are older than 20 minutes", "no reason"] {
        let sender = Sender::new();
        // Each series has an old sample, a good one and one of tomorrow; the last
        // has good ones alone.
        let old = [(0, minutes(25)), (1, minutes(3)), (2, minutes(-1500))];
        let body = encoded((0..20).map(|number| {
            let samples = old.map(|(one, time)| {
                (3 * number + one, if number < 5 { time } else { minutes(one as i64) })
            });
            series(&format!("metric_{}", number / 2), number, samples)
        }));
        let bad = (0..15).filter(|number| number % 3 != 1);
        let endpoint = Endpoint { refusal: refusal.into(), ..Endpoint::new(bad) };
        let ended = sender.send(&endpoint, &body).await;
        assert_eq!(ended.status, 400, "{ended:?}");
        check_stored(&endpoint, 60, 1);
        assert_eq!(sender.count("refused_samples_total"), 10, "{ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_bad_sample_of_a_series_takes_no_other_with_it() {
    let sender = Sender::new();
    let body = encoded((0..100).map(|number| {
        series("metric", number, (0..20).map(|one| (20 * number + one, NOW_MILLIS + one as i64)))
    }));
    sender.attempt(&Endpoint::new([]), &encoded([series("up", 0, [(9999, NOW_MILLIS)])])).await;
    let endpoint = Endpoint::new([777, 1999]);
    let ended = sender.send(&endpoint, &body).await;
    // Where the last record is a bad one, another batch is waited for.
    assert!(ended.status == 400 && ended.attempts <= 4, "{ended:?}");
    endpoint.seen.lock().unwrap().stored.remove(&9999);
    check_stored(&endpoint, 2000, 1);
    assert_eq!(sender.count("refused_samples_total"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_old_throughout_ends_though_nothing_is_accepted() {
    let old = NOW_MILLIS - 25 * 60_000;
    let body = encoded((0..500).map(|number| series("metric", number, [(number, old)])));
    let endpoint =
        Endpoint { refusal: b"Samples are older than 20 minutes".into(), ..Endpoint::new(0..500) };
    let sender = Sender::new();
    let ended = sender.send(&endpoint, &body).await;
    assert_eq!((ended.status, ended.attempts), (400, 1), "{ended:?}");
    assert_eq!(sender.count("refused_samples_total"), 500);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_nothing_keeps_costs_few_requests() {
    for count in [1, 5, 200] {
        let sender = Sender::new();
        sender.attempt(&Endpoint::new([]), &batch(7)).await;
        let endpoint = Endpoint { max_bytes: 10, ..Endpoint::new([]) };
        for attempt in 0..20 {
            let rescued = sender.attempt(&endpoint, &batch(count)).await;
            assert!(!matches!(rescued, Rescued::Settled { .. }), "{rescued:?}");
            let requests = std::mem::take(&mut endpoint.seen.lock().unwrap().requests);
            assert!(attempt == 0 || requests <= 3, "{count} {attempt}: {requests}");
            sleep(Duration::from_secs(1)).await;
        }
        let ended = sender.send(&Endpoint::new([]), &batch(count)).await;
        assert_eq!(ended.status, 204);
    }
}

/// The time, as it passes in a test.
fn passing() -> SystemTime {
    thread_local! {
        static BEGUN: Instant = Instant::now();
    }
    now() + BEGUN.with(Instant::elapsed)
}

#[tokio::test(start_paused = true)]
async fn series_that_begin_too_early_are_divided_alike_in_every_attempt() {
    let mut sender = Sender::new();
    sender.rescue.now = passing;
    passing();
    // A sample a second, half of them older than 20 minutes.
    let body = encoded((0..40).map(|number| {
        let border = NOW_MILLIS - 20 * 60_000;
        let time = |one: usize| border + (one as i64 - 30) * 1000 + 500;
        series("metric", number, (0..60).map(|one| (60 * number + one, time(one))))
    }));
    // What is left is answered 429 three times.
    let faults = (3..6).map(|one| (one, Fault::Status(429))).collect();
    let endpoint = Endpoint {
        refusal: b"sample too old".to_vec(),
        faults,
        ..Endpoint::new((0..2400).filter(|number| number % 60 < 30))
    };
    let ended = sender.send(&endpoint, &body).await;
    assert!(ended.status == 400 && ended.attempts > 3, "{ended:?}");
    check_stored(&endpoint, 2400, 1);
    assert_eq!(sender.count("refused_samples_total"), 1200);
    assert_eq!(sender.count("rescued_samples_total"), 1200);
    let text = "refused 1200 samples of 40 series of this batch and stored the other 1200 samples";
    assert!(ended.text.contains(text), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn series_that_become_too_old_while_they_wait_keep_no_batch_forever() {
    let mut sender = Sender::new();
    sender.rescue.now = passing;
    passing();
    let body = encoded((0..40).map(|number| {
        let time = |one: usize| NOW_MILLIS - 20 * 60_000 + (one as i64 - 30) * 1000 + 500;
        series("metric", number, (0..60).map(|one| (60 * number + one, time(one))))
    }));
    // By the time that anything is looked at, everything is too old.
    let faults = (2..5).map(|one| (one, Fault::Status(429))).collect();
    let refusal = b"sample too old".to_vec();
    let endpoint = Endpoint { refusal, faults, ..Endpoint::new(0..2400) };
    for _ in 0..3 {
        sender.attempt(&endpoint, &body).await;
        sleep(Duration::from_secs(20)).await;
    }
    let ended = sender.send(&endpoint, &body).await;
    assert_eq!(ended.status, 400, "{ended:?}");
    assert_eq!(sender.count("refused_samples_total"), 2400);
}

#[tokio::test(start_paused = true)]
async fn an_exemplar_that_is_refused_takes_no_sample_with_it() {
    let sender = Sender::new();
    let body = encoded((0..300).map(|number| {
        let samples = [(2 * number, NOW_MILLIS), (2 * number + 1, NOW_MILLIS + 1)];
        let count = if number < 150 { 1 } else { 2 };
        let mut one = series("metric", number, samples.into_iter().take(count));
        one.exemplars.push(Exemplar { value: (1000 + number) as f64 });
        one
    }));
    // Seven exemplars, and one sample.
    let bad = (0..7).map(|one| 1000 + 40 * one).chain([2 * 149]);
    let endpoint = Endpoint::new(bad);
    let ended = sender.send(&endpoint, &body).await;
    assert!(ended.status == 400 && ended.attempts <= 2, "{ended:?}");
    let mut numbers: Vec<usize> = (0..150).map(|number| 2 * number).chain(300..600).collect();
    numbers.retain(|number| !endpoint.bad.contains(number));
    let seen = endpoint.seen.lock().unwrap();
    assert!(numbers.iter().all(|number| seen.stored.get(number) == Some(&1)), "each once");
    assert_eq!(sender.count("rescued_samples_total"), 449);
    assert_eq!(sender.count("refused_samples_total{reason=\"exemplar\","), 7);
    assert_eq!(sender.count("refused_samples_total"), 8);
    let text =
        "refused 1 sample and 8 exemplars of 8 series of this batch and stored the other 449";
    assert!(ended.text.contains(text), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn samples_of_the_future_take_no_old_ones_with_them() {
    let sender = Sender::new();
    let minutes = |count: i64| NOW_MILLIS + count * 60_000;
    // Some are 25 minutes old, which is taken, one is as far ahead, which is not.
    let body = encoded((0..300).map(|number| {
        let time = match number {
            0..60 => minutes(-25),
            60 => minutes(25),
            _ => NOW_MILLIS,
        };
        series(&format!("metric_{}", number % 50), number, [(number, time)])
    }));
    let endpoint = Endpoint { refusal: b"Sample is out of bounds".to_vec(), ..Endpoint::new([60]) };
    let ended = sender.send(&endpoint, &body).await;
    assert_eq!(ended.status, 400, "{ended:?}");
    check_stored(&endpoint, 300, 1);
    assert_eq!(sender.count("refused_samples_total"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_higher_than_documented_is_found() {
    let sender = Sender::new();
    let body = encoded((0..300).map(|number| {
        let mut one = series("metric", number, [(number, NOW_MILLIS)]);
        let length = match number {
            0..5 => 1100,
            5 => 1600,
            _ => 10,
        };
        one.labels.push(Label { name: "text".to_owned(), value: "x".repeat(length) });
        one
    }));
    let endpoint = Endpoint::new([5]);
    let ended = sender.send(&endpoint, &body).await;
    assert_eq!((ended.status, ended.attempts), (400, 1), "{ended:?}");
    check_stored(&endpoint, 300, 1);
    assert_eq!(sender.count("refused_samples_total"), 1);
}
