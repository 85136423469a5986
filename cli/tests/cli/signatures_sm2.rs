//! Cycles signed with SM2: OpenSSL and Bouncy Castle read them, proofs and acts work as ever, and a scheme goes over from
//! ECDSA to SM2.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    signatures::{FIRST, small},
    support::{assert_same, cityunion, clear, cycles, repository, tree},
};

const ID: &str = "distid:1234567812345678";

/// The test PKI of a seed, of an algorithm.
fn simulated_pki(folder: &Path, seed: u32, algorithm: &str) -> PathBuf {
    let scheme = folder.join(format!("{algorithm}-{seed}"));
    let words = format!("simulate --out {{}} --seed {seed} --cities 2 --taps 0 --signatures {algorithm}");
    cityunion(&words, &[&scheme]).ok();
    scheme.join("pki")
}

/// A closed cycle of a small scheme whose keys are of SM2: the scheme and OUT.
fn closed(folder: &Path) -> (PathBuf, PathBuf) {
    let (scheme, out) = (small(folder).path, folder.join("out"));
    fs::remove_dir_all(scheme.join("pki")).unwrap();
    fs::rename(simulated_pki(folder, 5, "sm2-sm3"), scheme.join("pki")).unwrap();
    clear(&scheme, &out);
    (scheme, out)
}

/// Runs OpenSSL in a folder.
fn openssl(folder: &Path, words: &str) -> bool {
    let ran = Command::new("openssl").current_dir(folder).args(words.split(' ')).output();
    ran.unwrap().status.success()
}

/// Bouncy Castle's word on signatures of 2018-09-01.
fn bouncy_castle(ca: &Path, signatures: &[PathBuf]) -> Output {
    let classes = repository().join(".deps/cms-reader/classes/Reader.class");
    assert!(
        classes.exists(),
        "the tests need a reader of signatures in .deps/cms-reader: run tools/setup once"
    );
    let run = repository().join("tests/cms-reader/run");
    Command::new(run).arg(ca).arg("2018-09-01T15:59:59Z").args(signatures).output().unwrap()
}

fn signatures(cycle: &Path) -> Vec<PathBuf> {
    let names = tree(cycle).into_keys().filter(|name| name.ends_with(".p7s"));
    names.map(|name| cycle.join(name)).collect()
}

#[test]
fn a_cycle_signed_with_sm2_is_made_again_byte_for_byte_and_verified() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = closed(folder.path());
    let again = folder.path().join("again");
    clear(&scheme, &again);
    assert_same("signed twice", &tree(&out), &again);
    let ran = cityunion("verify {}", &[&out.join(FIRST)]).ok();
    assert!(ran.stdout.contains("signed by CN=TEST cycle signer 1"), "{}", ran.stdout);
    assert!(ran.stdout.contains("sm2-sm3"), "{}", ran.stdout);
    let (log, pki) = (out.join(".state/log"), scheme.join("pki"));
    let words = "replay --from log --log {} --published {} --signing-dir {} --ca {}";
    let ran = cityunion(words, &[&log, &out, &pki, &pki.join("ca.pem")]).ok();
    assert!(ran.stdout.contains("signatures too, byte for byte"), "{}", ran.stdout);

    // Whatever is altered is found.
    let cycle = out.join(FIRST);
    for path in signatures(&cycle) {
        let whole = fs::read(&path).unwrap();
        for at in [whole.len() / 3, whole.len() - 1] {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            fs::write(&path, altered).unwrap();
            cityunion("verify {}", &[&cycle]).exits(4);
        }
        fs::write(&path, whole).unwrap();
    }
    cityunion("verify {}", &[&cycle]).ok();
}

