//! Signed cycles: OpenSSL accepts everything that is written, whatever is altered is found, and no cycle appears
//! unsigned where it should be signed.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use signing::{Algorithm, Authority, Digests, Order, Signers, Usage};
use tempfile::TempDir;

use crate::{
    scheme::{Scheme, tap},
    support::{Ran, assert_same, cityunion, clear, cycles, repository, tree},
};

pub const FIRST: &str = "2018-09-01-001";

/// A small simulated scheme of two days.
fn simulated(folder: &Path) -> PathBuf {
    let scheme = folder.join("scheme");
    cityunion("simulate --out {} --seed 3 --cities 3 --days 2 --taps 600", &[&scheme]).ok();
    scheme
}

/// A scheme of one tap a day and the keys that `simulate` makes.
pub fn small(folder: &Path) -> Scheme {
    let scheme = Scheme::new(folder.join("scheme"), &["cu-2000", "cu-3000"]);
    for day in 1..4 {
        let at = format!("2018-09-0{day}T12:00:00");
        let line = tap("200000000001", day, "cu-3000", 100 * day, &at, "sm4");
        scheme.taps("cu-2000", &format!("2018-09-0{day}.csv"), &[&line]);
    }
    keys(folder, &scheme.path, 5);
    scheme
}

/// Gives a scheme the keys of a seed.
fn keys(folder: &Path, scheme: &Path, seed: u32) {
    let other = folder.join(format!("seed-{seed}"));
    cityunion(&format!("simulate --out {{}} --seed {seed} --cities 2 --taps 0"), &[&other]).ok();
    drop(fs::remove_dir_all(scheme.join("pki")));
    fs::rename(other.join("pki"), scheme.join("pki")).unwrap();
}

fn openssl(ca: &Path, signature: &Path, content: &Path) -> bool {
    openssl_at(&[], ca, signature, content)
}

fn openssl_at(at: &[&str], ca: &Path, signature: &Path, content: &Path) -> bool {
    let ran = Command::new("openssl")
        .args("cms -verify -binary -inform DER -purpose any -out /dev/null".split(' '))
        .args(at)
        .arg("-CAfile")
        .args([
            ca.as_os_str(),
            "-in".as_ref(),
            signature.as_os_str(),
            "-content".as_ref(),
            content.as_os_str(),
        ])
        .output()
        .unwrap();
    ran.status.success()
}

/// Expects that `verify` of a folder finds this.
#[track_caller]
fn found(folder: &Path, words: &[&str]) {
    let ran = cityunion("verify {} -o json", &[folder]).exits(4);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let text = report["differences"].to_string();
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in {text}");
    }
    // And on the page for people, in a folder of many.
    let ran = cityunion("verify {}", &[folder.parent().unwrap()]).exits(4);
    assert!(ran.stdout.contains(words[0]), "{}", ran.stdout);
}

#[test]
fn everything_that_clear_writes_is_signed_and_openssl_accepts_it() {
    let folder = TempDir::new().unwrap();
    let scheme = simulated(folder.path());
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    for out in [&one, &two, &one, &two] {
        clear(&scheme, out);
    }
    assert_same("signed twice", &tree(&one), &two);
    let ca = one.join("ca.pem");
    assert_eq!(fs::read(&ca).unwrap(), fs::read(scheme.join("pki/ca.pem")).unwrap());
    for cycle in cycles(&one) {
        let cycle = one.join(cycle);
        let files = tree(&cycle);
        let must = |name: &&String| {
            *name == "manifest.json" || (name.starts_with("settlement/") && !name.ends_with(".p7s"))
        };
        let signed: Vec<String> = files.keys().filter(must).map(|name| format!("{name}.p7s")).collect();
        let there: Vec<String> = files.keys().filter(|name| name.ends_with(".p7s")).cloned().collect();
        assert_eq!(there, signed);
        for name in signed {
            let (signature, content) = (cycle.join(&name), cycle.join(name.trim_end_matches(".p7s")));
            assert!(openssl(&ca, &signature, &content), "{name}");
            assert!(!openssl(&ca, &signature, &scheme.join("rulebook.toml")), "{name} of other bytes");
        }
        let listed = fs::read_to_string(cycle.join("manifest.json")).unwrap();
        assert!(!listed.contains(".p7s"), "signatures are not in the manifest");
        let ran = cityunion("verify {}", &[&cycle]).ok();
        assert!(ran.stdout.contains("signed by CN=TEST cycle signer 1"), "{}", ran.stdout);
    }
    let ran = cityunion("verify {} -o json", &[&one]).ok();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&report["verified"], &report["cycles"][1]["signatures"]),
        (&true.into(), &"ok".into()),
        "{report}"
    );

    // Without a CA certificate nothing is claimed.
    fs::remove_file(&ca).unwrap();
    let ran = cityunion("verify {}", &[&one]).ok();
    assert!(ran.stdout.contains("signatures were not checked"), "{}", ran.stdout);
    let ran = cityunion("verify {}", &[&one.join(FIRST)]).ok();
    assert!(ran.stdout.contains("signatures were not checked"), "{}", ran.stdout);
    cityunion("verify {} --ca {}", &[&one, &scheme.join("pki/ca.pem")]).ok();
}

