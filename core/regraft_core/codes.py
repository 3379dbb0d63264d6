"""Every code that Regraft gives: of a reason, an error or a run's end, with one sentence of what it means.

Codes are stable: programs rely on them. ``make docs`` writes docs/codes.md from this table.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A code, equal to its plain text. Its ``meaning`` is one sentence."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Make a member of a text and its meaning."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the code of a plain text. Raises ValueError where there is none."""
        return cls(text)  # type: ignore[call-arg]  # looks a member up and makes none

    # A dataset or a request: what is wrong with columns and values
    EMPTY_FILE = "empty_file", "The file has no bytes, or only white space."
    BINARY_FILE = "binary_file", "The file is packed, binary or no text."
    NUL_BYTES = "nul_bytes", "A line has a NUL byte."
    NOT_UTF8 = "not_utf8", "A line is not UTF-8."
    LOOKS_LIKE_HTML = "looks_like_html", "There is a web page where a CSV should be."
    LOOKS_LIKE_JSON = "looks_like_json", "There is JSON where a CSV should be."
    HEADER_UNREADABLE = "header_unreadable", "The first line cannot be read as a header."
    WRONG_DELIMITER = "wrong_delimiter", "The columns are not separated as the file says they are."
    NO_ROWS = "no_rows", "There is a header and no row."
    ROW_RAGGED = "row_ragged", "A row has another number of values than the header."
    ROW_TOO_LONG = "row_too_long", "A row is longer than any real one."
    LFS_POINTER = "lfs_pointer", "The file is a pointer of Git LFS, git-annex or DVC, not the file itself."
    LOOKS_LIKE_XML = "looks_like_xml", "There is XML where a CSV should be."
    HEADER_MISSING = "header_missing", "The first line has values or a text where names should be."
    HEADER_BELOW = "header_below", "The header does not stand on the first line."
    HEADER_COMMENTED = "header_commented", "The header is commented out."
    LINE_IN_QUOTES = "line_in_quotes", "Each line is in quotes as a whole."
    COLUMN_UNNAMED = "column_unnamed", "A column has no name, such as the index that pandas writes."
    COLUMN_NESTED = "column_nested", "A column holds lists or structures."
    QUOTE_UNCLOSED = "quote_unclosed", "A quote that opens a value is never closed."
    QUOTE_STRAY = "quote_stray", "A quote stands where none can be."
    LINE_END_STRAY = "line_end_stray", "A carriage return stands where no line ends."
    QUOTE_SINGLE = "quote_single", "Values stand in single quotes, which are no quotes in a CSV."
    QUOTE_SWALLOWS = "quote_swallows", "A quoted value holds what look like rows."
    ARCHIVE_NOT_ONE_FILE = "archive_not_one_file", "An archive holds no file or several."
    ARCHIVE_DAMAGED = "archive_damaged", "A packed file cannot be unpacked."
    ARCHIVE_TOO_LARGE = "archive_too_large", "A packed file holds more than a dataset may."
    COLUMN_MISSING = "column_missing", "A column of the contract is not there."
    COLUMN_UNKNOWN = "column_unknown", "A column is there that the contract does not have."
    COLUMN_RENAMED = "column_renamed", "A column is missing, and one of a similar name is there."
    COLUMN_DUPLICATED = "column_duplicated", "A column is there more than once."
    COLUMNS_SWAPPED = "columns_swapped", "Each of two columns is distributed as the other is in the reference."
    CONTRACT_CHANGED = (
        "contract_changed",
        "Clients of the version in service will notice that the contract has changed.",
    )
    VALUE_MISSING = "value_missing", "A value is empty."
    VALUE_NAN = "value_nan", "A value says that it is not known."
    VALUE_NOT_NUMERIC = "value_not_numeric", "A value is no number."
    VALUE_NOT_INTEGER = "value_not_integer", "A value is a fraction in a column of integers."
    VALUE_NOT_BOOLEAN = "value_not_boolean", "A value is neither true nor false."
    VALUE_NOT_DATE = "value_not_date", "A value is no date, or not written as the contract says."
    VALUE_INFINITE = "value_infinite", "A value is infinite, or too large for a double."
    VALUE_NEGATIVE = "value_negative", "A value is negative in a column that has no negative values."
    VALUE_TOO_SMALL = "value_too_small", "A value is below the least that the contract allows."
    VALUE_TOO_LARGE = "value_too_large", "A value is above the most that the contract allows."
    VALUE_NOT_IN_CATEGORIES = "value_not_in_categories", "A value is none of those that the contract lists."
    VALUE_TOO_SHORT = "value_too_short", "A string is shorter than the contract allows."
    VALUE_TOO_LONG = "value_too_long", "A string is longer than the contract allows."
    DUPLICATES = "duplicates", "Too many rows repeat the input of an earlier row."
    TARGETS_CONTRADICT = "targets_contradict", "The same input stands in several rows with different targets."
    TOO_MANY_LINES = "too_many_lines", "The file has more lines than a dataset of the task may have."
    TOO_FEW_ROWS = "too_few_rows", "Fewer rows are left for training than the task needs."
    TARGET_CONSTANT = "target_constant", "All rows have the same target."

    # A dataset: what the later gates found
    TARGET_DRIFT = "target_drift", "The target is distributed otherwise than in the reference."
    INPUT_DRIFT = "input_drift", "An input is distributed otherwise than in the reference."
    REFERENCE_INCOMPLETE = "reference_incomplete", "The reference does not know a column of the task."
    CLASS_NEVER_RIGHT = "class_never_right", "The model gets no held-out row of a class right."
    CLASS_FEW_ROWS = "class_few_rows", "A class has so few rows that nothing tells how well it is predicted."
    NOT_LEARNABLE = "not_learnable", "The inputs hardly say anything of the target."
    QUALITY_BELOW_FLOOR = "quality_below_floor", "The new model is below the task's floor on rows it has not seen."
    WORSE_THAN_INCUMBENT = (
        "worse_than_incumbent",
        "The new model is clearly worse than the version in service on the same rows.",
    )
    SKILL_LOST = "skill_lost", "The new model is clearly worse than the version in service was on its own dataset."
    RELATION_CHANGED = "relation_changed", "The version in service is systematically wrong on these rows."

    # A request: its form
    NOT_JSON = "not_json", "The body is not JSON."
    NOT_AN_OBJECT = "not_an_object", "The body is JSON, but not an object."
    CODING_NOT_READ = "coding_not_read", "The body is packed in a way that is not read."
    NOT_DECODABLE = "not_decodable", "The body cannot be decoded as its headers say."
    WRONG_TYPE = "wrong_type", "A value, or what holds the values, is of another type."
    WRONG_COLUMN_ORDER = "wrong_column_order", "The columns are named in another order than the contract's."
    DUPLICATE_KEY = "duplicate_key", "The same key is there twice."
    UNEQUAL_LENGTHS = "unequal_lengths", "The columns have different numbers of values."
    EMPTY_REQUEST = "empty_request", "The request has no rows."
    TOO_MANY_ROWS = "too_many_rows", "The request has more rows than one request may have."
    NO_PROBABILITIES = "no_probabilities", "This model gives no probabilities."
    NO_REASONS = "no_reasons", "This model's estimator gives no reasons of its answers."
    UNKNOWN_OUTPUT = "unknown_output", "An output was asked for that the model does not have."
    BAD_REQUEST = "bad_request", "The request is not valid."
    CONTRACT_BROKEN = "contract_broken", "The request breaks the contract."
    FIELD_MISSING = "field_missing", "A field that must be there is not."
    FIELD_UNKNOWN = "field_unknown", "A field is there that must not be."
    FIELD_WRONG_TYPE = "field_wrong_type", "The value of a field has another type."
    FIELD_TOO_LONG = "field_too_long", "The value of a field is too long."
    FIELD_INVALID = "field_invalid", "The value of a field cannot be taken."
    DATA_URL_INVALID = "data_url_invalid", "The address of the dataset is none that can be fetched."
    PARAMETER_INVALID = "parameter_invalid", "A parameter of the query or a header cannot be taken."
    FORM_UNREADABLE = "form_unreadable", "The page's form did not arrive as one."
    PREDICTION_REFUSED = "prediction_refused", "The predictor does not take the input, and says why."
    UNAUTHORIZED = "unauthorized", "A token is configured and the request carries none, or a wrong one."
    CROSS_SITE_REQUEST = "cross_site_request", "A browser sent the request for a page of another site."
    METHOD_NOT_ALLOWED = "method_not_allowed", "The address does not take this method."
    REQUEST_TOO_LARGE = "request_too_large", "The body is larger than the limit."
    REQUEST_HEAD_TOO_LARGE = "request_head_too_large", "Request line and headers are larger than the limit."
    REQUEST_TIMEOUT = "request_timeout", "The request did not come in its time."
    HTTP_INVALID = "http_invalid", "What was sent is no HTTP/1.1 that is understood in one way only."
    TOO_MANY_BYTES = "too_many_bytes", "Large requests of others take all the memory that there is for them."
    VERSION_NOT_SERVED = "version_not_served", "The version that the address names does not serve."
    TOO_MANY_CONNECTIONS = "too_many_connections", "The server has as many connections as it takes."
    NOT_FOUND = "not_found", "What was asked for does not exist."
    ROUTE_UNKNOWN = "route_unknown", "There is nothing at this address."
    PATH_UNKNOWN = "path_unknown", "There is nothing at this address."
    RUN_UNKNOWN = "run_unknown", "There is no such run."
    REPORT_UNKNOWN = "report_unknown", "The run has no report."
    CONFLICT = "conflict", "What was asked for does not go with how things stand now."
    RUN_ENDED = "run_ended", "The run has ended already."
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused", "The idempotency key stands for another request."
    ORIGIN_NOT_ALLOWED = "origin_not_allowed", "A page of another origin asked whether it may ask, and may not."
    HOST_NOT_ALLOWED = "host_not_allowed", "The service was asked for by a name that it is not known by."
    UPLOADS_FULL = "uploads_full", "As many datasets are being received as may."
    BODY_INCOMPLETE = "body_incomplete", "The body stopped before its end, or took too long."
    BACKGROUND_ENDED = "background_ended", "What the service does in the background has come to an end."
    QUEUE_FULL = "queue_full", "As many runs of the task wait as may."
    TASK_UNKNOWN = "task_unknown", "There is no such task."
    TASK_EXISTS = "task_exists", "There is a task's file already where one would be written."
    NOT_A_TABLE = "not_a_table", "The file is no table that a task can be made of."
    TARGET_UNUSABLE = "target_unusable", "The column cannot be a target: it has one value, too many labels, or dates."
    TASK_INVALID = "task_invalid", "A task's file is wrong; the message names the line and the cure."
    DATASET_GONE = "dataset_gone", "The dataset of a version is not kept any more."
    FOLDER_TAKEN = "folder_taken", "A folder that would be written holds something already."
    DATA_REJECTED = "data_rejected", "The gates refuse the data that a model was to be trained on."
    VERSION_UNKNOWN = "version_unknown", "There is no such version."

    # The way to a dataset
    SOURCE_UNUSABLE = "source_unusable", "The dataset cannot be had from its address."
    SOURCE_URL_INVALID = "source_url_invalid", "The address, or one it redirects to, is none that can be fetched."
    SOURCE_FORBIDDEN_ADDRESS = "source_forbidden_address", "The address is a private one that is not allowed."
    SOURCE_NOT_FOUND = "source_not_found", "There is nothing at the address."
    SOURCE_HTTP_ERROR = "source_http_error", "The server of the data refused, or answered what cannot be used."
    SOURCE_UNREACHABLE = "source_unreachable", "The server of the data cannot be reached."
    SOURCE_TIMEOUT = "source_timeout", "The download did not end in its time."
    SOURCE_TOO_LARGE = "source_too_large", "The dataset is larger than the limit."
    SOURCE_TOO_MANY_REDIRECTS = "source_too_many_redirects", "The address redirects too often."
    SOURCE_GONE = "source_gone", "The whole address, which carries a secret, is not kept any more."
    SOURCE_TRUNCATED = "source_truncated", "The answer ended before the dataset did, or it cannot be known."
    SOURCE_UNTRUSTED = (
        "source_untrusted",
        "The certificate of the data's server is expired, for another name, or of no authority that is trusted.",
    )
    NO_ROOM = "no_room", "The disk has no room for the dataset."

    # How a run ended
    SUPERSEDED = "superseded", "A later run was promoted first."
    DATASET_UNCHANGED = "dataset_unchanged", "It is the very dataset that the version in service was trained on."
    DISPLACED = "displaced", "Another run has set another version to serve."
    LEASE_BUSY = "lease_busy", "Another run decides what serves at this moment."
    LEASE_LOST = "lease_lost", "The right to decide what serves has gone to another run."
    TURN_AWAITED = "turn_awaited", "A later run of the task has not ended yet."
    ROLLOUT_FAILED = "rollout_failed", "The new version did not become ready."
    ROLLOUT_TIMEOUT = "rollout_timeout", "The new version did not become ready in its time."
    ROLLBACK_FAILED = "rollback_failed", "The earlier version could not be put back."
    REFERENCE_UNREADABLE = "reference_unreadable", "The reference is damaged; a person makes another one."
    REFERENCE_MISSING = "reference_missing", "There is no reference to hold the dataset against."
    REFERENCE_UNFIT = "reference_unfit", "The dataset cannot be a reference."
    STEP_MISSING = "step_missing", "A step that had to run before has left no result."
    STEP_TIMEOUT = "step_timeout", "A step did not end in its time."
    STEP_OUT_OF_MEMORY = "step_out_of_memory", "A step took more memory than a step may."
    STEP_KILLED = "step_killed", "The process of a step was killed, each time it was tried."
    STEP_GIVEN_UP = "step_given_up", "A step was killed with whoever worked on it, again and again."
    TASK_BROKEN = "task_broken", "The task cannot be loaded."
    STEP_STOPPED = "step_stopped", "A step was stopped before its end."
    WORKFLOW_FAILED = "workflow_failed", "The Workflow failed outside of the steps."
    WORKFLOW_GONE = "workflow_gone", "The Workflow was deleted before the run had ended."
    CANCELLED = "cancelled", "Somebody ended the run."
    WORKFLOW_STOPPED = "workflow_stopped", "The Workflow was stopped."
    BOOTSTRAP_FAILED = "bootstrap_failed", "The first version could not be made."

    # A bundle
    BUNDLE_UNUSABLE = "bundle_unusable", "The bundle cannot be served."
    BUNDLE_MISSING = "bundle_missing", "There is no bundle."
    BUNDLE_INCOMPLETE = "bundle_incomplete", "A file of the bundle is missing."
    BUNDLE_DAMAGED = "bundle_damaged", "A file of the bundle is not as it was written."
    BUNDLE_FOREIGN_FILE = "bundle_foreign_file", "The bundle has a file that does not belong to it."
    BUNDLE_EXISTS = "bundle_exists", "The folder of a new bundle is not empty."
    BUNDLE_TOO_LARGE = "bundle_too_large", "The bundle would take more memory than a predictor has."
    BUNDLE_OF_ANOTHER_TASK = "bundle_of_another_task", "The bundle is of another task than the one that it shall serve."
    BUNDLE_NOT_LOADED = "bundle_not_loaded", "No bundle is loaded for the task."
    GOLDEN_MISMATCH = "golden_mismatch", "The bundle does not repeat the answers of its trainer."
    ESTIMATOR_UNKNOWN = "estimator_unknown", "No installed package offers the estimator."
    ESTIMATOR_DAMAGED = "estimator_damaged", "The estimator cannot be read."
    ESTIMATOR_UNTRUSTED = "estimator_untrusted", "The estimator is made of parts that are not trusted."

    # Services and stores
    INTERNAL_ERROR = "internal_error", "Something unexpected happened; the log has it."
    TEMPORARY = "temporary", "A temporary failure."
    UNAVAILABLE = "unavailable", "Not possible now."
    NOT_READY = "not_ready", "The service is not ready."
    STORAGE_UNAVAILABLE = "storage_unavailable", "The data folder cannot be used now."
    STORE_UNREACHABLE = "store_unreachable", "The object store cannot be reached."
    STORE_BUSY = "store_busy", "The object store cannot answer now."
    STORE_REFUSED = "store_refused", "The object store refuses."
    OBJECT_NOT_FOUND = "object_not_found", "The object store has no such object."
    OBJECT_UNREADABLE = "object_unreadable", "An object is damaged, or of a release that this one does not know."
    RECORD_UNREADABLE = "record_unreadable", "What is kept of a run cannot be read."
    OBJECT_OUTSIDE = "object_outside", "The name of an object leads outside of its folder."
    FOLDER_MISSING = "folder_missing", "The object store has no such folder."
    ARTIFACT_ROOT_UNUSABLE = "artifact_root_unusable", "The place of MLflow's artifacts cannot be used."
    MLFLOW_UNREACHABLE = "mlflow_unreachable", "MLflow cannot be reached."
    MLFLOW_BUSY = "mlflow_busy", "MLflow cannot answer now."
    MLFLOW_REFUSED = "mlflow_refused", "MLflow refuses."
    MLFLOW_NOT_FOUND = "mlflow_not_found", "MLflow has no such thing."
    CLUSTER_UNREACHABLE = "cluster_unreachable", "The Kubernetes API cannot be reached."
    CLUSTER_BUSY = "cluster_busy", "The Kubernetes API cannot answer now."
    CLUSTER_REFUSED = "cluster_refused", "The Kubernetes API refuses."
    CLUSTER_UNKNOWN = "cluster_unknown", "It is not known where the Kubernetes API is."
    OBJECT_UNKNOWN = "object_unknown", "The Kubernetes API has no such object."
    PREDICTOR_UNREACHABLE = "predictor_unreachable", "The predictor cannot be reached."
    DATA_MISSING = "data_missing", "What stands on the command line is neither a file nor an address."
    SETTING_INVALID = "setting_invalid", "A setting cannot be used."
    PORT_IN_USE = "port_in_use", "A port is taken by another program."
    STACK_RUNNING = "stack_running", "A stack runs in this folder already."
    STACK_NOT_READY = "stack_not_ready", "The stack did not become ready."
    WORKER_RUNNING = "worker_running", "A worker runs in this folder already."


def as_markdown() -> str:
    """Return docs/codes.md."""
    rows = "\n".join(f"| `{code}` | {code.meaning} |" for code in sorted(Code))
    return f"""# Codes

Every reason, error and end of a run carries one of these codes. They are stable; the sentences beside them may change.
[The gates](gates.md) and [the API](api.md) say when each is given.

| code | meaning |
|---|---|
{rows}
"""


if __name__ == "__main__":
    print(as_markdown(), end="")  # noqa: T201
