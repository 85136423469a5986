//! Signatures checked by OpenSSL as well as by ourselves; everything that can be wrong with them, and with keys.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use super::*;

mod sm2;

const FILE: &[u8] = b"business_date,cycle\n2018-09-01,001\n";

fn date(text: &str) -> domain::date::Date {
    text.parse().unwrap()
}

/// A CA and the folder of pairs that it certified.
struct Pki {
    dir: TempDir,
    authority: Authority,
    serial: u64,
    algorithm: Algorithm,
}

impl Pki {
    fn new(number: u8) -> Self {
        Self::of(Algorithm::EcdsaP256Sha256, number)
    }

    fn of(algorithm: Algorithm, number: u8) -> Self {
        let dir = TempDir::new().unwrap();
        let order = Order {
            subject: "CN=CA,O=Clearing",
            serial: 1,
            from: date("2000-01-01"),
            until: date("2099-12-31"),
            usage: Usage::Authority,
            algorithm,
        };
        let (authority, issued) = Authority::new(&[number; 32], &order).unwrap();
        fs::write(dir.path().join("ca.pem"), issued.certificate).unwrap();
        Self { dir, authority, serial: 1, algorithm }
    }

    /// A pair of a name, valid from and until.
    fn pair(&mut self, name: &str, usage: Usage, from: &str, until: &str) -> &mut Self {
        self.serial += 1;
        let scalar = [100 + u8::try_from(self.serial).unwrap(); 32];
        let subject = format!("CN={name}");
        let (from, until) = (date(from), date(until));
        let order =
            Order { subject: &subject, serial: self.serial, from, until, usage, algorithm: self.algorithm };
        let issued = self.authority.issue(&scalar, &order).unwrap();
        fs::write(self.path(&format!("{name}.pem")), issued.certificate).unwrap();
        fs::write(self.path(&format!("{name}.key")), issued.key).unwrap();
        self.allow(name, 0o600);
        self
    }

    /// One pair that is valid for a century.
    fn one(number: u8) -> Self {
        Self::one_of(Algorithm::EcdsaP256Sha256, number)
    }

    fn one_of(algorithm: Algorithm, number: u8) -> Self {
        let mut pki = Self::of(algorithm, number);
        pki.pair("signer-1", Usage::Signer, "2000-01-01", "2099-12-31");
        pki
    }

    fn allow(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(&format!("{name}.key")), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self) -> Result<Signers, SigningError> {
        Signers::open(self.dir.path(), &self.path("ca.pem"), None)
    }

    fn refused(&self) -> String {
        self.open().unwrap_err().to_string()
    }

    fn trust(&self) -> Trust {
        Trust::read(&self.path("ca.pem")).unwrap()
    }

    fn sign(&self, on: &str) -> Vec<u8> {
        self.open().unwrap().on(date(on)).unwrap().sign(&Digests::of(FILE)).unwrap()
    }

    fn check(&self, signature: &[u8], on: &str) -> Result<Signed, Invalid> {
        self.trust().check(&Digests::of(FILE), signature, date(on))
    }

    /// `openssl cms -verify` of the signature over `content`.
    fn openssl(&self, signature: &[u8], content: &[u8]) -> Output {
        fs::write(self.path("file"), content).unwrap();
        fs::write(self.path("file.p7s"), signature).unwrap();
        openssl(
            self.dir.path(),
            "cms -verify -binary -inform DER -purpose any -CAfile ca.pem -in file.p7s -content file -out /dev/null",
        )
    }
}

fn openssl(folder: &Path, words: &str) -> Output {
    Command::new("openssl").current_dir(folder).args(words.split(' ')).output().unwrap()
}

