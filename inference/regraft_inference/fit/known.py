"""What the requests of a bundle are held against."""

from __future__ import annotations

from regraft_core.fit.counts import Known
from regraft_inference.bundle import Bundle


def known_of(bundle: Bundle) -> Known:
    """Return what a bundle knows, as it is told beside the counts."""
    return Known(
        task=bundle.info.task,
        version=bundle.version,
        data_sha256=bundle.sha256,
        profile=bundle.profile(),
        unfit_psi=bundle.info.unfit_psi,
        trends=[column.name for column in bundle.contract.features if column.trend],
        contract=bundle.contract,
        skill=bundle.info.metrics.get("skill"),
        keep_days=bundle.info.requests.days,
    )
