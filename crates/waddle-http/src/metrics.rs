//! Figures of HTTP.

use std::sync::LazyLock;

use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};

pub(crate) struct Metrics {
    pub requests: Counter<u64>,
    pub seconds: Histogram<f64>,
    pub connections: UpDownCounter<i64>,
    pub refused: Counter<u64>,
    pub streams: UpDownCounter<i64>,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = opentelemetry::global::meter("waddle");
    Metrics {
        requests: meter
            .u64_counter("http.requests")
            .with_description("requests answered, by method, route and status")
            .build(),
        seconds: meter
            .f64_histogram("http.request.duration")
            .with_description("time from a request's head to its answer's head, by route")
            .with_unit("s")
            .with_boundaries(vec![
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
            ])
            .build(),
        connections: meter
            .i64_up_down_counter("http.connections.active")
            .with_description("open connections that speak HTTP, by transport")
            .build(),
        streams: meter
            .i64_up_down_counter("http.streams.active")
            .with_description("open event streams")
            .build(),
        refused: meter
            .u64_counter("http.connections.refused")
            .with_description("connections refused by a limit or a failed TLS handshake, by reason")
            .build(),
    }
});
