"""Tells collectors outside what a run did: OpenLineage and OpenTelemetry."""
