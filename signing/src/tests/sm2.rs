//! SM2 with SM3: the examples of the standards, OpenSSL as the second tool, and what is refused.

use ::sm2::dsa::{self, VerifyingKey};
use p256::pkcs8::EncodePublicKey as _;

use x509_cert::{
    Certificate,
    der::{Decode as _, Encode as _, EncodePem as _, pem::LineEnding},
};

use super::*;
use crate::{
    algorithm::SM2_ID,
    certificate::read_certificates,
    envelope::Envelope,
    key::PrivateKey,
    public::{PublicKey, Said},
};

const SM2: Algorithm = Algorithm::Sm2Sm3;
const DAY: &str = "2018-09-01";
const ID: &str = "distid:1234567812345678";

/// The example of GM/T 0003.5 (GB/T 32918.5), annex A: key, public key, message and signature of the signer whom the
/// default id names.
const D: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
const POINT: &str = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                     ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
const MESSAGE: &[u8] = b"message digest";
const SIGNATURE: &str = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
                         b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";
/// The same message and key with the nonce of RFC 6979 by SM3, computed apart from this code.
const WITH_OUR_NONCE: &str = "24858ee71d63e687feefe41f5af80a59f0791eb1dabc2bbe71daf0e57f06c367\
                              3d15550de52785a435004c937256ac715c0e04176ac57062c6722fa692f7a491";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn der(signature: &str) -> Vec<u8> {
    dsa::Signature::from_slice(&bytes(signature)).unwrap().to_der().as_bytes().to_vec()
}

/// The key of the standard's example.
fn example() -> (PrivateKey, PublicKey) {
    let private = PrivateKey::from_scalar(SM2, &bytes(D).try_into().unwrap()).unwrap();
    let public = VerifyingKey::from_sec1_bytes(SM2_ID, &bytes(POINT)).unwrap();
    (private, PublicKey::Sm2(public))
}

#[test]
fn the_signature_of_the_standard_is_good_and_no_other() {
    let (private, public) = example();
    let of_private = PublicKey::of(&private.public().unwrap()).unwrap();
    let spki = |key: &PublicKey| match key {
        PublicKey::Sm2(key) => key.to_public_key_der().unwrap(),
        PublicKey::EcdsaP256(_) => panic!("a key of P-256"),
    };
    assert_eq!(spki(&of_private), spki(&public));
    let signature = der(SIGNATURE);
    assert_eq!(public.says(MESSAGE, &signature), Said::Mine);
    assert_eq!(public.says(b"message digesT", &signature), Said::NotMine);
    // Under another id it is somebody else's.
    let other = VerifyingKey::from_sec1_bytes("ALICE123@YAHOO.COM", &bytes(POINT)).unwrap();
    assert_eq!(PublicKey::Sm2(other).says(MESSAGE, &signature), Said::NotMine);
}

/// The same bytes whenever it is signed: the nonce follows from key and message.
#[test]
fn the_nonce_is_that_of_rfc_6979_with_sm3() {
    let (private, public) = example();
    for _ in 0..2 {
        assert_eq!(hex(&private.sign(MESSAGE).unwrap()), hex(&der(WITH_OUR_NONCE)));
    }
    assert_eq!(public.says(MESSAGE, &der(WITH_OUR_NONCE)), Said::Mine);
}

/// The order of the curve.
const ORDER: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";

/// The order less a number of 32 bytes.
fn negated(number: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut digits: Vec<u8> = bytes(ORDER)
        .into_iter()
        .zip(number)
        .rev()
        .map(|(n, digit)| {
            let (less, first) = n.overflowing_sub(*digit);
            let (less, second) = less.overflowing_sub(u8::from(borrow));
            borrow = first || second;
            less
        })
        .collect();
    digits.reverse();
    digits
}

/// What works with ECDSA, and everything else that changes signs or places, does not work with SM2.
#[test]
fn a_signature_cannot_be_turned_into_another() {
    let (_, public) = example();
    let signature = bytes(SIGNATURE);
    let (r, s) = signature.split_at(32);
    let (minus_r, minus_s) = (negated(r), negated(s));
    for (r, s) in [(r, &*minus_s), (&*minus_r, s), (&*minus_r, &*minus_s), (s, r)] {
        let other = dsa::Signature::from_slice(&[r, s].concat()).unwrap().to_der();
        assert_eq!(public.says(MESSAGE, other.as_bytes()), Said::NotMine, "{} {}", hex(r), hex(s));
    }
    // Nor is there a second way to write it: numbers beyond the order, zeros in front, bytes behind.
    let order = bytes(ORDER);
    assert!(dsa::Signature::from_slice(&[order.as_slice(), s].concat()).is_err());
    let der = der(SIGNATURE);
    let longer = [der.as_slice(), &[0]].concat();
    assert_eq!(public.says(MESSAGE, &longer), Said::NotMine);
    let mut padded = vec![0x30, der[1] + 1, 0x02, der[3] + 1, 0x00];
    padded.extend_from_slice(&der[4..]);
    assert_eq!(public.says(MESSAGE, &padded), Said::NotMine);
    for cut in 0..der.len() {
        assert_eq!(public.says(MESSAGE, &der[..cut]), Said::NotMine, "{cut} bytes");
    }
}

