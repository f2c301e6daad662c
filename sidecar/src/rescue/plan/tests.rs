use proptest::prelude::*;

use super::{super::Reason, *};
use std::collections::BTreeSet;

fn units(sizes: &[usize]) -> Vec<Unit> {
    let mut next = 0;
    let unit = |records: &usize| {
        let first = next;
        next += records;
        Unit { records: (first..next).collect(), bytes: 100 * records }
    };
    sizes.iter().map(unit).collect()
}

/// Settles everything against the `bad` records, with up to `width` parts at once;
/// says what was stored and refused, and how many parts were sent.
fn settle(plan: &mut Plan, bad: &BTreeSet<usize>, width: usize) -> (Vec<usize>, Vec<usize>, usize) {
    let (mut stored, mut refused, mut sent) = (Vec::new(), Vec::new(), 0);
    let mut under_way = VecDeque::new();
    loop {
        while under_way.len() < width {
            let Some(part) = plan.next(None, |_| false) else { break };
            under_way.push_back(part);
            sent += 1;
        }
        let Some(part) = under_way.pop_front() else { break };
        let is_bad = part.records.iter().any(|record| bad.contains(record));
        match plan.settle(part, if is_bad { Verdict::Refused } else { Verdict::Stored }) {
            Settled::Open => {}
            Settled::Stored(records) => stored.extend(records),
            Settled::Refused(records, _) => refused.extend(records),
            Settled::Single { record, unit } => {
                refused.push(record);
                plan.replace(unit, &[]);
            }
        }
    }
    assert!(plan.is_empty() && plan.undecided().is_empty());
    (stored, refused, sent)
}

#[test]
fn one_bad_series_of_thousands_is_found_wherever_it_is() {
    for (count, step) in [(2000, 1), (5000, 17)] {
        for position in (0..count).step_by(step).chain([count - 1]) {
            let mut plan = Plan::new(
                [(Class::Ordinary, units(&vec![1; count]))],
                true,
                usize::MAX,
                &Edges::new(),
            );
            let (stored, refused, sent) = settle(&mut plan, &[position].into(), 8);
            assert_eq!((stored.len(), refused.as_slice()), (count - 1, &[position][..]));
            assert!(sent <= 28, "{count} {position}: {sent}");
        }
    }
}

#[test]
fn doomed_units_are_refused_with_one_part_and_come_last() {
    let mut others = units(&[1; 5]);
    let doomed = others.split_off(3);
    let classes = [(Class::Doomed(Reason::TooOld), doomed), (Class::Ordinary, others)];
    let mut plan = Plan::new(classes, false, usize::MAX, &Edges::new());
    let (stored, refused, sent) = settle(&mut plan, &[3, 4].into(), 1);
    assert_eq!((stored.len(), refused.len(), sent), (3, 2, 2));
}

#[test]
fn the_border_of_a_limit_is_found_in_few_requests() {
    let beyond = Class::Beyond(Limit::Age);
    for count in [1, 2, 3, 100, 2000] {
        for border in [0, 1, 2, count / 3, count / 2, count - 1, count] {
            let bad: BTreeSet<usize> = (border..count).collect();
            for width in [1, 8] {
                let classes = [(beyond, units(&vec![1; count]))];
                let mut plan = Plan::new(classes, false, usize::MAX, &Edges::new());
                let (stored, refused, sent) = settle(&mut plan, &bad, width);
                let what = format!("{border} of {count}: {sent}");
                assert_eq!(stored.len(), border.min(count), "{what}");
                assert_eq!(refused.len(), bad.len(), "{what}");
                let most = if border == 0 || border == count { 2 } else { 4 + 12 };
                assert!(sent <= most, "{what}");
            }
        }
    }
    // One that is refused for something else takes no other with it.
    let mut plan = Plan::new([(beyond, units(&[1; 9]))], false, usize::MAX, &Edges::new());
    let (stored, refused, _) = settle(&mut plan, &[0].into(), 8);
    assert_eq!((stored.len(), refused.as_slice()), (8, &[0][..]));
}

