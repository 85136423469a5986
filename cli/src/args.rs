//! The command line's words.

use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};
use domain::{city::City, date::Date};
use signing::Algorithm;

use crate::{clear::release::Releaser, demo::Demo, output::Format};

/// Interconnection clearing of transit and citizen cards.
#[derive(Debug, Parser)]
#[command(name = "cityunion", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; nothing is lost, the message says what to do next
  2  the command line or a configuration of a service is wrong
  3  refused: the request contradicts what has been settled
  4  verify, agree, reconcile, report, export, replay, archive verify, book verify or book list found a difference
130  interrupted; run it again to go on

Log lines go to standard error; CITYUNION_LOG=debug shows more.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a scheme folder: cities, test keys, hotlist, tap files with true cryptograms, and what must come out
    Simulate(Simulate),
    /// Clear a business date of a scheme folder and write its settlement files
    Clear(Clear),
    /// Recompute a closed cycle, or all of an OUT, from the folder alone; check its signatures; check a proof
    Verify(Verify),
    /// Prove that one record is paid in a closed cycle, without showing the others
    Prove(crate::prove::Prove),
    /// Compare what a closed cycle has a home city pay with what the city accepted itself
    Agree(crate::agree::Agree),
    /// Compare three sides of a closed cycle: the acquirers' answers, the centre's files, what home cities accepted
    Reconcile(crate::reconcile::Reconcile),
    /// Tell the whole life of one tap: file and line, batch, log, verdict, cycle, position, rows
    Trace(crate::trace::Trace),
    /// Show a closed cycle to a person: tables here, with --html a page of its own
    Report(crate::report::Report),
    /// Write the tables of a closed cycle in another form, for analysis
    Export(crate::export::Export),
    /// Run everything in one process: cities tap, the switch asks, the clearing node books, cycles close
    Demo(Demo),
    /// Measure the book, the whole way and memory; prints a table and writes bench.json
    Bench(Bench),
    /// Look whether this machine has what building and running need, and say what to do
    Doctor(crate::doctor::Doctor),
    /// Print what a shell needs to complete commands and options
    Completions(crate::completions::Completions),
    /// Describe a file of another layout: check a mapping on a sample, or guess one
    Mapping(crate::mapping::Mapping),
    /// Rewrite a file of another layout as cityunion-tap/1, or back
    Convert(crate::convert::Convert),
    /// A city's edge as a service
    Adapter(crate::services::AdapterArgs),
    /// The switch as a service
    Switch(Service),
    /// The clearing node as a service
    ClearingNode(Service),
    /// Look at cycles, cut off by hand, and bring closed ones to their settlement: release, confirm, refuse, settle
    Cycle(crate::cycle::Cycle),
    /// Ask money of a closed cycle back or for it, answer, decide, and see how disputes stand
    Dispute(crate::dispute::Dispute),
    /// Give back what was paid for a record of a closed cycle
    Refund(crate::dispute::Refund),
    /// Show the scheme's accounts in double entry, from closed cycles
    Ledger(crate::ledger::LedgerArgs),
    /// Look after the book: resume, import and move cities, recount; copy, restore and list stores
    Book(crate::book::Book),
    /// Look at the running clearing nodes, and have partitions that stand still go on
    Node(crate::node::Node),
    /// Look at the rules: check a rulebook, compare two, publish a version, list those on the log
    Rulebook(crate::rulebook::RulebookArgs),
    /// Write the log of closed cycles to an object store; check it; bring a log back from it
    Archive(crate::archive::Archive),
    /// Fold closed cycles again from the log or an archive and compare them with what was published
    Replay(crate::replay::ReplayArgs),
    /// Hand published files out over HTTPS with certificates on both sides, and take what participants say of them
    Portal(crate::services::PortalArgs),
    /// Play a day of a scheme folder into the inboxes of running adapters
    Feed(crate::feed::Feed),
}

