"""An OTLP collector on loopback (OpenTelemetry's http/protobuf): what a server exports, as events.

`span` events have name, attributes, ended; `metric` events have name, kind, unit, and attributes and value of
one data point. `bodies` is every request as it came.
"""
import http.server
import threading

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from clients import Events


def plain(attributes):
    """Attributes as a dictionary of Python values."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


class Collector(Events):
    """Listens from the start of the `with` to its end."""

    def __init__(self):
        super().__init__("collector")
        self.bodies = []
        self.resources = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.bodies.append(body)
                if self.headers["content-type"] != "application/x-protobuf":
                    return self.send_error(415)
                answer = collector.take(self.path, body)
                if answer is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def take(self, path, body):
        if path == "/v1/traces":
            request = ExportTraceServiceRequest.FromString(body)
            for resource in request.resource_spans:
                self.resources.append(plain(resource.resource.attributes))
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        self.record({
                            "event": "span", "name": span.name, "attributes": plain(span.attributes),
                            "seconds": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                        })
            return ExportTraceServiceResponse().SerializeToString()
        if path == "/v1/metrics":
            request = ExportMetricsServiceRequest.FromString(body)
            for resource in request.resource_metrics:
                self.resources.append(plain(resource.resource.attributes))
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        self.measure(metric)
            return ExportMetricsServiceResponse().SerializeToString()
        return None

    def measure(self, metric):
        """One event for each data point; a sum is a `counter` if it only grows, else a `gauge`."""
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        if kind == "sum":
            kind = "counter" if data.is_monotonic else "gauge"
        for point in data.data_points:
            value = point.count if kind == "histogram" else getattr(point, point.WhichOneof("value"))
            self.record({
                "event": "metric", "name": metric.name, "kind": kind, "unit": metric.unit,
                "attributes": plain(point.attributes), "value": value,
            })

    def span(self, name, since=0, **attributes):
        """Waits for a span with these attributes, each a value or a function of it."""
        def fits(found):
            return all(
                key in found and (value(found[key]) if callable(value) else found[key] == value)
                for key, value in attributes.items())
        return self.wait("span", since, name=name, attributes=fits)

    def metric(self, name, since=0, value=lambda v: v > 0, **attributes):
        """Waits for a data point with exactly these attributes."""
        return self.wait("metric", since, name=name, attributes=attributes, value=value)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