#[test]
fn whatever_is_altered_is_found() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (small(folder.path()), folder.path().join("out"));
    clear(&scheme.path, &out);
    clear(&scheme.path, &out);
    let cycle = out.join(FIRST);
    let (manifest, signature) = (cycle.join("manifest.json"), cycle.join("manifest.json.p7s"));
    let ca = out.join("ca.pem");
    let whole = fs::read(&signature).unwrap();

    for (name, bytes) in tree(&cycle) {
        let mut altered = bytes.clone();
        let at = altered.len() / 2;
        altered[at] ^= 1;
        fs::write(cycle.join(&name), altered).unwrap();
        cityunion("verify {}", &[&cycle]).exits(4);
        fs::write(cycle.join(&name), bytes).unwrap();
    }
    cityunion("verify {}", &[&cycle]).ok();

    fs::remove_file(&signature).unwrap();
    found(&cycle, &["manifest.json.p7s: it is missing: manifest.json is not signed"]);
    fs::copy(out.join("2018-09-02-001/manifest.json.p7s"), &signature).unwrap();
    found(&cycle, &["this is the signature of another file"]);
    assert!(!openssl(&ca, &signature, &manifest));
    fs::write(&signature, &whole).unwrap();

    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"version\": 1", "\"version\": 2")).unwrap();
    found(&cycle, &["manifest.json was altered after it was signed"]);
    assert!(!openssl(&ca, &signature, &manifest));
    fs::write(&manifest, &text).unwrap();

    fs::write(cycle.join("net.csv.p7s"), &whole).unwrap();
    found(&cycle, &["net.csv.p7s: there is no file that it should sign"]);
    fs::remove_file(cycle.join("net.csv.p7s")).unwrap();

    // Signed by a stranger, and by somebody whose certificate had expired on the business date.
    let digests = Digests::of(text.as_bytes());
    let stranger = pairs(&folder.path().join("stranger"), "2000-01-01", "2099-12-31");
    let signed = stranger.on("2018-09-01".parse().unwrap()).unwrap().sign(&digests).unwrap();
    fs::write(&signature, &signed).unwrap();
    found(&cycle, &["none that the CA certified"]);
    assert!(!openssl(&ca, &signature, &manifest));
    let expired = pairs(&folder.path().join("expired"), "2000-01-01", "2018-08-31");
    let signed = expired.on("2018-08-31".parse().unwrap()).unwrap().sign(&digests).unwrap();
    fs::write(&signature, &signed).unwrap();
    fs::copy(expired.ca(), &ca).unwrap();
    found(&cycle, &["until 2018-08-31T23:59:59Z, not at the end of 2018-09-01"]);
}

/// A CA and a pair that it certified for a while.
fn pairs(folder: &Path, from: &str, until: &str) -> Signers {
    fs::create_dir(folder).unwrap();
    let ca = order("CN=A CA", Usage::Authority, 1, (from, until));
    let (authority, issued) = Authority::new(&[9; 32], &ca).unwrap();
    fs::write(folder.join("ca.pem"), issued.certificate).unwrap();
    pair(folder, &authority, "CN=A signer", 2, (from, until));
    Signers::open(folder, &folder.join("ca.pem"), None).unwrap()
}