/// What OpenSSL checks of a signature: the chain of the certificate in it, and the value over the signed attributes.
fn second_tool(pki: &Pki, signature: &[u8], content: &[u8]) -> bool {
    let at_once = pki.openssl(signature, content);
    let version = openssl(pki.dir.path(), "version").stdout;
    assert!(!(version.starts_with(b"OpenSSL 3.0.") && at_once.status.success()), "the page says otherwise");
    let in_folder = |words: &str| openssl(pki.dir.path(), words).status.success();
    let envelope = Envelope::parse(signature).unwrap();
    let expected = Envelope { digest: sm3_by_openssl(pki), ..envelope.clone() };
    fs::write(pki.path("attributes"), expected.signed_bytes().unwrap()).unwrap();
    fs::write(pki.path("value"), &envelope.signature).unwrap();
    assert!(in_folder("pkcs7 -inform DER -in file.p7s -print_certs -out signer.pem"));
    assert!(in_folder("x509 -in signer.pem -pubkey -noout -out signer.pub"));
    let chain = format!("verify -vfyopt {ID} -purpose any -CAfile ca.pem signer.pem");
    let value = format!(
        "pkeyutl -verify -rawin -digest sm3 -pkeyopt {ID} -pubin -inkey signer.pub -in attributes -sigfile value"
    );
    in_folder(&chain) && in_folder(&value)
}

/// SM3 of the content that `Pki::openssl` wrote.
fn sm3_by_openssl(pki: &Pki) -> [u8; 32] {
    let ran = openssl(pki.dir.path(), "dgst -sm3 -binary file");
    accepted(&ran);
    ran.stdout.try_into().unwrap()
}

#[test]
fn openssl_accepts_the_parts_of_a_signature_and_refuses_other_bytes() {
    let pki = Pki::one_of(SM2, 1);
    let signature = pki.sign(DAY);
    assert_eq!(pki.sign(DAY), signature, "the same bytes");
    assert!(second_tool(&pki, &signature, FILE));
    assert!(!second_tool(&pki, &signature, b"other bytes"));
    assert!(!second_tool(&Pki::one_of(SM2, 2), &signature, FILE), "another CA");
    let signed = pki.check(&signature, DAY).unwrap();
    assert_eq!((signed.signer.as_str(), signed.algorithm), ("CN=signer-1", SM2));
    let printed = openssl(pki.dir.path(), "cms -cmsout -print -noout -inform DER -in file.p7s");
    let text = String::from_utf8_lossy(&printed.stdout);
    assert!(text.contains("algorithm: sm3") && text.contains("SM2-with-SM3"), "{text}");
    assert!(!text.contains("signingTime"), "{text}");
}

/// What OpenSSL makes of a key of each form, and certifies, is as good as what we do.
#[test]
fn pairs_made_with_openssl_sign() {
    let pki = Pki::of(SM2, 1);
    let certify = format!("-sm3 -sigopt {ID} -days");
    for words in [
        "genpkey -algorithm SM2 -out ca.key".to_owned(),
        "ecparam -name SM2 -genkey -noout -out other.key".to_owned(),
        "pkcs8 -topk8 -nocrypt -in other.key -out signer-a.key".to_owned(),
        format!("req -x509 -new -key ca.key -out ca.pem -subj /CN=Bank-CA {certify} 30"),
        format!("req -new -key signer-a.key -sm3 -sigopt {ID} -out a.csr -subj /CN=Signer"),
        format!(
            "x509 -req -in a.csr -vfyopt {ID} -CA ca.pem -CAkey ca.key -CAcreateserial -out signer-a.pem {certify} 20"
        ),
    ] {
        accepted(&openssl(pki.dir.path(), &words));
    }
    pki.allow("signer-a", 0o600);
    // A day ends at 16:00 UTC, and today's may have ended before the certificate began.
    let words = ["-u", "-d", "tomorrow", "+%F"];
    let its_day = String::from_utf8(Command::new("date").args(words).output().unwrap().stdout).unwrap();
    let signature = pki.sign(its_day.trim());
    assert!(second_tool(&pki, &signature, FILE));
    assert_eq!(pki.check(&signature, its_day.trim()).unwrap().signer, "CN=Signer");
}

