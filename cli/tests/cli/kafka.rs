//! On Apache Kafka `clear` writes the same files as on the embedded log.

use std::time::Duration;

use cu_log::testing::Broker;
use tempfile::TempDir;

use crate::{
    kills::{killed_after, two_days},
    support::{assert_same, cityunion, clear, cycles, tree},
};

#[test]
fn kafka_and_the_embedded_log_give_the_same_files() {
    let folder = TempDir::new().unwrap();
    let scheme = two_days(folder.path(), 6_000);
    let embedded = folder.path().join("embedded");
    for _ in 0..2 {
        clear(&scheme, &embedded);
    }
    let wanted = tree(&embedded);
    let words = format!("clear {{}} --out {{}} --kafka {}", Broker::shared().bootstrap());

    let out = folder.path().join("kafka");
    for _ in 0..2 {
        cityunion(&words, &[&scheme, &out]).ok();
    }
    assert_eq!(cycles(&out).len(), 2);
    assert_same("Kafka", &wanted, &out);

    let out = folder.path().join("killed");
    assert!(killed_after(&words, &scheme, &out, Duration::from_millis(700)), "it was still at work");
    for _ in 0..3 {
        cityunion(&words, &[&scheme, &out]).ok();
    }
    assert_same("Kafka, killed once", &wanted, &out);
}

#[test]
fn an_out_stays_on_its_kind_of_log() {
    let folder = TempDir::new().unwrap();
    let scheme = two_days(folder.path(), 100);
    let out = folder.path().join("out");
    clear(&scheme, &out);
    let words = "clear {} --out {} --kafka 127.0.0.1:1";
    cityunion(words, &[&scheme, &out]).exits(3).says(&["refused", "embedded", "--kafka"]);
}