fn order<'a>(subject: &'a str, usage: Usage, serial: u8, (from, until): (&str, &str)) -> Order<'a> {
    let (from, until) = (from.parse().unwrap(), until.parse().unwrap());
    let algorithm = Algorithm::EcdsaP256Sha256;
    Order { subject, serial: serial.into(), from, until, usage, algorithm }
}

/// Puts a pair into a folder, named by its serial number.
fn pair(folder: &Path, authority: &Authority, subject: &str, serial: u8, valid: (&str, &str)) {
    let issued = authority.issue(&[serial; 32], &order(subject, Usage::Signer, serial, valid)).unwrap();
    fs::write(folder.join(format!("signer-{serial}.pem")), issued.certificate).unwrap();
    let key = folder.join(format!("signer-{serial}.key"));
    fs::write(&key, issued.key).unwrap();
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The first cycle is closed without keys, and then there are some.
#[test]
fn cycles_closed_before_signing_began_are_told_and_no_other_may_be_unsigned() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (small(folder.path()), folder.path().join("out"));
    let pki = folder.path().join("pki");
    fs::rename(scheme.path.join("pki"), &pki).unwrap();
    clear(&scheme.path, &out);
    fs::rename(&pki, scheme.path.join("pki")).unwrap();
    clear(&scheme.path, &out);
    let verified = |code| {
        let ran = cityunion("verify {} -o json", &[&out]).exits(code);
        serde_json::from_str::<Value>(&ran.stdout).unwrap()
    };
    let report = verified(0);
    assert_eq!(report["cycles"][0]["signatures"], "unsigned: closed before signing began", "{report:#}");
    assert_eq!(report["cycles"][1]["signatures"], "ok");
    // Alone it has nothing that covers it.
    cityunion("verify {}", &[&out.join(FIRST)]).exits(4);

    clear(&scheme.path, &out);
    let (second, third) = (out.join("2018-09-02-001"), out.join("2018-09-03-001"));
    let take_off = |cycle: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let names = tree(cycle).into_iter().filter(|(name, _)| name.ends_with(".p7s"));
        let taken: Vec<(PathBuf, Vec<u8>)> = names.map(|(name, bytes)| (cycle.join(name), bytes)).collect();
        taken.iter().for_each(|(path, _)| fs::remove_file(path).unwrap());
        taken
    };
    // Of the last one: nothing behind it is signed.
    let taken = take_off(&third);
    let report = verified(4);
    assert!(report["differences"].to_string().contains("manifest.json is not signed"), "{report:#}");
    taken.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    // Of one in the middle it is as if signing began later; the third covers it, so that nothing in it can be altered.
    take_off(&second);
    verified(0);
    let net = second.join("net.csv");
    fs::write(&net, fs::read_to_string(&net).unwrap().replace("2018-09-02", "2018-09-03")).unwrap();
    verified(4);
}

#[test]
fn verify_says_whom_it_trusted() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (small(folder.path()), folder.path().join("out"));
    clear(&scheme.path, &out);
    let ca = out.join("ca.pem");
    let words = ["x509", "-noout", "-fingerprint", "-sha256", "-in"];
    let printed = Command::new("openssl").args(words).arg(&ca).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let sha256 = printed.trim().split_once('=').unwrap().1.replace(':', "").to_lowercase();
    for place in [&out, &out.join(FIRST)] {
        let ran = cityunion("verify {} -o json", &[place]).ok();
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(report["ca"][0]["sha256"], sha256.as_str(), "{report:#}");
        assert!(report["ca"][0]["subject"].as_str().unwrap().starts_with("CN="), "{report:#}");
        assert_eq!(report["ca_given"], false);
        let ran = cityunion("verify {}", &[place]).ok();
        assert!(ran.stdout.contains(&sha256) && ran.stdout.contains("compare it"), "{}", ran.stdout);
        let ran = cityunion("verify {} --ca {}", &[place, &ca]).ok();
        assert!(ran.stdout.contains(&sha256) && !ran.stdout.contains("compare it"), "{}", ran.stdout);
    }
    fs::remove_file(&ca).unwrap();
    let ran = cityunion("verify {} -o json", &[&out]).ok();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["ca"], &report["ca_file"]), (&Value::Array(Vec::new()), &Value::Null));
}

