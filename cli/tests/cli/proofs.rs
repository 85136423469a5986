//! One paid record, proved to somebody who has the signed manifest and nothing else.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    support::{Ran, cityunion, clear},
};

const T: &str = "200000000001";
const CYCLE: &str = "2018-09-01-001";

/// A closed cycle of some taps, one of them handed in twice, and what a bank has of it.
struct Bank {
    folder: TempDir,
}

impl Bank {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let scheme = Scheme::new(folder.path().join("scheme"), &["cu-2000", "cu-3000", "cu-4000"]);
        let line = |seq: u32, issuer: &str, algorithm: &str| {
            tap(T, seq, issuer, 100 + seq, "2018-09-01T12:00:00", algorithm)
        };
        let mut lines: Vec<String> = (1..12).map(|seq| line(seq, "cu-3000", "sm4")).collect();
        lines.extend((20..25).map(|seq| line(seq, "cu-4000", "3des")));
        lines.push(line(5, "cu-3000", "sm4"));
        lines.push(line(40, "cu-3000", "sm4") + "00000000");
        scheme.taps("cu-2000", "2018-09-01.csv", &lines.iter().map(String::as_str).collect::<Vec<_>>());
        let next = tap(T, 90, "cu-3000", 500, "2018-09-02T12:00:00", "sm4");
        scheme.taps("cu-2000", "2018-09-02.csv", &[&next]);
        let other = folder.path().join("other");
        cityunion("simulate --out {} --cities 2 --taps 0", &[&other]).ok();
        fs::rename(other.join("pki"), scheme.path.join("pki")).unwrap();
        let bank = Self { folder };
        clear(&scheme.path, &bank.path("out"));
        clear(&scheme.path, &bank.path("out"));
        fs::create_dir(bank.path("bank")).unwrap();
        for name in
            [format!("{CYCLE}/manifest.json"), format!("{CYCLE}/manifest.json.p7s"), "ca.pem".to_owned()]
        {
            let to = bank.path("bank").join(name.rsplit('/').next().unwrap());
            fs::copy(bank.path("out").join(&name), to).unwrap();
        }
        bank
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn prove(&self, words: &str) -> Ran {
        cityunion(&format!("prove --out {{}} --cycle {CYCLE} --terminal {T} {words}"), &[&self.path("out")])
    }

    /// Checks a proof with what the bank has.
    fn check(&self, proof: &str) -> Ran {
        let path = self.path("bank/proof.json");
        fs::write(&path, proof).unwrap();
        let bank = self.path("bank");
        let words = "verify {} --manifest {} --ca {}";
        cityunion(words, &[&path, &bank.join("manifest.json"), &bank.join("ca.pem")])
    }

    /// Expects that an altered proof is wrong for this reason.
    #[track_caller]
    fn wrong(&self, proof: &Value, alter: impl Fn(&mut Value), says: &str) {
        let mut altered = proof.clone();
        alter(&mut altered);
        let ran = self.check(&altered.to_string()).exits(4);
        assert!(
            ran.stdout.contains(says) && ran.stdout.contains("WRONG"),
            "`{says}` is missing in {}",
            ran.stdout
        );
    }
}

#[test]
fn every_paid_record_is_proved_with_the_signed_manifest_alone() {
    let bank = Bank::new();
    for seq in (1..12).chain(20..25) {
        let proof = bank.prove(&format!("--seq {seq}")).ok().stdout;
        assert!(proof.len() <= 2048 && proof.ends_with("}\n"), "{proof}");
        let ran = bank.check(&proof).ok();
        assert!(
            ran.stdout.contains(&format!("in the signed manifest: cu-{}000", if seq < 20 { 3 } else { 4 })),
            "{}",
            ran.stdout
        );
        let proof: Value = serde_json::from_str(&proof).unwrap();
        assert_eq!((&proof["layout"], &proof["tree_size"]), (&json!("cityunion-proof/1"), &json!(16)));
    }
    // Without its signature the manifest proves nothing, which is said.
    let [proof, manifest] = ["bank/proof.json", "bank/manifest.json"].map(|name| bank.path(name));
    fs::remove_file(bank.path("bank/manifest.json.p7s")).unwrap();
    let ran = cityunion("verify {} --manifest {}", &[&proof, &manifest]).exits(4);
    assert!(ran.stdout.contains("nobody has signed the manifest"), "{}", ran.stdout);
    fs::remove_file(bank.path("bank/ca.pem")).unwrap();
    let ran = cityunion("verify {} --manifest {}", &[&proof, &manifest]).ok();
    assert!(ran.stdout.contains("whose signature was not checked"), "{}", ran.stdout);
    cityunion("verify {}", &[&proof]).exits(2).says(&["--manifest"]);
}

