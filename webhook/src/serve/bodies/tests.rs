use super::*;

const KIB: usize = 1 << 10;
const UNKNOWN: usize = usize::MAX;

fn bodies(budget: usize) -> Bodies {
    Bodies { budget, ..Bodies::default() }
}

fn held(bodies: &Bodies) -> usize {
    let held = bodies.lock();
    let really: usize = held.by_id.values().map(|part| part.bytes.capacity()).sum();
    assert_eq!(held.bytes, really);
    really
}

#[tokio::test(start_paused = true)]
async fn the_budget_holds_and_a_small_new_body_is_never_given_up() {
    let bodies = bodies(1000 * KIB);
    let slow: Vec<_> = (0..100).map(|_| bodies.begin(UNKNOWN)).collect();
    for round in 0..64 {
        tokio::time::advance(Duration::from_millis(10)).await;
        for one in &slow {
            // Given up or not: it keeps sending.
            let _ = one.push(&[b' '; KIB]);
            assert!(held(&bodies) <= 1000 * KIB);
        }
        let small = bodies.begin(15 * KIB);
        small.push(&[b'a'; 10 * KIB]).unwrap();
        small.push(&[b'b'; 5 * KIB]).unwrap();
        assert!(held(&bodies) <= 1000 * KIB);
        assert_eq!(small.finish().unwrap().len(), 15 * KIB, "round {round}");
    }
    let survivors = slow.into_iter().filter_map(|one| one.finish().ok()).count();
    assert!((1..=1000 / 64).contains(&survivors), "{survivors}");
    assert_eq!(held(&bodies), 0);
}

#[tokio::test(start_paused = true)]
async fn the_largest_and_slowest_body_is_dropped() {
    let bodies = bodies(100 * KIB);
    let old = bodies.begin(30 * KIB);
    old.push(&vec![0; 30 * KIB]).unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    let large = bodies.begin(50 * KIB);
    large.push(&vec![0; 50 * KIB]).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    // 30 KiB for 3 s are more than 50 KiB for 1 s.
    let new = bodies.begin(40 * KIB);
    new.push(&vec![0; 40 * KIB]).unwrap();
    assert!(matches!(old.push(&[0]), Err(BodyError::GivenUp)));
    assert!(matches!(old.finish(), Err(BodyError::GivenUp)));
    assert_eq!(large.finish().unwrap().len(), 50 * KIB);
    assert_eq!(new.finish().unwrap().len(), 40 * KIB);
}

#[tokio::test]
async fn dropped_and_too_large_bodies_hold_no_memory() {
    let bodies = Bodies::default();
    let dropped = bodies.begin(UNKNOWN);
    dropped.push(&[0; 100]).unwrap();
    drop(dropped);
    assert_eq!(held(&bodies), 0);
    let large = bodies.begin(UNKNOWN);
    for _ in 0..MAX_BODY_BYTES / KIB {
        large.push(&[0; KIB]).unwrap();
    }
    assert!(matches!(large.push(&[0]), Err(BodyError::TooLarge)));
    assert!(held(&bodies) <= MAX_BODY_BYTES);
    drop(large);
    let announced = Body::from(vec![0; MAX_BODY_BYTES + 1]);
    assert!(matches!(bodies.receive(announced).await, Err(BodyError::TooLarge)));
    assert_eq!(bodies.receive(Body::from(vec![0; 20])).await.unwrap().capacity(), 20);
    assert_eq!(held(&bodies), 0);
}