/// What a bank has of a cycle.
#[test]
fn a_part_of_a_cycle_is_verified_as_far_as_it_goes() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (small(folder.path()), folder.path().join("out"));
    clear(&scheme.path, &out);
    let (part, ca) = (folder.path().join("part"), out.join("ca.pem"));
    fs::create_dir_all(part.join("settlement")).unwrap();
    for name in ["manifest.json", "settlement/pain.001.001.09.xml"] {
        for name in [name.to_owned(), format!("{name}.p7s")] {
            fs::copy(out.join(FIRST).join(&name), part.join(&name)).unwrap();
        }
    }
    cityunion("verify {} --ca {}", &[&part, &ca]).exits(4);
    let ran = cityunion("verify {} --partial --ca {}", &[&part, &ca]).ok();
    assert!(
        ran.stdout.contains("net.csv") && ran.stdout.contains("is what its manifest says"),
        "{}",
        ran.stdout
    );
    let ran = cityunion("verify {} --partial --ca {} -o json", &[&part, &ca]).ok();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let files = report["files"].as_array().unwrap();
    let here: Vec<&Value> = files.iter().filter(|file| file["is"] == "here").collect();
    assert_eq!((here.len(), &here[0]["file"]), (1, &Value::from("settlement/pain.001.001.09.xml")));
    assert!(files.iter().any(|file| file["file"] == "net.csv" && file["is"] == "missing"), "{report:#}");
    let pain = part.join("settlement/pain.001.001.09.xml");
    fs::write(&pain, fs::read_to_string(&pain).unwrap().replace("CNY", "USD")).unwrap();
    let ran = cityunion("verify {} --partial --ca {}", &[&part, &ca]).exits(4);
    assert!(ran.stdout.contains("NOT what its manifest says"), "{}", ran.stdout);
}

/// Over three days one pair takes over from another while both are valid.
#[test]
fn a_new_pair_takes_over_and_all_cycles_stay_good() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (small(folder.path()), folder.path().join("out"));
    let pki = scheme.path.join("pki");
    fs::remove_dir_all(&pki).unwrap();
    fs::create_dir(&pki).unwrap();
    let ca = order("CN=A CA", Usage::Authority, 1, ("2000-01-01", "2099-12-31"));
    let (authority, issued) = Authority::new(&[9; 32], &ca).unwrap();
    fs::write(pki.join("ca.pem"), issued.certificate).unwrap();
    pair(&pki, &authority, "CN=First", 2, ("2018-01-01", "2018-09-02"));
    clear(&scheme.path, &out);
    pair(&pki, &authority, "CN=Second", 3, ("2018-09-02", "2099-12-31"));
    clear(&scheme.path, &out);
    clear(&scheme.path, &out);
    for (cycle, signer) in
        [(FIRST, "CN=First"), ("2018-09-02-001", "CN=Second"), ("2018-09-03-001", "CN=Second")]
    {
        let ran = cityunion("verify {}", &[&out.join(cycle)]).ok();
        assert!(ran.stdout.contains(&format!("signed by {signer} ")), "{cycle}: {}", ran.stdout);
    }
    // What has expired since was good on its day, and OpenSSL is told the day.
    let (manifest, ca) = (out.join(FIRST).join("manifest.json"), out.join("ca.pem"));
    let signature = out.join(FIRST).join("manifest.json.p7s");
    assert!(!openssl_at(&[], &ca, &signature, &manifest));
    // 2018-09-01T23:59:59+08:00
    assert!(openssl_at(&["-attime", "1535817599"], &ca, &signature, &manifest));
}

