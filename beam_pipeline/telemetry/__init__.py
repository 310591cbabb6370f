"""Sends what a run did to external collectors: OpenLineage and OpenTelemetry."""
