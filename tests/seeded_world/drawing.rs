//! Commands as proptest draws them: few words, so that many are alike and a failure shrinks well.

use proptest::{
    collection::vec,
    prelude::{Strategy, any},
    prop_oneof,
};

use super::scheme::{ISSUERS, PARTITIONS};

/// One tap, by few words, so that many are alike.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub sequence: u32,
    pub content: u32,
    pub issuer: usize,
    /// Days before the business date; negative is after it.
    pub age: i32,
    pub genuine: bool,
}

/// Something that happens. Numbers choose among what there is, whatever that is.
#[derive(Clone, Debug)]
pub enum Command {
    /// A batch arrives; the home cities of the mask have answered.
    Present { acquirer: usize, taps: Vec<Drawn>, answered: u8 },
    /// A record comes once more, with the same content or another.
    PresentAgain { which: usize, clash: bool, answered: bool },
    /// A home city answers about something parked.
    Answer { partition: u32, place: usize },
    /// A message lands once more.
    Redeliver { partition: u32, back: u64 },
    /// The cycle ends, and the next opens so many days later, perhaps with another window.
    CutOff { days: i32, window: Option<u32> },
    /// So many days pass that everything remembered so far is forgotten.
    Expire,
    /// A node folds some messages as one transaction, and dies before the commit or not.
    Fold { partition: u32, messages: u64, dies: bool },
    /// A node dies and starts on what is durable.
    Crash { partition: u32 },
    /// A copy of the store is kept.
    Snapshot { partition: u32 },
    /// A node starts on a copy, or on an empty disk.
    Restore { partition: u32, which: usize },
    /// Another node takes the partition: everything that the old one had in memory is gone.
    Rebalance { partition: u32, folded: bool },
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (0..5_u32, 1..3_u32, 0..ISSUERS, -2..6_i32, 0..8_u8).prop_map(
        |(sequence, content, issuer, age, genuine)| Drawn {
            sequence,
            content,
            issuer,
            age,
            genuine: genuine > 0,
        },
    )
}

/// Any command.
pub fn command() -> impl Strategy<Value = Command> {
    let partition = || 0..PARTITIONS;
    prop_oneof![
        6 => (0..2_usize, vec(drawn(), 1..5), any::<u8>())
            .prop_map(|(acquirer, taps, answered)| Command::Present { acquirer, taps, answered }),
        4 => (any::<usize>(), any::<bool>(), any::<bool>())
            .prop_map(|(which, clash, answered)| Command::PresentAgain { which, clash, answered }),
        3 => (partition(), 0..4_usize).prop_map(|(partition, place)| Command::Answer { partition, place }),
        2 => (partition(), 1..9_u64).prop_map(|(partition, back)| Command::Redeliver { partition, back }),
        2 => (0..3_i32, proptest::option::of(1..5_u32))
            .prop_map(|(days, window)| Command::CutOff { days, window }),
        1 => proptest::strategy::Just(Command::Expire),
        4 => (partition(), 1..6_u64, any::<bool>())
            .prop_map(|(partition, messages, dies)| Command::Fold { partition, messages, dies }),
        1 => partition().prop_map(|partition| Command::Crash { partition }),
        1 => partition().prop_map(|partition| Command::Snapshot { partition }),
        1 => (partition(), any::<usize>())
            .prop_map(|(partition, which)| Command::Restore { partition, which }),
        1 => (partition(), any::<bool>())
            .prop_map(|(partition, folded)| Command::Rebalance { partition, folded }),
    ]
}