#[test]
fn no_cycle_appears_where_it_cannot_be_signed() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (small(folder.path()), folder.path().join("out"));
    let key = scheme.path.join("pki/signer-1.key");
    let allow = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    let refused = || cityunion("clear {} --out {}", &[&scheme.path, &out]).exits(1);
    allow(0o644);
    refused().says(&["signer-1.key", "its mode is 0644", "chmod 600"]);
    allow(0o600);
    let pki = scheme.path.join("pki");
    fs::rename(&pki, folder.path().join("kept")).unwrap();
    drop(pairs(&pki, "2000-01-01", "2018-08-31"));
    refused().says(&["2018-09-01", "none of its certificates is valid", "CN=A signer"]);
    assert_eq!(cycles(&out), [""; 0]);
    fs::remove_dir_all(&pki).unwrap();
    fs::rename(folder.path().join("kept"), &pki).unwrap();
    // Nothing was signed under that CA, but it was left beside the cycles.
    fs::remove_file(out.join("ca.pem")).unwrap();
    clear(&scheme.path, &out);
    cityunion("verify {}", &[&out]).ok();
    // Nor does an unsigned cycle appear beside signed ones.
    fs::rename(&pki, folder.path().join("kept")).unwrap();
    cityunion("clear {} --out {}", &[&scheme.path, &out]).exits(3).says(&["ca.pem", "bring the keys back"]);
    assert_eq!(cycles(&out), [FIRST]);
}

#[test]
fn a_new_ca_stands_beside_the_old_one() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (small(folder.path()), folder.path().join("out"));
    clear(&scheme.path, &out);
    let old = fs::read_to_string(out.join("ca.pem")).unwrap();
    keys(folder.path(), &scheme.path, 6);
    let ran = cityunion("clear {} --out {}", &[&scheme.path, &out]).exits(3);
    ran.says(&["put both certificates into"]);
    let ca = scheme.path.join("pki/ca.pem");
    let new = fs::read_to_string(&ca).unwrap();
    fs::write(&ca, new + &old).unwrap();
    clear(&scheme.path, &out);
    assert_eq!(cycles(&out).len(), 2);
    cityunion("verify {}", &[&out]).ok();
}

#[test]
fn a_scheme_without_keys_is_cleared_unsigned_and_says_so() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (small(folder.path()), folder.path().join("out"));
    fs::remove_dir_all(scheme.path.join("pki")).unwrap();
    clear(&scheme.path, &out).says(&["its cycles are not signed"]);
    assert!(!tree(&out).keys().any(|name| name.ends_with(".p7s") || name == "ca.pem"));
    let ran = cityunion("verify {}", &[&out.join(FIRST)]).ok();
    assert!(ran.stdout.contains("0 signatures were not checked"), "{}", ran.stdout);
}

#[test]
fn a_replay_checks_signatures_and_with_the_key_makes_them_again() {
    let folder = TempDir::new().unwrap();
    let (scheme, out) = (small(folder.path()), folder.path().join("out"));
    clear(&scheme.path, &out);
    let (log, pki) = (out.join(".state/log"), scheme.path.join("pki"));
    let ca = pki.join("ca.pem");
    let alone = || cityunion("replay --from log --log {} --published {}", &[&log, &out]);
    let with_key = || -> Ran {
        let words = "replay --from log --log {} --published {} --signing-dir {} --ca {}";
        cityunion(words, &[&log, &out, &pki, &ca])
    };
    assert!(alone().ok().stdout.contains("signatures were checked, not made again"));
    assert!(with_key().ok().stdout.contains("signatures too, byte for byte"));
    let signature = out.join(FIRST).join("manifest.json.p7s");
    let mut altered = fs::read(&signature).unwrap();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    fs::write(&signature, altered).unwrap();
    for ran in [alone(), with_key()] {
        let ran = ran.exits(4);
        assert!(ran.stdout.contains("manifest.json.p7s"), "{}", ran.stdout);
    }
    fs::remove_file(out.join("ca.pem")).unwrap();
    assert!(alone().ok().stdout.contains("signatures were NOT checked"));
}

