//! The portal as its users meet it: curl with certificates made by openssl, over what `clear` published.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    local::{ask, metric},
    portal::world::{World, entry, fingerprint, pki, run, sha256},
    support::{Running, arguments, cityunion, command, repository, rows, wait_for},
};

mod released;
mod world;

const ACKNOWLEDGED: &str = "{\"answer\":\"acknowledged\"}";
const REFUSED: &str = "{\"answer\":\"refused\",\"reason\":\"net of 泉州 is short by 12.00\"}";
/// A file that no buffer of the system holds.
const BIG: &str = "results/big.csv";
const BIG_LEN: u64 = 48 << 20;

fn names(list: &Value) -> Vec<String> {
    let files = list["files"].as_array().unwrap_or_else(|| panic!("{list}"));
    files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
}

/// A large file whose every place differs.
fn big(world: &World) {
    let number = |at: u64| at.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
    let bytes: Vec<u8> = (0..BIG_LEN / 8).flat_map(number).collect();
    fs::write(world.path("out").join(BIG), bytes).unwrap();
}

#[test]
fn everybody_gets_what_is_for_him_and_nothing_else() {
    let world = World::start("");
    let [own, other] = &world.cities;
    let cycle = format!("/v1/cycles/{}", world.cycle);
    let of_city = |city: &str| {
        let settlement = ["camt.053.001.08-", "statement-"].map(|kind| format!("settlement/{kind}{city}"));
        vec![
            format!("acquirer/{city}.csv"),
            format!("issuer/{city}.csv"),
            "manifest.json".to_owned(),
            "manifest.json.p7s".to_owned(),
            "rulebook.toml".to_owned(),
            format!("{}.xml", settlement[0]),
            format!("{}.xml.p7s", settlement[0]),
            format!("{}.html", settlement[1]),
            format!("{}.html.p7s", settlement[1]),
        ]
    };
    let of_bank = [
        "manifest.json",
        "manifest.json.p7s",
        "net.csv",
        "settlement/pacs.029.001.02.xml",
        "settlement/pacs.029.001.02.xml.p7s",
        "settlement/pain.001.001.09.xml",
        "settlement/pain.001.001.09.xml.p7s",
    ];
    for (who, wanted) in [
        ("shanghai", of_city(own)),
        ("tianjin", of_city(other)),
        ("icbc", of_bank.map(str::to_owned).to_vec()),
    ] {
        let list = world.get(who, &cycle, &[]).is(200).json();
        assert_eq!(names(&list), wanted, "{who}");
        for file in list["files"].as_array().unwrap() {
            let name = file["name"].as_str().unwrap();
            let got = world.get(who, file["href"].as_str().unwrap(), &[]).is(200);
            assert_eq!(got.body, fs::read(world.published(name)).unwrap(), "{name}");
            assert_eq!(file["size"], got.body.len(), "{name}");
        }
        let page = world.get(who, "/", &[]).is(200).text();
        assert!(wanted.iter().all(|name| page.contains(&format!(">{name}<"))), "{page}");
        assert!(page.contains("清算文件") && page.contains("Settlement files"), "{page}");
    }
    let all = names(&world.get("operations", &cycle, &[]).is(200).json());
    assert!(["positions.csv", "items.csv"].iter().all(|name| all.contains(&(*name).to_owned())), "{all:?}");

    // What stands beside the cycles.
    let beside = names(&world.get("shanghai", "/v1/files", &[]).is(200).json());
    assert!(
        beside.contains(&format!("receipts/{own}.csv")) && beside.contains(&"ca.pem".to_owned()),
        "{beside:?}"
    );
    assert!(beside.iter().any(|name| name.starts_with(&format!("results/{own}/"))), "{beside:?}");
    assert!(beside.iter().all(|name| !name.contains(other.as_str())), "{beside:?}");
    for name in &beside {
        let got = world.get("shanghai", &format!("/v1/files/{name}"), &[]).is(200);
        assert_eq!(got.body, fs::read(world.path("out").join(name)).unwrap(), "{name}");
    }
    assert_eq!(names(&world.get("icbc", "/v1/files", &[]).is(200).json()), ["ca.pem"]);

    // What is another's is refused, there or not, and says so.
    for (who, path) in [
        ("shanghai", world.of_cycle(&format!("issuer/{other}.csv"))),
        ("shanghai", world.of_cycle("issuer/cu-FFFF.csv")),
        ("shanghai", world.of_cycle(&format!("settlement/camt.053.001.08-{other}.xml"))),
        ("shanghai", world.of_cycle("net.csv")),
        ("shanghai", world.of_cycle("settlement/pain.001.001.09.xml")),
        ("shanghai", format!("/v1/files/receipts/{other}.csv")),
        ("tianjin", world.of_cycle(&format!("acquirer/{own}.csv"))),
        ("icbc", world.of_cycle(&format!("settlement/statement-{own}.html"))),
        ("icbc", format!("/v1/files/receipts/{own}.csv")),
    ] {
        let refused = world.get(who, &path, &[]).is(403).json();
        assert!(refused["error"].as_str().unwrap().contains("is not for"), "{refused}");
    }
    world.get("shanghai", "/v1/cycles/2017-01-01-001", &[]).is(404);
    world.get("shanghai", "/v1/cycles/2017-01-01-001/files/manifest.json", &[]).is(404);
    let cycles = world.get("shanghai", "/v1/cycles", &[]).is(200).json();
    assert_eq!(cycles["cycles"][0]["cycle"], world.cycle.as_str());
    assert_eq!(cycles["cycles"].as_array().unwrap().len(), 2);
}

