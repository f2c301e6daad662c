//! Bad series among good ones: all are found, in bounded time.

use super::*;

async fn check(count: usize, bad: &[usize], latency: Duration, attempts: usize) {
    for seed in 0..SEEDS {
        check_with(Sender::with_seed(seed), count, bad, latency, attempts).await;
    }
}

async fn check_with(
    sender: Sender,
    count: usize,
    bad: &[usize],
    latency: Duration,
    attempts: usize,
) {
    let endpoint = Endpoint { latency, ..Endpoint::new(bad.iter().copied()) };
    let ended = sender.send(&endpoint, &batch(count)).await;
    let what = format!("{} of {count} at {latency:?}: {ended:?}", bad.len());
    assert_eq!(ended.status, 400, "{what}");
    assert!(ended.attempts <= attempts && ended.most_requests <= 64, "{what}");
    check_stored(&endpoint, count, 1);
    assert_eq!(sender.count("refused_samples_total"), bad.len() as u64, "{what}");
    assert_eq!(sender.count("rescued_samples_total"), (count - bad.len()) as u64, "{what}");
    let samples = if bad.len() == 1 { "sample" } else { "samples" };
    let text = format!("refused {} {samples} of {} series", bad.len(), bad.len());
    assert!(ended.text.contains(&text), "{what}");
}

#[tokio::test(start_paused = true)]
async fn one_bad_series_is_found_at_once_wherever_it_is_however_slow_azure_is() {
    for count in [2_usize, 3, 5, 17, 500, 2000] {
        for position in [0, 1, count / 3, count / 2, count.saturating_sub(2), count - 1] {
            if position < count {
                check(count, &[position], SLOW, 1).await;
                check(count, &[position], QUICK, 1).await;
            }
        }
    }
    check(5000, &[4321], SLOW, 2).await;
}

