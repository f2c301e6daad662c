//! Batches of hardly anything but bad series.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_bad_throughout_ends_while_others_pass() {
    for count in [1, 2, 40, 2000] {
        let sender = Sender::new();
        let good = Endpoint::new([]);
        sender.attempt(&good, &batch(7)).await;
        // The control write is one that was stored: sample 0.
        let endpoint = Endpoint::new(1000..1000 + count);
        let body = encoded(
            (1000..1000 + count)
                .map(|number| series(&format!("metric_{number}"), number, [(number, NOW_MILLIS)])),
        );
        let ended = sender.send(&endpoint, &body).await;
        assert!(ended.status == 400 && ended.attempts <= 8, "{ended:?}");
        assert!(endpoint.seen.lock().unwrap().stored.keys().all(|number| *number == 0));
        assert_eq!(sender.count("refused_samples_total"), count as u64);
    }
}

/// How long a sender waits before it sends a batch again, if it does.
const fn pause_after(rescued: &Rescued) -> Option<Duration> {
    match rescued {
        Rescued::Settled { .. } => None,
        Rescued::AboutRequest(_) => Some(Duration::from_secs(5)),
        Rescued::Unfinished { is_waiting: true, .. } => Some(Duration::from_secs(2)),
        _ => Some(Duration::from_secs(1)),
    }
}

/// Sends a batch until the answer is final, while another sender's batches are stored so
/// often; the attempts it took.
async fn send_beside(sender: &Sender, endpoint: &Endpoint, body: &[u8], pause: Duration) -> usize {
    let others = async {
        for number in 0.. {
            let other = [series("up", number, [(100_000 + number, NOW_MILLIS)])];
            sender.attempt(&Endpoint::new([]), &encoded(other)).await;
            sleep(pause).await;
        }
    };
    let own = async {
        for attempts in 1..200 {
            let begun = Instant::now();
            let rescued = sender.attempt(endpoint, body).await;
            assert!(begun.elapsed() <= TIMEOUT);
            let Some(pause) = pause_after(&rescued) else { return attempts };
            sleep(pause).await;
        }
        panic!("no end");
    };
    tokio::select! {
        () = others => unreachable!(),
        attempts = own => attempts,
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_hardly_anything_but_bad_series_ends_while_others_are_stored() {
    let sizes = [1, 2, 12, 13, 16, 17, 20, 33, 64, 250, 2000].map(|count| (count, 0));
    for (count, good) in sizes.into_iter().chain([(6, 1), (25, 1), (60, 3), (65, 5)]) {
        for pause in [100, 1000, 2100, 4000, 7000].map(Duration::from_millis) {
            for latency in [QUICK, Duration::from_millis(100), Duration::from_millis(700)] {
                let sender = Sender::new();
                let is_bad = |number: &usize| number % 7 != 5 || number / 7 >= good;
                let endpoint = Endpoint { latency, ..Endpoint::new((0..count).filter(is_bad)) };
                let attempts = send_beside(&sender, &endpoint, &batch(count), pause).await;
                let what = format!("{count}, others every {pause:?}, {latency:?}: {attempts}");
                // Where others are seldom stored, some attempts are one request within a pause.
                let most = if pause <= Duration::from_secs(1) { 8 } else { 16 };
                assert!(attempts <= most, "{what}");
                let refused = sender.count("refused_samples_total");
                assert_eq!(refused, (count - good) as u64, "{what}");
                // One of the others' may be asked for.
                endpoint.seen.lock().unwrap().stored.retain(|number, _| *number < count);
                check_stored(&endpoint, count, 1);
            }
        }
    }
}

/// The shards of a Prometheus send their parts of `count` series at once; nothing was
/// accepted before, and few series are good.
async fn check_fresh(count: usize, good: usize, shards: usize, seed: u64) {
    let sender = Sender::with_seed(seed);
    let good: BTreeSet<usize> =
        (0..good).map(|number| (number * 7919 + seed as usize * 31) % count).collect();
    let is_bad = |number: &usize| !good.contains(number);
    let latency = Duration::from_millis(100);
    let endpoint = Endpoint { latency, ..Endpoint::new((0..count).filter(is_bad)) };
    let begun = Instant::now();
    let shard = async |shard: usize| {
        let numbers = (shard..count).step_by(shards);
        let body = encoded(numbers.map(|number| {
            series(&format!("metric_{}", number % 50), number, [(number, NOW_MILLIS)])
        }));
        while let Some(pause) = pause_after(&sender.attempt(&endpoint, &body).await) {
            sleep(pause).await;
            assert!(begun.elapsed() < Duration::from_mins(15), "Azure takes them for 20 minutes");
        }
    };
    futures_util::future::join_all((0..shards).map(shard)).await;
    let what = format!("{count} in {shards}, seed {seed}: {:?}", begun.elapsed());
    let refused = sender.count("refused_samples_total");
    assert_eq!(refused, (count - good.len()) as u64, "{what}");
    // The first that is stored is the control of the others.
    check_stored(&endpoint, count, 30);
    let stored = endpoint.seen.lock().unwrap().stored.clone();
    assert!(stored.values().filter(|times| **times > 1).count() <= 1, "{what}: {stored:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fresh_sidecar_finds_the_few_good_series_before_they_are_too_old() {
    for (count, good, shards) in [(60, 3, 1), (60, 3, 4), (200, 4, 4)] {
        for seed in 0..3 {
            check_fresh(count, good, shards, seed).await;
        }
    }
}
