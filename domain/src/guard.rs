//! Rules of the protocol that the seeded system test can take out, one at a time.
//!
//! Each guard of the design exists because a loss was seen without it. Built with the feature
//! `ablation` (only the tests do), [`without`] runs a closure with one rule switched off, so that
//! the test can show that some seed then fails. In every other build [`holds`] is the constant
//! `true` and costs nothing.

/// Declares the rules with their names.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident),+ $(,)?) => {
        /// One rule of the protocol, named after what it demands.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rule { $($(#[$doc])* $rule),+ }

        impl Rule {
            /// All rules.
            pub const ALL: &'static [Self] = &[$(Self::$rule),+];
        }
    };
}

rules! {
    /// Verdicts in a redelivered outcome settle what the book still holds parked of that batch.
    RedeliveredVerdictsSettle,
    /// `cu.parked` is appended only after the outcome is durable.
    ParkAfterOutcome,
    /// The highest batch number is committed together with the tap offset.
    NumberInCommit,
    /// A home city without an endpoint parks.
    NoEndpointParks,
    /// A part leaves the park only when the book reports it final.
    ResultUnparks,
    /// What is said but not yet reported final is said again, and the book repeats its result.
    BookRepeatsResult,
    /// Adjustments carry an id, repeats are no-ops.
    AdjustmentIdOnce,
    /// A record tapped before what may have been dropped is late.
    DropLine,
    /// Identities are kept while a record is parked that arrived during their life.
    KeepWhileArrivedParked,
    /// Date, window and prefix moves are checked for each cut-off event against what really ruled.
    CutOffChecked,
    /// A rulebook version is immutable; the event carries its digest.
    RulebookDigest,
    /// The digest of each batch is kept; the same number with another digest stops the city.
    DigestKept,
    /// A redelivered number goes on to the book as a header.
    RedeliveryForwarded,
    /// One writer, one partition: nothing behind a failed append lands.
    WriterOrder,
    /// A redelivered outcome counts nothing anew.
    RedeliveryCountsNothing,
    /// The tap offset is committed only after the outcome is durable.
    CommitAfterOutcome,
    /// The tap offset is committed only after the parked parts are durable.
    CommitAfterParked,
    /// Markers are copies of the event as it was read back.
    MarkerReadBack,
    /// A marker for a past cycle is ignored.
    PastMarkerIgnored,
    /// A final record is never judged again.
    FinalOnce,
    /// Only identities tapped before the drop line are dropped.
    PruneAtDropLine,
    /// Offset and state are one atomic write.
    AtomicOffset,
    /// The book seeks to its own store's offset.
    StoreOffset,
    /// Outcomes are written in the city's batch order.
    RejoinInOrder,
    /// A wrong answer is no answer.
    WrongAnswerRefused,
    /// The plan waits for the totals of every partition.
    PlanWaitsForAll,
    /// Markers wait until the switches have passed the tap ends noted in the cut-off.
    Barrier,
    /// A batch is journaled before it is published.
    JournalBeforePublish,
    /// Records are judged in file order.
    FileOrder,
    /// Final results beat parked ones, later cycles beat earlier ones.
    FinalBeatsParked,
    /// The first event for a cycle wins.
    FirstEventWins,
    /// Membership is checked again when a record leaves the park.
    MemberCheckedAgain,
    /// At a marker, parked records of a home city that is gone end.
    MarkerEndsGone,
    /// Late and future are judged by the cycle of first arrival.
    LateByArrival,
    /// A conflict is paid to nobody.
    ConflictUnpaid,
    /// A rejected record takes no identity.
    RejectedTakesNoIdentity,
    /// A batch is kept until all of its results are final.
    KeepUntilFinal,
    /// What is to be published survives until it is acknowledged.
    OutboxKept,
    /// Later records of a pair go behind what is parked of it.
    BehindParked,
    /// A skipped batch number stops the city.
    SkippedNumberStops,
    /// A hole in the log stops the partition.
    HoleStops,
    /// The drop line is the greatest of all cycles so far.
    DropLineNeverFalls,
    /// A record that leaves the park meets the identities that counted when it arrived.
    LineOfArrival,
    /// A record has a row in every cycle that it waits, whenever that cycle is rendered.
    WaitedRowsShown,
    /// The next cut-off is made only after the plan of the cycle before.
    PlanBeforeCutOff,
    /// The park is read to its end before the taps.
    ParkBeforeTaps,
    /// A batch is booked only where the open cycle's table keeps its city.
    PlaceByTable,
}

#[cfg(feature = "ablation")]
thread_local! {
    /// The rules that are out, a bit each.
    static OFF: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Whether the rule is in force. Always true outside the ablation test.
#[cfg(feature = "ablation")]
#[must_use]
pub fn holds(rule: Rule) -> bool {
    OFF.get() & (1 << rule as u32) == 0
}

/// Whether the rule is in force. Always true outside the ablation test.
#[cfg(not(feature = "ablation"))]
#[must_use]
#[inline(always)]
pub const fn holds(_rule: Rule) -> bool {
    true
}

/// Runs `body` on this thread with one rule taken out, beside those that are out already.
#[cfg(feature = "ablation")]
pub fn without<T>(rule: Rule, body: impl FnOnce() -> T) -> T {
    struct Restore(u64);
    impl Drop for Restore {
        fn drop(&mut self) {
            OFF.set(self.0);
        }
    }
    let _restore = Restore(OFF.replace(OFF.get() | (1 << rule as u32)));
    body()
}
