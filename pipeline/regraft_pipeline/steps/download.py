"""Step download: the dataset, from its address into the store, known by its SHA-256."""

from __future__ import annotations

from regraft_core import layout
from regraft_core.addresses import was_cut
from regraft_core.codes import Code
from regraft_core.errors import SourceError
from regraft_core.source import forget_address, whole_address
from regraft_core.stores.folders import Folder
from regraft_core.stores.objects import ObjectStore
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.sources import Fetched, Limits, Site, fetch
from regraft_pipeline.steps import Context, DownloadResult


def run(context: Context) -> DownloadResult:
    """Bring the dataset into the store. Goes on with ``deploy`` where ``prod`` was trained on the very same.

    What becomes of the run is decided there, in the order of acceptance: by then another version may be in service.

    Raises SourceError where it cannot be had.
    """
    path = context.workdir / "raw.csv"
    address = _address(context)
    fetched = fetch(
        address,
        path,
        site=site_of(context.settings, context.store),
        progress=context.progress,
    )
    key = layout.raw_dataset(fetched.sha256)
    if not context.store.exists(key):
        context.store.put_file(key, path)
    context.log.info("dataset stored", sha256=fetched.sha256, bytes=fetched.bytes)
    result = DownloadResult(
        data_sha256=fetched.sha256,
        bytes=fetched.bytes,
        final_url=fetched.final_url,
        message=f"{fetched.bytes:,} bytes, SHA-256 {fetched.sha256[:12]}{unencrypted(address, fetched)}",
    )
    result = context.finish("download", _unchanged(context, result) or result)
    forget_address(context.store, context.request.run_id)
    return result


def _address(context: Context) -> str:
    """Return the whole address. Raises SourceError (``source_gone``) where it was kept apart and is no more."""
    shown = context.request.data_url or ""
    address = whole_address(context.store, context.request.run_id) or shown
    if was_cut(address):
        raise SourceError(f"the whole of {shown} is not kept any more; post it again", code=Code.SOURCE_GONE)
    return address


def unencrypted(address: str, fetched: Fetched) -> str:
    """Return words for a redirect from what is encrypted to what anybody on the way may have changed, else none."""
    was, now = (text.partition(":")[0].lower() for text in (address, fetched.final_url))
    return f", unencrypted: redirected to {fetched.final_url}" if (was, now) == ("https", "http") else ""


def site_of(settings: PipelineSettings, store: ObjectStore | None = None) -> Site:
    """Return what the settings allow a download."""
    return Site(
        limits=Limits(
            max_bytes=settings.max_dataset_bytes,
            connect_seconds=settings.connect_timeout,
            read_seconds=settings.read_timeout,
            total_seconds=settings.download_timeout,
            attempts=settings.download_attempts,
        ),
        allow_private_hosts=settings.allow_private_hosts,
        proxy=settings.data_proxy,
        ca_file=settings.ca_file,
        buckets=settings.data_buckets,
        s3_endpoint_url=settings.s3_endpoint_url,
        store=store,
    )


def _unchanged(context: Context, result: DownloadResult) -> DownloadResult | None:
    if context.request.force:
        return None
    prod = context.registry.prod(context.task)
    if prod is None or not prod.is_of(result.data_sha256, context.task.definition):
        return None
    if not Folder.at(prod.uri, endpoint_url=context.settings.s3_endpoint_url).exists():
        context.log.warning("bundle in service is gone, training anew", version=prod.number, uri=prod.uri)
        return None
    return result.model_copy(update={"then": "deploy", "version": prod.number})