/// A certificate whose CA left the id away, as OpenSSL does unless it is told, is none that it certified.
#[test]
fn a_certificate_signed_under_another_id_is_a_strangers() {
    let pki = Pki::of(SM2, 1);
    for words in [
        "genpkey -algorithm SM2 -out ca.key".to_owned(),
        "genpkey -algorithm SM2 -out signer-a.key".to_owned(),
        format!("req -x509 -new -key ca.key -sm3 -sigopt {ID} -out ca.pem -subj /CN=Bank-CA -days 30"),
        "req -new -key signer-a.key -sm3 -out a.csr -subj /CN=Signer".to_owned(),
        "x509 -req -in a.csr -CA ca.pem -CAkey ca.key -sm3 -CAcreateserial -out signer-a.pem -days 20"
            .to_owned(),
    ] {
        accepted(&openssl(pki.dir.path(), &words));
    }
    pki.allow("signer-a", 0o600);
    assert!(pki.refused().contains("none that the CA certified"), "{}", pki.refused());
}

/// Many CAs write NULL behind the name of the algorithm.
#[test]
fn a_certificate_may_have_null_behind_its_algorithm() {
    let pki = Pki::one_of(SM2, 1);
    let (plain, null) = (bytes("300a06082a811ccf55018375"), bytes("300c06082a811ccf550183750500"));
    let mut tbs =
        read_certificates(&pki.path("signer-1.pem")).unwrap()[0].tbs_certificate().to_der().unwrap();
    let at = tbs.windows(plain.len()).position(|it| it == plain).unwrap();
    tbs.splice(at..at + plain.len(), null.clone());
    let tbs = sequence(&tbs[4..]);
    let value = PrivateKey::from_scalar(SM2, &[1; 32]).unwrap().sign(&tbs).unwrap();
    let bits = [&[3, u8::try_from(value.len() + 1).unwrap(), 0], value.as_slice()].concat();
    let whole = Certificate::from_der(&sequence(&[tbs, null, bits].concat())).unwrap();
    fs::write(pki.path("signer-1.pem"), whole.to_pem(LineEnding::LF).unwrap()).unwrap();
    let signature = pki.sign(DAY);
    assert!(second_tool(&pki, &signature, FILE));
    assert_eq!(pki.check(&signature, DAY).unwrap().signer, "CN=signer-1");
}

/// A sequence of 256 bytes or more.
fn sequence(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[0x30, 0x82], length.as_slice(), content].concat()
}

#[test]
fn what_is_wrong_with_a_signature_is_told_by_its_algorithm() {
    let pki = Pki::one_of(SM2, 1);
    let signature = pki.sign(DAY);
    let other = pki.trust().check(&Digests::of(b"other"), &signature, date(DAY)).unwrap_err();
    assert_eq!(other, Invalid::OtherBytes { algorithm: SM2, digest: *Digests::of(FILE).by(SM2) });
    assert!(other.to_string().contains("with the SM3 "), "{other}");
    assert!(matches!(Pki::one_of(SM2, 2).check(&signature, DAY), Err(Invalid::Stranger { .. })));
    assert!(matches!(pki.check(&signature, "1999-12-30"), Err(Invalid::NotOn { .. })));

    // The value of another signature, and that of another key.
    let envelope = Envelope::parse(&signature).unwrap();
    let with = |signature: &[u8]| {
        let altered = Envelope { signature: signature.to_vec(), ..envelope.clone() };
        pki.check(&altered.to_der().unwrap(), DAY)
    };
    let (stranger, _) = example();
    let by_stranger = stranger.sign(&envelope.signed_bytes().unwrap()).unwrap();
    for value in [der(SIGNATURE), by_stranger] {
        assert_eq!(with(&value), Err(Invalid::Signature("CN=signer-1".to_owned())));
    }
    assert!(with(&envelope.signature).is_ok());

    // Said to be of the other algorithm, with either digest.
    for digest in Algorithm::ALL.map(|algorithm| *Digests::of(FILE).by(algorithm)) {
        let algorithm = Algorithm::EcdsaP256Sha256;
        let altered = Envelope { algorithm, digest, ..envelope.clone() }.to_der().unwrap();
        let refused = pki.check(&altered, DAY).unwrap_err();
        assert_eq!(refused, Invalid::Algorithm { algorithm, whose: "CN=signer-1".to_owned() });
        assert!(refused.to_string().contains("ecdsa-p256-sha256"), "{refused}");
    }
}

