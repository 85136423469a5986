//! Every file that must be signed is, beside itself, and what is wrong with a signature is named.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use signing::{Algorithm, Authority, Order, Signers, Trust, Usage};
use tempfile::TempDir;

use super::{detail, read_all, write_cycle};
use crate::{
    FilesError, layout,
    manifest::{FileEntry, Manifest},
    sign,
    sign::digest,
    text::digest_hex,
    verify::{Check, Outcome, Part, check_signatures, verify_part, verify_signed},
};

const PAIN: &str = "settlement/pain.xml";
const DEEP: &str = "settlement/cities/cu-2000.html";
const TWIN: &str = "settlement/cities/cu-3000.html";

/// A signed cycle with files for banks, two of them with the same bytes.
struct Cycle {
    out: TempDir,
    folder: PathBuf,
    trust: Trust,
}

impl Cycle {
    fn signed() -> Self {
        Self::signed_by(Algorithm::EcdsaP256Sha256)
    }

    fn signed_by(algorithm: Algorithm) -> Self {
        let out = tempfile::tempdir().unwrap();
        let (folder, _) = write_cycle(out.path(), "2018-09-01-001", None, vec![detail(out.path())]).unwrap();
        let told = folder.join("settlement/cities");
        fs::create_dir_all(&told).unwrap();
        for (name, text) in [(PAIN, "<pain/>"), (DEEP, "<html/>"), (TWIN, "<html/>")] {
            fs::write(folder.join(name), text).unwrap();
        }
        list_again(&folder);
        let signers = signers(&out.path().join("pki"), algorithm);
        let count = sign(&folder, &signers.on("2018-09-01".parse().unwrap()).unwrap()).unwrap();
        // Besides these three a cycle has messages of its own.
        assert!(count >= 4, "{count}");
        Self { trust: signers.trust().unwrap(), out, folder }
    }

