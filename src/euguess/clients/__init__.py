"""Typed HTTP clients of the services, for the command line and the dashboard."""

from euguess.clients.inference import MAX_VIEWS, InferenceClient
from euguess.clients.registry import RegistryClient
from euguess.clients.sampler import SamplerClient

__all__ = ["MAX_VIEWS", "InferenceClient", "RegistryClient", "SamplerClient"]