/// Each of two CAs, and each of their signers, may be of either algorithm.
#[test]
fn a_ca_of_one_algorithm_may_certify_a_signer_of_the_other() {
    for (of_ca, of_signer) in [(SM2, Algorithm::EcdsaP256Sha256), (Algorithm::EcdsaP256Sha256, SM2)] {
        let mut pki = Pki::of(of_ca, 1);
        pki.algorithm = of_signer;
        pki.pair("signer-1", Usage::Signer, "2000-01-01", "2099-12-31");
        assert_eq!(pki.check(&pki.sign(DAY), DAY).unwrap().algorithm, of_signer);
    }
}

/// In the middle of September a pair of SM2 by a CA of SM2 takes over, and what was signed before stays good.
#[test]
fn sm2_takes_over_from_p_256() {
    let mut pki = Pki::new(1);
    pki.pair("signer-1", Usage::Signer, "2018-01-01", "2018-09-30");
    let mut new = Pki::of(SM2, 1);
    new.serial = 7;
    new.pair("signer-2", Usage::Signer, "2018-09-15", "2019-09-30");
    let before = pki.sign("2018-09-14");
    for name in ["signer-2.pem", "signer-2.key"] {
        fs::copy(new.path(name), pki.path(name)).unwrap();
    }
    assert!(pki.refused().contains("none that the CA certified"), "{}", pki.refused());
    let both = [&pki, &new].map(|pki| fs::read_to_string(pki.path("ca.pem")).unwrap()).concat();
    fs::write(pki.path("ca.pem"), both).unwrap();
    let after = pki.sign("2018-09-15");
    let how = |signature: &[u8], on: &str| pki.check(signature, on).map(|signed| signed.algorithm);
    assert_eq!(how(&before, "2018-09-14"), Ok(Algorithm::EcdsaP256Sha256));
    assert_eq!(how(&before, "2018-09-20"), Ok(Algorithm::EcdsaP256Sha256));
    assert_eq!(how(&after, "2018-09-15"), Ok(SM2));

    // A configuration that allows one algorithm alone says which pair is of another.
    for (only, wrong) in [(SM2, "signer-1.pem"), (Algorithm::EcdsaP256Sha256, "signer-2.pem")] {
        let refused = Signers::open(pki.dir.path(), &pki.path("ca.pem"), Some(only)).unwrap_err().to_string();
        assert!(refused.contains(wrong) && refused.contains(only.name()), "{refused}");
    }
}

/// People and participants too may have keys of SM2.
#[test]
fn a_person_may_sign_with_sm2() {
    let pki = Pki::of(SM2, 1);
    let order = Order {
        subject: "CN=li,OU=operators",
        serial: 9,
        from: date("2000-01-01"),
        until: date("2099-12-31"),
        usage: Usage::Client,
        algorithm: SM2,
    };
    let issued = pki.authority.issue(&[9; 32], &order).unwrap();
    fs::write(pki.path("li.pem"), issued.certificate).unwrap();
    fs::write(pki.path("li.key"), issued.key).unwrap();
    pki.allow("li", 0o600);
    let li = Signer::read(&pki.path("li.pem"), &pki.path("li.key")).unwrap();
    let signature = li.sign(&Digests::of(b"an act")).unwrap();
    let check = |digests: &Digests| pki.trust().check_person(digests, &signature, date(DAY));
    let person = check(&Digests::of(b"an act")).unwrap();
    assert_eq!((person.name.as_str(), person.unit.as_str()), ("li", "operators"));
    assert!(matches!(check(&Digests::of(b"another")), Err(Invalid::OtherBytes { .. })));
    // A certificate for connections signs no files.
    let as_file = pki.trust().check(&Digests::of(b"an act"), &signature, date(DAY));
    assert!(matches!(as_file, Err(Invalid::Purpose { .. })), "{as_file:?}");
}

#[test]
fn keys_of_other_curves_and_kinds_say_so() {
    let pki = Pki::one_of(SM2, 1);
    for words in [
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp384r1 -out other.key",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out other.key",
        "genpkey -algorithm ed25519 -out other.key",
    ] {
        accepted(&openssl(pki.dir.path(), words));
        fs::copy(pki.path("other.key"), pki.path("signer-1.key")).unwrap();
        pki.allow("signer-1", 0o600);
        let why = pki.refused();
        assert!(why.contains("neither ecdsa-p256-sha256 nor sm2-sm3"), "{words}: {why}");
    }
    // The same number on the other curve is another key.
    fs::copy(Pki::one(1).path("signer-1.key"), pki.path("signer-1.key")).unwrap();
    assert!(pki.refused().contains("not the key of the certificate"), "{}", pki.refused());
}
