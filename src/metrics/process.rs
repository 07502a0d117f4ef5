//! Processor time, memory and open files of this process, under the names that every Prometheus client uses.
//! Read from /proc at each scrape; what cannot be read is left out of that scrape.

use procfs::WithCurrentSystemInfo;
use procfs::process::LimitValue;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Ok(process) = procfs::process::Process::myself() else { return Ok(()) };
        if let Ok(stat) = process.stat() {
            let ticks = stat.utime.saturating_add(stat.stime);
            let seconds = ticks as f64 / procfs::ticks_per_second() as f64;
            let cpu = encoder.encode_descriptor(
                "process_cpu_seconds",
                "Processor time of the process",
                None,
                MetricType::Counter,
            )?;
            ConstCounter::new(seconds).encode(cpu)?;
            gauge(
                &mut encoder,
                "process_resident_memory_bytes",
                "Memory that the process holds",
                stat.rss_bytes().get() as f64,
            )?;
            gauge(
                &mut encoder,
                "process_virtual_memory_bytes",
                "Address space of the process",
                stat.vsize as f64,
            )?;
            if let Ok(boot) = procfs::boot_time_secs() {
                let start = boot as f64 + stat.starttime as f64 / procfs::ticks_per_second() as f64;
                gauge(
                    &mut encoder,
                    "process_start_time_seconds",
                    "When the process started, in Unix seconds",
                    start,
                )?;
            }
        }
        if let Ok(open) = process.fd_count() {
            gauge(&mut encoder, "process_open_fds", "Open file descriptors", open as f64)?;
        }
        if let Ok(limits) = process.limits()
            && let LimitValue::Value(most) = limits.max_open_files.soft_limit
        {
            gauge(
                &mut encoder,
                "process_max_fds",
                "Most file descriptors the process may open",
                most as f64,
            )?;
        }
        Ok(())
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: f64,
) -> Result<(), std::fmt::Error> {
    let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(encoder)
}
