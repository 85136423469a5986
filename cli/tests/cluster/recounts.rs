//! Positions recounted while nodes are running.

use crate::{
    cluster::Cluster,
    support::{Ran, Running, arguments, command},
};

/// `book verify` of running nodes, again and again: of a node's own stores, and of the snapshots of all.
#[derive(Default)]
pub struct Recounts {
    running: Option<Running>,
    done: Vec<Ran>,
}

impl Recounts {
    pub fn go_on(&mut self, cluster: &Cluster, book: &str) {
        if self.running.as_mut().is_some_and(|running| running.ended().is_none()) {
            return;
        }
        self.done.extend(self.running.take().map(Running::wait));
        let name = &cluster.services[self.done.len() / 2 % 2].name;
        let (config, objects) = (cluster.config(name), cluster.world.path("objects"));
        let words = match self.done.len() % 2 {
            0 => arguments("book verify -o csv --config {}", &[&config]),
            _ => arguments(&format!("book verify -o csv --objects {{}} {}", book), &[&objects]),
        };
        self.running = Some(Running::start(command(words)));
    }

    /// Both ways once more, with everything of the open cycle booked.
    pub fn of_everything(&mut self, cluster: &Cluster, book: &str) {
        let wanted = self.done.len() + 4;
        while self.done.len() < wanted {
            self.done.extend(self.running.take().map(Running::wait));
            self.go_on(cluster, book);
        }
    }

    /// All agreed, and the open cycle was counted.
    pub fn check(mut self) {
        self.done.extend(self.running.take().map(Running::wait));
        let mut counted = 0;
        for ran in self.done {
            let ran = ran.ok();
            let open = ran.stdout.lines().map(|line| line.split(',').collect::<Vec<_>>());
            let records =
                open.filter(|columns| columns.get(2) == Some(&"open")).map(|columns| columns[4].to_owned());
            counted += records.filter(|records| records != "0").count();
        }
        eprintln!("{counted} times a partition's open cycle was counted again");
        assert!(counted > 0, "no open cycle was counted");
    }
}
