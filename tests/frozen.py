"""Imported last into the process that others are forked from: what is loaded so far is looked through no more.

Streamlit collects garbage after every run of a page; with all its libraries loaded that costs more than the run.
"""

import gc
import mimetypes

from mailcore.access import passwords
from tests.hashes import CHEAP_HASHES

# tests/mailcore/access/ has the tests of what the real ones are.
passwords._hasher = lambda: CHEAP_HASHES  # type: ignore[assignment]
# What every start of the app would compute again.
mimetypes.init()
passwords.prepare()
gc.collect()
gc.freeze()
