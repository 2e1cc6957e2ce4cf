"""Imported last into the process that others are forked from: what is loaded so far is looked through no more.

Streamlit collects garbage after every run of a page; with all its libraries loaded that costs more than the run.
"""

import gc
import mimetypes

from mailcore.access import passwords

# What every start of the app would compute again: the second alone takes 46 MiB and a tenth of a second.
mimetypes.init()
passwords.prepare()
gc.collect()
gc.freeze()