/// A reader of another make, which knows SM2 in CMS as a whole.
#[test]
fn bouncy_castle_accepts_every_signature_of_either_algorithm() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = closed(folder.path());
    let (cycle, ca) = (out.join(FIRST), out.join("ca.pem"));
    let all = signatures(&cycle);
    assert!(all.len() > 2, "{all:?}");
    let ran = bouncy_castle(&ca, &all);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(said.matches("with 1.2.156.10197.1.401 1.2.156.10197.1.501").count(), all.len(), "{said}");
    assert!(said.contains("CN=TEST cycle signer 1"), "{said}");

    let manifest = cycle.join("manifest.json");
    let (whole, signature) = (fs::read(&manifest).unwrap(), [cycle.join("manifest.json.p7s")]);
    fs::write(&manifest, [whole.as_slice(), b"\n"].concat()).unwrap();
    assert!(!bouncy_castle(&ca, &signature).status.success(), "an altered file");
    fs::write(&manifest, &whole).unwrap();
    let other = simulated_pki(folder.path(), 6, "sm2-sm3").join("ca.pem");
    assert!(!bouncy_castle(&other, &signature).status.success(), "another CA");

    fs::remove_dir_all(scheme.join("pki")).unwrap();
    fs::rename(simulated_pki(folder.path(), 5, "ecdsa-p256-sha256"), scheme.join("pki")).unwrap();
    let out = folder.path().join("of-ecdsa");
    clear(&scheme, &out);
    let ran = bouncy_castle(&out.join("ca.pem"), &signatures(&out.join(FIRST)));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn a_proof_stands_on_a_signature_of_sm2() {
    let folder = TempDir::new().unwrap();
    let (_, out) = closed(folder.path());
    let words = format!("prove --out {{}} --cycle {FIRST} --terminal 200000000001 --seq 1");
    let proof = cityunion(&words, &[&out]).ok().stdout;
    let bank = folder.path().join("bank");
    fs::create_dir(&bank).unwrap();
    fs::write(bank.join("proof.json"), &proof).unwrap();
    for name in ["manifest.json", "manifest.json.p7s"] {
        fs::copy(out.join(FIRST).join(name), bank.join(name)).unwrap();
    }
    let check = |ca: &Path| {
        let (proof, manifest) = (bank.join("proof.json"), bank.join("manifest.json"));
        cityunion("verify {} --manifest {} --ca {}", &[&proof, &manifest, ca])
    };
    let ran = check(&out.join("ca.pem")).ok();
    assert!(ran.stdout.contains("sm2-sm3"), "{}", ran.stdout);
    check(&simulated_pki(folder.path(), 6, "sm2-sm3").join("ca.pem")).exits(4);
}

/// Cycle 1 is signed with ECDSA; a pair of SM2 by a CA of its own takes over while the old one is still valid.
#[test]
fn a_scheme_goes_over_from_ecdsa_to_sm2() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (small(folder.path()).path, folder.path().join("out"));
    let pki = scheme.join("pki");
    clear(&scheme, &out);
    let new = new_signer(folder.path());
    for name in ["signer-2.pem", "signer-2.key"] {
        fs::copy(new.join(name), pki.join(name)).unwrap();
    }
    let both =
        [pki.join("ca.pem"), new.join("ca.pem")].map(|path| fs::read_to_string(path).unwrap()).concat();
    fs::write(pki.join("ca.pem"), &both).unwrap();
    clear(&scheme, &out);
    assert_eq!(fs::read_to_string(out.join("ca.pem")).unwrap(), both);
    for (cycle, how) in cycles(&out).iter().zip(["ecdsa-p256-sha256", "sm2-sm3"]) {
        let ran = cityunion("verify {}", &[&out.join(cycle)]).ok();
        assert!(ran.stdout.contains(how), "{cycle}: {}", ran.stdout);
    }
    assert_eq!(cycles(&out).len(), 2);
    cityunion("verify {}", &[&out]).ok();
    // Made again with both pairs there, the first cycle is signed with the first one.
    let again = folder.path().join("again");
    clear(&scheme, &again);
    let signature = format!("{FIRST}/manifest.json.p7s");
    assert!(fs::read(out.join(&signature)).unwrap() == fs::read(again.join(&signature)).unwrap());
}

