"""Why a download does not work, in one page: the installation, the way to the server, the credential, the endpoint.

Every check says what was seen and what to do. Nothing is generated, and no session begins.
"""

from __future__ import annotations

from reportdl.doctor.checkup import checkup
from reportdl.doctor.results import Health, Place, Result

__all__ = ["Health", "Place", "Result", "checkup"]
