"""Pipelines: their inputs to a request, events to log, annotations and summary, results to outputs.

The only room that knows GitHub and GitLab exist.
"""
