"""Import uploaded photos as a dataset, by the same checks as `euguess dataset import`."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from dashboard.access import ask_for_token, may_change
from dashboard.connections import Connections
from dashboard.notices import show_errors
from dashboard.sources.manifests import read_names
from dashboard.text import counted, plain
from dashboard.views.dataset.unpack import Upload, unpack
from euguess.errors import InvalidInput
from euguess.imports.labelled import Labelled, read_labelled
from euguess.imports.storing import check_name, store_dataset
from euguess.imports.summary import ImportSummary, summarise, summary_lines

STORING_SECONDS = 600.0
DONE = "upload-done"  # session state: name and summary of the last import
SENT = "uploads-sent"  # number of imports in this session; a new one has an empty field
SHOWN_PROBLEMS = 5
CHECKING = "Checking photos"
FILES = (
    "Zip files with a folder per country (France/, fr/), or photos with a GPS position, or a "
    "manifest (CSV or Parquet) with its photos. For files above 20 MB, use the command."
)


def upload_section(connections: Connections) -> None:
    """Draw the form, and what the last import of this session found."""
    with st.expander("Import photos", icon=":material/upload:"):
        ask_for_token(connections.policy, "import photos")
        if may_change(connections.policy):
            with show_errors():
                _form(connections)
            _result()


def _form(connections: Connections) -> None:
    sent = st.session_state.setdefault(SENT, 0)
    name = st.text_input("Name of the new dataset", key=f"upload-name-{sent}").strip()
    files = st.file_uploader(FILES, accept_multiple_files=True, key=f"upload-files-{sent}")
    skip_bad = st.checkbox("Leave out invalid photos", key=f"upload-skip-{sent}")
    command = f"euguess dataset import {plain(name) or 'NAME'} FOLDER"
    st.caption(f"The same as a command: `{command}`")
    if not st.button("Import", type="primary", disabled=not (name and files), key=f"upload-{sent}"):
        return
    summary = import_files(name, files, connections, skip_bad=skip_bad)
    st.session_state[DONE] = (name, summary)
    st.session_state[SENT] = sent + 1
    read_names.clear()
    st.rerun()


def import_files(
    name: str, files: Sequence[Upload], connections: Connections, *, skip_bad: bool
) -> ImportSummary:
    """Check all photos, then store them.

    Raises InvalidInput, DatasetConflict or StoreError; after InvalidInput nothing was stored.
    """
    check_name(name)
    bar = st.progress(0.0, CHECKING)

    def checked(done: int, total: int) -> None:
        bar.progress(done / total, CHECKING)

    with tempfile.TemporaryDirectory(prefix="euguess-upload-") as folder:
        path = unpack(files, Path(folder))
        found = read_labelled(path, checked, decoder=connections.decoders)
        _check(found, skip_bad=skip_bad)
        bar.progress(1.0, "Storing photos")
        connections.store.run(
            lambda store: store_dataset(store, name, found.photos, lambda _done, _total: None),
            within_seconds=STORING_SECONDS,
        )
    return summarise(found)


def _check(found: Labelled, *, skip_bad: bool) -> None:
    """Raise InvalidInput if invalid rows may not be left out, or if nothing is left."""
    if found.problems and not skip_bad:
        shown = "; ".join(found.problems[:SHOWN_PROBLEMS])
        more = len(found.problems) - SHOWN_PROBLEMS
        tail = f"; and {more:,} more" if more > 0 else ""
        count = counted(len(found.problems), "invalid photo")
        raise InvalidInput(f"{count}, nothing was imported: {shown}{tail}")
    if not found.photos:
        reason = f" {found.left_out[0].file}: {found.left_out[0].reason}." if found.left_out else ""
        raise InvalidInput(
            f"No photo has a country. Expected folders such as FR/ or France/.{reason}"
        )


def _result() -> None:
    """Show what the last import stored, guessed and left out."""
    if DONE not in st.session_state:
        return
    name, summary = st.session_state[DONE]
    st.success(f"Imported {plain(name)}: {counted(summary.photos, 'photo')}.")
    for line in summary_lines(summary):
        st.markdown(plain(line))
    listed = [*summary.left_out, *summary.doubtful]
    if listed:
        st.dataframe([one.model_dump() for one in listed], hide_index=True)
