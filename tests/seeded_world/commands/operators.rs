//! What goes wrong with a city's batches, and what operators do then and otherwise.

use clearing_node::book::identity_to_wire;
use domain::city::City;
use proto::{Clearing, Import, Message, Moved, Outcome, Resume, clearing::Body};

use super::{
    super::{disks::Disk, drawing::Drawn, net::Topic, reference::Check, scheme::city},
    Machine,
};

impl<D: Disk> Machine<D> {
    pub(super) fn other_content(&mut self, partition: u32, back: u64) -> Check {
        let topic = Topic::Clearing(partition);
        let offset = self.centre.env.log.end(topic).saturating_sub(back);
        let Some(payload) = self.centre.env.log.read(topic, offset) else { return Ok(()) };
        let Some(Body::Outcome(outcome)) = Clearing::decode(payload).unwrap().body else { return Ok(()) };
        let digest = proto::digest::bytes(&outcome.digest).to_vec().into();
        self.centre.clearing(partition, Body::Outcome(Outcome { digest, ..outcome }))
    }

    /// What `book resume` does; killed after so many copies.
    pub(super) fn resume(&mut self, of: City, looked: bool, copies: usize) -> Check {
        let home = self.centre.home(of);
        let reference = self.centre.env.reference(home);
        let (next, (owed, stopped)) = (reference.next_of(of), reference.waits_for_operator(of));
        if stopped || !owed {
            let resume = Resume {
                id: format!("r{}", self.centre.env.log.end(Topic::Clearing(home))),
                city: of.to_string(),
                next: next + u64::from(!looked),
                ..Resume::default()
            };
            self.centre.clearing(home, Body::Resume(resume))?;
        }
        let due = usize::try_from(next - 1).unwrap();
        let again = self.sent.get(&of).into_iter().flatten().skip(due).take(copies);
        for outcome in again.cloned().collect::<Vec<_>>() {
            self.centre.clearing(self.centre.place(of), Body::Outcome(outcome))?;
        }
        Ok(())
    }

    pub(super) fn import(&mut self, acquirer: usize, taps: &[Drawn], parts: &[u32], overlap: bool) -> Check {
        let (of, records) = (city(acquirer), self.records(acquirer, taps));
        self.presented.extend(records.iter().cloned());
        let home = self.centre.home(of);
        let id = format!("i{}", self.centre.env.log.end(Topic::Clearing(home)));
        let (first, second) = records.split_at(records.len() / 2);
        for part in parts {
            let records = if *part == 1 { first } else { second };
            let taps: Vec<_> = records.iter().map(|record| (city(record.issuer), record.tap(0))).collect();
            let identities: Vec<u8> = taps.iter().flat_map(|(of, tap)| identity_to_wire(*of, tap)).collect();
            let imported =
                &mut self.centre.env.partitions[usize::try_from(home).unwrap()].reference.operators;
            imported.imported.insert((id.clone(), *part), taps);
            let import = Import {
                id: id.clone(),
                city: of.to_string(),
                part: *part,
                last: *part == 2,
                identities: identities.into(),
                identities_total: u64::from(*part == 2) * records.len() as u64,
                overlap,
                arrival: None,
            };
            self.centre.clearing(home, Body::Import(import))?;
        }
        Ok(())
    }

    pub(super) fn move_city(&mut self, of: City, lands: bool) -> Check {
        let from = self.centre.home(of);
        let id = format!("m{of}{from}-{}", self.centre.env.log.end(Topic::Clearing(from)));
        let moved = Moved { id, city: of.to_string(), from, to: 1 - from, part: 1 };
        self.centre.clearing(from, Body::Moved(moved))?;
        if lands { self.land(false) } else { Ok(()) }
    }

    pub(super) fn land(&mut self, twice: bool) -> Check {
        let Some((to, payload)) = self.centre.moving.pop_front() else { return Ok(()) };
        if twice {
            self.centre.moving.push_back((to, payload.clone()));
        }
        self.centre.land(to, payload)
    }
}