    /// What is found wrong with the signatures.
    fn wrong(&self) -> Vec<String> {
        let failures = check_signatures(&self.folder, &self.trust).unwrap();
        assert!(failures.iter().all(|failure| failure.check == Check::Signatures), "{failures:?}");
        failures.iter().map(ToString::to_string).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

pub(super) fn signers(folder: &Path, algorithm: Algorithm) -> Signers {
    fs::create_dir(folder).unwrap();
    let order = |subject, usage, serial| Order {
        subject,
        serial,
        from: "2018-01-01".parse().unwrap(),
        until: "2018-12-31".parse().unwrap(),
        usage,
        algorithm,
    };
    let (authority, issued) = Authority::new(&[1; 32], &order("CN=CA", Usage::Authority, 1)).unwrap();
    fs::write(folder.join("ca.pem"), issued.certificate).unwrap();
    let issued = authority.issue(&[2; 32], &order("CN=Signer", Usage::Signer, 2)).unwrap();
    fs::write(folder.join("signer-1.pem"), issued.certificate).unwrap();
    fs::write(folder.join("signer-1.key"), issued.key).unwrap();
    fs::set_permissions(folder.join("signer-1.key"), fs::Permissions::from_mode(0o600)).unwrap();
    Signers::open(folder, &folder.join("ca.pem"), None).unwrap()
}

/// Has the manifest list what is in the folder.
fn list_again(folder: &Path) {
    let path = folder.join(layout::MANIFEST_FILE);
    let mut manifest = Manifest::from_bytes(&fs::read(&path).unwrap()).unwrap();
    for (name, bytes) in read_all(folder) {
        let listed = manifest.files.iter().any(|file| file.name == name);
        if !listed && name != layout::MANIFEST_FILE {
            let sha256 = digest_hex(&digest(&folder.join(&name)).unwrap());
            let size = bytes.len() as u64;
            manifest.files.push(FileEntry { name, rows: None, sha256, size, totals: Default::default() });
        }
    }
    manifest.files.sort_by(|a, b| a.name.cmp(&b.name));
    fs::write(&path, manifest.to_bytes().unwrap()).unwrap();
}

#[test]
fn manifest_and_settlement_files_are_signed_and_nothing_else() {
    let cycle = Cycle::signed();
    let files = read_all(&cycle.folder);
    for name in files.keys().filter(|name| !name.ends_with(".p7s")) {
        let signed = name == "manifest.json" || name.starts_with("settlement/");
        assert_eq!(files.contains_key(&format!("{name}.p7s")), signed, "{name}");
    }
    assert_eq!(cycle.wrong(), [""; 0]);
    let report = verify_signed(&cycle.folder, Some(&cycle.trust), None).unwrap();
    let signatures = report.checks.iter().find(|it| it.check == Check::Signatures).unwrap();
    assert_eq!(signatures.outcome, Outcome::Passed);
    assert!(signatures.what.contains("signed by CN=Signer (serial 02)"), "{}", signatures.what);
    let report = verify_signed(&cycle.folder, None, None).unwrap();
    let signatures = report.checks.iter().find(|it| it.check == Check::Signatures).unwrap();
    assert_eq!(signatures.outcome, Outcome::Skipped);
    assert!(signatures.what.contains("signatures were not checked"), "{}", signatures.what);
}

#[test]
fn each_file_and_each_signature_that_is_altered_is_named() {
    let cycle = Cycle::signed();
    for name in ["manifest.json", PAIN, DEEP, TWIN] {
        let (path, signature) = (cycle.path(name), format!("{name}.p7s"));
        let (whole, signed) = (fs::read(&path).unwrap(), fs::read(cycle.path(&signature)).unwrap());

        let mut altered = whole.clone();
        altered.push(b'\n');
        fs::write(&path, altered).unwrap();
        if name != "manifest.json" {
            let says = format!("{signature}: {name} was altered after it was signed");
            assert!(cycle.wrong()[0].starts_with(&says), "{:?}", cycle.wrong());
        }
        fs::write(&path, whole).unwrap();

        fs::remove_file(cycle.path(&signature)).unwrap();
        assert_eq!(cycle.wrong(), [format!("{signature}: it is missing: {name} is not signed")]);
        fs::write(cycle.path(&signature), &signed[..signed.len() - 1]).unwrap();
        assert!(cycle.wrong()[0].contains("no signature in the form"), "{:?}", cycle.wrong());
        fs::write(cycle.path(&signature), &signed).unwrap();
        assert_eq!(cycle.wrong(), [""; 0]);
    }
}

#[test]
fn the_signature_of_another_file_is_named_with_that_file() {
    let cycle = Cycle::signed();
    fs::copy(cycle.path("manifest.json.p7s"), cycle.path("settlement/pain.xml.p7s")).unwrap();
    assert_eq!(
        cycle.wrong(),
        ["settlement/pain.xml.p7s: it is the signature of manifest.json, not of settlement/pain.xml"]
    );
}

#[test]
fn a_signature_of_nothing_is_named() {
    let cycle = Cycle::signed();
    for name in ["net.csv.p7s", "settlement/none.xml.p7s", "settlement/pain.xml.p7s.p7s"] {
        fs::copy(cycle.path("manifest.json.p7s"), cycle.path(name)).unwrap();
        assert_eq!(cycle.wrong(), [format!("{name}: there is no file that it should sign")]);
        fs::remove_file(cycle.path(name)).unwrap();
    }
}

/// What SM2 signs is a digest that the manifest does not know.
#[test]
fn what_is_altered_or_exchanged_is_named_with_sm2_too() {
    let cycle = Cycle::signed_by(Algorithm::Sm2Sm3);
    assert_eq!(cycle.wrong(), [""; 0]);
    let report = verify_signed(&cycle.folder, Some(&cycle.trust), None).unwrap();
    let signatures = report.checks.iter().find(|it| it.check == Check::Signatures).unwrap();
    assert!(signatures.what.contains("CN=Signer (serial 02), sm2-sm3, CA"), "{}", signatures.what);

    let pain = fs::read(cycle.path(PAIN)).unwrap();
    fs::write(cycle.path(PAIN), "<paid/>").unwrap();
    let wrong = cycle.wrong();
    assert!(
        wrong[0].starts_with(&format!("{PAIN}.p7s: {PAIN} was altered after it was signed")),
        "{wrong:?}"
    );
    assert!(wrong[0].contains("the SM3 "), "{wrong:?}");
    fs::write(cycle.path(PAIN), pain).unwrap();
    fs::copy(cycle.path("manifest.json.p7s"), cycle.path(&format!("{PAIN}.p7s"))).unwrap();
    assert_eq!(cycle.wrong(), [format!("{PAIN}.p7s: it is the signature of manifest.json, not of {PAIN}")]);
}

/// A signature that is there already is nobody's: the folder is a new one.
#[test]
fn nothing_is_signed_twice() {
    let cycle = Cycle::signed();
    let signers = signers(&cycle.out.path().join("again"), Algorithm::EcdsaP256Sha256);
    let signer = signers.on("2018-09-01".parse().unwrap()).unwrap();
    assert!(matches!(sign(&cycle.folder, &signer), Err(FilesError::Io { .. })));
}

/// What a bank gets of a cycle: the manifest, its messages, their signatures.
fn part_of(cycle: &Cycle, keep: &[&str]) {
    for name in read_all(&cycle.folder).keys().filter(|name| !keep.contains(&name.as_str())) {
        fs::remove_file(cycle.path(name)).unwrap();
    }
}

#[test]
fn a_part_of_a_folder_is_checked_as_far_as_it_goes() {
    let cycle = Cycle::signed();
    let net = fs::read(cycle.path("net.csv")).unwrap();
    let (manifest, signature) = ("manifest.json", "manifest.json.p7s");
    part_of(&cycle, &[manifest, signature, PAIN, "settlement/pain.xml.p7s", DEEP]);
    let part = || verify_part(&cycle.folder, Some(&cycle.trust)).unwrap();
    let wrong = || part().report.failures.iter().map(ToString::to_string).collect::<Vec<_>>();
    let Part { report, present, missing } = part();
    assert!(report.passed(), "{report}");
    assert_eq!(present, [DEEP, PAIN]);
    assert!(missing.contains(&"net.csv".to_owned()) && missing.contains(&TWIN.to_owned()), "{missing:?}");
    let ended = |check: Check| report.checks.iter().find(|it| it.check == check).unwrap().outcome;
    assert_eq!(ended(Check::Signatures), Outcome::Passed);
    assert_eq!((ended(Check::Net), ended(Check::Chain)), (Outcome::Skipped, Outcome::Skipped));

    // What is there must be what the manifest lists, and signed where a signature is there.
    fs::write(cycle.path("net.csv"), [net.as_slice(), b"\n"].concat()).unwrap();
    assert!(wrong()[0].starts_with("net.csv: it has"), "{:?}", wrong());
    fs::write(cycle.path("net.csv"), net).unwrap();
    assert_eq!(wrong(), [""; 0]);
    fs::write(cycle.path("more.csv"), "").unwrap();
    assert_eq!(wrong(), ["more.csv: the manifest does not list it"]);
    fs::remove_file(cycle.path("more.csv")).unwrap();
    fs::write(cycle.path("settlement/cities/cu-2000.html.p7s"), "no").unwrap();
    assert!(wrong()[0].contains("cu-2000.html.p7s: it is no signature"), "{:?}", wrong());
    fs::remove_file(cycle.path("settlement/cities/cu-2000.html.p7s")).unwrap();

    // Without its signature the manifest proves nothing.
    let signed = fs::read(cycle.path(signature)).unwrap();
    fs::remove_file(cycle.path(signature)).unwrap();
    assert_eq!(wrong(), ["manifest.json.p7s: it is missing: manifest.json is not signed"]);
    assert!(verify_part(&cycle.folder, None).unwrap().report.passed());
    fs::write(cycle.path(signature), signed).unwrap();
    let text = fs::read_to_string(cycle.path(manifest)).unwrap();
    fs::write(cycle.path(manifest), text.replace("\"cycle\": \"001\"", "\"cycle\": \"002\"")).unwrap();
    assert!(wrong()[0].contains("manifest.json was altered after it was signed"), "{:?}", wrong());
    fs::remove_file(cycle.path(manifest)).unwrap();
    assert!(matches!(verify_part(&cycle.folder, None), Err(FilesError::NoManifest(_))));
}
