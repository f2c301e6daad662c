//! Refusals of everything: settings are wrong from the start, or become wrong.

use std::ops::Range;

use super::*;

/// Nothing is found out, and nothing is given up.
fn is_kept(rescued: &Rescued) -> bool {
    matches!(rescued, Rescued::AboutRequest(_) | Rescued::Unfinished { is_waiting: true, .. })
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_everything_costs_three_requests_and_no_sample() {
    for (count, before) in [(1, true), (1, false), (2000, true), (2000, false)] {
        let sender = Sender::new();
        if before {
            sender.attempt(&Endpoint::new([]), &batch(7)).await;
        }
        let wrong = Endpoint {
            faults: (1..1000).map(|one| (one, Fault::Status(400))).collect(),
            ..Endpoint::new([])
        };
        let mut requests = Vec::new();
        for _ in 0..20 {
            let rescued = sender.attempt(&wrong, &batch(count)).await;
            assert!(is_kept(&rescued), "{rescued:?}");
            requests.push(std::mem::take(&mut wrong.seen.lock().unwrap().requests));
            sleep(Duration::from_secs(5)).await;
        }
        assert!(requests[0] <= 3, "{requests:?}");
        assert!(requests.iter().all(|requests| *requests <= 3), "{requests:?}");
        assert!(
            requests.iter().sum::<usize>() <= 20 + 10 * 2 + 10,
            "one, two more every ten seconds, and one more in between: {requests:?}"
        );
        let right = Endpoint::new([]);
        let ended = sender.send(&right, &batch(count)).await;
        assert_eq!((ended.status, ended.attempts), (204, 1));
        check_stored(&right, count, 1);
        assert_eq!(sender.count("refused_samples_total"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_names_the_path_is_not_searched() {
    let sender = Sender::new();
    let refusal =
        br#"{"error":{"code":"InvalidRequestPath","message":"The request path is invalid"}}"#;
    let endpoint = Endpoint { refusal: refusal.to_vec(), ..Endpoint::new(0..2000) };
    for _ in 0..3 {
        assert!(matches!(sender.attempt(&endpoint, &batch(2000)).await, Rescued::AboutRequest(_)));
    }
    assert_eq!(endpoint.seen.lock().unwrap().requests, 3);
}

/// One request after the other is refused from the `first` to the `last`, while a batch
/// is searched.
fn interrupted(first: usize, last: usize, status: u16) -> Endpoint {
    Endpoint {
        faults: (first..=last).map(|one| (one, Fault::Status(status))).collect(),
        ..Endpoint::new((0..40).map(|number| 49 * number))
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_become_wrong_within_a_search_lose_no_sample() {
    for status in [400, 409, 413, 415, 422] {
        let ranges = [(40, 110), (3, 60), (6, 100), (20, 150), (40, 200)];
        for (first, last) in ranges.into_iter().take(if status == 400 { 5 } else { 1 }) {
            let sender = Sender::new();
            sender.attempt(&Endpoint::new([]), &batch(1)).await;
            let endpoint = interrupted(first, last, status);
            let ended = sender.send(&endpoint, &batch(2000)).await;
            assert!(matches!(ended.status, 400 | 413), "{ended:?}");
            assert!(ended.most_requests <= 64, "{ended:?}");
            check_stored(&endpoint, 2000, 1);
            assert_eq!(sender.count("refused_samples_total"), 40, "{status} {first} {ended:?}");
        }
    }
}

/// Bad ones of `count` series, spread by a seed.
fn spread(count: usize, bad: usize, seed: u64) -> BTreeSet<usize> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut found = BTreeSet::new();
    while found.len() < bad {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        found.insert((state % count as u64) as usize);
    }
    found
}

/// Sends a batch while everything is refused from a request on, and as many after it.
async fn check_wrong(count: usize, bad: BTreeSet<usize>, seed: u64, wrong: Range<usize>) -> usize {
    let sender = Sender::with_seed(seed);
    sender.attempt(&Endpoint::new([]), &encoded([series("up", 0, [(9999, NOW_MILLIS)])])).await;
    let faults = wrong.clone().map(|one| (one, Fault::Status(400))).collect();
    let endpoint = Endpoint { faults, ..Endpoint::new(bad) };
    let ended = sender.send(&endpoint, &batch(count)).await;
    let what = format!("{:?} of {count}, wrong {wrong:?}, seed {seed}: {ended:?}", endpoint.bad);
    assert_eq!(ended.status, if endpoint.bad.is_empty() { 204 } else { 400 }, "{what}");
    assert!(ended.most_requests <= 64, "{what}");
    // That one may be asked for.
    endpoint.seen.lock().unwrap().stored.remove(&9999);
    check_stored(&endpoint, count, 1);
    assert_eq!(sender.count("refused_samples_total"), endpoint.bad.len() as u64, "{what}");
    endpoint.seen.into_inner().unwrap().requests
}

#[tokio::test(start_paused = true)]
async fn settings_that_become_wrong_at_any_step_of_a_search_lose_no_sample() {
    for (count, bad) in [(1, 1), (5, 2), (12, 2), (100, 3), (2000, 1)] {
        for length in [1, 4, 12, 45] {
            for (step, seed) in (1..).zip(0..) {
                let bad = spread(count, bad, seed);
                if check_wrong(count, bad, seed, step..step + length).await < step {
                    break;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn settings_that_are_wrong_for_any_time_lose_no_sample(
        count in prop_oneof![3 => 1_usize..300, 1 => Just(2000_usize)],
        bad in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        seed in any::<u64>(),
        step in 1_usize..300,
        length in 1_usize..120,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let bad = bad.iter().map(|index| index.index(count)).collect();
        runtime.block_on(check_wrong(count, bad, seed, step..step + length));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_names_the_path_within_a_search_keeps_the_batch() {
    let sender = Sender::new();
    sender.attempt(&Endpoint::new([]), &batch(1)).await;
    let endpoint = Endpoint::new([77, 1000, 1999]);
    let path = &Endpoint {
        refusal: b"{\"error\":{\"code\":\"InvalidRequestPath\"}}".to_vec(),
        ..Endpoint::new(0..2000)
    };
    // The refusal of the whole, and then of its first part.
    let body = batch(2000);
    let deadline = Instant::now() + TIMEOUT;
    let requests = Requests::new();
    let batch = Batch { message: Message::V1, body: &body, deadline, requests: &requests };
    let refusal = received(400, b"bad");
    let send: &Deliver<'_> = &|piece| Box::pin(async move { path.answer(&piece).await });
    let rescued = sender.rescue.answered(&batch, Ok(refusal), Duration::ZERO, send).await;
    assert!(matches!(rescued, Rescued::AboutRequest(_)), "{rescued:?}");
    assert!(path.seen.lock().unwrap().requests <= 3);
    let ended = sender.send(&endpoint, &body).await;
    assert_eq!(ended.status, 400);
    check_stored(&endpoint, 2000, 1);
}

#[tokio::test(start_paused = true)]
async fn a_label_that_reads_like_a_path_keeps_no_batch_forever() {
    let sender = Sender::new();
    let refusal = b"{\"message\":\"value InvalidRequestPath is refused\"}".to_vec();
    let endpoint = Endpoint { refusal, ..Endpoint::new([3]) };
    let first = sender.attempt(&endpoint, &batch(500)).await;
    assert!(matches!(first, Rescued::AboutRequest(_)), "{first:?}");
    sleep(Duration::from_secs(1)).await;
    sender.attempt(&Endpoint::new([]), &encoded([series("up", 0, [(9999, NOW_MILLIS)])])).await;
    let ended = sender.send(&endpoint, &batch(500)).await;
    assert_eq!((ended.status, ended.attempts), (400, 1), "{ended:?}");
    check_stored(&endpoint, 500, 1);
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_something_on_the_way_refuses_forever_is_searched_while_others_pass() {
    for status in [403, 406, 500] {
        let sender = Sender::new();
        let endpoint = Endpoint { status, ..Endpoint::new([1234]) };
        let body = batch(2000);
        let mut minutes = 0.0;
        let ended = loop {
            let rescued = sender.attempt(&endpoint, &body).await;
            if let Rescued::Settled { received, .. } = rescued {
                break received;
            }
            // Another shard.
            let other = encoded([series("up", minutes as usize, [(5000, NOW_MILLIS)])]);
            sender.attempt(&Endpoint::new([]), &other).await;
            sleep(Duration::from_secs(5)).await;
            minutes += 5.0 / 60.0;
            assert!(minutes < 10.0);
        };
        assert!(ended.status == 400 && minutes >= 3.0, "{ended:?} after {minutes}");
        check_stored(&endpoint, 2000, 1);
        // While nothing else passes, the network may be to blame.
        let alone = Sender::new();
        for _ in 0..100 {
            let rescued = alone.attempt(&endpoint, &body).await;
            assert!(matches!(rescued, Rescued::Answered(Ok(_))), "{rescued:?}");
            sleep(Duration::from_secs(5)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_and_outages_say_nothing_about_a_payload_however_long_they_last() {
    for status in [401, 407, 408, 429, 502, 503, 504] {
        let sender = Sender::new();
        let endpoint = Endpoint {
            // One request of a hundred passes.
            faults: (1..100).map(|one| (one, Fault::Status(status))).collect(),
            ..Endpoint::new([])
        };
        let body = batch(12);
        let stored = loop {
            let rescued = sender.attempt(&endpoint, &body).await;
            match rescued {
                Rescued::Answered(Ok(received)) if received.status == 204 => break true,
                Rescued::Answered(Ok(received)) => assert_eq!(received.status, status),
                other => break matches!(other, Rescued::Settled { any_refused: false, .. }),
            }
            let other = encoded([series("up", 0, [(5000, NOW_MILLIS)])]);
            sender.attempt(&Endpoint::new([]), &other).await;
            sleep(Duration::from_secs(15)).await;
        };
        assert!(stored, "{status}");
        assert_eq!(sender.count("refused_samples_total"), 0, "{status}");
        check_stored(&endpoint, 12, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_mentions_age_proves_nothing_about_new_samples() {
    for (count, before) in [(1, true), (5, true), (5, false), (1500, false)] {
        for text in ["your browser is too old", "{\"error\":\"token outside of its time range\"}"] {
            let sender = Sender::new();
            if before {
                sender.attempt(&Endpoint::new([]), &batch(1)).await;
                sleep(Duration::from_secs(1)).await;
            }
            let wrong = Endpoint { refusal: text.into(), ..Endpoint::new(0..count) };
            for _ in 0..12 {
                let rescued = sender.attempt(&wrong, &batch(count)).await;
                assert!(is_kept(&rescued), "{count} {rescued:?}");
                sleep(Duration::from_secs(5)).await;
            }
            let right = Endpoint::new([]);
            assert_eq!(sender.send(&right, &batch(count)).await.status, 204);
            check_stored(&right, count, 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_met_wrong_settings_bring_no_series_nearer_to_its_end() {
    let sender = Sender::new();
    let body = encoded((0..1590).map(|number| {
        let metric = if number < 1200 { format!("good_{}", number % 40) } else { "bad".to_owned() };
        series(&metric, number, [(number, NOW_MILLIS)])
    }));
    let wrong = Endpoint::new(0..1590);
    for _ in 0..9 {
        sender.attempt(&wrong, &body).await;
        sleep(Duration::from_secs(5)).await;
    }
    let other = encoded([series("up", 0, [(9999, NOW_MILLIS)])]);
    sender.attempt(&Endpoint::new([]), &other).await;
    let endpoint = Endpoint::new((1200..1590).filter(|number| number % 100 != 50));
    let ended = sender.send(&endpoint, &body).await;
    assert!(ended.status == 400 && ended.attempts > 3, "{ended:?}");
    endpoint.seen.lock().unwrap().stored.remove(&9999);
    check_stored(&endpoint, 1590, 1);
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_wrong_again_and_again_lose_no_sample() {
    const SENDERS: usize = 6;
    const BATCHES: usize = 12;
    for seed in 0..6 {
        let sender = Sender::with_seed(seed);
        let flaps = Some((Instant::now(), Duration::from_millis(1500 + 700 * seed)));
        let latency = Duration::from_millis(10 + 31 * seed);
        // Now and then something else fails.
        let faults = (1..9000).filter(|one| one % 41 == 0).map(|one| (one, Fault::Status(503)));
        let bad = (0..SENDERS * BATCHES * 1000).filter(|number| number % 43 == 7);
        let faults = faults.collect();
        let endpoint = Endpoint { latency, faults, flaps, ..Endpoint::new(bad) };
        let senders = (0..SENDERS).map(|one| {
            let (sender, endpoint) = (&sender, &endpoint);
            async move {
                for number in 0..BATCHES {
                    let count = [1, 5, 50, 300][(one + number) % 4];
                    let first = (one * BATCHES + number) * 1000;
                    let body = encoded((first..first + count).map(|number| {
                        let metric = format!("metric_{}", number % 50);
                        series(&metric, number, [(number, NOW_MILLIS)])
                    }));
                    loop {
                        match sender.attempt(endpoint, &body).await {
                            Rescued::Settled { .. }
                            | Rescued::Answered(Ok(Received { status: 204, .. })) => break,
                            _ => sleep(Duration::from_secs(1)).await,
                        }
                    }
                }
            }
        });
        futures_util::future::join_all(senders).await;
        let seen = endpoint.seen.lock().unwrap();
        let numbers = (0..SENDERS * BATCHES).flat_map(|batch| {
            let count = [1, 5, 50, 300][(batch / BATCHES + batch % BATCHES) % 4];
            batch * 1000..batch * 1000 + count
        });
        let lost =
            |number: &usize| !endpoint.bad.contains(number) && !seen.stored.contains_key(number);
        assert_eq!(numbers.filter(lost).collect::<Vec<_>>(), Vec::<usize>::new(), "{seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn series_that_all_have_a_bad_sample_are_divided_though_nothing_else_is_known() {
    for (count, samples) in [(8, 4), (50, 20)] {
        let sender = Sender::new();
        let numbers = |one: usize| (0..samples).map(move |sample| samples * one + sample);
        let body = encoded((0..count).map(|one| {
            series("metric", one, numbers(one).map(|number| (number, NOW_MILLIS + number as i64)))
        }));
        let endpoint = Endpoint::new((0..count).map(|one| samples * one + one % samples));
        let ended = sender.send(&endpoint, &body).await;
        assert!(ended.status == 400 && ended.attempts <= 60, "{count} {samples} {ended:?}");
        // The first that was stored may be sent again.
        check_stored(&endpoint, count * samples, 20);
        assert_eq!(sender.count("refused_samples_total"), count as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn an_earlier_refusal_of_its_series_gives_up_no_sample_while_everything_is_refused() {
    let sender = Sender::new();
    let of = |numbers: Range<usize>, first: usize| {
        encoded(numbers.map(|number| {
            let time = NOW_MILLIS + first as i64;
            series(&format!("metric_{number}"), number, [(first + number, time)])
        }))
    };
    let refusal = b"out of order sample".to_vec();
    let ended = sender.send(&Endpoint { refusal, ..Endpoint::new([0, 1]) }, &of(0..300, 0)).await;
    assert_eq!(ended.status, 400);
    let other = encoded([series("up", 0, [(9999, NOW_MILLIS)])]);
    sender.attempt(&Endpoint::new([]), &other).await;
    sleep(Duration::from_secs(15)).await;
    let faults = (1..8).map(|one| (one, Fault::Status(400))).collect();
    let endpoint = Endpoint { faults, ..Endpoint::new([]) };
    let ended = sender.send(&endpoint, &of(0..2, 1000)).await;
    assert_eq!((ended.status, sender.count("refused_samples_total")), (204, 2), "{ended:?}");
}
