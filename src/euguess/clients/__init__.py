"""Typed HTTP clients of the services, for the command line and the dashboard."""

from euguess.clients.inference import InferenceClient
from euguess.clients.registry import RegistryClient
from euguess.clients.sampler import SamplerClient

__all__ = ["InferenceClient", "RegistryClient", "SamplerClient"]
