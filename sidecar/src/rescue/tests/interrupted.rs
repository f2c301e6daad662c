//! Settings that become wrong while a batch is searched: everything is refused for a while.

use std::ops::Range;

use super::*;

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