#[track_caller]
fn accepted(ran: &Output) {
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn openssl_accepts_a_signature_and_refuses_other_bytes() {
    let pki = Pki::one(1);
    let signature = pki.sign("2018-09-01");
    accepted(&pki.openssl(&signature, FILE));
    assert!(!pki.openssl(&signature, b"other bytes").status.success());
    assert!(!Pki::one(2).openssl(&signature, FILE).status.success(), "another CA");
    let signed = pki.check(&signature, "2018-09-01").unwrap();
    assert_eq!((signed.signer.as_str(), signed.serial.as_str()), ("CN=signer-1", "02"));
}

#[test]
fn the_same_file_and_pair_give_the_same_bytes_and_no_time() {
    let pki = Pki::one(1);
    let signature = pki.sign("2018-09-01");
    assert_eq!(pki.sign("2018-09-01"), signature);
    let printed = pki.openssl(&signature, FILE);
    accepted(&printed);
    let printed = openssl(pki.dir.path(), "cms -cmsout -print -noout -inform DER -in file.p7s");
    let text = String::from_utf8_lossy(&printed.stdout);
    assert!(text.contains("messageDigest") && text.contains("ecdsa-with-SHA256"), "{text}");
    assert!(!text.contains("signingTime"), "{text}");
}

/// What OpenSSL itself certifies is as good as what we do.
#[test]
fn a_pair_made_with_openssl_signs() {
    let pki = Pki::new(1);
    let words = [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=Bank-CA -days 30",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout signer-a.key -out a.csr -subj /CN=Signer",
        "x509 -req -in a.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out signer-a.pem -days 20",
    ];
    for words in words {
        accepted(&openssl(pki.dir.path(), words));
    }
    pki.allow("signer-a", 0o600);
    // A day ends at 16:00 UTC, and today's may have ended before the certificate began.
    let words = ["-u", "-d", "tomorrow", "+%F"];
    let its_day = String::from_utf8(Command::new("date").args(words).output().unwrap().stdout).unwrap();
    let signature = pki.sign(its_day.trim());
    accepted(&pki.openssl(&signature, FILE));
    assert_eq!(pki.check(&signature, its_day.trim()).unwrap().signer, "CN=Signer");
    assert!(matches!(pki.check(&signature, "2018-09-01"), Err(Invalid::NotOn { .. })));
}

#[test]
fn no_byte_of_a_signature_can_be_changed() {
    for algorithm in Algorithm::ALL {
        no_byte_can_be_changed(&Pki::one_of(algorithm, 1));
    }
}

fn no_byte_can_be_changed(pki: &Pki) {
    let signature = pki.sign("2018-09-01");
    for at in 0..signature.len() {
        let mut altered = signature.clone();
        altered[at] ^= 1;
        assert!(pki.check(&altered, "2018-09-01").is_err(), "byte {at}");
    }
    for cut in [0, 1, signature.len() / 2, signature.len() - 1] {
        assert!(matches!(pki.check(&signature[..cut], "2018-09-01"), Err(Invalid::Form(_))), "{cut} bytes");
    }
    let longer = [signature.as_slice(), b"\0"].concat();
    assert!(matches!(pki.check(&longer, "2018-09-01"), Err(Invalid::Form(_))));
}

/// The other number s that fits: the order of the curve less this one.
fn with_the_other_s(signature: &[u8]) -> Vec<u8> {
    let mut envelope = crate::envelope::Envelope::parse(signature).unwrap();
    let own = p256::ecdsa::Signature::from_der(&envelope.signature).unwrap();
    let (r, s) = own.split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
    envelope.signature = other.to_der().as_bytes().to_vec();
    envelope.to_der().unwrap()
}

#[test]
fn of_the_two_signatures_that_fit_one_is_made_and_accepted() {
    let pki = Pki::one(1);
    let signer = pki.open().unwrap().on(date("2018-09-01")).unwrap();
    // By the nonces of RFC 6979 alone about half of them would have the higher s.
    for number in 0..16_u8 {
        let (file, day) = ([number], date("2018-09-01"));
        let signature = signer.sign(&Digests::of(&file)).unwrap();
        assert!(pki.trust().check(&Digests::of(&file), &signature, day).is_ok(), "{number}");
        let other = with_the_other_s(&signature);
        assert!(other != signature && with_the_other_s(&other) == signature);
        let refused = pki.trust().check(&Digests::of(&file), &other, day);
        assert!(
            matches!(&refused, Err(Invalid::Form(why)) if why.contains("the higher one")),
            "{number}: {refused:?}"
        );
        // To OpenSSL both are good.
        accepted(&pki.openssl(&signature, &file));
        accepted(&pki.openssl(&other, &file));
    }
}

#[test]
fn what_is_wrong_with_a_signature_is_told() {
    let pki = Pki::one(1);
    let signature = pki.sign("2018-09-01");
    let other = pki.trust().check(&Digests::of(b"other"), &signature, date("2018-09-01"));
    let algorithm = Algorithm::EcdsaP256Sha256;
    assert_eq!(other, Err(Invalid::OtherBytes { algorithm, digest: *Digests::of(FILE).by(algorithm) }));
    assert!(matches!(Pki::one(2).check(&signature, "2018-09-01"), Err(Invalid::Stranger { .. })));
    assert!(matches!(pki.check(&signature, "1999-12-30"), Err(Invalid::NotOn { .. })));
    assert!(matches!(pki.check(b"no signature", "2018-09-01"), Err(Invalid::Form(_))));
}

#[test]
fn who_may_open_a_connection_may_not_sign() {
    let mut pki = Pki::new(1);
    pki.pair("signer-tls", Usage::Client, "2000-01-01", "2099-12-31");
    assert!(pki.refused().contains("extended key usage"), "{}", pki.refused());
    let mut pki = Pki::new(1);
    pki.pair("signer-ca", Usage::Authority, "2000-01-01", "2099-12-31");
    assert!(pki.refused().contains("certificate of a CA"), "{}", pki.refused());
}

#[test]
fn the_pair_that_began_last_signs_and_both_are_accepted() {
    let mut pki = Pki::new(1);
    pki.pair("signer-b", Usage::Signer, "2018-01-01", "2018-09-30").pair(
        "signer-a",
        Usage::Signer,
        "2018-09-01",
        "2019-08-31",
    );
    let name = |on: &str| pki.open().unwrap().on(date(on)).map(|signer| signer.name());
    for (on, who) in [
        ("2018-08-31", "CN=signer-b"),
        ("2018-09-01", "CN=signer-a"),
        ("2018-09-30", "CN=signer-a"),
        ("2019-08-31", "CN=signer-a"),
    ] {
        assert_eq!(name(on).unwrap(), who, "{on}");
    }
    for on in ["2017-12-31", "2019-09-01"] {
        let why = name(on).unwrap_err().to_string();
        assert!(why.contains(on) && why.contains("CN=signer-a: 2018-09-01T00:00:00Z"), "{why}");
    }
    // A signature of the first pair stays good while and after the second takes over.
    let signature = pki.sign("2018-08-31");
    for on in ["2018-08-31", "2018-09-15"] {
        assert_eq!(pki.check(&signature, on).unwrap().signer, "CN=signer-b");
    }
    assert!(matches!(pki.check(&signature, "2018-10-01"), Err(Invalid::NotOn { .. })));
}

#[test]
fn a_pair_that_is_put_there_is_used_from_its_first_day() {
    let mut pki = Pki::new(1);
    pki.pair("signer-1", Usage::Signer, "2018-01-01", "2018-09-30");
    let signers = pki.open().unwrap();
    pki.pair("signer-2", Usage::Signer, "2018-09-20", "2019-09-30");
    assert_eq!(signers.on(date("2018-10-01")).unwrap().name(), "CN=signer-2");
    // Of a pair that is due and broken no other takes the place.
    fs::remove_file(pki.path("signer-2.key")).unwrap();
    let why = signers.on(date("2018-09-25")).unwrap_err().to_string();
    assert!(why.contains("signer-2.key"), "{why}");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let pki = Pki::one(1);
    for mode in [0o640, 0o604, 0o620, 0o601, 0o644, 0o666] {
        pki.allow("signer-1", mode);
        let why = pki.refused();
        assert!(why.contains(&format!("its mode is {mode:04o}")) && why.contains("chmod 600"), "{why}");
    }
    for mode in [0o400, 0o600, 0o700] {
        pki.allow("signer-1", mode);
        pki.open().unwrap();
    }
}

#[test]
fn a_mounted_secret_may_be_read_by_its_group() {
    let pki = Pki::one(1);
    let mount = pki.path("mount");
    fs::create_dir_all(mount.join("..1")).unwrap();
    symlink("..1", mount.join("..data")).unwrap();
    for name in ["signer-1.pem", "signer-1.key"] {
        fs::copy(pki.path(name), mount.join("..1").join(name)).unwrap();
        symlink(format!("..data/{name}"), mount.join(name)).unwrap();
    }
    let open = |mode| {
        fs::set_permissions(mount.join("..1/signer-1.key"), fs::Permissions::from_mode(mode)).unwrap();
        Signers::open(&mount, &pki.path("ca.pem"), None)
    };
    open(0o440).unwrap();
    open(0o400).unwrap();
    for mode in [0o444, 0o460, 0o644] {
        assert!(matches!(open(mode), Err(SigningError::KeyIsOpen { .. })), "{mode:o}");
    }
}

#[test]
fn pairs_that_cannot_be_used_say_why() {
    let pki = Pki::one(1);
    let key = fs::read_to_string(pki.path("signer-1.key")).unwrap();
    let convert = "pkey -in signer-1.key -traditional -out other.key";
    accepted(&openssl(pki.dir.path(), convert));
    let sec1 = fs::read_to_string(pki.path("other.key")).unwrap();
    accepted(&openssl(pki.dir.path(), "pkey -in signer-1.key -aes128 -passout pass:a -out other.key"));
    let encrypted = fs::read_to_string(pki.path("other.key")).unwrap();
    let short = key.replacen("MI", "M", 1);
    for (text, says) in [
        (sec1.as_str(), "not in PKCS#8"),
        (&encrypted, "encrypted"),
        (&short, "damaged"),
        ("", "BEGIN PRIVATE KEY"),
    ] {
        fs::write(pki.path("signer-1.key"), text).unwrap();
        let why = pki.refused();
        assert!(why.contains(says) && why.contains("signer-1.key"), "{why}");
    }
    let mut two = Pki::one(1);
    two.pair("signer-2", Usage::Signer, "2000-01-01", "2099-12-31");
    fs::copy(two.path("signer-2.key"), two.path("signer-1.key")).unwrap();
    assert!(two.refused().contains("not the key of the certificate"), "{}", two.refused());

    let (pki, other) = (Pki::one(1), Pki::one(2));
    fs::copy(other.path("ca.pem"), pki.path("ca.pem")).unwrap();
    assert!(pki.refused().contains("none that the CA certified"), "{}", pki.refused());
    fs::copy(pki.path("signer-1.pem"), pki.path("ca.pem")).unwrap();
    assert!(pki.refused().contains("no certificate of a CA"), "{}", pki.refused());
    fs::write(pki.path("ca.pem"), "").unwrap();
    assert!(pki.refused().contains("BEGIN CERTIFICATE"), "{}", pki.refused());
    assert!(Pki::new(1).refused().contains("no pair"), "{}", Pki::new(1).refused());
}

#[test]
fn several_ca_certificates_are_trusted_while_one_replaces_another() {
    let (old, new) = (Pki::one(1), Pki::one(2));
    let both =
        [old.path("ca.pem"), new.path("ca.pem")].map(|path| fs::read_to_string(path).unwrap()).concat();
    let signatures = [old.sign("2018-09-01"), new.sign("2018-09-01")];
    fs::write(new.path("ca.pem"), both).unwrap();
    for signature in &signatures {
        new.check(signature, "2018-09-01").unwrap();
    }
    assert!(new.trust().has_all_of(&old.trust()) && !old.trust().has_all_of(&new.trust()));
}

/// The same key and name, certified anew: whichever of its certificates was valid on the day counts.
#[test]
fn a_ca_that_was_renewed_with_its_key_stands_there_twice() {
    let pki = Pki::one(1);
    let ca = |from, until| {
        let (from, until) = (date(from), date(until));
        let (subject, usage, algorithm) = ("CN=CA,O=Clearing", Usage::Authority, Algorithm::EcdsaP256Sha256);
        let order = Order { subject, serial: 1, from, until, usage, algorithm };
        Authority::new(&[1; 32], &order).unwrap().1.certificate
    };
    let (old, new) = (ca("2000-01-01", "2018-09-01"), ca("2018-09-01", "2099-12-31"));
    fs::write(pki.path("ca.pem"), format!("{old}{new}")).unwrap();
    for on in ["2018-09-01", "2018-09-02"] {
        pki.check(&pki.sign(on), on).unwrap();
    }
    // With the old one alone nothing is signed behind its end: nobody would accept it.
    fs::write(pki.path("ca.pem"), old).unwrap();
    pki.check(&pki.sign("2018-09-01"), "2018-09-01").unwrap();
    let refused = pki.open().unwrap().on(date("2018-09-02")).unwrap_err();
    assert!(refused.to_string().contains("2018-09-01"), "{refused}");
}
