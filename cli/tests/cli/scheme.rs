//! Scheme folders made by hand.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use domain::{
    city::City,
    date::LocalTime,
    keys::KeyRing,
    tap::{Algorithm, Medium, Product, Sector, Tap},
};

pub const HEADER: &str = "terminal,terminal_seq,issuer,card,card_counter,type,amount_fen,fare_fen,tapped_at,\
                          medium,sector,product,operator,line,station,key_version,algorithm,tac\n";

const RULES: &str = "\
version = 1
presentment_days = 10
hotlist_grace_hours = 24

[fees]
basis = \"cycle_bilateral\"
interchange_rate = \"0.003\"
switch_rate = \"0.001\"
";

/// A scheme folder with its test keys.
pub struct Scheme {
    pub path: PathBuf,
    keys: KeyRing,
}

impl Scheme {
    /// A folder with a rulebook of these participants, keys and an empty hotlist, without tap files.
    pub fn new(path: PathBuf, cities: &[&str]) -> Self {
        let mut rules = RULES.to_owned();
        let mut keys = String::new();
        for (index, city) in cities.iter().enumerate() {
            write!(
                rules,
                "\n[[participant]]\ncity = \"{city}\"\nname_en = \"City {index}\"\nname_zh = \"城{index}\"\njoined = \"2018-01-01\"\n"
            )
            .unwrap();
            let algorithm = if index % 2 == 0 { "3des" } else { "sm4" };
            write!(
                keys,
                "[[key]]\ncity = \"{city}\"\nversion = 1\nalgorithm = \"{algorithm}\"\npurchase_master = \"{:032X}\"\n",
                0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210_u128 + u128::try_from(index).unwrap()
            )
            .unwrap();
        }
        fs::create_dir_all(path.join("taps")).unwrap();
        fs::write(path.join("rulebook.toml"), rules).unwrap();
        fs::write(path.join("keys.toml"), &keys).unwrap();
        fs::write(path.join("hotlist.csv"), "issuer,card,effective_at\n").unwrap();
        Self { path, keys: KeyRing::parse(&keys).unwrap() }
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Changes the rulebook.
    pub fn change_rules(&self, change: impl Fn(String) -> String) {
        let path = self.path.join("rulebook.toml");
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
    }

    /// Writes a tap file of lines without their cryptograms, which are added.
    pub fn taps(&self, city: &str, name: &str, lines: &[&str]) {
        let lines: Vec<String> = lines.iter().map(|line| self.sealed(line)).collect();
        self.raw(city, name, &lines.concat());
    }

    /// Writes a tap file of lines as they are.
    pub fn raw(&self, city: &str, name: &str, lines: &str) {
        self.write(&format!("taps/{city}/{name}"), format!("{HEADER}{lines}"));
    }

    /// A line with its cryptogram where it ends with a comma, else as it stands.
    pub fn sealed(&self, line: &str) -> String {
        match line.strip_suffix(',') {
            Some(body) => format!("{body},{}\n", self.tac(body)),
            None => format!("{line}\n"),
        }
    }

    fn tac(&self, line: &str) -> String {
        let columns: Vec<&str> = line.split(',').collect();
        let number = |at: usize| columns[at].parse::<u32>().unwrap();
        let issuer: City = columns[2].parse().unwrap();
        let tapped_at = LocalTime::parse(columns[8].as_bytes()).unwrap();
        let tap = Tap {
            line: 0.into(),
            position: 0.into(),
            terminal: hex(columns[0]),
            terminal_seq: number(1).into(),
            card: hex(columns[3]),
            card_counter: u16::try_from(number(4)).unwrap().into(),
            type_byte: hex::<1>(columns[5])[0],
            medium: Medium::parse(columns[9].as_bytes()).unwrap().index(),
            sector: Sector::parse(columns[10].as_bytes()).unwrap().index(),
            product: Product::parse(columns[11].as_bytes()).unwrap().index(),
            amount_fen: number(6).into(),
            fare_fen: number(7).into(),
            tapped_day: tapped_at.date.julian_day().into(),
            tapped_second: tapped_at.second.into(),
            key_version: u8::try_from(number(15)).unwrap(),
            algorithm: Algorithm::parse(columns[16].as_bytes()).unwrap().index(),
            tac: [0; 4],
        };
        let tac = self.keys.of(issuer).tac(&tap).unwrap_or_else(|| panic!("a key for `{line}`"));
        tac.iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

/// A line of a plain tap without its cryptogram, ready for [`Scheme::sealed`]. The algorithm is the
/// issuer's: by its place in the scheme `3des`, `sm4`, `3des` and so on.
pub fn tap(
    terminal: &str,
    seq: u32,
    issuer: &str,
    amount_fen: u32,
    tapped_at: &str,
    algorithm: &str,
) -> String {
    let code = issuer.rsplit('-').next().unwrap();
    format!(
        "{terminal},{seq},{issuer},{code}000000000017,812,06,{amount_fen},{amount_fen},{tapped_at},cpu,bus,flat,,49,,1,{algorithm},"
    )
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
}

/// A scheme of three cities with one good file on 2018-09-01, for tests of what is bad beside it.
pub fn three_cities(folder: &Path) -> Scheme {
    let scheme = Scheme::new(folder.join("scheme"), &["cu-2000", "cu-3000", "cu-4000"]);
    let lines: Vec<String> = (1..=5)
        .map(|seq| tap("200000000001", seq, "cu-3000", 100 * seq, "2018-09-01T08:00:00", "sm4"))
        .collect();
    scheme.taps("cu-2000", "2018-09-01.csv", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    scheme
}
