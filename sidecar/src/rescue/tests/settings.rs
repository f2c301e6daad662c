//! Refusals of everything: settings are wrong from the start, or seem so.

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