/// Arguments of `simulate`.
#[derive(Args, Debug)]
pub struct Simulate {
    /// Folder to make; must not exist or be empty
    #[arg(long)]
    pub out: PathBuf,
    /// Taps over all cities and days [default: 100000; with --base: none but the file's]
    #[arg(long)]
    pub taps: Option<u64>,
    /// Participant cities
    #[arg(long, default_value_t = 80)]
    pub cities: u32,
    /// Business dates
    #[arg(long, default_value_t = 1)]
    pub days: u32,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// First business date [default: 2018-09-01]
    #[arg(long)]
    pub first_date: Option<Date>,
    /// How the test signer and its CA sign
    #[arg(long, value_name = "ALGORITHM", default_value = "ecdsa-p256-sha256", value_parser = algorithms())]
    pub signatures: Algorithm,
    /// A real tap file whose time, place, operator and fare are taken
    #[arg(long, requires = "mapping")]
    pub base: Option<PathBuf>,
    /// How the columns of --base are read
    #[arg(long, requires = "base")]
    pub mapping: Option<PathBuf>,
    /// The city whose terminals collected --base
    #[arg(long, default_value = "cu-5180")]
    pub base_city: City,
    /// How to print the summary
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// How files can be signed, by the names of configurations.
fn algorithms() -> impl TypedValueParser<Value = Algorithm> {
    PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::name)).try_map(|name| name.parse::<Algorithm>())
}

/// Arguments of `clear`.
#[derive(Args, Debug)]
pub struct Clear {
    /// The scheme folder
    pub scheme: PathBuf,
    /// Where cycles, results and receipts go; its state is in OUT/.state
    #[arg(long)]
    pub out: PathBuf,
    /// Business date [default: the earliest not yet closed among the dated file names, else today in UTC+8]
    #[arg(long)]
    pub business_date: Option<Date>,
    /// Use this Apache Kafka instead of the embedded log
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// Who releases the closed cycle, once its home cities agree
    #[arg(long, value_enum, default_value_t)]
    pub release: Releaser,
    /// How to print the summary
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// Arguments of `verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// Folder of a closed cycle, or of many; or a proof that `prove` made
    pub cycle: PathBuf,
    /// CA certificates (PEM) by which signatures are checked [default: ca.pem beside the cycles]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The folder is a part of a cycle's, as a bank or a city gets it: what is missing is told and nothing wrong
    #[arg(long, conflicts_with = "manifest")]
    pub partial: bool,
    /// The manifest.json against which a proof is checked
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// How to print what was checked
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub struct Bench {
    /// Lines to read
    #[arg(long, default_value_t = 1_000_000)]
    pub lines: u64,
    /// Taps for the book alone
    #[arg(long, default_value_t = 10_000_000)]
    pub book_taps: u64,
    /// Taps for the whole way
    #[arg(long, default_value_t = 2_000_000)]
    pub clear_taps: u64,
    /// Identities that a restart reads back
    #[arg(long, default_value_t = 100_000_000)]
    pub restart_identities: u64,
    /// Taps of the cycle that is closed
    #[arg(long, default_value_t = 10_000_000)]
    pub close_taps: u64,
    /// Runs of each; the median counts
    #[arg(long, default_value_t = 3)]
    pub runs: usize,
    /// Measure only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<BenchPart>,
    /// Folder with the peers that the book is compared with; without it they are left out
    #[arg(long)]
    pub peers: Option<PathBuf>,
    /// Where the figures go
    #[arg(long, default_value = "target/bench.json")]
    pub json: PathBuf,
    /// Folder for scratch data [default: a temporary one]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// How to print the figures
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchPart {
    /// Reading tap files
    Read,
    /// The book alone
    Book,
    /// A start with many remembered identities
    Restart,
    /// The close of a large cycle
    Close,
    /// The book and the same job on Kafka Streams, on a broker of their own
    Peers,
    /// The whole way of `clear`
    Clear,
}

/// A service.
#[derive(Args, Debug)]
pub struct Service {
    /// What to do with it.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with a service.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Run it until SIGINT or SIGTERM
    Run(Config),
    /// Read the configuration, show what would be used, change nothing
    CheckConfig(Config),
}

/// Where a service's configuration is.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// TOML file; CITYUNION_SECTION__KEY in the environment beats it, flags beat both
    #[arg(long)]
    pub config: PathBuf,
    /// Address of Apache Kafka, instead of the configured one
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
}
