"""A loopback Hugging Face Hub: accounts, jobs, schedules, sandboxes, repositories."""

from tests.wire.hub.server import HubServer
from tests.wire.hub.world import Account, Clock, Flavor, Job, Repo, Schedule, World

__all__ = ["Account", "Clock", "Flavor", "HubServer", "Job", "Repo", "Schedule", "World"]