/// The certificates for connections are another CA's: nobody who has one can sign a cycle.
#[test]
fn certificates_for_connections_are_issued_by_another_ca() {
    let folder = TempDir::new().unwrap();
    let pki = simulated(folder.path()).join("pki");
    let by = |ca: &str, certificate: &Path| {
        let ran =
            Command::new("openssl").args(["verify", "-CAfile"]).args([&pki.join(ca), certificate]).output();
        ran.unwrap().status.success()
    };
    let issued = fs::read_dir(pki.join("tls")).unwrap().map(|entry| entry.unwrap().path());
    let issued: Vec<PathBuf> = issued
        .filter(|path| path.extension().is_some_and(|it| it == "pem") && !path.ends_with("ca.pem"))
        .collect();
    assert_eq!(issued.len(), 1 + 1 + 3 + 3, "{issued:?}");
    for certificate in issued {
        assert!(by("tls/ca.pem", &certificate) && !by("ca.pem", &certificate), "{}", certificate.display());
    }
    assert!(by("ca.pem", &pki.join("signer-1.pem")));
}

/// A service is told both where its pairs are and who certified them, or neither.
#[test]
fn a_clearing_node_refuses_half_a_signer() {
    let folder = TempDir::new().unwrap();
    let scheme = small(folder.path());
    let (config, pki) = (folder.path().join("node.toml"), scheme.path.join("pki"));
    let check = |lines: &str| {
        let rules = scheme.path.join("rulebook.toml");
        let text = format!(
            "state_dir = \"state\"\nout_dir = \"out\"\nrulebook = \"{}\"\n{lines}\n[log]\nkafka = \"127.0.0.1:1\"\n",
            rules.display()
        );
        fs::write(&config, text).unwrap();
        cityunion("clearing-node check-config --config {}", &[&config])
    };
    let (dir, ca) =
        (format!("signing_dir = \"{}\"\n", pki.display()), format!("ca = \"{}/ca.pem\"\n", pki.display()));
    check(&dir).exits(2).says(&["signing_dir and ca belong together"]);
    check(&ca).exits(2).says(&["signing_dir and ca belong together"]);
    check(&format!("{dir}{ca}")).ok();
    let only = |name: &str| check(&format!("{dir}{ca}signing_algorithm = \"{name}\"\n"));
    assert!(only("ecdsa-p256-sha256").ok().stdout.contains("ecdsa-p256-sha256"));
    only("rsa").exits(2).says(&["signing_algorithm", "sm2-sm3"]);
    only("sm2-sm3").exits(2).says(&["signer-1.pem", "one of ecdsa-p256-sha256", "allows sm2-sm3 alone"]);
    fs::set_permissions(pki.join("signer-1.key"), fs::Permissions::from_mode(0o640)).unwrap();
    check(&format!("{dir}{ca}")).exits(2).says(&["its mode is 0640"]);
}

/// The shell lines of the page, one after the other, as they stand there.
#[test]
fn the_lines_of_the_page_do_what_it_says() {
    let folder = TempDir::new().unwrap();
    clear(&simulated(folder.path()), &folder.path().join("settled"));
    let of_sm2 = folder.path().join("scheme-sm2");
    cityunion("simulate --out {} --cities 3 --taps 100 --signatures sm2-sm3", &[&of_sm2]).ok();
    clear(&of_sm2, &folder.path().join("settled-sm2"));
    let page = fs::read_to_string(repository().join("docs/signatures.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let script: String = blocks.collect();
    assert!(script.matches("openssl cms").count() >= 2 && script.contains("cityunion prove"), "{script}");
    assert!(
        script.contains("openssl pkeyutl -verify") && script.contains("openssl genpkey -algorithm SM2"),
        "{script}"
    );
    let program = Path::new(env!("CARGO_BIN_EXE_cityunion")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let run = || {
        Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .env("PATH", format!("{}:{path}", program.display()))
            .output()
            .unwrap()
    };
    let ran = run();
    assert!(
        ran.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    let pairs = folder.path().join("pairs");
    Signers::open(&pairs, &pairs.join("ca.pem"), Some(Algorithm::Sm2Sm3)).unwrap();
    // They stop where a byte is altered.
    let manifest = folder.path().join("settled-sm2").join(FIRST).join("manifest.json");
    let whole = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, whole.replace("\"version\": 1", "\"version\": 2")).unwrap();
    assert!(!run().status.success());
    fs::write(&manifest, whole).unwrap();
    let net = folder.path().join("settled").join(FIRST).join("net.csv");
    fs::write(&net, fs::read_to_string(&net).unwrap().replace('1', "2")).unwrap();
    assert!(!run().status.success());
}
