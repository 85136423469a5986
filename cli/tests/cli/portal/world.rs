//! A running portal over what `clear` published, and curl with certificates of openssl.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use cu_log::testing::free_ports;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    local::ask,
    support::{Ran, Running, arguments, cityunion, clear, command, cycles, repository, tree, wait_for},
};

/// Two cities of the scheme, by the names of their certificates.
pub const CITIES: [&str; 2] = ["shanghai", "tianjin"];

/// What is made once for all tests: certificates, and two published cycles.
struct Made {
    folder: TempDir,
    published: BTreeMap<String, Vec<u8>>,
}

fn made() -> &'static Made {
    static MADE: OnceLock<Made> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let (scheme, out, pki) =
            (folder.path().join("scheme"), folder.path().join("out"), folder.path().join("pki"));
        fs::create_dir(&pki).unwrap();
        let script = repository().join("cli/tests/cli/portal/pki.sh");
        run(Command::new("sh").arg(script).current_dir(&pki));
        cityunion("simulate --out {} --taps 4000 --cities 4 --days 2 --seed 3", &[&scheme]).ok();
        clear(&scheme, &out);
        clear(&scheme, &out);
        let published = tree(&out);
        Made { folder, published }
    })
}

/// Runs a program that must succeed, and gives what it printed.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The folder of authorities, certificates and keys.
pub fn pki() -> PathBuf {
    made().folder.path().join("pki")
}

/// The SHA-256 of a certificate as openssl prints it.
pub fn fingerprint(name: &str) -> String {
    let certificate = pki().join(format!("{name}.pem"));
    let said = run(Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(certificate));
    said.trim().rsplit('=').next().unwrap().to_owned()
}

/// An entry of the directory.
pub fn entry(name: &str, rest: &str) -> String {
    format!("[[certificate]]\nsha256 = \"{}\"\nname = \"{name}\"\n{rest}\n", fingerprint(name))
}

/// The SHA-256 of bytes in hex, by a program that is none of ours.
pub fn sha256(path: &Path) -> String {
    run(Command::new("sha256sum").arg(path)).split(' ').next().unwrap().to_owned()
}

/// What curl got.
#[derive(Debug)]
pub struct Got {
    /// Its exit code.
    pub code: i32,
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub stderr: String,
}

impl Got {
    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}\n{}\n{}", self.head, self.text(), self.stderr);
        self
    }
}

/// A portal with its folders.
pub struct World {
    pub folder: TempDir,
    pub port: u16,
    pub admin: u16,
    pub cycle: String,
    pub cities: [String; 2],
    portal: Option<Running>,
}

impl World {
    /// A portal with these lines in `[limits]`.
    pub fn start(limits: &str) -> Self {
        let made = made();
        let folder = TempDir::new().unwrap();
        for (name, bytes) in &made.published {
            let path = folder.path().join("out").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self::over(folder, limits)
    }

    /// A portal over `out` in a folder.
    pub fn over(folder: TempDir, limits: &str) -> Self {
        let out = folder.path().join("out");
        let receipts = fs::read_dir(out.join("receipts")).unwrap();
        let mut cities: Vec<String> = receipts
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        cities.sort();
        let ports = free_ports(2);
        let cycle = cycles(&out).pop().unwrap();
        let cities = [cities[0].clone(), cities[1].clone()];
        let mut world = Self { folder, port: ports[0], admin: ports[1], cycle, cities, portal: None };
        world.enter("");
        world.configure(limits);
        world.begin();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("portal.toml")
    }

    /// Writes the directory: two cities, a bank and operations, and what is added.
    pub fn enter(&self, more: &str) {
        let city =
            |name: usize| entry(CITIES[name], &format!("role = \"city\"\ncity = \"{}\"", self.cities[name]));
        let bank = entry("icbc", "role = \"bank\"");
        let text =
            [city(0), city(1), bank, entry("operations", "role = \"operations\""), more.to_owned()].concat();
        fs::write(self.path("directory.toml"), text).unwrap();
    }

    fn configure(&self, limits: &str) {
        let (here, pki) = (self.folder.path().display(), pki());
        let pki = pki.display();
        let text = format!(
            "listen = \"127.0.0.1:{}\"\npublished_dir = \"{here}/out\"\nstate_dir = \"{here}/state\"\n\
             directory = \"{here}/directory.toml\"\n[tls]\ncertificate = \"{pki}/server.pem\"\n\
             key = \"{pki}/server.key\"\nclients_ca = \"{pki}/ca.pem\"\n[limits]\n{limits}\n\
             [admin]\nlisten = \"127.0.0.1:{}\"\n",
            self.port, self.admin
        );
        fs::write(self.config(), text).unwrap();
    }

    /// Starts the portal and waits until it is ready.
    pub fn begin(&mut self) {
        self.portal = Some(Running::start(command(arguments("portal serve --config {}", &[&self.config()]))));
        self.wait_until("ready\n");
    }

    /// Waits until /readyz says something.
    pub fn wait_until(&self, says: &str) -> String {
        wait_for(says, || ask(self.admin, "/readyz").ok().filter(|(_, body)| body.contains(says))).1
    }

    /// Ends it with SIGTERM.
    pub fn end(&mut self) -> Ran {
        self.portal.take().unwrap().signal("TERM")
    }

    pub fn id(&self) -> u32 {
        self.portal.as_ref().unwrap().id()
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// The address of a file of the newest cycle.
    pub fn of_cycle(&self, name: &str) -> String {
        format!("/v1/cycles/{}/files/{name}", self.cycle)
    }

    /// A file of the newest cycle as it was published.
    pub fn published(&self, name: &str) -> PathBuf {
        self.path("out").join(&self.cycle).join(name)
    }

    /// curl with somebody's certificate; nobody's, if the name is empty.
    pub fn curl(&self, who: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--path-as-is", "--max-time", "60", "--cacert"]).arg(pki().join("ca.pem"));
        if !who.is_empty() {
            curl.arg("--cert").arg(pki().join(format!("{who}.pem")));
            curl.arg("--key").arg(pki().join(format!("{who}.key")));
        }
        curl
    }

    /// Asks with further arguments.
    pub fn get(&self, who: &str, path: &str, more: &[&str]) -> Got {
        let done = self.curl(who).arg("-i").args(more).arg(self.url(path)).output().unwrap();
        let at = done.stdout.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = at.map_or((&[][..], &[][..]), |at| (&done.stdout[..at], &done.stdout[at + 4..]));
        let head = String::from_utf8_lossy(head).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
        Got { code: done.status.code().unwrap_or(-1), status, head, body: body.to_vec(), stderr }
    }

    /// Sends an answer about the newest cycle.
    pub fn say(&self, who: &str, body: &str) -> Got {
        let path = format!("/v1/cycles/{}/answer", self.cycle);
        self.get(who, &path, &["-H", "Content-Type: application/json", "-d", body])
    }

    /// The lines about accesses.
    pub fn audit(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        for entry in fs::read_dir(self.path("state/audit")).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            lines.extend(
                text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))),
            );
        }
        lines
    }
}