#[test]
fn what_nobody_pays_for_has_no_proof() {
    let bank = Bank::new();
    bank.prove("--seq 77").exits(3).says(&["no home city pays for it", "no acquirer presented it"]);
    bank.prove("--seq 40").exits(3).says(&["rejected tac_invalid", "2018-09-01.csv line 19"]);
    bank.prove("--seq 5 --issuer cu-4000").exits(3).says(&["no home city pays"]);
    // Handed in twice, paid once: there is one leaf, the first one's.
    let proof: Value = serde_json::from_str(&bank.prove("--seq 5").ok().stdout).unwrap();
    assert_eq!(proof["index"], 4);
    let ran = cityunion("prove --cycle {} --terminal 20000000000g --seq 1", &[&bank.path("out")]).exits(2);
    ran.says(&["12 hex digits"]);
    // A folder that was altered proves nothing.
    let issuer = bank.path("out").join(CYCLE).join("issuer/cu-3000.csv");
    fs::write(&issuer, fs::read_to_string(&issuer).unwrap().replacen(",103,", ",903,", 1)).unwrap();
    bank.prove("--seq 5").exits(1).says(&["cityunion verify says more"]);
}

#[test]
fn a_wrong_proof_says_what_is_wrong() {
    let bank = Bank::new();
    let text = bank.prove("--seq 5").ok().stdout;
    let proof: Value = serde_json::from_str(&text).unwrap();
    bank.check(&text).ok();
    let leaf = proof["leaf"].as_str().unwrap();
    let another = |name: &str| json!(name);
    bank.wrong(
        &proof,
        |it| it["leaf"] = json!(leaf.replace(",105,", ",905,")),
        "the leaf or its audit path was altered",
    );
    bank.wrong(
        &proof,
        |it| it["audit_path"][1] = json!("0".repeat(64)),
        "the leaf or its audit path was altered",
    );
    bank.wrong(&proof, |it| it["audit_path"][1] = another("00"), "hash 2 of its audit path is no SHA-256");
    bank.wrong(&proof, |it| it["index"] = json!(5), "belong to index 4, not 5");
    bank.wrong(&proof, |it| it["index"] = json!(16), "index 16 is not below");
    bank.wrong(
        &proof,
        |it| drop(it["audit_path"].as_array_mut().unwrap().pop()),
        "the audit path is too short",
    );
    bank.wrong(
        &proof,
        |it| it["audit_path"].as_array_mut().unwrap().push(json!("0".repeat(64))),
        "the audit path is too long",
    );
    bank.wrong(&proof, |it| it["cycle"] = another("2018-09-02-001"), "it is a proof for 2018-09-02-001");
    bank.wrong(&proof, |it| it["root"] = json!("0".repeat(64)), "differs from the manifest's");
    bank.wrong(&proof, |it| it["tree_size"] = json!(15), "its tree has 15 leaves");
    bank.wrong(&proof, |it| it["layout"] = another("cityunion-proof/2"), "its layout is");
    bank.wrong(&proof, |it| it["algorithm"] = another("md5"), "its algorithm is");
    let ran = bank.check("{}").exits(4);
    assert!(ran.stdout.contains("it is no proof"), "{}", ran.stdout);

    // The manifest of another cycle, and one that was altered.
    let other = bank.path("out/2018-09-02-001/manifest.json");
    let ran = cityunion("verify {} --manifest {}", &[&bank.path("bank/proof.json"), &other]).exits(4);
    assert!(ran.stdout.contains("no proof") || ran.stdout.contains("WRONG"), "{}", ran.stdout);
    fs::write(bank.path("bank/proof.json"), &text).unwrap();
    let ran = cityunion("verify {} --manifest {}", &[&bank.path("bank/proof.json"), &other]).exits(4);
    assert!(ran.stdout.contains("but the manifest is that of 2018-09-02-001"), "{}", ran.stdout);
    let manifest = bank.path("bank/manifest.json");
    fs::write(&manifest, fs::read_to_string(&manifest).unwrap().replace("\"version\": 1", "\"version\": 2"))
        .unwrap();
    let ran = bank.check(&text).exits(4);
    assert!(ran.stdout.contains("manifest.json.p7s: it signs other bytes"), "{}", ran.stdout);
}
