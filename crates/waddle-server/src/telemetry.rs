//! Log, traces and metrics: tracing to the console, OpenTelemetry by OTLP, Prometheus text for `/metrics`.
//!
//! Metrics are always collected, as `/metrics` always answers. OTLP runs when `OTEL_EXPORTER_OTLP_ENDPOINT` is
//! set; without it no span layer exists, so a span costs what the log's filter costs.

use std::io::{self, IsTerminal};

use anyhow::Context;
use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_otlp::{MetricExporter, SpanExporter};
use opentelemetry_sdk::{
    Resource,
    metrics::{SdkMeterProvider, periodic_reader_with_async_runtime::PeriodicReader},
    propagation::TraceContextPropagator,
    runtime::Tokio,
    trace::{SdkTracerProvider, span_processor_with_async_runtime::BatchSpanProcessor},
};
use prometheus::{Registry, TextEncoder};
use tracing::Metadata;
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};
use waddle_core::sample::STANZA_SPANS;

use crate::config::{Config, LogFormat};

/// What must be flushed at the end.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    meters: SdkMeterProvider,
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets the global log, tracer and meter. Call inside the runtime, before anything makes an instrument.
    pub fn start(config: &Config) -> anyhow::Result<Self> {
        let otlp = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").is_ok_and(|v| !v.is_empty());
        let disabled = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|v| v.eq_ignore_ascii_case("true"));
        let otlp = otlp && !disabled;
        let resource = Resource::builder()
            .with_service_name(std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "waddle".into()))
            .build();

        let traces = otlp.then(|| tracer_provider(resource.clone())).transpose()?;
        let registry = Registry::new();
        let meters = meter_provider(&registry, resource, otlp)?;
        global::set_meter_provider(meters.clone());
        global::set_text_map_propagator(TraceContextPropagator::new());
        STANZA_SPANS.set_ratio(if otlp { config.trace_ratio } else { 0.0 });

        let spans = traces.as_ref().map(|p| {
            tracing_opentelemetry::layer()
                .with_tracer(p.tracer("waddle"))
                // the attributes of `specs/telemetry.md` and no more
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
                .with_filter(filter_fn(|m: &Metadata<'_>| {
                    m.target().starts_with("waddle") && m.is_span()
                }))
        });
        let log = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal());
        let log = match config.log_format {
            LogFormat::Text => log.boxed(),
            LogFormat::Json => log.json().boxed(),
        };
        let filter = EnvFilter::try_new(&config.log).context("log")?;
        tracing_subscriber::registry()
            .with(spans)
            .with(log.with_filter(filter))
            .try_init()
            .context("cannot start the log")?;
        Ok(Self {
            registry,
            meters,
            traces,
        })
    }

    /// The function behind `/metrics`: all figures in Prometheus' text format.
    pub fn scrape(&self) -> impl Fn() -> String + Send + Sync + 'static + use<> {
        let registry = self.registry.clone();
        move || {
            TextEncoder::new()
                .encode_to_string(&registry.gather())
                .unwrap_or_default()
        }
    }

    /// Sends what is left to send.
    pub async fn stop(self) {
        let flushed = tokio::task::spawn_blocking(move || {
            let traces = self.traces.map_or(Ok(()), |t| t.shutdown());
            traces.and(self.meters.shutdown())
        });
        if let Ok(Err(e)) = flushed.await {
            tracing::debug!(error = %e, "telemetry was not flushed");
        }
    }
}

fn tracer_provider(resource: Resource) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT: traces")?;
    let processor = BatchSpanProcessor::builder(exporter, Tokio).build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_resource(resource)
        .build())
}

fn meter_provider(registry: &Registry, resource: Resource, otlp: bool) -> anyhow::Result<SdkMeterProvider> {
    let scrape = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .build()
        .context("cannot start the Prometheus exporter")?;
    let mut builder = SdkMeterProvider::builder()
        .with_reader(scrape)
        .with_resource(resource);
    if otlp {
        let exporter = MetricExporter::builder()
            .with_http()
            .build()
            .context("OTEL_EXPORTER_OTLP_ENDPOINT: metrics")?;
        builder = builder.with_reader(PeriodicReader::builder(exporter, Tokio).build());
    }
    Ok(builder.build())
}