#[test]
fn strangers_are_refused_and_the_directory_is_read_again() {
    let world = World::start("");
    for (who, said) in [("", "certificate required"), ("expired", "expired"), ("stranger", "unknown ca")] {
        let refused = world.get(who, "/v1/cycles", &[]);
        assert!(refused.code != 0 && refused.status == 0, "{who}: {refused:?}");
        assert!(refused.stderr.to_lowercase().contains(said), "{who}: {}", refused.stderr);
    }
    let unlisted = || world.get("unlisted", "/v1/cycles", &[]);
    let refused = unlisted().is(403).json();
    let digits = fingerprint("unlisted").replace(':', "").to_lowercase();
    assert!(refused["error"].as_str().unwrap().contains(&digits), "{refused}");
    world.enter(&entry("unlisted", "role = \"bank\""));
    wait_for("the new entry", || (unlisted().status == 200).then_some(()));
    // A slip in the file changes nothing, and is told.
    fs::write(world.path("directory.toml"), "[[certificate]]\nsha256 = \"1\"\n").unwrap();
    world.wait_until("directory: ");
    unlisted().is(200);
    world.enter("");
    wait_for("its end", || (unlisted().status == 403).then_some(()));
    world.wait_until("ready\n");
    let (_, metrics) = ask(world.admin, "/metrics").unwrap();
    assert_eq!(metric(&metrics, "cityunion_portal_handshakes_refused_total"), 3);
    // Speaking without TLS is no way in.
    let mut plain = TcpStream::connect(("127.0.0.1", world.port)).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut said = Vec::new();
    drop(plain.read_to_end(&mut said));
    assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1 200"));
}

