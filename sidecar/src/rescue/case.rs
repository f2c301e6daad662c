//! What is known of a refused batch.

use std::collections::{BTreeSet, HashMap, HashSet};

use tokio::time::Instant;

use super::{account::Account, ledger::Hash, plan::Edges, refusals::Refusals};
use crate::{http1::Message, upstream::Received};

/// What is known of a refused batch, over all attempts.
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) message: Message,
    /// The refusal of the whole batch.
    pub(super) refusal: Received,
    pub(super) first_refused: Instant,
    pub(super) last: Instant,
    /// How many requests the destination had accepted when it was first refused.
    pub(super) accepted_before: u64,
    /// How often it was refused with this status.
    pub(super) attempts: u32,
    /// How many attempts found something out.
    pub(super) fruitful: u32,
    /// It is sent in parts, not as a whole.
    pub(super) searching: bool,
    /// It was too large, and no part of it has been refused yet.
    pub(super) is_cut: bool,
    /// A record of it is refused.
    pub(super) any_refused: bool,
    /// The parts that the last attempt left.
    pub(super) edges: Edges,
    /// The refusals that have not decided anything yet.
    pub(super) refusals: Refusals,
    /// No other batch was accepted for a while: the attempt does not wait for one, but sends a
    /// stored record again.
    pub(super) was_alone: bool,
    /// The records of several samples that were divided.
    pub(super) divided: HashSet<Hash>,
    /// The records that were divided by time, with that time in milliseconds since 1970.
    pub(super) split: HashMap<Hash, i64>,
    /// The witnesses that are left: the first record of each series.
    pub(super) witnesses: BTreeSet<usize>,
    /// How many were chosen so far, so that the next ones are others.
    pub(super) witnesses_chosen: usize,
    /// The labels of recently refused series that are sent by themselves, to find out whether
    /// they and others like them are still refused.
    pub(super) tests: Vec<Hash>,
    /// How many records it has; each needs a place in the ledger during the search.
    pub(super) records: usize,
    /// How many attempts in a row ended without an acceptance.
    pub(super) fruitless: u32,
    pub(super) account: Account,
}

impl Case {
    pub(super) fn new(message: Message, refusal: Received, accepted_before: u64) -> Self {
        let now = Instant::now();
        Self {
            message,
            is_cut: refusal.status == 413,
            refusal,
            first_refused: now,
            last: now,
            accepted_before,
            attempts: 0,
            fruitful: 0,
            searching: false,
            any_refused: false,
            edges: Edges::new(),
            refusals: Refusals::default(),
            was_alone: false,
            divided: HashSet::new(),
            split: HashMap::new(),
            witnesses: BTreeSet::new(),
            witnesses_chosen: 0,
            tests: Vec::new(),
            records: 0,
            fruitless: 0,
            account: Account::default(),
        }
    }

    /// A part of a batch that was too large is refused.
    pub(super) fn searched_for(&mut self, refusal: Received) {
        (self.refusal, self.first_refused, self.is_cut) = (refusal, Instant::now(), false);
    }
}
