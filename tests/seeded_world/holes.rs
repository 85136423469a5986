//! The log loses messages, or forgets them; the operator restores what stands still.

use proto::{Message, TapBatch};

use super::{booking::Booking, net::Topic, reference::Check, scheme::acquirers, world::World};

impl World {
    /// The log loses messages that it had acknowledged: at the end of a city's taps, results or parked parts.
    pub fn lose_a_tail(&mut self) -> Check {
        let env = &mut self.env;
        let all: Vec<_> = acquirers().collect();
        let city = env.dice.pick(&all);
        let topic = env.dice.pick(&[Topic::Taps(city), Topic::Results(city), Topic::Parked(city)]);
        let count = 1 + env.dice.below(3);
        let lost = env.log.lose_tail(topic, count);
        env.trace(|| format!("{topic:?} loses its last {} messages", lost.len()));
        for payload in &lost {
            if let Topic::Taps(_) = topic {
                let batch = TapBatch::decode(payload.clone()).map_err(|e| e.to_string())?;
                env.checks.lose(city, batch.number);
            }
        }
        if !lost.is_empty() {
            env.checks.wound(city, env.log.end(Topic::Taps(city)));
        }
        Ok(())
    }

    /// A snapshot is taken, and then the log of a partition forgets messages before it: who lags behind, or starts
    /// from an older store, meets a hole.
    pub fn forget_old_messages(&mut self) {
        let live: Vec<usize> = (0..self.books.len()).filter(|place| !self.books[*place].zombie).collect();
        let book = &self.books[self.env.dice.pick(&live)];
        let (partition, offset) = (book.partition, book.next_offset());
        let topic = Topic::Clearing(partition);
        if book.hole.is_some() || offset < self.env.log.start(topic) {
            return;
        }
        self.snapshots[usize::try_from(partition).unwrap()] = book.rows.clone();
        let span = usize::try_from(offset - self.env.log.start(topic)).unwrap() + 1;
        let start = self.env.log.start(topic) + self.env.dice.below(span) as u64;
        self.env.trace(|| format!("the log of partition {partition} now begins at {start}"));
        self.env.log.retain_from(topic, start);
    }

    /// The operator restores the newest snapshot wherever a partition stands still; whether one did.
    pub fn restore_what_stands_still(&mut self) -> Result<bool, String> {
        let mut hit = false;
        while let Some(place) = self.books.iter().position(|book| book.hole.is_some()) {
            let (partition, zombie) = (self.books[place].partition, self.books[place].zombie);
            self.kill_book(place);
            if !zombie {
                let rows = self.snapshots[usize::try_from(partition).unwrap()].clone();
                let next = Booking::load(&mut self.env, partition, rows)?;
                self.books.push(next);
            }
            hit = true;
        }
        Ok(hit)
    }
}