#[test]
fn tags_digests_and_ranges_are_true() {
    let world = World::start("");
    let name = format!("issuer/{}.csv", world.cities[0]);
    let receipts = format!("receipts/{}.csv", world.cities[0]);
    for (path, file) in [
        (world.of_cycle(&name), world.published(&name)),
        (world.of_cycle("manifest.json"), world.published("manifest.json")),
        (format!("/v1/files/{receipts}"), world.path("out").join(&receipts)),
    ] {
        let (bytes, digest) = (fs::read(&file).unwrap(), sha256(&file));
        let binary = format!("openssl dgst -sha256 -binary '{}' | base64", file.display());
        let base64 = run(Command::new("sh").args(["-c", &binary])).trim().to_owned();
        let tag = format!("\"{digest}\"");
        let get = |more: &[&str]| world.get("shanghai", &path, more);
        for got in [get(&[]).is(200), get(&["-I"]).is(200), get(&["-r", "5-9"]).is(206)] {
            assert_eq!(got.header("etag"), Some(tag.as_str()), "{path}");
            assert_eq!(got.header("repr-digest"), Some(format!("sha-256=:{base64}:").as_str()));
            assert_eq!(got.header("digest"), Some(format!("SHA-256={base64}").as_str()));
            assert_eq!(got.header("accept-ranges"), Some("bytes"));
        }
        let len = bytes.len();
        let head = get(&["-I"]);
        assert_eq!((head.header("content-length"), head.body.len()), (Some(len.to_string().as_str()), 0));
        for (range, wanted) in
            [("5-9", 5..10), ("0-0", 0..1), ("-4", len - 4..len), ("7-", 7..len), ("3-99999999999", 3..len)]
        {
            let part = get(&["-r", range]).is(206);
            let said = format!("bytes {}-{}/{len}", wanted.start, wanted.end - 1);
            assert_eq!(part.header("content-range"), Some(said.as_str()), "{range}");
            assert_eq!(part.body, bytes[wanted], "{range}");
        }
        let beyond = get(&["-r", &format!("{}-", len + 1)]).is(416);
        assert_eq!(beyond.header("content-range"), Some(format!("bytes */{len}").as_str()));
        for whole in [&["-r", "0-1,4-5"][..], &["-H", "Range: lines=1-2"][..]] {
            assert_eq!(get(whole).is(200).body, bytes);
        }
        let if_range = |tag: &str| get(&["-r", "5-9", "-H", &format!("If-Range: {tag}")]);
        assert_eq!(if_range(&tag).is(206).body, bytes[5..10]);
        for other in ["\"00\"", "Sat, 01 Sep 2018 00:00:00 GMT", "\u{fc}"] {
            assert_eq!(if_range(other).is(200).body, bytes, "{other}");
        }
        let had = get(&["-H", &format!("If-None-Match: \"00\", {tag}")]).is(304);
        assert_eq!((had.header("etag"), had.body.len()), (Some(tag.as_str()), 0));
        get(&["-H", "If-None-Match: \"00\""]).is(200);
    }
    // A receipt changes as files come in; its tag with it.
    let path = world.path("out").join(&receipts);
    let tag = sha256(&path);
    let mut longer = fs::read(&path).unwrap();
    longer.extend(b"another row\n");
    fs::write(world.path("new"), &longer).unwrap();
    fs::rename(world.path("new"), &path).unwrap();
    let had = format!("If-None-Match: \"{tag}\"");
    assert_eq!(world.get("shanghai", &format!("/v1/files/{receipts}"), &["-H", &had]).is(200).body, longer);
    // A published file that is no longer what the manifest says is not handed out.
    fs::write(world.published(&name), "damaged").unwrap();
    world.get("shanghai", &world.of_cycle(&name), &[]).is(500);
}