#[test]
fn doomed_units_wait_for_a_test_which_may_spare_them() {
    for healed in [false, true] {
        let mut all = units(&[1; 12]);
        let doomed = all.split_off(2);
        let mut classes = vec![(Class::Doomed(Reason::Other), doomed)];
        classes.extend(all.into_iter().map(|unit| (Class::Test, vec![unit])));
        let mut plan = Plan::new(classes, false, usize::MAX, &Edges::new());
        let tests = [plan.next(None, |_| false).unwrap(), plan.next(None, |_| false).unwrap()];
        assert!(tests.iter().all(|test| test.records.len() == 1 && test.records[0] < 2));
        assert_eq!(plan.next(None, |_| false), None, "before the tests are answered");
        for (test, verdict) in tests
            .into_iter()
            .zip([Verdict::Refused, if healed { Verdict::Stored } else { Verdict::Refused }])
        {
            if let Settled::Single { unit, .. } = plan.settle(test, verdict) {
                plan.replace(unit, &[]);
            }
        }
        let (stored, refused, sent) = settle(&mut plan, &[7].into(), 8);
        if healed {
            assert_eq!((stored.len(), refused.as_slice()), (9, &[7][..]));
        } else {
            assert_eq!((stored.len(), refused.len(), sent), (0, 10, 1));
        }
    }
}

#[test]
fn a_series_is_sent_in_order_and_one_part_at_a_time() {
    let mut plan = Plan::new([(Class::Ordinary, units(&[6]))], false, usize::MAX, &Edges::new());
    let whole = plan.next(None, |_| false).unwrap();
    assert_eq!(plan.settle(whole, Verdict::Refused), Settled::Open);
    let first = plan.next(None, |_| false).unwrap();
    assert_eq!(first.records, [0, 1, 2]);
    assert_eq!(plan.next(None, |_| false), None, "the rest comes after it");
    assert_eq!(plan.settle(first, Verdict::Untried), Settled::Open);
    let first = plan.next(None, |_| false).unwrap();
    assert_eq!(plan.settle(first, Verdict::Refused), Settled::Open);
    let first = plan.next(None, |_| false).unwrap();
    assert_eq!(plan.settle(first, Verdict::Refused), Settled::Single { record: 0, unit: 0 });
    assert_eq!(plan.next(None, |_| false), None, "before its own parts");
    plan.replace(0, &[10, 11]);
    let order: Vec<_> = std::iter::from_fn(|| {
        let part = plan.next(None, |_| false)?;
        let records = part.records.clone();
        plan.settle(part, Verdict::Stored);
        Some(records)
    })
    .collect();
    assert_eq!(order, [vec![10], vec![11], vec![1, 2], vec![3, 4, 5]]);
}

#[test]
fn a_batch_that_is_too_large_is_cut_in_order() {
    let mut plan = Plan::new([(Class::Ordinary, units(&[1; 10]))], false, 400, &Edges::new());
    let first = plan.next(None, |_| false).unwrap();
    assert_eq!(first.records, [0, 1, 2, 3]);
    assert_eq!(plan.settle(first, Verdict::TooLarge), Settled::Open);
    let sizes: Vec<_> = std::iter::from_fn(|| {
        let part = plan.next(None, |_| false)?;
        let count = part.records.len();
        plan.settle(part, Verdict::Stored);
        Some(count)
    })
    .collect();
    assert_eq!(sizes.iter().sum::<usize>(), 10);
    assert!(sizes.iter().all(|count| *count <= 2), "{sizes:?}");
}

#[test]
fn a_plan_continues_with_the_parts_of_another() {
    let mut plan = Plan::new([(Class::Ordinary, units(&[1; 64]))], true, usize::MAX, &Edges::new());
    let first = plan.next(None, |_| false).unwrap();
    assert_eq!(first.records.len(), 16);
    plan.settle(first, Verdict::Refused);
    let left = plan.edges();
    assert_eq!(left.len(), 3 + 4);
    let mut again = Plan::new([(Class::Ordinary, units(&[1; 64]))], false, usize::MAX, &left);
    let sizes: Vec<_> =
        std::iter::from_fn(|| Some(again.next(None, |_| false)?.records.len())).collect();
    assert_eq!(sizes, [16, 16, 16, 4, 4, 4, 4]);
}

