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
    /// A message that comes with a number that is known, and other content.
    OtherContent { partition: u32, back: u64 },
    /// A batch is lost on its way to the book.
    Lose { acquirer: usize, taps: Vec<Drawn> },
    /// An operator lets a city go on, having looked well or not; so many of its batches come again.
    Resume { acquirer: usize, looked: bool, copies: usize },
    /// What an older system has paid comes in two parts, in this order, `overlap` or not.
    Import { acquirer: usize, taps: Vec<Drawn>, order: Order, overlap: bool },
    /// A city goes to the other partition; what is known of it lands at once or later.
    Move { acquirer: usize, lands: bool },
    /// What is on its way to another partition lands, perhaps for the first of two times.
    Land { twice: bool },
    /// The cycle ends, and the next opens so many days later, perhaps with another window. The markers come at once or
    /// later; the table is the one before although a city has moved, or not.
    CutOff { days: i32, window: Option<u32>, slow: bool, stale: bool },
    /// A marker that is due is written.
    Mark,
    /// The log loses some of its last messages, which a node may have folded.
    LoseEnd { partition: u32, count: usize },
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

/// In which order two parts come: as they are, each twice, the second first, or the first alone.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    Right,
    Twice,
    Wrong,
    First,
}

impl Order {
    pub fn parts(self) -> &'static [u32] {
        match self {
            Self::Right => &[1, 2],
            Self::Twice => &[1, 1, 2, 2],
            Self::Wrong => &[2, 1, 2],
            Self::First => &[1],
        }
    }
}

fn order() -> impl Strategy<Value = Order> {
    proptest::sample::select(&[Order::Right, Order::Twice, Order::Wrong, Order::First])
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
        2 => (0..3_i32, proptest::option::of(1..5_u32), any::<bool>(), 0..8_u8)
            .prop_map(|(days, window, slow, fresh)| Command::CutOff { days, window, slow, stale: fresh == 0 }),
        2 => proptest::strategy::Just(Command::Mark),
        1 => (partition(), 1..4_usize).prop_map(|(partition, count)| Command::LoseEnd { partition, count }),
        1 => (partition(), 1..9_u64)
            .prop_map(|(partition, back)| Command::OtherContent { partition, back }),
        1 => (0..2_usize, vec(drawn(), 1..3)).prop_map(|(acquirer, taps)| Command::Lose { acquirer, taps }),
        2 => (0..2_usize, 0..8_u8, 0..5_usize).prop_map(|(acquirer, looked, copies)| {
            Command::Resume { acquirer, looked: looked > 0, copies }
        }),
        1 => (0..2_usize, vec(drawn(), 1..5), order(), 0..4_u8).prop_map(|(acquirer, taps, order, overlap)| {
            Command::Import { acquirer, taps, order, overlap: overlap > 0 }
        }),
        2 => (0..2_usize, any::<bool>()).prop_map(|(acquirer, lands)| Command::Move { acquirer, lands }),
        1 => any::<bool>().prop_map(|twice| Command::Land { twice }),
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
