//! CPU time and peak memory of processes, from Linux's `/proc`; zero on other systems.

/// Clock ticks of `/proc/…/stat` in a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time that this process has used. Units: seconds.
pub(crate) fn cpu_seconds() -> f64 {
    ticks(11) / TICKS_PER_SECOND
}

/// CPU time of its children that have ended. Units: seconds.
pub(crate) fn cpu_seconds_of_children() -> f64 {
    ticks(13) / TICKS_PER_SECOND
}

/// The sum of two fields of this process's statistics, counted from its state.
fn ticks(first: usize) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(first).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum()
}

/// The most memory that this process has used. Units: MiB.
pub(crate) fn peak_mib() -> f64 {
    peak_mib_of("self")
}

/// The most memory that a process has used. Units: MiB.
pub(crate) fn peak_mib_of(process: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").trim().parse().ok());
    kib.unwrap_or(0.0_f64) / 1024.0
}
