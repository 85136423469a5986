//! Members of groups in one process, and who of them owns what.
//!
//! Each member has a thread that tells its owner. A partition changes hands in two steps: the thread of the
//! old member says when it is given up, and only then is it the new member's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{Opened, Shared, catalog::Catalog, sharing::share};
use crate::{LogError, Membership, Owner, Partition};

/// What a member's thread is told to do. There are never more orders waiting than partitions, and a few.
enum Order {
    Assign(Vec<Partition>),
    Revoke(Vec<Partition>),
    Leave,
}

/// Who has a partition.
#[derive(Clone, Copy)]
struct Held {
    member: u64,
    /// Its thread was told to give it up and has not said that it has.
    leaving: bool,
}

struct Seat {
    topics: BTreeSet<String>,
    orders: Sender<Order>,
    /// It gets nothing more.
    leaving: bool,
}

#[derive(Default)]
struct Group {
    seats: BTreeMap<u64, Seat>,
    held: BTreeMap<Partition, Held>,
}

impl Group {
    /// Brings the partitions nearer to their fair owners: what nobody has is handed out, what another should
    /// have is asked back.
    fn share(&mut self, catalog: &Catalog) {
        let seats = || self.seats.iter().filter(|(_, seat)| !seat.leaving);
        let mut wanted: BTreeMap<Partition, Vec<u64>> = BTreeMap::new();
        for (member, topic) in seats().flat_map(|(id, seat)| seat.topics.iter().map(|topic| (*id, topic))) {
            for number in 0..catalog.partitions(topic) {
                wanted.entry(Partition::new(topic, number)).or_default().push(member);
            }
        }
        let now = self.held.iter().map(|(partition, held)| (partition.clone(), held.member)).collect();
        let shares = share(&wanted, &now);
        let mut revoke: BTreeMap<u64, Vec<Partition>> = BTreeMap::new();
        for (partition, held) in &mut self.held {
            if !held.leaving && shares.get(partition) != Some(&held.member) {
                held.leaving = true;
                revoke.entry(held.member).or_default().push(partition.clone());
            }
        }
        let mut assign: BTreeMap<u64, Vec<Partition>> = BTreeMap::new();
        for (partition, member) in shares {
            self.held.entry(partition).or_insert_with_key(|partition| {
                assign.entry(member).or_default().push(partition.clone());
                Held { member, leaving: false }
            });
        }
        for (member, partitions) in revoke {
            self.order(member, Order::Revoke(partitions));
        }
        for (member, partitions) in assign {
            self.order(member, Order::Assign(partitions));
        }
    }

    fn order(&self, member: u64, order: Order) {
        if let Some(seat) = self.seats.get(&member) {
            // A thread that has ended gives everything up by itself.
            drop(seat.orders.send(order));
        }
    }
}

#[derive(Default)]
struct State {
    /// Number of the member that joined last.
    last: u64,
    groups: BTreeMap<String, Group>,
}

/// All groups of a log.
#[derive(Default)]
pub(super) struct Groups {
    state: Mutex<State>,
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Topics were created.
    pub(super) fn share_all(&self, catalog: &Catalog) {
        for group in self.lock().groups.values_mut() {
            group.share(catalog);
        }
    }

    /// Changes a group and shares its partitions anew; one without members is forgotten.
    fn change(&self, catalog: &Catalog, name: &str, change: impl FnOnce(&mut Group)) {
        let mut state = self.lock();
        let Some(group) = state.groups.get_mut(name) else { return };
        change(group);
        if group.seats.is_empty() {
            state.groups.remove(name);
        } else {
            group.share(catalog);
        }
    }

    /// Takes a member in; what it gets is ordered at once.
    fn enter(&self, catalog: &Catalog, name: &str, topics: &[String], orders: Sender<Order>) -> u64 {
        let mut state = self.lock();
        state.last += 1;
        let id = state.last;
        let group = state.groups.entry(name.to_owned()).or_default();
        let seat = Seat { topics: topics.iter().cloned().collect(), orders, leaving: false };
        group.seats.insert(id, seat);
        group.share(catalog);
        id
    }
}