#[test]
fn a_probe_is_one_unit_and_leaves_the_others() {
    for (number, record) in [(0, 0), (3, 3), (6, 6), (u64::MAX, 1)] {
        let mut plan =
            Plan::new([(Class::Ordinary, units(&[1; 7]))], true, usize::MAX, &Edges::new());
        let probe = plan.probe(number).unwrap();
        assert_eq!(probe.records, [record]);
        assert_eq!(plan.undecided().len(), 6);
        plan.settle(probe, Verdict::Untried);
        assert_eq!(plan.undecided().len(), 7);
    }
    assert_eq!(Plan::new([], true, 1, &Edges::new()).probe(0), None);
}

#[test]
fn witnesses_are_kept_back_until_they_are_asked_for() {
    let mut ordinary = units(&[1; 9]);
    let witnesses = ordinary.split_off(6);
    let mut plan = Plan::new([(Class::Ordinary, ordinary)], false, usize::MAX, &Edges::new());
    plan.keep_back(witnesses);
    assert_eq!(plan.next(None, |_| false).unwrap().records, [0, 1, 2, 3, 4, 5]);
    assert_eq!(
        (plan.next(None, |_| false), plan.has_untried(), plan.undecided()),
        (None, false, vec![6, 7, 8])
    );
    let witness = plan.witness().unwrap();
    assert_eq!(witness.records, [6]);
    assert_eq!(plan.settle(witness, Verdict::Untried), Settled::Open);
    assert_eq!(plan.next(None, |_| false).unwrap().records, [6], "it is one like the others now");
    let last = plan.all_witnesses().unwrap();
    assert_eq!((last.records.as_slice(), plan.undecided()), (&[7, 8][..], vec![]));
    assert_eq!(plan.settle(last, Verdict::Refused), Settled::Open);
    assert_eq!(plan.next(None, |_| false).unwrap().records, [7]);
    assert!(plan.kept_back().eq([8]), "the other half is kept back again");
    let last = plan.all_witnesses().unwrap();
    assert_eq!(plan.settle(last, Verdict::Stored), Settled::Stored(vec![8]));
    assert_eq!((plan.all_witnesses(), plan.witness()), (None, None));
}

#[test]
fn witnesses_go_with_what_looks_good_where_all_else_is_doomed() {
    let mut ordinary = units(&[1; 9]);
    let doomed = ordinary.split_off(8);
    let witnesses = ordinary.split_off(6);
    for other in [Class::Doomed(Reason::TooOld), Class::Suspect] {
        let classes = [(Class::Ordinary, ordinary.clone()), (other, doomed.clone())];
        let mut plan = Plan::new(classes, false, usize::MAX, &Edges::new());
        plan.keep_back(witnesses.clone());
        let part = plan.promising().unwrap();
        if other == Class::Suspect {
            assert_eq!(part.records, [0, 1, 2, 3, 4, 5]);
            continue;
        }
        assert_eq!(part.records, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(plan.settle(part, Verdict::Refused), Settled::Open);
        assert!(plan.next(None, |_| false).unwrap().records.len() < 3, "it is divided at once");
        assert_eq!(plan.witness().unwrap().records, [6]);
    }
}

proptest! {
    #[test]
    fn good_records_are_stored_and_bad_ones_refused_each_once(
        sizes in prop::collection::vec(1_usize..4, 1..300),
        bad in prop::collection::btree_set(0_usize..600, 0..40),
        suspects in 0_usize..20,
        width in 1_usize..9,
        max_bytes in 100_usize..50_000,
    ) {
        let mut ordinary = units(&sizes);
        let count: usize = sizes.iter().sum();
        let suspects = ordinary.split_off(ordinary.len().saturating_sub(suspects));
        let classes = [(Class::Ordinary, ordinary), (Class::Suspect, suspects)];
        let mut plan = Plan::new(classes, false, max_bytes, &Edges::new());
        let (mut stored, mut refused, _) = settle(&mut plan, &bad, width);
        stored.sort_unstable();
        refused.sort_unstable();
        let expected = |is_bad| (0..count).filter(move |one| bad.contains(one) == is_bad);
        prop_assert!(stored.iter().copied().eq(expected.clone()(false)));
        prop_assert!(refused.iter().copied().eq(expected(true)));
    }
}