#[test]
fn a_download_that_was_cut_goes_on_where_it_was() {
    let world = World::start("");
    big(&world);
    let (source, copy) = (world.path("out").join(BIG), world.path("copy.csv"));
    let fetch = |more: &[&str]| {
        let mut curl = world.curl("operations");
        curl.args(["-f", "-C", "-", "-o"]).arg(&copy).args(more).arg(world.url(&format!("/v1/files/{BIG}")));
        curl.output().unwrap()
    };
    assert!(!fetch(&["--limit-rate", "8M", "--max-time", "2"]).status.success(), "it is cut");
    let had = fs::metadata(&copy).unwrap().len();
    assert!(had > 0 && had < BIG_LEN, "{had}");
    let cut =
        wait_for("the line of the cut", || world.audit().into_iter().find(|line| line["event"] == "cut"));
    let sent = cut["bytes"].as_u64().unwrap();
    assert!(sent >= had && sent < BIG_LEN, "{cut}");
    let rest = fetch(&[]);
    assert!(rest.status.success(), "{}", String::from_utf8_lossy(&rest.stderr));
    assert_eq!(sha256(&copy), sha256(&source));
    let last = world.audit().pop().unwrap();
    assert_eq!((&last["status"], &last["range"]), (&json!(206), &json!(format!("bytes={had}-"))));
    assert_eq!(last["bytes"], BIG_LEN - had);
    assert!(fetch(&[]).status.success(), "it is there already");
    assert_eq!(sha256(&copy), sha256(&source));
    // In bounded memory, whatever the file has.
    let status = fs::read_to_string(format!("/proc/{}/status", world.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < 40 * 1024, "{peak_kib} KiB for a file of {BIG_LEN} bytes");
}

#[test]
fn an_answer_is_given_once_and_stays() {
    let mut world = World::start("");
    let path = format!("/v1/cycles/{}/answer", world.cycle);
    world.get("shanghai", &path, &[]).is(404);
    let first = world.say("shanghai", ACKNOWLEDGED).is(201);
    assert_eq!(first.json()["participant"], world.cities[0].as_str());
    assert_eq!(first.json()["manifest_sha256"], sha256(&world.published("manifest.json")));
    assert_eq!(world.say("shanghai", ACKNOWLEDGED).is(200).body, first.body);
    assert_eq!(world.get("shanghai", &path, &[]).is(200).body, first.body);
    let other = world.say("shanghai", REFUSED).is(409).json();
    assert_eq!(other["stands"], first.json());
    let refused = world.say("icbc", REFUSED).is(201);
    world.say("icbc", "{\"answer\":\"refused\",\"reason\":\"something else\"}").is(409);
    world.get("tianjin", &path, &[]).is(404);

    for (body, status) in [
        ("{\"answer\":\"refused\"}", 400),
        ("{\"answer\":\"maybe\"}", 400),
        ("nonsense", 400),
        (&format!("{{\"answer\":\"refused\",\"reason\":\"{}\"}}", "x".repeat(501)), 400),
        (&"x".repeat(9_000), 413),
    ] {
        world.say("tianjin", body).is(status);
    }
    world.get("tianjin", &path, &["-d", ACKNOWLEDGED]).is(415);
    world.get("tianjin", &path, &["-X", "DELETE"]).is(405);
    world.get("tianjin", "/v1/cycles", &["-d", "x"]).is(405);
    world.say("operations", ACKNOWLEDGED).is(403);
    let none = "/v1/cycles/2017-01-01-001/answer";
    world.get("tianjin", none, &["-H", "Content-Type: application/json", "-d", ACKNOWLEDGED]).is(404);
    world.get("tianjin", &path, &[]).is(404);

    // They outlive the process.
    world.end().ok();
    world.begin();
    assert_eq!(world.say("shanghai", ACKNOWLEDGED).is(200).body, first.body);
    let all = world.get("operations", &path, &[]).is(200).json();
    assert_eq!(all["answers"], json!([first.json(), refused.json()]));
    let state = world.path("state");
    let shown = cityunion("portal answers --state {} -o json", &[&state]).ok().stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["answers"][1]["reason"], refused.json()["reason"]);
    let table =
        cityunion(&format!("portal answers --state {{}} --cycle {}", world.cycle), &[&state]).ok().stdout;
    assert!(table.contains("acknowledged") && table.contains("short by 12.00"), "{table}");
    let none = cityunion("portal answers --state {} --cycle 2017-01-01-001", &[&state]).ok().stdout;
    assert!(none.contains("nobody"), "{none}");
    cityunion("portal answers --state {}", &[&world.path("none")]).exits(2).says(&["state_dir"]);
}