/// What a member and its thread share.
struct Place {
    shared: Arc<Shared>,
    group: String,
    owned: Mutex<BTreeSet<Partition>>,
}

impl Place {
    fn owned(&self) -> MutexGuard<'_, BTreeSet<Partition>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Group)) {
        self.shared.groups.change(&self.shared.catalog, &self.group, change);
    }

    /// Its owner has given these up.
    fn give_up(&self, partitions: &[Partition]) {
        self.owned().retain(|partition| !partitions.contains(partition));
        self.change(|group| group.held.retain(|partition, _| !partitions.contains(partition)));
    }
}

/// A member of a group of an embedded log.
pub(super) struct Member {
    place: Arc<Place>,
    id: u64,
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
    /// The log stays open while somebody is a member.
    _opened: Arc<Opened>,
}

impl Member {
    pub(super) fn join(
        opened: Arc<Opened>,
        group: &str,
        topics: &[String],
        owner: Box<dyn Owner>,
    ) -> Result<Self, LogError> {
        let shared = Arc::clone(&opened.shared);
        let place = Arc::new(Place { shared, group: group.to_owned(), owned: Mutex::default() });
        let (orders, hear) = unbounded();
        let (tell_id, hear_id) = crossbeam_channel::bounded(1);
        let its = Arc::clone(&place);
        let run = move || {
            // The thread starts before the member enters, so that a failure to start leaves nothing behind.
            if let Ok(id) = hear_id.recv() {
                serve(&Leaving { place: its, id }, &hear, owner);
            }
        };
        let thread = thread::Builder::new().name("log-member".to_owned()).spawn(run);
        let thread = thread.map_err(|source| LogError::Backend {
            context: format!("start the thread of a member of {group}"),
            source: Box::new(source),
        })?;
        let id = place.shared.groups.enter(&place.shared.catalog, group, topics, orders.clone());
        // The thread waits for it.
        let _ = tell_id.send(id);
        Ok(Self { place, id, orders, thread: Some(thread), _opened: opened })
    }
}

impl Membership for Member {
    fn subscribe(&self, topics: &[String]) -> Result<(), LogError> {
        self.place.change(|group| {
            if let Some(seat) = group.seats.get_mut(&self.id) {
                seat.topics = topics.iter().cloned().collect();
            }
        });
        Ok(())
    }

    fn owned(&self) -> Vec<Partition> {
        self.place.owned().iter().cloned().collect()
    }

    fn failed(&self) -> Option<String> {
        let ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        ended.then(|| format!("the thread of a member of {} panicked", self.place.group))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // A thread that has ended has left.
        drop(self.orders.send(Order::Leave));
        if let Some(thread) = self.thread.take().filter(|it| it.thread().id() != thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the thread of a member of {} panicked", self.place.group);
        }
    }
}

/// Gives up everything when the thread ends, however it ends.
struct Leaving {
    place: Arc<Place>,
    id: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.place.owned().clear();
        self.place.change(|group| {
            group.seats.remove(&self.id);
            group.held.retain(|_, held| held.member != self.id);
        });
    }
}

/// Tells the owner until the member leaves.
fn serve(leaving: &Leaving, orders: &Receiver<Order>, mut owner: Box<dyn Owner>) {
    let place = &leaving.place;
    for order in orders {
        match order {
            Order::Assign(partitions) => {
                place.owned().extend(partitions.iter().cloned());
                owner.assigned(&partitions);
            }
            Order::Revoke(partitions) => {
                owner.revoked(&partitions);
                place.give_up(&partitions);
            }
            Order::Leave => break,
        }
    }
    place.change(|group| {
        if let Some(seat) = group.seats.get_mut(&leaving.id) {
            seat.leaving = true;
        }
    });
    let left: Vec<Partition> = place.owned().iter().cloned().collect();
    if !left.is_empty() {
        owner.revoked(&left);
    }
}
