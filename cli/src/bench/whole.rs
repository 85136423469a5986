//! The whole way: `simulate`, then `clear` as a process of its own, as a user runs it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use simulator::{SimulateConfig, simulate};

/// Cities of the scheme.
const CITIES: u32 = 80;

/// What one run measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Lines of tap files a second, from the start of the process to its end.
    pub taps_per_s: u64,
    /// Processor milliseconds, user and system, for a million lines.
    pub cpu_ms_per_million: u64,
}

/// Makes a scheme once and clears it `runs` times.
///
/// # Errors
/// If a run fails.
pub fn run(folder: &Path, taps: u64, runs: usize) -> Result<Vec<Measured>> {
    let scheme = folder.join("scheme");
    let config = SimulateConfig { taps: Some(taps), cities: CITIES, ..SimulateConfig::new(scheme.clone()) };
    let records = simulate(&config, &mut |_| {}).context("failed to simulate")?.records;
    let program = std::env::current_exe().context("failed to find this program")?;
    let mut measured = Vec::new();
    for run in 0..runs {
        let out = folder.join(format!("run-{run}"));
        let before = children_cpu_ms()?;
        let started = Instant::now();
        let status = Command::new(&program)
            .arg("clear")
            .arg(&scheme)
            .arg("--out")
            .arg(&out)
            .stdout(Stdio::null())
            .status()
            .context("failed to run clear")?;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis())?.max(1);
        ensure!(status.success(), "clear ended with {status}");
        let cpu_ms = children_cpu_ms()? - before;
        measured.push(Measured {
            taps_per_s: records * 1000 / elapsed_ms,
            cpu_ms_per_million: cpu_ms * 1_000_000 / records.max(1),
        });
        fs::remove_dir_all(&out)?;
    }
    Ok(measured)
}

/// Processor time of ended child processes, from `/proc/self/stat` (hundredths of a second).
fn children_cpu_ms() -> Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat").context("failed to read /proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    // Fields 16 and 17 of proc_pid_stat(5), counted from 1: the time of ended children, user and system. The
    // first field here is the third there.
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Ok((field(16) + field(17)) * 10)
}
