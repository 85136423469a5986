//! Who should own which partition: fair, and moving as little as that needs.

use std::collections::BTreeMap;

use crate::Partition;

/// Shares partitions, each with the members that want it; `now` tells who has it. Of
/// members that want the same, none has two more than another.
pub(super) fn share(
    partitions: &BTreeMap<Partition, Vec<u64>>,
    now: &BTreeMap<Partition, u64>,
) -> BTreeMap<Partition, u64> {
    let mut counts: BTreeMap<u64, usize> = partitions.values().flatten().map(|member| (*member, 0)).collect();
    let mut shares = BTreeMap::new();
    let kept = |partition: &Partition, may: &[u64]| now.get(partition).copied().filter(|it| may.contains(it));
    for (partition, may) in partitions {
        if let Some(member) = kept(partition, may) {
            *counts.entry(member).or_default() += 1;
            shares.insert(partition.clone(), member);
        }
    }
    for (partition, may) in partitions {
        if !shares.contains_key(partition)
            && let Some(member) = least(&counts, may)
        {
            *counts.entry(member).or_default() += 1;
            shares.insert(partition.clone(), member);
        }
    }
    while let Some((partition, from, to)) = fairer(partitions, &shares, &counts) {
        *counts.entry(from).or_default() -= 1;
        *counts.entry(to).or_default() += 1;
        shares.insert(partition, to);
    }
    shares
}

/// Of some members the one that has least.
fn least(counts: &BTreeMap<u64, usize>, may: &[u64]) -> Option<u64> {
    may.iter().copied().min_by_key(|member| (counts.get(member).copied().unwrap_or_default(), *member))
}

/// A move that makes the shares fairer: from the one that has most to the one that has least.
fn fairer(
    partitions: &BTreeMap<Partition, Vec<u64>>,
    shares: &BTreeMap<Partition, u64>,
    counts: &BTreeMap<u64, usize>,
) -> Option<(Partition, u64, u64)> {
    let count = |member: u64| counts.get(&member).copied().unwrap_or_default();
    let moves = shares.iter().filter_map(|(partition, from)| {
        let to = least(counts, partitions.get(partition)?)?;
        (count(to) + 1 < count(*from)).then(|| (partition.clone(), *from, to))
    });
    moves.max_by_key(|(_, from, to)| count(*from) - count(*to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(count: u32, members: &[u64]) -> BTreeMap<Partition, Vec<u64>> {
        (0..count).map(|number| (Partition::new("t", number), members.to_vec())).collect()
    }

    fn moved(before: &BTreeMap<Partition, u64>, after: &BTreeMap<Partition, u64>) -> usize {
        before.iter().filter(|(partition, member)| after.get(*partition) != Some(*member)).count()
    }

    #[test]
    fn one_that_comes_takes_its_share_and_nothing_else_moves() {
        let mut now = share(&wanted(10, &[1]), &BTreeMap::new());
        assert!(now.values().all(|member| *member == 1));
        for (members, moves) in [(vec![1, 2], 5), (vec![1, 2, 3], 3)] {
            let next = share(&wanted(10, &members), &now);
            assert_eq!((next.len(), moved(&now, &next)), (10, moves), "{members:?}");
            now = next;
        }
        let without_one: BTreeMap<_, _> = now.iter().filter(|(_, member)| **member != 1).collect();
        let next = share(&wanted(10, &[2, 3]), &now);
        assert!(without_one.iter().all(|(partition, member)| next[*partition] == **member));
        assert_eq!(next.values().filter(|member| **member == 2).count(), 5);
        assert_eq!(share(&wanted(10, &[2, 3]), &next), next);
    }

    #[test]
    fn nobody_gets_what_it_does_not_want() {
        let mut wanted = wanted(4, &[1, 2]);
        let only_two = Partition::new("u", 0);
        wanted.insert(only_two.clone(), vec![2]);
        wanted.insert(Partition::new("v", 0), Vec::new());
        let shares = share(&wanted, &BTreeMap::from([(only_two.clone(), 1)]));
        assert_eq!(shares[&only_two], 2);
        assert_eq!(shares.len(), 5);
        assert!(shares.values().filter(|member| **member == 2).count() <= 3);
    }
}