#[test]
fn of_answers_at_the_same_time_one_counts() {
    let world = World::start("");
    let path = format!("/v1/cycles/{}/answer", world.cycle);
    let curls: Vec<_> = (0..12)
        .map(|index| {
            let body = if index % 2 == 0 { ACKNOWLEDGED } else { REFUSED };
            let mut curl = world.curl("tianjin");
            curl.args([
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "-H",
                "Content-Type: application/json",
                "-d",
                body,
            ]);
            curl.arg(world.url(&path)).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut statuses: Vec<String> = curls
        .into_iter()
        .map(|curl| String::from_utf8(curl.wait_with_output().unwrap().stdout).unwrap())
        .collect();
    statuses.sort();
    let count = |status: &str| statuses.iter().filter(|s| *s == status).count();
    assert_eq!((count("200"), count("201"), count("409")), (5, 1, 6), "{statuses:?}");
    // In the lines one more than once may stand as 201: what came second was answered again, with a line of its own.
    let lines = world.audit();
    assert!(lines.iter().filter(|line| line["status"] == 409).count() == 6, "{lines:?}");
}

#[test]
fn nothing_leads_out_of_what_is_published() {
    let world = World::start("");
    let out = world.path("out");
    fs::write(world.path("secret"), "secret").unwrap();
    fs::create_dir_all(out.join(".state")).unwrap();
    fs::write(out.join(".state/store"), "secret").unwrap();
    fs::write(world.published(".hidden"), "secret").unwrap();
    symlink(world.path("secret"), world.published("link.csv")).unwrap();
    symlink(world.folder.path(), out.join("results/folder")).unwrap();
    symlink("/", out.join("2018-01-01-001")).unwrap();
    let cycle = format!("/v1/cycles/{}/files", world.cycle);
    for path in [
        format!("{cycle}/../../secret"),
        format!("{cycle}/..%2f..%2f..%2fsecret"),
        format!("{cycle}/%2e%2e/%2e%2e/secret"),
        format!("{cycle}//etc/passwd"),
        format!("{cycle}/issuer/../../.state/store"),
        format!("{cycle}/link.csv"),
        format!("{cycle}/.hidden"),
        format!("{cycle}/issuer"),
        format!("{cycle}/issuer/"),
        format!("{cycle}/net.csv%00"),
        "/v1/files/.state/store".to_owned(),
        "/v1/files/%2estate/store".to_owned(),
        "/v1/files/results/folder/secret".to_owned(),
        "/v1/files/results/../.state/store".to_owned(),
        format!("/v1/files/{}/net.csv", world.cycle),
        "/v1/cycles/2018-01-01-001/files/etc/passwd".to_owned(),
        "/v1/cycles/..%2f/files/secret".to_owned(),
        "/v1/cycles/.state".to_owned(),
        "/../../etc/passwd".to_owned(),
    ] {
        let got = world.get("operations", &path, &[]).is(404);
        assert!(!got.text().contains("root:") && got.text().contains("error"), "{path}: {}", got.text());
    }
    let beside = world.get("operations", "/v1/files", &[]).is(200).text();
    let listed = world.get("operations", &format!("/v1/cycles/{}", world.cycle), &[]).is(200).text();
    for hidden in [".state", ".hidden", "link.csv", "secret", "folder"] {
        assert!(!beside.contains(hidden) && !listed.contains(hidden), "{hidden}");
    }
}

#[test]
fn every_access_is_written_down_or_refused() {
    let mut world = World::start("");
    let name = format!("issuer/{}.csv", world.cities[0]);
    world.get("shanghai", &world.of_cycle(&name), &["-r", "5-9"]).is(206);
    world.get("unlisted", "/v1/cycles?x=1", &[]).is(403);
    world.get("icbc", "/none", &["-I"]).is(404);
    let lines = world.audit();
    let digits = |name: &str| fingerprint(name).replace(':', "").to_lowercase();
    let short = |line: &Value| {
        json!([
            line["fingerprint"],
            line["name"],
            line["role"],
            line["method"],
            line["path"],
            line["range"],
            line["status"]
        ])
    };
    let wanted = [
        json!([digits("shanghai"), "shanghai", "city", "GET", world.of_cycle(&name), "bytes=5-9", 206]),
        json!([digits("unlisted"), null, null, "GET", "/v1/cycles?x=1", null, 403]),
        json!([digits("icbc"), "icbc", "bank", "HEAD", "/none", null, 404]),
    ];
    assert_eq!(lines.iter().map(short).collect::<Vec<_>>(), wanted);
    assert_eq!((&lines[0]["bytes"], &lines[2]["bytes"]), (&json!(5), &json!(0)));
    assert!(lines[0]["time"].as_str().unwrap().ends_with("+08:00"), "{}", lines[0]);

    // A thousand requests over one connection: all answered, all written down.
    let mut curl = world.curl("shanghai");
    curl.args(["-o", "/dev/null", "-w", "%{http_code}\\n"]).arg(world.url("/v1/cycles?n=[1-1000]"));
    let said = run(&mut curl);
    assert_eq!(said.lines().filter(|status| *status == "200").count(), 1000);
    let lines = world.audit();
    assert_eq!(lines.len(), 1003);
    assert_eq!(lines[1002]["path"], "/v1/cycles?n=1000");

    // Where no line can be written, nothing is handed out and no answer counts.
    world.end().ok();
    world.begin();
    let (audit, aside) = (world.path("state/audit"), world.path("aside"));
    fs::rename(&audit, &aside).unwrap();
    fs::write(&audit, "in the way").unwrap();
    let refused = world.get("shanghai", &world.of_cycle(&name), &[]).is(503).json();
    assert!(refused["error"].as_str().unwrap().contains("written down"), "{refused}");
    world.say("shanghai", ACKNOWLEDGED).is(503);
    world.wait_until("audit: ");
    fs::remove_file(&audit).unwrap();
    fs::rename(&aside, &audit).unwrap();
    world.get("shanghai", &format!("/v1/cycles/{}/answer", world.cycle), &[]).is(404);
    world.wait_until("ready\n");
}

/// The server's connections that are open or still have something to send.
fn connections(port: u16) -> usize {
    let local = format!("0100007F:{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let columns = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    columns.filter(|row| row[1] == local && ["01", "04"].contains(&row[3])).count()
}

/// More silent connections than there are places: whoever has a certificate is served all the same.
#[test]
fn who_says_nothing_keeps_nobody_out() {
    let world = World::start("head_s_max = 30\nconnections_max = 4");
    let silent: Vec<_> = (0..40).map(|_| TcpStream::connect(("127.0.0.1", world.port)).unwrap()).collect();
    // From one address, more of them are closed at once.
    let closed = |mut it: &TcpStream| {
        it.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        it.read(&mut [0; 1]).is_ok_and(|read| read == 0)
    };
    wait_for("the end of those that are too many", || {
        (silent.iter().filter(|it| closed(it)).count() == 8).then_some(())
    });
    world.get("icbc", "/v1/cycles", &["--interface", "127.0.0.2"]).is(200);
}

#[test]
fn slow_clients_are_cut_off_and_others_are_served() {
    let world = World::start("head_s_max = 2\nstall_s_max = 1\nconnections_max = 4");
    big(&world);
    // One says nothing, one half of a request, one takes nothing: each holds a place for a while.
    let silent = TcpStream::connect(("127.0.0.1", world.port)).unwrap();
    let mut half = Command::new("openssl");
    half.args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{}", world.port)]);
    half.arg("-cert").arg(pki().join("icbc.pem")).arg("-key").arg(pki().join("icbc.key"));
    let mut half = half.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = half.stdin.take().unwrap();
    input.write_all(b"GET /v1/cycles HTTP/1.1\r\nHost: x\r\nX-Half: ").unwrap();
    let mut slow = world.curl("operations");
    slow.args(["--limit-rate", "1k", "-o", "/dev/null"]).arg(world.url(&format!("/v1/files/{BIG}")));
    let mut slow = slow.stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    for _ in 0..5 {
        world.get("shanghai", "/v1/cycles", &[]).is(200);
    }
    wait_for("the line of the cut", || world.audit().into_iter().find(|line| line["event"] == "cut"));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    wait_for("the end of half a request", || half.try_wait().unwrap());
    drop(input);
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut rest = Vec::new();
    (&silent).read_to_end(&mut rest).unwrap();
    // What the system still held for the slow one is gone too, though its client goes on.
    wait_for("the end of all connections", || (connections(world.port) == 0).then_some(()));
    assert!(slow.try_wait().unwrap().is_none(), "it reads what it has got so far");
    slow.kill().unwrap();
    slow.wait().unwrap();

    // Too much at once is refused, not taken in.
    let long = format!("X-Long: {}", "x".repeat(120_000));
    let refused = world.get("shanghai", "/v1/cycles", &["-H", &long]);
    // 431, unless the connection was closed while curl was still sending.
    assert!(refused.status == 431 || (refused.status == 0 && refused.code != 0), "{refused:?}");
    wait_for("free places", || {
        let (_, metrics) = ask(world.admin, "/metrics").ok()?;
        (metric(&metrics, "cityunion_portal_connections") == 0).then_some(())
    });
}

#[test]
fn one_participant_does_not_take_the_places_of_others() {
    let world = World::start("certificate_connections_max = 2");
    big(&world);
    let slow = || {
        let mut curl = world.curl("operations");
        curl.args(["--limit-rate", "1k", "-o", "/dev/null"]).arg(world.url(&format!("/v1/files/{BIG}")));
        curl.stderr(Stdio::null()).spawn().unwrap()
    };
    let downloads = [slow(), slow()];
    wait_for("both downloads", || (world.audit().len() == 2).then_some(()));
    let refused = world.get("operations", "/v1/cycles", &[]).is(429).json();
    assert!(refused["error"].as_str().unwrap().contains("too many connections"), "{refused}");
    world.get("icbc", "/v1/cycles", &[]).is(200);
    for mut download in downloads {
        download.kill().unwrap();
        download.wait().unwrap();
    }
    wait_for("a free place", || (world.get("operations", "/v1/cycles", &[]).status == 200).then_some(()));
}

#[test]
fn told_to_stop_it_ends_what_is_going_on() {
    let mut world = World::start("");
    big(&world);
    let copy = world.path("copy.csv");
    let mut slow = world.curl("operations");
    slow.args(["-f", "--limit-rate", "16M", "-o"]).arg(&copy).arg(world.url(&format!("/v1/files/{BIG}")));
    let mut slow = slow.spawn().unwrap();
    wait_for("its beginning", || fs::metadata(&copy).ok().filter(|about| about.len() > 0));
    world.end().ok();
    assert!(slow.wait().unwrap().success(), "the download was finished");
    assert_eq!(sha256(&copy), sha256(&world.path("out").join(BIG)));
    assert_ne!(world.get("shanghai", "/v1/cycles", &[]).code, 0);
}

#[test]
fn a_wrong_configuration_says_what_to_do() {
    let world = World::start("");
    let right = fs::read_to_string(world.config()).unwrap();
    let shown = cityunion("portal check-config --config {}", &[&world.config()]).ok().stdout;
    assert!(shown.contains("connections_max = 256"), "{shown}");
    let check = |from: &str, to: &str, words: &[&str]| {
        assert!(right.contains(from), "{from}");
        let path = world.path("wrong.toml");
        fs::write(&path, right.replace(from, to)).unwrap();
        cityunion("portal check-config --config {}", &[&path]).exits(2).says(words);
    };
    check("server.key", "icbc.key", &["tls.key", "first certificate"]);
    check("server.pem", "server.key", &["tls.certificate", "server.key"]);
    check("ca.pem", "none.pem", &["tls.clients_ca", "none.pem"]);
    check("directory.toml", "none.toml", &["none.toml"]);
    check("/state\"", "/out/state\"", &["state_dir", "published_dir"]);
    check("[limits]", "[limits]\nstall_s_max = 0", &["at least 1"]);
    check("[limits]", "[limits]\nconnection_max = 1", &["connection_max"]);
    check("[admin]\nlisten = \"127.0.0.1", "[admin]\nlisten = \"0.0.0.0", &["admin.remote"]);
    // Its port is taken.
    let second = Running::start(command(arguments("portal serve --config {}", &[&world.config()])));
    second.wait().exits(1);
}

/// The lines of docs/portal.md, as a bank would have them.
#[test]
fn the_lines_of_the_document_fetch_check_and_answer() {
    let world = World::start("");
    let document = fs::read_to_string(repository().join("docs/portal.md")).unwrap();
    let (_, script) = document.split_once("```sh\n").unwrap();
    let (script, _) = script.split_once("```").unwrap();
    assert_eq!(script.lines().count(), 5, "{script}");
    let bank = TempDir::new().unwrap();
    for (from, to) in [("ca.pem", "portal-ca.pem"), ("icbc.pem", "bank.pem"), ("icbc.key", "bank.key")] {
        fs::copy(pki().join(from), bank.path().join(to)).unwrap();
    }
    let job = || {
        let mut sh = Command::new("sh");
        sh.args(["-c", script]).current_dir(bank.path()).env("PORTAL", world.url(""));
        sh.output().unwrap()
    };
    let done = job();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for name in ["manifest.json", "net.csv", "settlement/pain.001.001.09.xml"] {
        let fetched = bank.path().join(&world.cycle).join(name);
        assert_eq!(fs::read(fetched).unwrap(), fs::read(world.published(name)).unwrap(), "{name}");
    }
    assert!(!rows(&bank.path().join(&world.cycle).join("net.csv")).is_empty());
    let said = String::from_utf8(done.stdout).unwrap();
    assert_eq!(said.matches("\"acknowledged\"").count(), 2, "every cycle is fetched and answered: {said}");
    // Run again, as cron does: nothing is open.
    let again = job();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(again.stdout, b"");
    // Half a file is completed; a file with other bytes is found, and nothing is acknowledged then.
    let net = bank.path().join(&world.cycle).join("net.csv");
    let whole = fs::read(&net).unwrap();
    fs::write(&net, &whole[..whole.len() / 2]).unwrap();
    fs::remove_dir_all(world.path("state/answers")).unwrap();
    assert_eq!(String::from_utf8(job().stdout).unwrap().matches("\"acknowledged\"").count(), 2);
    assert_eq!(fs::read(&net).unwrap(), whole);
    fs::write(&net, vec![b'x'; whole.len()]).unwrap();
    fs::remove_dir_all(world.path("state/answers")).unwrap();
    let found = job();
    assert!(!found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
    let answered = world.path("state/answers").join(&world.cycle);
    assert!(!answered.exists(), "an altered file was acknowledged");
}
