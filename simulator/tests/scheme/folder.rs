//! The folder itself: same seed, same bytes; legal habits; true cryptograms; nothing overwritten.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::common::simulated;
use domain::{
    date::{Date, LocalTime},
    tap::Algorithm,
};
use sha2::{Digest, Sha256};
use simulator::{LiveCity, SimulateConfig, SimulateError, World, simulate};

/// Every file below a folder with its bytes.
fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            all.extend(bytes(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            all.insert(name, fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let with = |seed, threads| {
        let scheme = simulated(|config| {
            (config.taps, config.cities, config.days) = (Some(6_000), 20, 2);
            (config.seed, config.threads) = (seed, threads);
        });
        bytes(scheme.folder())
    };
    let (one, two, other) = (with(7, 1), with(7, 2), with(8, 2));
    assert!(one == two, "one thread and two differ");
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    let tap_file = one.keys().find(|name| name.starts_with("taps/")).unwrap();
    assert_ne!(one[tap_file], other[tap_file]);
    assert_ne!(one["keys.toml"], other["keys.toml"]);
    for name in ["rulebook.toml", "keys.toml", "hotlist.csv", "outages.csv", "truth.csv"] {
        assert!(one.contains_key(name), "{name}");
    }
    for pair in [
        "pki/ca",
        "pki/signer-1",
        "pki/tls/ca",
        "pki/tls/portal",
        "pki/tls/operator-li",
        "pki/tls/client-cu-2000",
    ] {
        let (certificate, key) = (format!("{pair}.pem"), format!("{pair}.key"));
        assert!(one.contains_key(&certificate), "{certificate}");
        assert_ne!(one[&key], other[&key], "{key}");
    }
    assert!(one.keys().all(|name| !name.contains("unfinished")));
}

#[test]
fn manifests_agree_with_their_files() {
    let scheme = simulated(|config| (config.taps, config.cities) = (Some(20_000), 20));
    let (mut manifests, truth) = (0, scheme.truth());
    for participant in &scheme.rulebook.participants {
        for path in scheme.files(participant.city) {
            let manifest = path.with_extension("csv.manifest.json");
            let Ok(text) = fs::read_to_string(&manifest) else { continue };
            manifests += 1;
            let bytes = fs::read(&path).unwrap();
            let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            let data = lines.iter().skip(1).filter(|line| !line.trim_ascii().is_empty()).count();
            let name = path.file_name().unwrap().to_str().unwrap();
            let malformed: BTreeSet<usize> = truth
                .iter()
                .map(|row| row.split(',').collect::<Vec<_>>())
                .filter(|f| {
                    f[0] == participant.city.to_string() && f[1] == name && f[4].starts_with("malformed")
                })
                .map(|f| f[2].parse().unwrap())
                .collect();
            let amount: u64 = lines
                .iter()
                .enumerate()
                .skip(1)
                .filter(|(at, line)| !line.trim_ascii().is_empty() && !malformed.contains(&(at + 1)))
                .map(|(_, line)| line.split(|byte| *byte == b',').nth(6).unwrap())
                .map(|field| String::from_utf8_lossy(field).trim_matches('"').parse::<u64>().unwrap())
                .sum();
            let want = format!(
                "{{\n  \"amount_fen\": {amount},\n  \"records\": {data},\n  \"sha256\": \"{digest}\"\n}}\n"
            );
            assert_eq!(text, want, "{}", path.display());
        }
    }
    assert!(manifests > 5);
}

#[test]
fn legal_habits_and_kinds_of_keys_are_all_there() {
    let scheme = simulated(|config| (config.taps, config.cities) = (Some(20_000), 20));
    let texts: Vec<String> = scheme
        .rulebook
        .participants
        .iter()
        .flat_map(|p| scheme.files(p.city))
        .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned())
        .collect();
    let some = |what: &str, has: &dyn Fn(&str) -> bool| {
        assert!(texts.iter().any(|text| has(text)), "no file with {what}");
    };
    some("a BOM and CRLF", &|text| text.starts_with('\u{FEFF}') && text.ends_with("\r\n"));
    some("blank lines", &|text| text.contains("\n\n"));
    some("a further column", &|text| text.starts_with("terminal,") && text.contains(",tac,remark\n"));
    some("quotes around everything", &|text| text.contains("\",\"cu-"));
    some("a comma in a text", &|text| text.contains("\"东门, 2号口\""));
    some("a 0-fen tap", &|text| text.contains(",06,0,") || text.contains(",09,0,"));
    some("3DES", &|text| text.contains(",1,3des,"));
    some("3DES version 2", &|text| text.contains(",2,3des,"));
    some("SM4", &|text| text.contains(",1,sm4,"));
    for medium in domain::tap::Medium::ALL {
        some(medium.word(), &|text| text.contains(&format!(",{},", medium.word())));
    }
    let keys = fs::read_to_string(scheme.folder().join("keys.toml")).unwrap();
    let keys = domain::keys::KeyRing::parse(&keys).unwrap();
    let masters: Vec<_> = keys.cities().flat_map(|city| keys.masters(city).collect::<Vec<_>>()).collect();
    assert!(masters.iter().any(|(_, algorithm, masters)| {
        *algorithm == Algorithm::TripleDes && masters.purchase[..8] == masters.purchase[8..]
    }));
    let by_default = fs::read_to_string(scheme.folder().join("rulebook.toml")).unwrap();
    let entries = by_default.matches("[[participant]]").count();
    assert!(by_default.matches("terminal_prefixes").count() < entries, "nobody relies on the default");
}

#[test]
fn nothing_that_stands_is_overwritten() {
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("mine.txt"), "kept").unwrap();
    let mut config = SimulateConfig::new(out.path().to_owned());
    config.taps = Some(10);
    let refused = simulate(&config, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, SimulateError::NotEmpty(_)), "{refused}");
    assert_eq!(bytes(out.path()).len(), 1);
    config.out = out.path().join("mine.txt");
    assert!(matches!(simulate(&config, &mut |_| {}), Err(SimulateError::NotEmpty(_))));
    config.out = out.path().join("new/folder");
    assert_eq!(simulate(&config, &mut |_| {}).unwrap().records, 10);
    config.cities = 0;
    assert!(matches!(
        simulate(&config, &mut |_| {}),
        Err(SimulateError::OutOfRange { setting: "cities", .. })
    ));
}

#[test]
fn a_live_city_goes_on_where_it_was() {
    let date: Date = "2018-09-01".parse().unwrap();
    let world = World::new(7, 12, date, 1);
    let city = world.cities().next().unwrap();
    let noon = LocalTime { date, second: 12 * 3600 };
    let mut live = LiveCity::new(&world, city, 0).unwrap();
    let first = live.next_file(500, noon);
    let after_first = live.counter();
    let second = live.next_file(500, noon);
    let mut again = LiveCity::new(&world, city, after_first).unwrap();
    assert_eq!(again.next_file(500, noon), second);
    let identities = |file: &[u8]| {
        let text = String::from_utf8(file.to_vec()).unwrap();
        let rows = text.lines().skip(1).map(|row| row.splitn(3, ',').take(2).collect::<Vec<_>>().join(","));
        (rows.clone().count(), rows.collect::<BTreeSet<_>>())
    };
    let ((rows, one), (_, two)) = (identities(&first), identities(&second));
    assert_eq!(rows, 500);
    assert!(one.is_disjoint(&two) && one.len() > 480);
    assert!(LiveCity::new(&world, "cu-EEEE".parse().unwrap(), 0).is_none());
}