#[tokio::test(start_paused = true)]
async fn many_bad_series_are_found_within_eight_attempts() {
    for (count, latency, most) in [(2000, SLOW, 40), (5000, SLOW, 40)] {
        for bad in [2, 10, most] {
            let spread: Vec<usize> = (0..bad).map(|one| one * count / bad + one * 7 % 50).collect();
            let at_the_ends: Vec<usize> =
                (0..bad).map(|one| if one % 2 == 0 { one } else { count - one }).collect();
            for bad in [spread, at_the_ends] {
                check(count, &bad, latency, 8).await;
            }
        }
        let whole_metric: Vec<usize> = (0..count).filter(|number| number % 50 == 7).collect();
        check(count, &whole_metric, latency, 6).await;
        let neighbours: Vec<usize> = (count / 2..count / 2 + 200).collect();
        check(count, &neighbours, latency, 10).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_metric_that_is_refused_costs_the_next_batches_little() {
    let sender = Sender::new();
    for round in 0..8 {
        let numbers = || (0..2000).map(|number| round * 2000 + number);
        let endpoint = Endpoint::new(numbers().filter(|number| number % 200 == 8));
        let body = encoded(numbers().map(|number| {
            series(&format!("metric_{}", number % 200), number % 2000, [(number, NOW_MILLIS)])
        }));
        let ended = sender.send(&endpoint, &body).await;
        assert_eq!(ended.status, 400);
        let requests = endpoint.seen.lock().unwrap().requests;
        // Three, and four series by themselves.
        let most = if round < 3 { 25 } else { 3 + 4 };
        assert!(round == 0 || requests <= most, "{round}: {requests}");
    }
    assert_eq!(sender.count("refused_samples_total"), 80);
    assert_eq!(sender.count("rescued_samples_total"), 15_920);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_sent_again_before_it_is_answered_is_opened_once() {
    let sender = Sender::new();
    sender.attempt(&Endpoint::new([]), &encoded([series("up", 0, [(9999, NOW_MILLIS)])])).await;
    let endpoint = Endpoint { latency: Duration::from_secs(1), ..Endpoint::new([7, 77, 1777]) };
    let body = batch(2000);
    let (one, other) = tokio::join!(sender.attempt(&endpoint, &body), async {
        sleep(Duration::from_secs(4)).await;
        sender.attempt(&endpoint, &body).await
    });
    assert!(matches!(one, Rescued::Settled { .. }), "{one:?}");
    assert!(matches!(other, Rescued::Answered(Err(Failure::UnderWay))), "{other:?}");
    let ended = sender.send(&endpoint, &body).await;
    assert_eq!((ended.status, ended.most_requests), (400, 1));
    check_stored(&endpoint, 2000, 1);
    assert_eq!(sender.count("refused_samples_total"), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_in_between_no_good_sample_is_lost(
        count in prop_oneof![Just(2000_usize), Just(5000), 1_usize..300],
        bad in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        latency in 1_u64..2000,
        faults in prop::collection::btree_map(1_usize..120, prop_oneof![
            4 => prop_oneof![Just(500_u16), Just(503), Just(429), Just(401), Just(403), Just(404)].prop_map(Fault::Status),
            1 => Just(Fault::Breaks),
            1 => Just(Fault::Hangs),
        ], 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let bad: BTreeSet<usize> = bad.iter().map(|index| index.index(count)).collect();
            let sender = Sender::new();
            sender.attempt(&Endpoint::new([]), &encoded([series("up", 0, [(9999, NOW_MILLIS)])])).await;
            let endpoint = Endpoint { latency: Duration::from_millis(latency), faults, ..Endpoint::new(bad) };
            let ended = sender.send(&endpoint, &batch(count)).await;
            assert_eq!(ended.status, if endpoint.bad.is_empty() { 204 } else { 400 });
            assert!(ended.most_requests <= 64, "{ended:?}");
            endpoint.seen.lock().unwrap().stored.remove(&9999);
            check_stored(&endpoint, count, 1);
            assert_eq!(sender.count("refused_samples_total"), endpoint.bad.len() as u64);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn series_that_heal_are_stored_from_the_next_batch_on() {
    for bad in [2, 6] {
        let sender = Sender::new();
        // Of these series, half are refused for a while; from batch 5 on, half of those.
        for round in 0..9 {
            let numbers = || (0..200).map(|number| round * 200 + number);
            let is_bad =
                |number: &usize| number % 200 < bad && (round < 5 || number.is_multiple_of(2));
            let endpoint = Endpoint::new(numbers().filter(is_bad));
            let body = encoded(numbers().map(|number| {
                series(&format!("metric_{}", number % 200), number % 200, [(number, NOW_MILLIS)])
            }));
            let ended = sender.send(&endpoint, &body).await;
            assert_eq!(ended.status, 400, "{ended:?}");
            let seen = endpoint.seen.lock().unwrap();
            let missing = numbers().find(|number| {
                !endpoint.bad.contains(number) && seen.stored.get(number) != Some(&1)
            });
            assert_eq!(missing, None, "{bad} bad, batch {round}");
            assert!(round < 6 || seen.requests <= 4 + 4, "{}", seen.requests);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_searches_at_once_store_nothing_again_and_leave_azure_in_peace() {
    const COUNT: usize = 3333;
    let sender = Sender::new();
    let begun = Instant::now();
    // More records than the ledger remembers, and much to search in each batch.
    let bad = (0..45 * COUNT).filter(|number| number % 83 == 5);
    let endpoint = Endpoint { latency: Duration::from_millis(50), ..Endpoint::new(bad) };
    let searches = (0..45).map(|one| {
        let (sender, endpoint) = (&sender, &endpoint);
        async move {
            let numbers = one * COUNT..(one + 1) * COUNT;
            let body = encoded(numbers.map(|number| {
                let metric = format!("metric_{}", number % 50);
                series(&metric, number, [(number, NOW_MILLIS)])
            }));
            while !matches!(sender.attempt(endpoint, &body).await, Rescued::Settled { .. }) {
                sleep(Duration::from_secs(1)).await;
            }
        }
    });
    futures_util::future::join_all(searches).await;
    check_stored(&endpoint, 45 * COUNT, 1);
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let requests = endpoint.seen.lock().unwrap().requests;
    // Half of what Azure takes, and what may be sent at once, and each batch itself.
    assert!((requests as f64) < 7500.0 * minutes + 2000.0 + 15_000.0 * minutes / 2.0);
}

#[tokio::test(start_paused = true)]
async fn series_that_are_refused_several_times_in_one_batch_keep_no_batch_forever() {
    let sender = Sender::new();
    sender.attempt(&Endpoint::new([]), &encoded([series("up", 0, [(9999, NOW_MILLIS)])])).await;
    // Records of their own, as Prometheus sends several samples of a series.
    for round in 0..4 {
        let number = |one: usize, sample: usize| round * 1000 + one * 5 + sample;
        let body = encoded((0..5).flat_map(|sample| {
            (0..200).map(move |one| {
                series("metric", one, [(number(one, sample), NOW_MILLIS + sample as i64)])
            })
        }));
        let bad = (0..200).filter(|one| one % 20 == 3);
        let endpoint =
            Endpoint::new(bad.flat_map(|one| (0..5).map(move |sample| number(one, sample))));
        let ended = sender.send(&endpoint, &body).await;
        let most = if round < 3 { 8 } else { 2 };
        assert!(ended.status == 400 && ended.attempts <= most, "{round} {ended:?}");
        let seen = endpoint.seen.lock().unwrap();
        let numbers = (0..1000).map(|number| round * 1000 + number);
        let lost = numbers
            .filter(|number| !endpoint.bad.contains(number))
            .filter(|number| seen.stored.get(number) != Some(&1))
            .count();
        assert_eq!(lost, 0, "{round}");
    }
    assert_eq!(sender.count("refused_samples_total"), 4 * 50);
}

#[tokio::test(start_paused = true)]
async fn the_last_series_is_decided_though_the_attempt_before_was_cut_off() {
    let sender = Sender::new();
    sender.attempt(&Endpoint::new([]), &encoded([series("up", 0, [(9999, NOW_MILLIS)])])).await;
    let trouble = [(3, 500), (4, 500), (5, 500), (17, 403), (18, 500)];
    let trouble = trouble.map(|(request, status)| (request, Fault::Status(status)));
    let faults = trouble.into_iter().chain([(22, Fault::Hangs)]).collect();
    let latency = Duration::from_millis(1450);
    let endpoint = Endpoint { latency, faults, ..Endpoint::new([123]) };
    let ended = sender.send(&endpoint, &batch(132)).await;
    assert!(ended.status == 400 && ended.attempts == 3, "{ended:?}");
    endpoint.seen.lock().unwrap().stored.remove(&9999);
    check_stored(&endpoint, 132, 1);
    assert_eq!(sender.count("refused_samples_total"), 1);
}