/// A CA and a signer of SM2 that are valid from the second day on, made with OpenSSL alone.
fn new_signer(folder: &Path) -> PathBuf {
    let new = folder.join("new");
    fs::create_dir_all(new.join("issued")).unwrap();
    fs::write(new.join("index.txt"), "").unwrap();
    fs::write(new.join("ca.cnf"), CA_CNF).unwrap();
    for words in [
        "genpkey -algorithm SM2 -out ca.key".to_owned(),
        "genpkey -algorithm SM2 -out signer-2.key".to_owned(),
        format!("req -new -key ca.key -sm3 -sigopt {ID} -out ca.csr -subj /CN=New-CA"),
        format!("req -new -key signer-2.key -sm3 -sigopt {ID} -out signer-2.csr -subj /CN=New-signer"),
        format!(
            "ca -batch -config ca.cnf -selfsign -extensions of_ca -vfyopt {ID} -sigopt {ID} -keyfile ca.key -in ca.csr -out ca.pem -startdate 20180101000000Z"
        ),
        format!(
            "ca -batch -config ca.cnf -extensions of_signer -vfyopt {ID} -sigopt {ID} -keyfile ca.key -cert ca.pem -in signer-2.csr -out signer-2.pem -startdate 20180902000000Z"
        ),
    ] {
        assert!(openssl(&new, &words), "{words}");
    }
    fs::set_permissions(new.join("signer-2.key"), fs::Permissions::from_mode(0o600)).unwrap();
    new
}

const CA_CNF: &str = "\
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = issued
rand_serial = yes
default_md = sm3
default_enddate = 20991231235959Z
policy = any
unique_subject = no
[any]
commonName = supplied
organizationalUnitName = optional
[of_ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[of_signer]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
";

/// Somebody whose key is of SM2 acts beside somebody whose key is of ECDSA.
#[test]
fn a_person_with_a_key_of_sm2_releases_a_cycle() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    cityunion("simulate --out {} --cities 3 --taps 300 --signatures sm2-sm3", &[&path("scheme")]).ok();
    let new = new_signer(folder.path());
    for words in [
        format!("req -new -key signer-2.key -sm3 -sigopt {ID} -out chen.csr -subj /CN=chen/OU=operators"),
        format!(
            "ca -batch -config ca.cnf -extensions of_signer -vfyopt {ID} -sigopt {ID} -keyfile ca.key -cert ca.pem -in chen.csr -out chen.pem -startdate 20180902000000Z"
        ),
    ] {
        assert!(openssl(&new, &words), "{words}");
    }
    fs::rename(new.join("signer-2.key"), new.join("chen.key")).unwrap();
    cityunion("clear {} --out {} --release people", &[&path("scheme"), &path("out")]).ok();
    let tls = path("scheme/pki/tls");
    let act = |words: &str, certificate: &Path| {
        let words = format!("cycle {words} {FIRST} --in {{}} --certificate {{}}");
        cityunion(&words, &[&path("out"), certificate])
    };
    act("propose", &new.join("chen.pem")).exits(3).says(&["none that the CA certified"]);
    let people = tls.join("ca.pem");
    let both = [people.clone(), new.join("ca.pem")].map(|ca| fs::read_to_string(ca).unwrap()).concat();
    fs::write(&people, both).unwrap();
    act("propose", &new.join("chen.pem")).ok();
    act("release", &tls.join("operator-li.pem")).ok();
    let shown = cityunion(&format!("cycle releases {FIRST} --in {{}} -o json"), &[&path("out")]).ok();
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["state"], "released", "{shown:#}");
    assert!(shown.to_string().contains("chen"), "{shown:#}");
}

#[test]
fn simulate_names_the_algorithms_that_there_are() {
    let folder = TempDir::new().unwrap();
    let ran =
        cityunion("simulate --out {} --taps 0 --signatures rsa", &[&folder.path().join("scheme")]).exits(2);
    ran.says(&["ecdsa-p256-sha256", "sm2-sm3"]);
    let pki = simulated_pki(folder.path(), 5, "sm2-sm3");
    assert!(openssl(&pki, &format!("verify -vfyopt {ID} -purpose any -CAfile ca.pem signer-1.pem")));
    // TLS stays what it is.
    assert!(openssl(&pki, "verify -CAfile tls/ca.pem tls/portal.pem"));
}
